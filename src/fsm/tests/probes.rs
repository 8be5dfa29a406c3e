// SPDX-License-Identifier: GPL-2.0

//! The tail loss probe: when it comes, and what its answers mean (RFC 8985 section 7).

use super::judged::{ack, open_sack, rest, sent_at};
use super::*;

/// Two segments are acknowledged late, after a probe has repeated the second; the answer to the probe is to come.
fn probed() -> Host {
    let mut host = open_sack();
    host.queue(2_000);
    assert_eq!(host.timer(), Some(TimerKind::TailProbe));
    host.fire();
    assert_eq!(sent_at(&host), [1_000]);
    host.arrive(ack(2_000, &[]));
    host
}

// RFC 8985 7.2: no probe is scheduled in a recovery.
#[test]
fn what_tells_of_a_loss_ends_the_wait_for_a_probe() {
    let mut host = open_sack();
    host.queue(10_000);
    rest(&mut host);
    assert_eq!(host.timer(), Some(TimerKind::TailProbe));
    host.arrive(ack(0, &[(1_000, 4_000)]));
    assert_eq!(sent_at(&host), [0]);
    assert_eq!(host.timer(), Some(TimerKind::Retransmit));
}

// RFC 8985 7.2: the probe follows the last segment, but no later than the timeout of the first.
#[test]
fn a_probe_comes_no_later_than_the_timeout_of_the_first() {
    let mut host = open_sack();
    host.queue(2_000);
    let rto = host.tcb.rtt.rto();
    assert_eq!(rto, Duration::from_ms(300));
    assert_eq!(host.time_left(), Duration::from_ms(202));
    host.pass(Duration::from_ms(50));
    host.queue(1_000);
    assert_eq!(host.timer(), Some(TimerKind::TailProbe));
    assert_eq!(host.time_left(), Duration::from_ms(202));
    host.pass(Duration::from_ms(100));
    host.queue(1_000);
    assert_eq!(host.timer(), Some(TimerKind::TailProbe));
    assert_eq!(host.time_left(), Duration::from_ms(150));
}

// RFC 8985 7.4.2, case 2: the peer does not report duplicates.
#[test]
fn a_duplicate_without_blocks_says_that_the_probe_was_needless() {
    let mut host = probed();
    host.queue(3_000);
    host.arrive(ack(2_000, &[]));
    rest(&mut host);
    host.arrive(ack(5_000, &[]));
    assert_eq!(host.tcb.congestion.ssthresh(), u32::MAX);
}

// RFC 8985 7.4.2: what has blocks is no such duplicate.
#[test]
fn an_acknowledgment_with_blocks_says_nothing_of_the_probe() {
    let mut host = probed();
    host.queue(3_000);
    rest(&mut host);
    host.arrive(ack(2_000, &[(4_000, 5_000)]));
    assert_eq!(host.tcb.congestion.ssthresh(), u32::MAX);
    host.arrive(ack(5_000, &[]));
    assert!(host.tcb.congestion.ssthresh() <= 10_000);
}
