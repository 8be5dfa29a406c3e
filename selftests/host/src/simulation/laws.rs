// SPDX-License-Identifier: GPL-2.0

//! Laws of performance: what a loss, a lost tail or an overtaken segment may cost, and how fast much data gets through.
//!
//! The path is 50 ms long, there and back, and carries 100 Mbit/s. All counts are exact, for time and chance are simulated.

use super::report::Report;
use super::scenario::Scenario;
use super::trace::Trace;
use super::world;
use crate::fsm::congestion::Kind;
use crate::fsm::Duration;

/// Octets of data in a full segment with timestamps.
const MSS: u64 = 1_448;
const RTT_MS: u64 = 50;
const KINDS: [Kind; 2] = [Kind::Cubic, Kind::Reno];

/// So many full segments from one end to the other.
fn bulk(kind: Kind, segments: u64, change: impl FnOnce(&mut Scenario)) -> Report {
    let mut scenario = Scenario::bulk((segments * MSS) as u32);
    for end in &mut scenario.ends {
        end.cfg.congestion_control = kind;
    }
    change(&mut scenario);
    let report = world::run(&scenario, &mut Trace::default()).unwrap();
    println!(
        "{kind:?}: {} ms, {} segments with data, {} of {} octets again, timers {:?}",
        ms(&report),
        report.sent.data,
        report.sent.resent,
        report.sent.octets,
        report.timers
    );
    report
}

fn without_sack(scenario: &mut Scenario) {
    for end in &mut scenario.ends {
        end.cfg.sack = false;
    }
}

/// Until the last octet arrived.
fn ms(report: &Report) -> u64 {
    report.transfer_time.as_us() / 1_000
}

/// Octets per millisecond.
fn goodput(report: &Report) -> f64 {
    report.octets as f64 / ms(report) as f64
}

#[test]
fn nothing_is_sent_twice_where_nothing_is_lost() {
    for kind in KINDS {
        let report = bulk(kind, 200, |_| {});
        assert_eq!((report.sent.resent, report.timer("retransmit")), (0, 0));
        assert_eq!(
            (report.timer("reorder"), report.timer("tail-probe")),
            (0, 0)
        );
        // RFC 6928, RFC 5681 3.1: the handshake, then 10, 20, 40, 80 and 50 segments; the last ones arrive after half a round
        // trip. The line takes 24 ms for all.
        assert!(
            ms(&report) < 5 * RTT_MS + RTT_MS / 2 + 24,
            "{}",
            ms(&report)
        );
    }
}

#[test]
fn shld_18_must_58_about_every_second_segment_is_acknowledged() {
    for kind in KINDS {
        let report = bulk(kind, 2_000, |_| {});
        let acks = report.sent.segments - report.sent.data;
        // RFC 5681 4.2; and the first ones at once, so that slow start is not slowed down.
        assert!((1_000..1_100).contains(&acks), "{acks}");
    }
}

#[test]
fn a_lost_segment_is_sent_again_once_and_without_a_timeout() {
    for kind in KINDS {
        for lost in [20, 30, 100, 190] {
            for sack in [true, false] {
                let report = bulk(kind, 200, |scenario| {
                    scenario.links[0].lose_data = vec![lost];
                    if !sack {
                        without_sack(scenario);
                    }
                });
                // Without timestamps, which stay, a full segment would be larger.
                assert_eq!((report.sent.resent, report.timer("retransmit")), (MSS, 0));
            }
        }
    }
}

#[test]
fn the_last_loss_of_a_flow_costs_one_round_trip() {
    for kind in KINDS {
        let clean = ms(&bulk(kind, 200, |_| {}));
        for lost in [185, 190, 195] {
            let report = bulk(kind, 200, |s| s.links[0].lose_data = vec![lost]);
            assert!(ms(&report) <= clean + RTT_MS + 2, "{clean} {}", ms(&report));
        }
    }
}

#[test]
fn many_losses_in_one_window_are_repaired_together() {
    for kind in KINDS {
        for lost in [
            vec![30, 32, 34, 36],
            (40..60).collect(),
            (40..60).step_by(2).collect(),
        ] {
            let one = bulk(kind, 200, |s| s.links[0].lose_data = vec![lost[0]]);
            let report = bulk(kind, 200, |s| s.links[0].lose_data = lost.clone());
            // RFC 6675: exactly what was lost, and no round trip for each; RFC 6937: in proportion to what arrives.
            assert_eq!(report.sent.resent, lost.len() as u64 * MSS);
            assert_eq!(report.timer("retransmit"), 0);
            assert!(
                ms(&report) <= ms(&one) + 2 * RTT_MS,
                "{} {}",
                ms(&one),
                ms(&report)
            );
        }
    }
}

#[test]
fn without_sack_each_loss_costs_one_round_trip() {
    for kind in KINDS {
        let lost = vec![30, 32, 34, 36];
        let one = bulk(kind, 200, |s| {
            without_sack(s);
            s.links[0].lose_data = vec![30];
        });
        let report = bulk(kind, 200, |s| {
            without_sack(s);
            s.links[0].lose_data = lost.clone();
        });
        // RFC 6582 3.2: one hole for each partial acknowledgment.
        assert_eq!(
            (report.sent.resent, report.timer("retransmit")),
            (4 * MSS, 0)
        );
        assert!(ms(&report) <= ms(&one) + 4 * RTT_MS);
    }
}

#[test]
fn a_retransmission_that_is_lost_is_sent_once_more_without_a_timeout() {
    for kind in KINDS {
        // The next packets with data after the ACKs of the loss are its retransmission and new ones.
        let lost: Vec<u64> = vec![30];
        let once = bulk(kind, 200, |s| s.links[0].lose_data = lost.clone());
        assert_eq!(once.sent.resent, MSS);
        let twice = (31..120)
            .step_by(6)
            .map(|next| bulk(kind, 200, |s| s.links[0].lose_data = vec![30, next]))
            .filter(|report| report.timer("retransmit") == 0)
            .count();
        // RFC 8985 section 3.3: whichever of them is lost besides, be it the retransmission.
        assert_eq!(twice, 15);
    }
}

#[test]
fn a_lost_tail_is_probed_for_and_not_waited_for() {
    for kind in KINDS {
        let clean = bulk(kind, 200, |_| {});
        let last = clean.sent.data - 1;
        let report = bulk(kind, 200, |s| s.links[0].lose_data = vec![last]);
        // RFC 8985 7.2: after two round trips, and what the peer may delay an ACK of a single segment.
        assert_eq!(report.timer("retransmit"), 0);
        assert_eq!(report.timer("tail-probe"), 1);
        assert!(ms(&report) <= ms(&clean) + 2 * RTT_MS + 200);
        // More than one: the probe shows the others.
        let report = bulk(kind, 200, |s| {
            s.links[0].lose_data = (last - 4..=last).collect()
        });
        assert_eq!(report.timer("retransmit"), 0);
        assert!(ms(&report) <= ms(&clean) + 5 * RTT_MS + 200);
    }
}

#[test]
fn segments_that_are_overtaken_are_hardly_ever_sent_again() {
    for kind in KINDS {
        for late_ms in [2, 5, 10] {
            let report = bulk(kind, 1_000, |s| {
                s.links[0].delay_data = (0..2_000).filter(|number| number % 10 == 5).collect();
                s.links[0].reorder_by = Duration::from_ms(late_ms);
                // A queue that drains makes what was sent before later still: by nothing but `late_ms` here.
                s.links[0].rate = 0;
            });
            // RFC 8985 6.2, step 4: a quarter of the round trip is no loss, once reordering was seen. A hundred come late.
            assert!(report.sent.resent <= 2 * MSS, "{}", report.sent.resent);
            assert_eq!(report.timer("retransmit"), 0);
        }
    }
}

#[test]
fn marks_slow_a_flow_down_as_losses_do_and_nothing_is_lost() {
    for kind in KINDS {
        let with_ecn = |scenario: &mut Scenario| {
            scenario.ends[0].cfg.ecn = 1;
            scenario.links[0].mark = 10;
        };
        let report = bulk(kind, 1_500, with_ecn);
        let clean = bulk(kind, 1_500, |_| {});
        let lossy = bulk(kind, 1_500, |s| s.links[0].loss = 10);
        // RFC 3168 6.1.2: the same response as to a loss.
        assert!(report.network.marked > 5);
        assert_eq!((report.sent.resent, report.timer("retransmit")), (0, 0));
        assert!(goodput(&report) < 0.5 * goodput(&clean));
        let ratio = goodput(&report) / goodput(&lossy);
        assert!((0.6..3.0).contains(&ratio), "{ratio}");
    }
}

#[test]
fn goodput_at_random_loss_is_that_of_the_model() {
    for kind in KINDS {
        for (per_mille, segments) in [(1, 4_000), (10, 1_500), (50, 800)] {
            let report = bulk(kind, segments, |s| s.links[0].loss = per_mille);
            let p = f64::from(per_mille) / 1_000.0;
            // Mathis et al., "The macroscopic behavior of the TCP congestion avoidance algorithm", 1997: MSS / RTT * C / sqrt(p);
            // with delayed ACKs C is 0.87.
            let model = MSS as f64 / RTT_MS as f64 * 0.87 / p.sqrt();
            let line = 12_500.0;
            assert!(
                goodput(&report) >= 0.8 * model.min(line),
                "{}",
                goodput(&report) / model
            );
        }
    }
}

#[test]
fn a_line_with_a_short_queue_is_kept_busy() {
    for kind in KINDS {
        let report = bulk(kind, 4_000, |s| {
            // 10 Mbit/s, and one round trip's worth of queue.
            s.links[0].rate = 1_250_000;
            s.links[0].queue = 62_500;
        });
        // Headers of 52 octets, and what slow start overshoots.
        assert!(goodput(&report) >= 0.9 * 1_250.0, "{}", goodput(&report));
        assert_eq!(report.timer("retransmit"), 0);
    }
}

#[test]
fn what_the_peer_holds_is_not_sent_again() {
    for seed in 0..60 {
        let mut scenario = Scenario::of(seed)
            .without(&["records", "forget", "narrow", "overhead", "coarse-scale"])
            .unwrap();
        for end in &mut scenario.ends {
            end.cfg.sack = true;
        }
        let report = world::run(&scenario, &mut Trace::default()).unwrap();
        assert_eq!(report.sent.resent_sacked, 0, "seed {seed}");
    }
}

#[test]
fn jitter_that_reorders_does_not_keep_slow_start_from_doubling() {
    let path = |seed, least_ms, jitter_ms| {
        bulk(Kind::Cubic, 2_500, |s| {
            s.seed = seed;
            for link in &mut s.links {
                link.delay = Duration::from_ms(least_ms);
                link.jitter = Duration::from_ms(jitter_ms);
                link.in_order = false;
                link.rate = 0;
            }
        })
    };
    let steady = ms(&path(0, 50, 0));
    // Nearly all acknowledgments are duplicates then; a round of theirs may take 140 ms instead of 100.
    for seed in 0..4 {
        let late = ms(&path(seed, 30, 40));
        assert!(
            late <= steady * 5 / 4,
            "{late} ms, {steady} ms without jitter"
        );
    }
}
