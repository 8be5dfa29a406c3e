// SPDX-License-Identifier: GPL-2.0

//! SYN cookies: a listener that has no room for one more half-open request keeps none, and sends all that it must
//! remember to the peer, who brings it back in the third segment of the handshake (RFC 4987 section 3.6).
//!
//! The cookie is our initial sequence number. It is that of RFC 6528 for this connection, but the lower 24 bits of the
//! clock make room for a tag: a keyed hash of both ends, the peer's sequence number, the clock's upper bits and the terms below,
//! to which the index of an MSS is added. The numbers of a connection thus grow with the clock as ever, and a guess hits one of
//! 2^28.
//!
//! The terms are the options of RFC 7323 and RFC 2018 and ECN (RFC 3168). There is room for them where the peer sends timestamps:
//! in the lower six bits of our own, which it echoes. Without timestamps the SYN-ACK offers none of them.
//!
//! What is lost: an MSS between two of the table, the time that the SYN-ACK took, the SYN-ACK's retransmission, and
//! TCP_DEFER_ACCEPT: the ACK opens at once. A peer whose third segment is lost, and whose program waits for ours to speak first,
//! learns nothing before it sends something.

use super::config::Config;
use super::isn::{clock, TICK_US};
use super::listen::{SynReq, SynReqParams};
use super::options::{Options, Timestamps, MAX_WINDOW_SCALE};
use super::outbox::Outbox;
use super::reasons::DropReason;
use super::segment::{Flags, Segment, SegmentOut};
use super::seq::SeqNumber;
use super::tcb::{ts_before, MIN_SND_MSS};
use super::time::{Duration, Instant};

/// The bits of the tag; above them stand the clock's, in periods of 67 s.
const TAG_BITS: u32 = 24;

/// The part of a sequence number that is the tag.
const TAG_MASK: u32 = (1 << TAG_BITS) - 1;

/// So many periods a cookie is good, the one in which it was made included.
const LIFE_PERIODS: u8 = 2;

/// The longest that a cookie is good: 134 s; it is good for half of that at least.
pub(crate) const LIFE: Duration = Duration::from_us((TICK_US << TAG_BITS) * LIFE_PERIODS as u64);

/// The MSS that a cookie can say, in ascending order; the largest that is not above the peer's is taken, so that it never
/// gets more than it takes (MUST-16). The least is what we believe at all; then the defaults of IPv4 and IPv6 (MUST-15), what
/// tunnels leave of an Ethernet, IPv6 and IPv4 over an Ethernet, and jumbo frames.
const MSS: [u16; 8] = [MIN_SND_MSS, 256, 536, 1220, 1360, 1440, 1460, 8960];

/// The bits of a timestamp that say the terms: the peer's window scale in four bits, ...
const TERMS_MASK: u32 = 0x3f;
/// ... of which this value means that windows are not scaled, ...
const NO_SCALE: u32 = 0xf;
/// ... selective acknowledgments, ...
const TERM_SACK: u32 = 0x10;
/// ... and explicit congestion notification.
const TERM_ECN: u32 = 0x20;

/// Set in what is hashed where there are timestamps.
const HASHED_TIMESTAMPS: u64 = 1 << 6;
/// Our own window scale stands so far to the left in what is hashed: it must not change between SYN and ACK.
const HASHED_SCALE_SHIFT: u32 = 8;

/// The secrets of this host that a connection's cookie is made with.
pub(crate) struct Secrets<H: Fn([u64; 2]) -> u64> {
    /// The keyed hash of the connection that its initial sequence numbers start from (RFC 6528 section 3).
    pub(crate) isn_hash: u32,
    /// A pseudo-random function of the connection's ends and two words, under another key.
    pub(crate) tag: H,
}

impl<H: Fn([u64; 2]) -> u64> Secrets<H> {
    /// The tag of a cookie for the peer's initial sequence number, of this period and with these terms.
    fn tag_of(&self, irs: SeqNumber, period: u64, terms: u64) -> u32 {
        let first = (u64::from(irs.raw()) << 32) | (period & u64::from(u32::MAX));
        (self.tag)([first, terms]) as u32 & TAG_MASK
    }

    /// The initial sequence number of a period's first tick.
    fn start_of(&self, period: u64) -> SeqNumber {
        SeqNumber::from_raw(self.isn_hash.wrapping_add((period << TAG_BITS) as u32))
    }
}

/// The clock's upper bits.
fn period(now: Instant) -> u64 {
    clock(now) >> TAG_BITS
}

/// What is hashed of the terms.
fn hashed(terms: Option<u32>, rcv_wscale: u8) -> u64 {
    let terms = terms.map_or(0, |bits| u64::from(bits) | HASHED_TIMESTAMPS);
    terms | (u64::from(rcv_wscale) << HASHED_SCALE_SHIFT)
}

/// The timestamp with these terms that is closest to the clock and not after it: a peer must never see ours go back.
fn with_terms(clock: u32, terms: u32) -> u32 {
    let val = (clock & !TERMS_MASK) | terms;
    if ts_before(clock, val) {
        val.wrapping_sub(TERMS_MASK + 1)
    } else {
        val
    }
}

/// The SYN-ACK that answers a SYN for a listener, and is all that is kept of it. Of `params` the initial sequence number
/// does not count.
pub(crate) fn syn_ack(
    now: Instant,
    syn: &Segment,
    params: &SynReqParams,
    cfg: &Config,
    secrets: &Secrets<impl Fn([u64; 2]) -> u64>,
) -> SegmentOut {
    let mut syn = *syn;
    if !cfg.timestamps || syn.options.timestamps.is_none() {
        // There is no room for them.
        syn.options.wscale = None;
        syn.options.sack_permitted = false;
        syn.flags = Flags::SYN;
    }
    // Nothing happened that is to be counted: it does when the peer proves that it is there.
    let mut unseen = Outbox::new();
    let request = SynReq::open(now, &syn, params, false, cfg, &mut unseen);
    let mut segment = request.syn_ack(now);
    let terms = segment.options.timestamps.as_mut().map(|timestamps| {
        let mut terms = NO_SCALE;
        if let (Some(_), Some(scale)) = (segment.options.wscale, syn.options.wscale) {
            terms = u32::from(scale.min(MAX_WINDOW_SCALE));
        }
        if segment.options.sack_permitted {
            terms |= TERM_SACK;
        }
        if segment.flags.contains(Flags::ECE) {
            terms |= TERM_ECN;
        }
        timestamps.val = with_terms(timestamps.val, terms);
        terms
    });
    let index = MSS.partition_point(|mss| *mss <= request.snd_mss());
    let index = (index as u32).saturating_sub(1);
    let period = period(now);
    let tag = secrets.tag_of(syn.seq, period, hashed(terms, params.rcv_wscale));
    segment.seq = secrets.start_of(period) + (tag.wrapping_add(index) & TAG_MASK);
    segment
}

/// The request that a cookie was sent for, made of the ACK that brings it back; the ACK is to be given to what it
/// [establishes](SynReq::establish). Of `params` the initial sequence number does not count. The arc of the SYN is in `out`.
///
/// # Errors
///
/// `SynCookieBad`: it is none of ours, or the settings that it agreed to have changed; `SynCookieOld`.
pub(crate) fn request(
    now: Instant,
    ack: &Segment,
    params: &SynReqParams,
    cfg: &Config,
    secrets: &Secrets<impl Fn([u64; 2]) -> u64>,
    out: &mut Outbox,
) -> Result<SynReq, DropReason> {
    let (iss, irs) = (ack.ack - 1, ack.seq - 1);
    let terms = ack
        .options
        .timestamps
        .map(|timestamps| timestamps.ecr & TERMS_MASK);
    // How many periods ago: the upper bits tell, for whatever they are worth.
    let now_period = period(now);
    let since_start = iss.distance_from(secrets.start_of(0));
    let age = (now_period as u8).wrapping_sub((since_start >> TAG_BITS) as u8);
    let then = now_period.wrapping_sub(u64::from(age));
    let tag = secrets.tag_of(irs, then, hashed(terms, params.rcv_wscale));
    let index = since_start.wrapping_sub(tag) & TAG_MASK;
    let Some(mss) = MSS.get(index as usize) else {
        return Err(DropReason::SynCookieBad);
    };
    if age >= LIFE_PERIODS {
        return Err(DropReason::SynCookieOld);
    }
    let Some(syn) = syn_of(ack, irs, *mss, terms, cfg) else {
        return Err(DropReason::SynCookieBad);
    };
    let params = SynReqParams { iss, ..*params };
    Ok(SynReq::reopen(now, &syn, &params, cfg, out))
}

/// The SYN, as far as it counts; `None`: it asked for what is not allowed any more.
fn syn_of(
    ack: &Segment,
    irs: SeqNumber,
    mss: u16,
    terms: Option<u32>,
    cfg: &Config,
) -> Option<Segment> {
    let terms = match terms {
        Some(_) if !cfg.timestamps => return None,
        Some(terms) => terms,
        None => NO_SCALE,
    };
    let scale = terms & NO_SCALE;
    let wscale = (scale != NO_SCALE).then_some(scale as u8);
    let sack_permitted = terms & TERM_SACK != 0;
    let ecn = terms & TERM_ECN != 0;
    let forbidden = (wscale.is_some() && !cfg.window_scaling)
        || (sack_permitted && !cfg.sack)
        || (ecn && cfg.ecn == 0);
    if forbidden {
        return None;
    }
    Some(Segment {
        seq: irs,
        ack: SeqNumber::from_raw(0),
        flags: if ecn {
            Flags::SYN | Flags::ECE | Flags::CWR
        } else {
            Flags::SYN
        },
        options: Options {
            mss: Some(mss),
            wscale,
            sack_permitted,
            // The SYN's own is not known any more; this one is not older.
            timestamps: ack.options.timestamps.map(|timestamps| Timestamps {
                val: timestamps.val,
                ecr: 0,
            }),
            ..Options::none()
        },
        payload_len: 0,
        ..*ack
    })
}

#[cfg(test)]
mod tests;
