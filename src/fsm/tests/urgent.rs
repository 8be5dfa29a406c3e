// SPDX-License-Identifier: GPL-2.0

//! Urgent data, sent and announced (RFC 9293 section 3.8.5).

use super::*;

impl Host {
    /// SEND with the URGENT flag.
    fn queue_urgent(&mut self, len: u32) {
        let mut out = Outbox::new();
        let call = UserCall::Queued { len };
        let queued = self.tcb.on_user(self.now, call, &self.cfg, &mut out);
        assert_eq!(queued, Ok(()));
        self.tcb.mark_urgent();
        self.after(&out);
    }

    /// Sequence number, length and urgent pointer (`None` without URG) of what the last call sent.
    fn pointers(&self) -> Vec<(u32, u32, Option<u16>)> {
        self.sent.iter().map(pointer).collect()
    }
}

fn pointer(segment: &SegmentOut) -> (u32, u32, Option<u16>) {
    let urgent = segment.flags.contains(URG);
    assert!(urgent || segment.urg == 0);
    let up = urgent.then_some(segment.urg);
    (segment.seq.raw(), segment.payload_len, up)
}

fn urgent(seq: u32, len: u32, up: u16) -> Segment {
    let mut segment = data(seg(ACK | URG, seq, ISS + 1), len);
    segment.urg = up;
    segment
}

#[test]
fn must_30_must_62_the_pointer_names_the_octet_after_the_last_urgent_one() {
    let mut host = Host::established();
    host.queue_urgent(5);
    assert_eq!(host.pointers(), [(ISS + 1, 5, Some(5))]);
    // What follows is not urgent.
    host.set(|settings| settings.nodelay = true);
    host.queue(5);
    assert_eq!(host.pointers(), [(ISS + 6, 5, None)]);
    // Nor is an ACK of data.
    host.arrive(data(seg(ACK, IRS + 1, ISS + 1), 2_000));
    assert_eq!(host.pointers().last(), Some(&(ISS + 11, 0, None)));
    // A retransmission is.
    host.fire();
    assert_eq!(host.pointers().first(), Some(&(ISS + 1, 10, Some(5))));
}

#[test]
fn the_pointer_goes_when_what_it_names_is_acknowledged() {
    let mut host = Host::established();
    host.queue_urgent(5);
    host.arrive(seg(ACK, IRS + 1, ISS + 3));
    host.fire();
    // Part of it is left.
    assert_eq!(host.pointers(), [(ISS + 3, 3, Some(3))]);
    host.arrive(seg(ACK, IRS + 1, ISS + 6));
    host.queue(4);
    assert_eq!(host.pointers(), [(ISS + 6, 4, None)]);
    assert_eq!(host.tcb.snd_up, None);
}

#[test]
fn urgent_data_does_not_wait_for_an_acknowledgment() {
    let mut host = Host::established();
    host.queue(5);
    host.queue(5);
    assert_eq!(host.sent.len(), 0, "Nagle holds small data back");
    host.queue_urgent(1);
    assert_eq!(host.pointers(), [(ISS + 6, 6, Some(6))]);
}

/// The pointer counts from SEG.SEQ, which is the SYN's own number.
#[test]
fn must_32_a_syn_ack_announces_urgent_data() {
    let mut host = Host::syn_sent();
    let mut syn_ack = data(syn(SYN | ACK | URG, IRS, ISS + 1), 3);
    syn_ack.urg = 3;
    // The second of the three octets is the last urgent one.
    assert_eq!(host.arrive(syn_ack).urgent, Some(1));
    assert_eq!(host.delivered, 3);
}

#[test]
fn must_31_urgent_data_is_of_any_length() {
    let mut host = Host::established();
    host.tcb.set_receive_space(SPACE);
    host.queue_urgent(200_000);
    let mut told = ISS + 1;
    let mut end = ISS + 1;
    while end != ISS + 200_001 {
        for (seq, len, up) in host.pointers() {
            let up = u32::from(up.expect("all of it is urgent"));
            let left = ISS + 200_001 - seq;
            assert_eq!(up, left.min(65_535));
            // Ahead of the segment's own data, or with its last octet: and never back.
            assert!(up >= len && seq + up >= told);
            told = seq + up;
            end = seq + len;
        }
        host.arrive(seg(ACK, IRS + 1, end));
    }
    assert_eq!(told, ISS + 200_001);
}

#[test]
fn a_closed_window_does_not_hide_urgent_data() {
    let mut host = Host::established();
    host.queue(5);
    host.arrive(wnd(seg(ACK, IRS + 1, ISS + 6), 0));
    host.queue_urgent(3);
    // No data can go: an ACK tells.
    assert_eq!(host.pointers(), [(ISS + 6, 0, Some(3))]);
    // As each probe does.
    host.fire();
    assert_eq!(host.pointers(), [(ISS + 6, 1, Some(3))]);
    // The same on the other side, MUST-66.
    let mut host = Host::established();
    host.space = 0;
    host.tcb.rcv_adv = host.tcb.rcv_nxt;
    let out = host.arrive(urgent(IRS + 1, 0, 3));
    assert_eq!(out.urgent, Some(2));
}

#[test]
fn urgent_data_before_the_connection_is_open_waits_with_the_rest() {
    let mut host = Host::syn_sent();
    host.queue_urgent(2);
    assert_eq!(host.sent.len(), 0);
    host.arrive(syn(SYN | ACK, IRS, ISS + 1));
    assert_eq!(host.pointers(), [(ISS + 1, 2, Some(2))]);
}

#[test]
fn nothing_queued_is_nothing_urgent() {
    let mut host = Host::established();
    host.queue_urgent(0);
    assert_eq!(host.sent.len(), 0);
    assert_eq!(host.tcb.snd_up, None);
    let mut host = Host::close_wait();
    host.queue_urgent(1);
    host.user(UserCall::ShutdownWrite);
    assert_eq!(host.pointers(), [(ISS + 2, 0, None)]);
}

#[test]
fn must_32_an_advance_of_the_pointer_is_news() {
    let mut host = Host::established();
    // Announced before its data.
    assert_eq!(host.arrive(urgent(IRS + 1, 10, 30)).urgent, Some(29));
    assert_eq!(host.arrive(urgent(IRS + 11, 10, 20)).urgent, None);
    assert_eq!(host.arrive(urgent(IRS + 21, 10, 11)).urgent, Some(10));
    assert_eq!(host.arrive(urgent(IRS + 31, 10, 5)).urgent, Some(4));
    // Out of order: the pointer counts from the segment's own number.
    assert_eq!(host.arrive(urgent(IRS + 51, 10, 1)).urgent, Some(10));
}

#[test]
fn what_was_read_long_ago_hides_nothing() {
    let mut host = Host::established();
    assert_eq!(host.arrive(urgent(IRS + 1, 1, 1)).urgent, Some(0));
    // More than half the circle later an old RCV.UP would seem to lie ahead.
    host.tcb.urgent_is_read();
    let late = host.tcb.rcv_nxt + 0x9000_0000;
    host.tcb.rcv_nxt = late;
    host.tcb.rcv_adv = late + SPACE;
    host.tcb.last_ack_sent = late;
    host.tcb.snd_wl1 = late;
    let out = host.arrive(urgent(late.raw(), 10, 10));
    assert_eq!(out.urgent, Some(9));
}

#[test]
fn a_pointer_at_the_segment_itself_names_what_is_known() {
    let mut host = Host::established();
    assert_eq!(host.arrive(urgent(IRS + 1, 10, 0)).urgent, None);
    assert_eq!(host.tcb.urgent_end(), None);
    // Without URG the field means nothing.
    let mut plain = data(seg(ACK, IRS + 11, ISS + 1), 10);
    plain.urg = 5;
    assert_eq!(host.arrive(plain).urgent, None);
}
