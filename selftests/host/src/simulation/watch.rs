// SPDX-License-Identifier: GPL-2.0

//! What must be true of the segments that an end sends, whatever the machine believes: seen on the wire beside it.

use crate::fsm::segment::{Flags, Segment, SegmentOut};
use crate::fsm::SeqNumber;

/// The least send MSS of the machine; a peer that offers less gets this all the same.
const MIN_MSS: u16 = 48;

/// What was agreed upon by one SYN.
#[derive(Clone, Copy, Debug, Default)]
struct Offer {
    seq: SeqNumber,
    mss: Option<u16>,
    wscale: Option<u8>,
    timestamps: bool,
    sack: bool,
}

/// How much of what an end sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SentCounts {
    /// Segments.
    pub(crate) segments: u64,
    /// Segments with data.
    pub(crate) data: u64,
    /// Octets of data, those sent again included.
    pub(crate) octets: u64,
    /// Octets of data that had been sent before.
    pub(crate) resent: u64,
    /// Octets of data that had been sent before, and that the peer had said to hold (RFC 2018).
    pub(crate) resent_sacked: u64,
    /// Segments with a selective acknowledgment.
    pub(crate) sacks: u64,
    /// Keep-alives.
    pub(crate) keep_alives: u64,
    /// Resets.
    pub(crate) resets: u64,
}

/// The wire beside an end.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    ours: Option<Offer>,
    theirs: Option<Offer>,
    default_mss: u16,
    path_mss: u16,
    /// The number after the last one that we sent, and the one of our FIN.
    sent_end: SeqNumber,
    fin_at: Option<SeqNumber>,
    /// The right edge of the widest window that we offered, and that we were offered.
    our_edge: Option<SeqNumber>,
    peer_edge: Option<SeqNumber>,
    /// The ranges that the peer says to hold, disjoint and in order.
    sacked: Vec<(SeqNumber, SeqNumber)>,
    pub(crate) counts: SentCounts,
}

/// Returns the text of the first claim that does not hold.
macro_rules! claim {
    ($($holds:expr, $text:literal;)+) => {
        $(if !$holds {
            return Err($text.to_string());
        })+
    };
}

impl Watch {
    /// A wire before its first segment.
    pub(crate) fn new(default_mss: u16, path_mss: u16) -> Self {
        Self {
            ours: None,
            theirs: None,
            default_mss,
            path_mss,
            sent_end: SeqNumber::from_raw(0),
            fin_at: None,
            our_edge: None,
            peer_edge: None,
            sacked: Vec::new(),
            counts: SentCounts::default(),
        }
    }

    /// Forgets the connection, but not the counts.
    pub(crate) fn forget(&mut self) {
        *self = Self {
            counts: self.counts,
            ..Self::new(self.default_mss, self.path_mss)
        };
    }

    /// Our initial sequence number and the peer's, as far as they are known.
    pub(crate) fn origins(&self) -> (SeqNumber, SeqNumber) {
        let seq = |offer: Option<Offer>| offer.map_or(SeqNumber::from_raw(0), |offer| offer.seq);
        (seq(self.ours), seq(self.theirs))
    }

    /// Whether both offered a thing.
    fn both(&self, has: impl Fn(&Offer) -> bool) -> bool {
        self.ours.as_ref().is_some_and(&has) && self.theirs.as_ref().is_some_and(&has)
    }

    /// The shifts of our windows and of the peer's.
    fn scales(&self) -> (u32, u32) {
        match (
            self.ours.and_then(|offer| offer.wscale),
            self.theirs.and_then(|offer| offer.wscale),
        ) {
            (Some(ours), Some(theirs)) => (u32::from(ours), u32::from(theirs)),
            // RFC 7323 2.2: both scale or none does.
            _ => (0, 0),
        }
    }

    /// The most octets of data and options that a segment may have.
    fn send_mss(&self) -> u32 {
        let offered = self.theirs.and_then(|offer| offer.mss);
        let mss = offered.unwrap_or(self.default_mss).min(self.path_mss);
        u32::from(mss.max(MIN_MSS))
    }

    /// The path has another limit now.
    pub(crate) fn set_path_mss(&mut self, mss: u16) {
        self.path_mss = mss;
    }

    /// We send a keep-alive.
    ///
    /// # Errors
    ///
    /// The claim that does not hold.
    pub(crate) fn keep_alive(&mut self, segment: &SegmentOut) -> Result<(), String> {
        self.counts.segments += 1;
        self.counts.keep_alives += 1;
        claim! {
            segment.seq + 1 == self.sent_end && segment.payload_len <= 1,
                "a keep-alive is about the last number that was sent (RFC 9293 3.8.4)";
        }
        self.check_window(segment)
    }

    /// We send a segment; `received` is the number after the last one that was received in order.
    ///
    /// # Errors
    ///
    /// The claim that does not hold.
    pub(crate) fn sent(&mut self, segment: &SegmentOut, received: SeqNumber) -> Result<(), String> {
        self.counts.segments += 1;
        let flags = segment.flags;
        if flags.contains(Flags::RST) {
            self.counts.resets += 1;
            claim! {
                segment.payload_len == 0, "an RST carries no data (RFC 9293 3.5.3)";
            }
            return Ok(());
        }
        if flags.contains(Flags::SYN) {
            claim! {
                segment.payload_len == 0, "a SYN carries no data here";
                self.ours.is_none_or(|offer| offer.seq == segment.seq), "a SYN keeps its number";
            }
            self.ours = Some(Offer {
                seq: segment.seq,
                mss: segment.options.mss,
                wscale: segment.options.wscale,
                timestamps: segment.options.timestamps.is_some(),
                sack: segment.options.sack_permitted,
            });
            if self.sent_end == SeqNumber::from_raw(0) {
                self.sent_end = segment.seq + 1;
            }
        } else {
            self.check_options(segment)?;
        }
        if flags.contains(Flags::ACK) {
            claim! {
                segment.ack == received, "an ACK tells what was received in order (RFC 9293 3.4)";
            }
            self.check_window(segment)?;
        }
        self.check_text(segment)
    }

    // RFC 7323 3.2: timestamps in every segment or in none; RFC 2018 section 2: SACK only if both agreed.
    fn check_options(&mut self, segment: &SegmentOut) -> Result<(), String> {
        let blocks = segment.options.sack.as_slice();
        self.counts.sacks += u64::from(!blocks.is_empty());
        claim! {
            segment.options.timestamps.is_some() == self.both(|offer| offer.timestamps),
                "timestamps stand in all segments or in none (RFC 7323 3.2)";
            blocks.is_empty() || self.both(|offer| offer.sack),
                "no SACK that was not agreed upon (RFC 2018 2)";
            blocks.iter().all(|block| block.left.before(block.right)), "no SACK block is empty";
            segment.options.mss.is_none() && segment.options.wscale.is_none(),
                "the options of a SYN stand in a SYN";
        }
        Ok(())
    }

    // RFC 9293 3.8.6, SHLD-14: the right edge does not move to the left.
    fn check_window(&mut self, segment: &SegmentOut) -> Result<(), String> {
        let is_syn = segment.flags.contains(Flags::SYN);
        let scale = if is_syn { 0 } else { self.scales().0 };
        let edge = segment.ack + (u32::from(segment.wnd) << scale);
        let widest = self
            .our_edge
            .map_or(edge, |widest| SeqNumber::max_of(edge, widest));
        // A SYN that comes again cannot tell of more than 65,535 octets, whatever was told since (RFC 7323 2.2).
        let cannot_tell = is_syn && segment.wnd == u16::MAX;
        claim! {
            widest.distance_from(edge) < 1 << scale || cannot_tell,
                "our right edge moves left only by rounding (RFC 9293 SHLD-14, RFC 7323 2.4)";
        }
        self.our_edge = Some(widest);
        Ok(())
    }

    /// Data and FIN: within the peer's window and MSS, and nothing after the FIN.
    fn check_text(&mut self, segment: &SegmentOut) -> Result<(), String> {
        let fin = segment.flags.contains(Flags::FIN);
        let len = segment.payload_len;
        if len == 0 && !fin {
            return Ok(());
        }
        let text_end = segment.seq + len;
        let end = text_end + u32::from(fin);
        // Beyond the window only a probe of one octet, or of the FIN (RFC 9293 3.8.6.1).
        let room = self.peer_edge.map(|edge| edge + 1);
        let options = segment.options.len(false) as u32;
        let is_new = segment.seq.at_or_after(self.sent_end);
        claim! {
            room.is_some_and(|room| end.at_or_before(room)),
                "nothing is sent beyond the peer's window (RFC 9293 3.8.6)";
            len == 0 || len + options <= self.send_mss(),
                "no segment is larger than the peer or the path takes (RFC 9293 MUST-16)";
            !segment.ect || len != 0 && is_new, "only new data may be marked (RFC 3168 6.1.5)";
            self.fin_at.is_none_or(|at| text_end.at_or_before(at) && (!fin || text_end == at)),
                "nothing comes after a FIN, which stays where it is";
        }
        if fin {
            self.fin_at = Some(text_end);
        }
        if len != 0 {
            self.counts.data += 1;
            self.counts.octets += u64::from(len);
            let again = if segment.seq.before(self.sent_end) {
                self.sent_end.distance_from(segment.seq).min(len)
            } else {
                0
            };
            self.counts.resent += u64::from(again);
            let sacked = self.sacked_within(segment.seq, again);
            self.counts.resent_sacked += u64::from(sacked);
        }
        self.sent_end = SeqNumber::max_of(self.sent_end, end);
        Ok(())
    }

    /// A segment of the peer reached the machine.
    pub(crate) fn received(&mut self, segment: &Segment) {
        let flags = segment.flags;
        if flags.contains(Flags::RST) {
            return;
        }
        if flags.contains(Flags::SYN) && self.theirs.is_none() {
            self.theirs = Some(Offer {
                seq: segment.seq,
                mss: segment.options.mss,
                wscale: segment.options.wscale,
                timestamps: segment.options.timestamps.is_some(),
                sack: segment.options.sack_permitted,
            });
        }
        let scale = match flags.contains(Flags::SYN) {
            true => 0,
            false => self.scales().1,
        };
        let base = match (flags.contains(Flags::ACK), self.ours) {
            (true, _) => segment.ack,
            // The SYN of a simultaneous open tells a window, but not from where on.
            (false, Some(ours)) => ours.seq + 1,
            (false, None) => return,
        };
        let edge = base + (u32::from(segment.wnd) << scale);
        self.peer_edge = Some(match self.peer_edge {
            Some(widest) => SeqNumber::max_of(widest, edge),
            None => edge,
        });
        for block in segment.options.sack.as_slice() {
            self.note_sacked(block.left, block.right);
        }
        self.sacked.retain(|range| range.1.after(base));
    }

    fn note_sacked(&mut self, mut left: SeqNumber, mut right: SeqNumber) {
        self.sacked.retain(|range| {
            let touches = range.0.at_or_before(right) && left.at_or_before(range.1);
            if touches {
                right = SeqNumber::max_of(right, range.1);
                if range.0.before(left) {
                    left = range.0;
                }
            }
            !touches
        });
        let at = self.sacked.partition_point(|range| range.0.before(left));
        self.sacked.insert(at, (left, right));
    }

    /// How many of `len` numbers from `seq` on the peer says to hold.
    fn sacked_within(&self, seq: SeqNumber, len: u32) -> u32 {
        let end = seq + len;
        let overlap = |&(left, right): &(SeqNumber, SeqNumber)| {
            let from = SeqNumber::max_of(seq, left);
            let to = if right.before(end) { right } else { end };
            if from.before(to) {
                to.distance_from(from)
            } else {
                0
            }
        };
        self.sacked.iter().map(overlap).sum()
    }
}
