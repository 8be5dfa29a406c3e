// SPDX-License-Identifier: GPL-2.0

//! Segments follow the path MTU, and what a narrower path has lost is sent again (RFC 1191, RFC 8201).

use super::*;

/// Sequence number and length of all that was sent last.
fn sent(host: &Host) -> Vec<(u32, u32)> {
    let brief = |sent: &SegmentOut| (sent.seq.raw(), sent.payload_len);
    host.sent.iter().map(brief).collect()
}

/// The path takes segments of so many octets now.
fn narrow(host: &mut Host, mss: u16) {
    host.tcb.set_path_mss(mss);
    host.after(&Outbox::new());
}

/// One segment of each length, a millisecond apart.
fn in_flight(host: &mut Host, lens: &[u32]) {
    host.set(|settings| settings.nodelay = true);
    for len in lens {
        host.pass(Duration::from_ms(1));
        host.queue(*len);
        assert_eq!(host.only().payload_len, *len);
    }
}

#[test]
fn shld_6_only_what_was_too_large_is_sent_again() {
    let mut host = Host::established();
    in_flight(&mut host, &[100, 1_000, 600, 601]);
    let cwnd = host.tcb.congestion.cwnd();
    assert_eq!(cwnd, 10_000);
    narrow(&mut host, 600);
    assert_eq!(
        sent(&host),
        [
            (ISS + 101, 600),
            (ISS + 701, 400),
            (ISS + 1_701, 600),
            (ISS + 2_301, 1)
        ]
    );
    // RFC 1191 6.4: this is no sign of congestion. As many segments as before may be in flight.
    assert_eq!(host.tcb.congestion.cwnd(), 6_000);
    host.arrive(seg(ACK, IRS + 1, ISS + 2_302));
    assert!(host.sent.is_empty() && host.timer().is_none());
    assert!(host.tcb.congestion.cwnd() >= 6_000);
}

#[test]
fn shld_6_a_path_that_narrows_twice_is_followed() {
    let mut host = Host::established();
    in_flight(&mut host, &[1_000]);
    narrow(&mut host, 600);
    assert_eq!(sent(&host), [(ISS + 1, 600), (ISS + 601, 400)]);
    narrow(&mut host, 500);
    // Both went out at once, and cannot be told apart.
    assert_eq!(sent(&host), [(ISS + 1, 500), (ISS + 501, 500)]);
    narrow(&mut host, 500);
    assert!(host.sent.is_empty());
}

#[test]
fn what_the_peer_holds_is_not_sent_again_for_a_narrower_path() {
    let mut host = Host::with_sack();
    in_flight(&mut host, &[1_000, 1_000, 1_000]);
    let mut dup = seg(ACK, IRS + 1, ISS + 1);
    dup.options.sack.push(raw(ISS + 1_001), raw(ISS + 2_001));
    host.arrive(dup);
    narrow(&mut host, 600);
    assert_eq!(sent(&host), [(ISS + 1, 600), (ISS + 601, 400)]);
    host.arrive(seg(ACK, IRS + 1, ISS + 2_001));
    assert_eq!(sent(&host), [(ISS + 2_001, 600), (ISS + 2_601, 400)]);
}

#[test]
fn a_larger_path_sends_nothing_again() {
    let mut host = Host::established();
    in_flight(&mut host, &[1_000]);
    narrow(&mut host, 9_000);
    assert!(host.sent.is_empty());
    // The peer takes no more than 1,000 octets: a path that still takes as much changes nothing.
    narrow(&mut host, 1_000);
    assert!(host.sent.is_empty());
}

#[test]
fn a_path_of_any_size_breaks_nothing() {
    for mss in [0, 1, 47, 48, 49, 999, 1_000, 1_001, u16::MAX] {
        for mut host in [Host::syn_sent(), Host::syn_received(), Host::fin_wait_1()] {
            narrow(&mut host, mss);
            assert!(host.sent.is_empty());
        }
        let mut host = Host::established();
        in_flight(&mut host, &[1_000, 1_000]);
        narrow(&mut host, mss);
        let most = u32::from(mss.clamp(48, 1_000));
        assert!(host.sent.iter().all(|sent| sent.payload_len <= most));
        host.arrive(seg(ACK, IRS + 1, ISS + 2_001));
        assert_eq!(host.tcb.send_queue_len(), 0);
    }
}
