// SPDX-License-Identifier: GPL-2.0

//! Whatever happens to a connection, in whatever order: the window holds a segment, grows no faster than the RFCs
//! allow, and what is reduced is reduced enough.

use crate::fsm::congestion::{Congestion, Kind};
use crate::fsm::{Duration, Instant};
use proptest::prelude::*;

/// Something that happens.
#[derive(Clone, Debug)]
enum Happening {
    Ack {
        acked: u32,
        rtt: Option<u32>,
        srtt_us: u32,
        cwnd_limited: bool,
    },
    Loss {
        flight: u32,
    },
    Ecn {
        flight: u32,
    },
    RecoveryAck {
        delivered: u32,
        pipe: u32,
        advanced: bool,
        lost: bool,
    },
    Sent(u32),
    Recovered,
    Timeout {
        flight: u32,
    },
    Undo,
    Idle {
        idle_us: u64,
        rto_us: u64,
    },
    SynLost,
    Mss(u16),
    Kind(Kind),
    Passes(u64),
}

/// Octets: a few segments, anything, or an extreme.
fn octets() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => 0..100_000u32,
        1 => any::<u32>(),
        1 => prop_oneof![Just(0), Just(1), Just(u32::MAX - 1), Just(u32::MAX)],
    ]
}

/// A time in microseconds: up to a second, anything, or an extreme.
fn time_us() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..1_000_000u64,
        1 => any::<u64>(),
        1 => prop_oneof![Just(0), Just(u64::MAX)],
    ]
}

fn mss() -> impl Strategy<Value = u16> {
    prop_oneof![
        3 => 500..9_000u16,
        1 => any::<u16>(),
        1 => prop_oneof![Just(0), Just(1), Just(u16::MAX)],
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Cubic), Just(Kind::Reno)]
}

fn happening() -> impl Strategy<Value = Happening> {
    let rtt = proptest::option::of(any::<u32>());
    prop_oneof![
        8 => (octets(), rtt, any::<u32>(), any::<bool>()).prop_map(
            |(acked, rtt, srtt_us, cwnd_limited)| Happening::Ack { acked, rtt, srtt_us, cwnd_limited },
        ),
        1 => octets().prop_map(|flight| Happening::Loss { flight }),
        1 => octets().prop_map(|flight| Happening::Ecn { flight }),
        4 => (octets(), octets(), any::<bool>(), any::<bool>()).prop_map(
            |(delivered, pipe, advanced, lost)| Happening::RecoveryAck { delivered, pipe, advanced, lost },
        ),
        2 => octets().prop_map(Happening::Sent),
        1 => Just(Happening::Recovered),
        1 => octets().prop_map(|flight| Happening::Timeout { flight }),
        1 => Just(Happening::Undo),
        1 => (time_us(), time_us()).prop_map(|(idle_us, rto_us)| Happening::Idle { idle_us, rto_us }),
        1 => Just(Happening::SynLost),
        1 => mss().prop_map(Happening::Mss),
        1 => kind().prop_map(Happening::Kind),
        4 => time_us().prop_map(Happening::Passes),
    ]
}

/// The path of one connection, and what is checked on it.
struct Connection {
    congestion: Congestion,
    mss: u16,
    now: Instant,
    /// What the recovery is to end with, where the test knows it.
    target: Option<u32>,
}

impl Connection {
    /// Lets something happen; what it must not do is in the answer.
    fn happens(&mut self, happening: &Happening) -> Result<(), TestCaseError> {
        let before = self.congestion;
        let congestion = &mut self.congestion;
        let segment = u32::from(self.mss.max(1));
        match *happening {
            Happening::Ack {
                acked,
                rtt,
                srtt_us,
                cwnd_limited,
            } => {
                let rtt = rtt.map(|us| Duration::from_us(u64::from(us)));
                congestion.on_ack(self.now, acked, self.mss, rtt, srtt_us, cwnd_limited);
                prop_assert!(congestion.cwnd() >= before.cwnd());
                let growth = congestion.cwnd() - before.cwnd();
                if !cwnd_limited || before.in_recovery() {
                    prop_assert_eq!(growth, 0);
                }
                // RFC 3465: not by more than was acknowledged. In Reno's congestion avoidance, it may be the last octet of a
                // window, which gives a segment.
                let most = match before.kind() {
                    Kind::Reno => acked.saturating_add(segment).min(segment.saturating_mul(3)),
                    Kind::Cubic => acked,
                };
                prop_assert!(growth <= most, "{growth} of {acked}");
                if before.in_slow_start() && congestion.in_slow_start() {
                    // RFC 9406 4.3: L.
                    prop_assert!(growth <= segment.saturating_mul(8));
                }
            }
            Happening::Loss { flight } => {
                congestion.on_loss(self.now, flight, self.mss);
                if !before.in_recovery() {
                    self.target = Some(congestion.ssthresh());
                    prop_assert!(congestion.in_recovery() && !congestion.in_slow_start());
                    // RFC 9438 4.6 allows CUBIC the window.
                    let used = match before.kind() {
                        Kind::Reno => flight.min(before.cwnd()),
                        Kind::Cubic => before.cwnd(),
                    };
                    prop_assert!(congestion.ssthresh() <= used.max(segment * 2));
                    let left = u64::from(used) * 7 / 10;
                    prop_assert!(
                        u64::from(congestion.ssthresh()) <= left.max(u64::from(segment) * 2)
                    );
                }
            }
            Happening::Ecn { flight } => {
                congestion.on_ecn(self.now, flight, self.mss);
                if !before.in_recovery() {
                    self.target = None;
                }
                prop_assert!(congestion.in_recovery());
            }
            Happening::RecoveryAck {
                delivered,
                pipe,
                advanced,
                lost,
            } => {
                congestion.on_recovery_ack(delivered, pipe, advanced, lost, self.mss);
                if !before.in_recovery() {
                    prop_assert_eq!(congestion.cwnd(), before.cwnd());
                } else if let Some(target) = self.target.filter(|&target| pipe <= target) {
                    // RFC 9937 6.2: not beyond the target, but for the first segment.
                    let most = target.max(pipe.saturating_add(segment));
                    prop_assert!(congestion.cwnd() <= most.max(before.cwnd()));
                }
            }
            Happening::Sent(octets) => {
                congestion.on_sent(octets);
                prop_assert_eq!(congestion.cwnd(), before.cwnd());
            }
            Happening::Recovered => {
                congestion.on_recovered(self.now, self.mss);
                prop_assert!(!congestion.in_recovery());
                if before.in_recovery() {
                    prop_assert!(congestion.cwnd() <= congestion.ssthresh());
                }
            }
            Happening::Timeout { flight } => {
                congestion.on_timeout(self.now, flight, self.mss);
                prop_assert_eq!(congestion.cwnd(), segment);
                prop_assert!(!congestion.in_recovery() && congestion.in_slow_start());
            }
            Happening::Undo => {
                congestion.undo();
                prop_assert!(congestion.cwnd() >= before.cwnd());
                prop_assert!(congestion.ssthresh() >= before.ssthresh());
                let once = *congestion;
                congestion.undo();
                prop_assert_eq!(once, *congestion);
            }
            Happening::Idle { idle_us, rto_us } => {
                let (idle, rto) = (Duration::from_us(idle_us), Duration::from_us(rto_us));
                congestion.on_idle(idle, rto, self.mss, true);
                prop_assert!(congestion.cwnd() <= before.cwnd());
                prop_assert!(congestion.ssthresh() >= before.ssthresh());
            }
            Happening::SynLost => congestion.on_syn_lost(self.mss),
            Happening::Mss(mss) => {
                self.mss = mss;
                self.target = None;
                congestion.on_mss_change(mss);
                let segment = u32::from(mss.max(1));
                prop_assert!(congestion.cwnd() <= before.cwnd().max(segment));
            }
            Happening::Kind(kind) => {
                congestion.set_kind(kind);
                prop_assert_eq!(congestion.kind(), kind);
                prop_assert_eq!(congestion.cwnd(), before.cwnd());
                prop_assert_eq!(congestion.ssthresh(), before.ssthresh());
            }
            Happening::Passes(us) => self.now = self.now + Duration::from_us(us),
        }
        let segment = u32::from(self.mss.max(1));
        prop_assert!(self.congestion.cwnd() >= segment);
        prop_assert!(self.congestion.ssthresh() >= segment * 2);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_window_keeps_within_its_bounds(
        kind in kind(),
        mss in mss(),
        start_us in any::<u32>(),
        happenings in proptest::collection::vec(happening(), 1..100),
    ) {
        let mut connection = Connection {
            congestion: Congestion::new(kind, mss),
            mss,
            now: Instant::from_us(u64::from(start_us)),
            target: None,
        };
        for happening in &happenings {
            connection.happens(happening)?;
        }
    }

    /// RFC 5681 3.1: in congestion avoidance, Reno's window grows by one segment for each window that is acknowledged.
    #[test]
    fn reno_grows_by_a_segment_for_each_window(
        mss in 1..10_000u16,
        acks in proptest::collection::vec(1..200_000u32, 1..200),
    ) {
        let mut congestion = Congestion::new(Kind::Reno, mss);
        let start = Instant::from_us(0);
        congestion.on_loss(start, 1_000_000, mss);
        congestion.on_recovered(start, mss);
        let (first, mut acked) = (congestion.cwnd(), 0u64);
        for octets in acks {
            congestion.on_ack(start, octets, mss, None, 0, true);
            acked += u64::from(octets);
        }
        let growth = u64::from(congestion.cwnd() - first);
        prop_assert!(growth <= acked * u64::from(mss) / u64::from(first));
    }
}
