// SPDX-License-Identifier: GPL-2.0

//! Unit tests of SYN cookies.

use super::*;
use crate::fsm::tcb::ts_clock;
use crate::fsm::State;

const ISN_HASH: u32 = 0x1234_5678;
const IRS: u32 = 0xffff_fff0;
const KEY: u64 = 42;

/// Bits as good as random: the output function of SplitMix64.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn secrets(key: u64) -> Secrets<impl Fn([u64; 2]) -> u64> {
    Secrets {
        isn_hash: ISN_HASH,
        tag: move |[a, b]| mix(mix(mix(key) ^ a) ^ b),
    }
}

fn params() -> SynReqParams {
    SynReqParams {
        iss: SeqNumber::from_raw(0),
        ts_offset: 99,
        mss: 1_460,
        default_snd_mss: 536,
        path_mss: 1_460,
        rcv_space: 60_000,
        rcv_wscale: 7,
    }
}

fn at(secs: u64) -> Instant {
    Instant::from_us(secs * 1_000_000)
}

fn syn(options: Options) -> Segment {
    Segment {
        src_port: 80,
        dst_port: 40_000,
        seq: SeqNumber::from_raw(IRS),
        ack: SeqNumber::from_raw(0),
        flags: Flags::SYN,
        wnd: 8_000,
        urg: 0,
        options,
        header_len: 20,
        payload_len: 0,
        ce: false,
        piece: 0,
    }
}

fn full() -> Options {
    Options {
        mss: Some(1_460),
        wscale: Some(9),
        sack_permitted: true,
        timestamps: Some(Timestamps { val: 500, ecr: 0 }),
        ..Options::none()
    }
}

/// What the peer answers to a SYN-ACK.
fn ack_of(syn_ack: &SegmentOut) -> Segment {
    Segment {
        seq: syn_ack.ack,
        ack: syn_ack.seq + 1,
        flags: Flags::ACK,
        options: Options {
            timestamps: syn_ack.options.timestamps.map(|ours| Timestamps {
                val: 510,
                ecr: ours.val,
            }),
            ..Options::none()
        },
        ..syn(Options::none())
    }
}

fn answer(now: Instant, options: Options) -> SegmentOut {
    syn_ack(
        now,
        &syn(options),
        &params(),
        &Config::default(),
        &secrets(KEY),
    )
}

fn take(now: Instant, ack: &Segment) -> Result<SynReq, DropReason> {
    let mut out = Outbox::new();
    request(
        now,
        ack,
        &params(),
        &Config::default(),
        &secrets(KEY),
        &mut out,
    )
}

#[test]
fn all_terms_come_back() {
    let scales = (0..=MAX_WINDOW_SCALE).map(Some).chain([None]);
    for (n, wscale) in scales.enumerate() {
        for sack_permitted in [false, true] {
            for (mss, kept) in [
                (0, 48),
                (100, 48),
                (255, 48),
                (256, 256),
                (536, 536),
                (1_219, 536),
                (1_220, 1_220),
                (1_360, 1_360),
                (1_452, 1_440),
                (1_460, 1_460),
                (8_959, 1_460),
                (u16::MAX, 8_960),
            ] {
                let now = at(1_000 + 17 * n as u64);
                let options = Options {
                    mss: Some(mss),
                    wscale,
                    sack_permitted,
                    ..full()
                };
                let sent = answer(now, options);
                assert_eq!(sent.flags, Flags::SYN | Flags::ACK);
                assert_eq!(sent.options.mss, Some(1_460));
                assert_eq!(sent.options.wscale, wscale.map(|_| 7));
                assert_eq!(sent.options.sack_permitted, sack_permitted);
                let mut out = Outbox::new();
                let again = request(
                    now + Duration::from_secs(1),
                    &ack_of(&sent),
                    &params(),
                    &Config::default(),
                    &secrets(KEY),
                    &mut out,
                )
                .unwrap();
                assert_eq!(again.snd_mss(), kept);
                assert_eq!(again.state(), State::SynReceived);
                let arcs: Vec<_> = out.arcs.iter().map(|id| id.arc().name).collect();
                assert_eq!(arcs, ["listen-rcv-syn"]);
                // The same SYN-ACK again, but for the clock: all that was agreed upon is there.
                let repeated = again.syn_ack(now);
                assert_eq!((repeated.seq, repeated.ack), (sent.seq, sent.ack));
                assert_eq!(repeated.options.wscale, sent.options.wscale);
                assert_eq!(repeated.options.sack_permitted, sack_permitted);
                assert_eq!(again.peer_scale(), wscale);
            }
        }
    }
}

#[test]
fn without_timestamps_nothing_else_is_offered_and_the_mss_comes_back() {
    let options = Options {
        timestamps: None,
        ..full()
    };
    let sent = answer(at(5), options);
    assert_eq!(sent.options.wscale, None);
    assert_eq!(sent.options.timestamps, None);
    assert!(!sent.options.sack_permitted);
    let again = take(at(5), &ack_of(&sent)).unwrap();
    assert_eq!((again.snd_mss(), again.peer_scale()), (1_460, None));
    // A SYN without any option: the default (MUST-15).
    let sent = answer(at(5), Options::none());
    assert_eq!(take(at(5), &ack_of(&sent)).unwrap().snd_mss(), 536);
}

#[test]
fn a_cookie_grows_old() {
    let period_us = LIFE.as_us() / u64::from(LIFE_PERIODS);
    for start in [0, 7, 254, 255, 256, 1 << 33] {
        let first = Instant::from_us(start * period_us);
        for made in [first, first + Duration::from_us(period_us - 1)] {
            let ack = ack_of(&answer(made, full()));
            let last = first + Duration::from_us(2 * period_us - 1);
            assert!(take(made, &ack).is_ok());
            assert!(take(last, &ack).is_ok());
            let late = last + Duration::from_us(1);
            assert_eq!(take(late, &ack), Err(DropReason::SynCookieOld));
            let very_late = late + Duration::from_us(200 * period_us);
            assert_eq!(take(very_late, &ack), Err(DropReason::SynCookieOld));
        }
    }
}

#[test]
fn no_bit_of_it_can_be_changed() {
    let ack = ack_of(&answer(at(900), full()));
    assert!(take(at(901), &ack).is_ok());
    for bit in 0..32 {
        let flip = |raw: u32| raw ^ (1 << bit);
        let mut number = ack;
        number.ack = SeqNumber::from_raw(flip(ack.ack.raw()));
        // The lowest bits choose an MSS: a peer may lie about its own.
        if take(at(901), &number).is_ok() {
            assert!(bit < 3, "bit {bit} of the acknowledgment");
        }
        let mut peers = ack;
        peers.seq = SeqNumber::from_raw(flip(ack.seq.raw()));
        assert_eq!(take(at(901), &peers), Err(DropReason::SynCookieBad));
        let mut echo = ack;
        let ours = echo.options.timestamps.as_mut().unwrap();
        ours.ecr = flip(ours.ecr);
        assert_eq!(take(at(901), &echo).is_err(), bit < 6);
    }
    // Nor can both numbers move together, timestamps be left out, or another connection bring it back.
    let mut moved = ack;
    moved.seq = ack.seq + 1;
    moved.ack = ack.ack + 1;
    assert_eq!(take(at(901), &moved), Err(DropReason::SynCookieBad));
    let mut bare = ack;
    bare.options.timestamps = None;
    assert_eq!(take(at(901), &bare), Err(DropReason::SynCookieBad));
    let mut out = Outbox::new();
    let other = secrets(KEY + 1);
    let taken = request(
        at(901),
        &ack,
        &params(),
        &Config::default(),
        &other,
        &mut out,
    );
    assert_eq!(taken, Err(DropReason::SynCookieBad));
    assert!(out.arcs.is_empty());
}

#[test]
fn of_all_numbers_sixteen_are_taken() {
    let now = at(100_000);
    let ack = ack_of(&answer(now, full()));
    let hashed = hashed(Some(ack.options.timestamps.unwrap().ecr & TERMS_MASK), 7);
    let mut taken = 0;
    for age in 0..256 {
        let then = period(now) - age;
        let tag = secrets(KEY).tag_of(SeqNumber::from_raw(IRS), then, hashed);
        for index in 0..64 {
            let mut guess = ack;
            let low = tag.wrapping_add(index).wrapping_sub(8) & TAG_MASK;
            guess.ack = secrets(KEY).start_of(then) + low + 1;
            taken += u32::from(take(now, &guess).is_ok());
        }
    }
    assert_eq!(taken, 16);
    for n in 0..1_000_000 {
        let mut guess = ack;
        guess.ack = SeqNumber::from_raw(mix(n) as u32);
        assert!(take(now, &guess).is_err());
    }
}

/// The connection of a cookie that came back after so many milliseconds.
fn connection(options: Options, after_ms: u64) -> crate::fsm::tests::Tcb {
    let cfg = Config::default();
    let (made, now) = (at(77), at(77) + Duration::from_ms(after_ms));
    let ack = ack_of(&answer(made, options));
    let mut tcb = crate::fsm::tests::Tcb::new();
    take(now, &ack).unwrap().establish(now, &cfg, &mut tcb);
    let mut out = Outbox::new();
    tcb.set_receive_space(60_000);
    tcb.on_segment(now, &ack, &cfg, &mut out);
    assert_eq!(tcb.state(), State::Established);
    let arcs: Vec<_> = out.arcs.iter().map(|id| id.arc().name).collect();
    assert_eq!(arcs, ["syn-received-rcv-ack-of-syn"]);
    assert_eq!(tcb.invariants(), Ok(()));
    tcb
}

#[test]
fn must_18_the_round_trip_is_not_timed_where_the_syn_ack_is_forgotten() {
    let bare = Options {
        timestamps: None,
        ..full()
    };
    let tcb = connection(bare, 300);
    assert_eq!(tcb.rtt.rto(), Duration::from_secs(1));
    assert_eq!(tcb.rtt.srtt_us(), 0);
    assert_eq!(tcb.status().snd_wnd, 8_000);
    // RFC 7323 4.1: the echo tells it, less what the terms take of the clock.
    let tcb = connection(full(), 300);
    let srtt = tcb.rtt.srtt_us() / 1_000;
    assert!((300..=300 + TERMS_MASK).contains(&srtt), "{srtt}");
    assert_eq!(tcb.status().snd_wnd, 8_000 << 9);
    assert_eq!(tcb.effective_mss(), 1_460 - 12);
}

#[test]
fn ecn_is_remembered() {
    for (offered, setting, agreed) in [(true, 2, true), (true, 0, false), (false, 2, false)] {
        let cfg = Config {
            ecn: setting,
            ..Config::default()
        };
        let mut syn = syn(full());
        if offered {
            syn.flags = Flags::SYN | Flags::ECE | Flags::CWR;
        }
        let sent = syn_ack(at(4), &syn, &params(), &cfg, &secrets(KEY));
        assert_eq!(sent.flags.contains(Flags::ECE), agreed);
        let mut out = Outbox::new();
        let ack = ack_of(&sent);
        let again = request(at(4), &ack, &params(), &cfg, &secrets(KEY), &mut out).unwrap();
        assert_eq!(again.syn_ack(at(4)).flags, sent.flags);
        let off = Config { ecn: 0, ..cfg };
        let refused = request(at(4), &ack, &params(), &off, &secrets(KEY), &mut out).is_err();
        assert_eq!(refused, agreed);
    }
}

#[test]
fn settings_that_changed_since_are_not_agreed_to() {
    let ack = ack_of(&answer(at(10), full()));
    let with = |change: fn(&mut Config, &mut SynReqParams)| {
        let (mut cfg, mut params) = (Config::default(), params());
        change(&mut cfg, &mut params);
        request(
            at(10),
            &ack,
            &params,
            &cfg,
            &secrets(KEY),
            &mut Outbox::new(),
        )
    };
    assert!(with(|_, _| ()).is_ok());
    for changed in [
        with(|cfg, _| cfg.timestamps = false),
        with(|cfg, _| cfg.window_scaling = false),
        with(|cfg, _| cfg.sack = false),
        with(|_, params| params.rcv_wscale = 6),
    ] {
        assert_eq!(changed, Err(DropReason::SynCookieBad));
    }
}

#[test]
fn the_number_stays_within_a_period_of_the_clocks() {
    for n in 0..1_000 {
        let now = Instant::from_us(mix(n) >> 12);
        let iss = answer(now, full()).seq;
        let start = crate::fsm::initial_sequence_number(ISN_HASH, now);
        let apart = (iss.distance_from(start) as i32).unsigned_abs();
        assert!(apart <= TAG_MASK, "{apart}");
    }
}

#[test]
fn the_timestamp_is_at_most_64_ms_behind_the_clock() {
    for clock in (0..500).chain(u32::MAX - 500..=u32::MAX) {
        for terms in 0..=TERMS_MASK {
            let val = with_terms(clock, terms);
            assert_eq!(val & TERMS_MASK, terms);
            assert!(clock.wrapping_sub(val) <= TERMS_MASK);
        }
    }
    let sent = answer(at(3), full()).options.timestamps.unwrap();
    assert!(ts_clock(at(3), 99).wrapping_sub(sent.val) <= TERMS_MASK);
    assert_eq!(sent.ecr, 500);
}
