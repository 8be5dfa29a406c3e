// SPDX-License-Identifier: GPL-2.0

//! A connection of many hours and gigabytes: numbers and times of long ago, which have come round, mean nothing.

use super::judged::{ack, open, open_sack, rest, sent_at};
use super::*;
use crate::fsm::recovery::Phase;

/// Half of all sequence numbers, in full segments, and some more.
const HALF_ROUND: u64 = (1 << 31) / 1_000 * 1_000 + 60_000;

/// Sends so many octets in full segments, beyond `una`; all are acknowledged.
fn bulk(host: &mut Host, una: &mut u32, octets: u64) {
    let mut left = octets;
    while left != 0 {
        let window = u64::from(host.tcb.congestion.cwnd() / 1_000 * 1_000).min(60_000);
        let len = window.min(left) as u32;
        host.tcb.on_queued(len).unwrap();
        while host.tcb.next_segment(host.now, &host.cfg).is_some() {}
        host.pass(Duration::from_ms(1));
        *una = una.wrapping_add(len);
        let mut out = Outbox::new();
        host.tcb
            .on_segment(host.now, &ack(*una, &[]), &host.cfg, &mut out);
        assert_eq!(host.tcb.snd_una, host.tcb.snd_nxt);
        left -= u64::from(len);
    }
}

/// Of ten segments the first is lost, and SACKs tell so: it goes again at once.
fn repairs(host: &mut Host, una: u32) {
    host.queue(10_000);
    let flight = host.tcb.snd_nxt.distance_from(host.tcb.snd_una);
    assert!(flight >= 5_000, "{flight}");
    rest(host);
    host.arrive(ack(una, &[(una + 1_000, una + flight)]));
    assert_eq!(sent_at(host), [una]);
}

// RFC 8985 6.2, step 2, with the time of the last delivery in 32 bits of microseconds, which come round in 71 minutes.
#[test]
fn loss_is_found_by_time_after_any_idle_time() {
    for minutes in [30, 36, 40, 60, 70, 75, 100, 120] {
        let mut host = open_sack();
        host.queue(1_000);
        rest(&mut host);
        host.arrive(ack(1_000, &[]));
        host.pass(Duration::from_secs(minutes * 60));
        repairs(&mut host, 1_000);
    }
}

#[test]
fn loss_is_found_by_time_after_a_window_that_was_long_closed() {
    let mut host = open_sack();
    host.queue(1_000);
    rest(&mut host);
    host.arrive(wnd(ack(1_000, &[]), 0));
    host.queue(10_000);
    let start = host.now;
    while host.now.since(start) < Duration::from_secs(40 * 60) {
        host.fire();
        rest(&mut host);
        host.arrive(wnd(ack(1_000, &[]), 0));
    }
    host.arrive(ack(1_000, &[]));
    let mut una = 1_000;
    while host.tcb.snd_una != host.tcb.write_end {
        rest(&mut host);
        una += host.tcb.snd_nxt.distance_from(host.tcb.snd_una);
        host.arrive(ack(una, &[]));
    }
    repairs(&mut host, una);
}

// RFC 9293 3.7.4: the last small segment is long acknowledged.
#[test]
fn a_small_segment_goes_out_after_two_gigabytes_of_full_ones() {
    let mut host = open_sack();
    bulk(&mut host, &mut 0, HALF_ROUND);
    host.queue(100);
    assert_eq!(host.sent.len(), 1);
}

// RFC 6582 3.2, step 1: `recover` is of a recovery that is long over.
#[test]
fn duplicates_mean_a_loss_two_gigabytes_after_the_last_one() {
    let mut host = open(plain());
    host.queue(5_000);
    for _ in 0..3 {
        host.arrive(ack(0, &[]));
    }
    assert_eq!(host.tcb.recovery.phase(), Phase::Fast);
    let mut una = 5_000;
    host.arrive(ack(una, &[]));
    bulk(&mut host, &mut una, HALF_ROUND);
    host.queue(5_000);
    for _ in 0..3 {
        host.arrive(ack(una, &[]));
    }
    assert_eq!(host.tcb.recovery.phase(), Phase::Fast);
}

// RFC 8985 6.2, step 4.
#[test]
fn a_duplicate_widens_the_reordering_window_after_two_gigabytes() {
    let mut host = open_sack();
    let mut una = 0;
    bulk(&mut host, &mut una, HALF_ROUND);
    host.arrive(ack(una, &[(una - 1_000, una)]));
    assert_eq!(host.tcb.recovery.reo_wnd_mult, 2);
}
