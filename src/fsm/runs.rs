// SPDX-License-Identifier: GPL-2.0

//! Runs: full segments in a row that leave the machine as one [`SegmentOut`], or come to it as one [`Segment`], where a lower layer
//! cuts and joins them (segmentation and receive offload).
//!
//! A run saves work, no more: windows, losses and timers are counted in octets and segments as if each had gone alone.

use super::records::RecordList;
use super::segment::{Flags, Segment, SegmentOut, MIN_HEADER_LEN};
use super::seq::SeqNumber;
use super::tcb::Tcb;

/// How many segments of `piece` octets of data, or of any size if that is 0, make up `len` octets.
#[inline]
fn count(len: u32, piece: u16) -> u32 {
    match u32::from(piece) {
        0 => 1,
        piece => len.div_ceil(piece).max(1),
    }
}

impl Segment {
    /// How many segments it stands for.
    #[inline]
    pub(super) fn count(&self) -> u32 {
        count(self.payload_len, self.piece)
    }

    /// The octets of data in the largest segment that it stands for.
    #[inline]
    pub(super) fn largest(&self) -> u32 {
        match u32::from(self.piece) {
            0 => self.payload_len,
            piece => self.payload_len.min(piece),
        }
    }
}

/// Where the sequence number and the control bits stand in a header (RFC 9293 section 3.1).
const SEQ_AT: core::ops::Range<usize> = 4..8;
const FLAGS_AT: usize = 13;

/// Makes the header of a run, as it was emitted, that of one of its segments: `offset` octets of data come before it in the
/// run. The checksum is not touched. See [`SegmentOut::pieces`].
pub(crate) fn cut_header(header: &mut [u8; MIN_HEADER_LEN], offset: u32, is_last: bool) {
    let mut seq = [0; 4];
    seq.copy_from_slice(&header[SEQ_AT]);
    let seq = SeqNumber::from_raw(u32::from_be_bytes(seq)) + offset;
    header[SEQ_AT].copy_from_slice(&seq.raw().to_be_bytes());
    let flags = Flags::from_bits(header[FLAGS_AT]);
    header[FLAGS_AT] = cut_flags(flags, offset == 0, is_last).bits();
}

/// The control bits of a run that one of its segments has.
#[inline]
fn cut_flags(mut flags: Flags, is_first: bool, is_last: bool) -> Flags {
    if !is_first {
        // RFC 3168 6.1.2: told once.
        flags = flags.without(Flags::CWR);
    }
    if !is_last {
        flags = flags.without(Flags::FIN.union(Flags::PSH));
    }
    flags
}

impl SegmentOut {
    /// How many segments it stands for.
    #[inline]
    pub(crate) fn count(&self) -> u32 {
        count(self.payload_len, self.piece)
    }

    /// The segments that it stands for, each of them alone.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = SegmentOut> + '_ {
        let count = self.count();
        (0..count).map(move |at| {
            let offset = u32::from(self.piece).saturating_mul(at);
            let rest = self.payload_len.saturating_sub(offset);
            let is_last = at + 1 == count;
            SegmentOut {
                seq: self.seq + offset,
                flags: cut_flags(self.flags, at == 0, is_last),
                payload_len: if is_last {
                    rest
                } else {
                    rest.min(self.piece.into())
                },
                piece: 0,
                ..*self
            }
        })
    }
}

/// How large a run of segments may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MaxRun {
    /// So many octets of data at most; less than two segments: there are no runs.
    pub(crate) octets: u32,
    /// So many segments at most.
    pub(crate) segments: u16,
}

impl MaxRun {
    /// No runs.
    pub(crate) const NONE: Self = Self {
        octets: 0,
        segments: 0,
    };
}

impl<L: RecordList> Tcb<L> {
    /// Tells how large a run may be.
    #[inline]
    pub(crate) fn set_max_run(&mut self, max: MaxRun) {
        self.max_run = max;
    }

    /// How much of `len` octets, which may be sent now, goes out at once: a segment of at most `mss` octets, or a run of full ones.
    #[inline]
    pub(super) fn run_of(&self, len: u32, mss: u32) -> u32 {
        // Half of the peer's window, so that there is something to send while it acknowledges the other half.
        let run = len.min(self.max_run.octets).min(self.max_snd_wnd / 2);
        // The urgent pointer counts from the segment that it is in; what came twice is told once (RFC 2883 4).
        let header_differs = self.snd_up.is_some() || self.gaps.duplicate.is_some();
        if run / 2 < mss || self.force || header_differs {
            return len.min(mss);
        }
        let segments = (run / mss.max(1)).min(u32::from(self.max_run.segments).max(1));
        segments.saturating_mul(mss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsm::tests::{
        data, plain, raw, seg, syn, wnd, Host, ACK, FIN, IRS, ISS, MSS, PSH, SPACE, SYN, WND,
    };
    use crate::fsm::{Config, UserCall};

    /// Flags, place in the stream, data, and segments of what was sent.
    fn brief(sent: &[SegmentOut]) -> Vec<(Flags, u32, u32, u32)> {
        let at = |seq: SeqNumber| seq.distance_from(raw(ISS + 1));
        sent.iter()
            .map(|s| (s.flags, at(s.seq), s.payload_len, s.count()))
            .collect()
    }

    fn max(octets: u32, segments: u16) -> MaxRun {
        MaxRun { octets, segments }
    }

    /// A connection whose peer takes 64,000 octets in segments of 1,000, and whose runs have at most `max`.
    fn host(octets: u32) -> Host {
        let mut host = Host::established();
        let mss = host.tcb.effective_mss();
        assert_eq!(mss, MSS);
        host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 64_000));
        host.tcb.set_max_run(max(octets, u16::MAX));
        host
    }

    /// RFC 2883 4: each duplicate is reported in one segment, and the header of a run is that of each of its segments.
    #[test]
    fn what_came_twice_is_told_by_a_segment_alone() {
        let mut host = Host::syn_sent_with(Config {
            sack: true,
            ..plain()
        });
        let mut syn_ack = syn(SYN | ACK, IRS, ISS + 1);
        syn_ack.options.sack_permitted = true;
        host.arrive(wnd(syn_ack, 0));
        host.tcb.set_max_run(max(5_500, u16::MAX));
        host.arrive(wnd(data(seg(ACK, IRS + 1, ISS + 1), 10), 0));
        host.queue(6_000);
        // The window opens with a part of these octets once more.
        host.arrive(wnd(data(seg(ACK, IRS + 6, ISS + 1), 10), 64_000));
        let told = |at: usize| {
            let blocks = &host.sent[at].options.sack;
            (host.sent[at].count(), blocks.as_slice().len())
        };
        assert_eq!((told(0), told(1)), ((1, 1), (5, 0)));
    }

    #[test]
    fn full_segments_leave_as_one() {
        let mut host = host(5_500);
        host.queue(7_300);
        assert_eq!(
            brief(&host.sent),
            [
                (ACK, 0, 5_000, 5),
                (ACK, 5_000, 2_000, 2),
                (ACK | PSH, 7_000, 300, 1)
            ]
        );
        assert_eq!([0, 1, 2].map(|at| host.sent[at].piece), [MSS, MSS, 0]);
    }

    #[test]
    fn a_run_ends_where_the_windows_end() {
        // The congestion window has ten segments.
        let mut cwnd = host(64_000);
        cwnd.queue(60_000);
        assert_eq!(brief(&cwnd.sent), [(ACK, 0, 10_000, 10)]);
        // Half of the largest window that the peer ever offered.
        let mut half = Host::established();
        half.tcb.set_max_run(max(64_000, u16::MAX));
        assert_eq!(WND, 8_000);
        half.queue(60_000);
        assert_eq!(
            brief(&half.sent),
            [(ACK, 0, 4_000, 4), (ACK, 4_000, 4_000, 4)]
        );
        // SHLD-15: never beyond the window.
        let mut window = host(64_000);
        window.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 2_500));
        window.queue(60_000);
        assert_eq!(brief(&window.sent), [(ACK, 0, 2_000, 2)]);
    }

    #[test]
    fn less_than_two_segments_are_no_run() {
        let none = [0, 1, 1_000, 1_999].map(|octets| max(octets, 9));
        for max in none.into_iter().chain([max(9_000, 0), max(9_000, 1)]) {
            let mut host = host(0);
            host.tcb.set_max_run(max);
            host.queue(3_000);
            let counts: Vec<_> = host.sent.iter().map(|s| (s.count(), s.piece)).collect();
            assert_eq!(counts, [(1, 0); 3], "{max:?}");
        }
        let mut host = host(0);
        host.tcb.set_max_run(max(9_000, 3));
        host.queue(5_000);
        assert_eq!(
            brief(&host.sent),
            [(ACK, 0, 3_000, 3), (ACK | PSH, 3_000, 2_000, 2)]
        );
    }

    #[test]
    fn urgent_data_goes_segment_by_segment() {
        let mut host = host(64_000);
        host.tcb.set_more(true);
        host.queue(10);
        host.tcb.mark_urgent();
        host.queue(3_000);
        assert!(host.sent.iter().all(|s| s.count() == 1), "{:?}", host.sent);
    }

    #[test]
    fn the_flags_of_a_run_are_told_once() {
        let mut host = host(64_000);
        host.queue(3_000);
        assert_eq!(brief(&host.sent), [(ACK | PSH, 0, 3_000, 3)]);
        let run = SegmentOut {
            flags: ACK | PSH | FIN | Flags::CWR | Flags::ECE,
            payload_len: 2_500,
            ..host.sent[0]
        };
        let both = ACK | Flags::ECE;
        let pieces: Vec<_> = run.pieces().collect();
        assert_eq!(
            brief(&pieces),
            [
                (both | Flags::CWR, 0, 1_000, 1),
                (both, 1_000, 1_000, 1),
                (both | PSH | FIN, 2_000, 500, 1)
            ]
        );
        // The same by the header on the wire.
        let emitted = |segment: &SegmentOut| {
            let mut header = [0; 60];
            let len = segment.emit(1, 2, &mut header).unwrap();
            header[..len].to_vec()
        };
        for (at, piece) in pieces.iter().enumerate() {
            let mut header = emitted(&run);
            let fixed = header.first_chunk_mut().unwrap();
            cut_header(fixed, at as u32 * 1_000, at == 2);
            assert_eq!(header, emitted(piece), "{at}");
        }
        let single = SegmentOut { piece: 0, ..run };
        assert_eq!(single.pieces().collect::<Vec<_>>(), [single]);
    }

    #[test]
    fn a_fin_goes_with_the_last_segment_of_a_run() {
        let mut host = host(64_000);
        host.tcb.set_more(true);
        host.queue(400);
        host.queue(1_600);
        assert_eq!(brief(&host.sent), [(ACK | PSH, 0, 2_000, 2)]);
        let mut host = self::host(64_000);
        host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 0));
        host.queue(2_000);
        host.user(UserCall::Close { unread_data: false });
        assert_eq!(brief(&host.sent), []);
        host.arrive(wnd(seg(ACK, IRS + 1, ISS + 1), 64_000));
        assert_eq!(brief(&host.sent), [(ACK | PSH | FIN, 0, 2_000, 2)]);
    }

    #[test]
    fn a_part_of_a_run_is_sent_again() {
        let mut host = host(64_000);
        host.queue(8_000);
        assert_eq!(brief(&host.sent), [(ACK | PSH, 0, 8_000, 8)]);
        // Two and a half segments arrived.
        host.arrive(wnd(seg(ACK, IRS + 1, ISS + 2_501), 64_000));
        host.fire();
        assert_eq!(brief(&host.sent), [(ACK, 2_500, 1_000, 1)]);
    }

    #[test]
    fn a_run_that_arrives_counts_as_its_segments() {
        // SHLD-19: two full segments are acknowledged at once, though they come as one.
        let mut host = Host::established();
        for at in 0..20 {
            host.arrive(data(seg(ACK, IRS + 1 + at * 100, ISS + 1), 100));
        }
        host.space = SPACE;
        host.read(0);
        let next = IRS + 1 + 2_000;
        let before = host.tcb.info(host.now).traffic;
        let segment = Segment {
            piece: 1_000,
            ..data(seg(ACK, next, ISS + 1), 2_000)
        };
        host.arrive(segment);
        host.tcb.count_arrived(host.now, &segment);
        assert_eq!(host.only().ack, raw(next + 2_000));
        let after = host.tcb.info(host.now).traffic;
        assert_eq!(after.data_segs_in - before.data_segs_in, 2);
        assert_eq!(after.largest_in, 1_000);
    }

    #[test]
    fn a_run_arrives_behind_a_gap_and_in_part_again() {
        let run = |at: u32, len: u32| Segment {
            piece: 1_000,
            ..data(seg(ACK, IRS + 1 + at, ISS + 1), len)
        };
        let mut host = Host::established();
        host.arrive(run(3_000, 3_000));
        // RFC 5681 4.2: at once, for the sender to learn of the gap.
        assert_eq!(host.only().ack, raw(IRS + 1));
        assert_eq!(host.kept, [(raw(IRS + 3_001), 3_000)]);
        host.arrive(run(0, 2_000));
        assert_eq!((host.delivered, host.only().ack), (2_000, raw(IRS + 2_001)));
        // Half of it came before, and what it ends with is kept.
        host.arrive(run(1_000, 3_000));
        assert_eq!((host.delivered, host.only().ack), (6_000, raw(IRS + 6_001)));
        assert_eq!(host.kept, []);
    }
}
