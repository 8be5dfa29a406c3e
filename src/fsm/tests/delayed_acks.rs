// SPDX-License-Identifier: GPL-2.0

//! ACKs that wait for company, and those that do not.

use super::*;
use crate::fsm::{AckMode, Settings};

/// The most that an ACK waits.
const DELAY: Duration = Duration::from_ms(40);

/// A connection whose first ACKs, which are sent at once, are over; the peer's next octet is `next`.
struct Calm {
    host: Host,
    next: u32,
}

impl Calm {
    fn new() -> Self {
        let mut calm = Self {
            host: Host::established(),
            next: IRS + 1,
        };
        for _ in 0..16 {
            calm.text(1);
            assert_eq!(calm.host.only().ack, raw(calm.next), "at once at the start");
        }
        calm
    }

    /// The next `len` octets arrive, and are read.
    fn text(&mut self, len: u32) {
        self.host.arrive(data(seg(ACK, self.next, ISS + 1), len));
        self.next += len;
        self.host.space = SPACE;
    }

    /// Nothing was sent, and an ACK waits.
    fn waits(&self) {
        assert!(self.host.sent.is_empty());
        assert_eq!(self.host.timer(), Some(TimerKind::DelayedAck));
    }

    /// An ACK of everything was sent, and none waits.
    fn acked(&self) {
        assert_eq!(self.host.only().ack, raw(self.next));
        assert_ne!(self.host.timer(), Some(TimerKind::DelayedAck));
    }
}

#[test]
fn shld_18_must_40_an_ack_waits_for_company_and_no_longer_than_that() {
    let mut calm = Calm::new();
    calm.text(100);
    calm.waits();
    assert_eq!(calm.host.time_left(), DELAY);
    // Until then nothing happens.
    calm.host.pass(DELAY - Duration::from_us(1));
    let mut out = Outbox::new();
    let host = &mut calm.host;
    host.tcb.on_timer(host.now, &host.cfg, &mut out);
    assert!(host.tcb.next_segment(host.now, &host.cfg).is_none());
    host.fire();
    calm.acked();
    assert_eq!(brief(&calm.host.only()), (ACK, ISS + 1, calm.next, 0));
    // More data does not delay it further.
    calm.text(100);
    calm.host.pass(Duration::from_ms(30));
    calm.text(100);
    assert_eq!(calm.host.time_left(), Duration::from_ms(10));
}

#[test]
fn shld_19_every_second_full_segment_is_acknowledged() {
    let mut calm = Calm::new();
    calm.text(1_000);
    // The first large one shows how large they are.
    for _ in 0..5 {
        calm.text(1_000);
        calm.acked();
        calm.text(1_000);
        calm.waits();
    }
    // Small ones add up.
    calm.text(1_000);
    calm.acked();
    for _ in 0..10 {
        calm.text(100);
        calm.waits();
    }
    calm.text(1);
    calm.acked();
}

#[test]
fn much_data_that_comes_at_once_is_acknowledged_when_it_is_read() {
    const ROOM: u32 = 60_000;
    const RUN: u32 = 17_000;
    let mut calm = Calm::new();
    // Arrives in a packet of `len` octets, and is read.
    fn comes(calm: &mut Calm, len: u32) {
        let mut run = data(seg(ACK, calm.next, ISS + 1), len);
        run.piece = MSS;
        calm.host.space = ROOM;
        calm.host.arrive(run);
        calm.next += len;
    }
    comes(&mut calm, 1_000);
    comes(&mut calm, 1_000);
    // Nobody waits for it: at once.
    comes(&mut calm, RUN);
    calm.acked();
    calm.host.tcb.set_reader_waits(true);
    comes(&mut calm, RUN);
    calm.waits();
    calm.host.user(UserCall::Read);
    calm.acked();
    // A reader that does not come is not waited for as long as others, also where an ACK waited already.
    comes(&mut calm, 1_000);
    assert_eq!(calm.host.time_left(), DELAY);
    comes(&mut calm, RUN);
    calm.waits();
    assert_eq!(calm.host.time_left(), Duration::from_ms(2));
    calm.host.fire();
    calm.acked();
    // Little data is none of its business.
    comes(&mut calm, 1_000);
    calm.waits();
    calm.host.user(UserCall::Read);
    calm.waits();
    comes(&mut calm, 1_000);
    calm.acked();
}

#[test]
fn an_ack_that_waits_goes_out_when_memory_is_short() {
    let mut calm = Calm::new();
    calm.host.tcb.acknowledge_for_room();
    assert!(calm
        .host
        .tcb
        .next_segment(calm.host.now, &calm.host.cfg)
        .is_none());
    calm.text(100);
    calm.waits();
    calm.host.tcb.acknowledge_for_room();
    let ack = calm
        .host
        .tcb
        .next_segment(calm.host.now, &calm.host.cfg)
        .unwrap();
    assert_eq!(ack.ack, raw(calm.next));
    assert_ne!(calm.host.timer(), Some(TimerKind::DelayedAck));
}

#[test]
fn must_58_data_of_ours_takes_the_ack_along() {
    let mut calm = Calm::new();
    calm.text(100);
    calm.waits();
    calm.host.queue(10);
    assert_eq!(
        brief(&calm.host.only()),
        (ACK | PSH, ISS + 1, calm.next, 10)
    );
    assert_ne!(calm.host.timer(), Some(TimerKind::DelayedAck));
}

#[test]
fn must_58_a_program_that_answers_needs_no_ack_of_its_own() {
    let mut host = Host::established();
    let mut next = IRS + 1;
    host.arrive(data(seg(ACK, next, ISS + 1), 10));
    assert_eq!(host.sent.len(), 1, "nobody knows yet that it answers");
    next += 10;
    host.queue(10);
    for answer in 1..10 {
        let una = ISS + 1 + 10 * answer;
        host.arrive(data(seg(ACK, next, una), 10));
        next += 10;
        assert!(host.sent.is_empty());
        host.queue(10);
        assert_eq!(host.only().ack, raw(next));
    }
    // It did not answer in time: the next ACK does not wait.
    let una = host.tcb.snd_nxt.raw();
    host.arrive(data(seg(ACK, next, una), 10));
    host.fire();
    assert_eq!(host.only().payload_len, 0);
    host.arrive(data(seg(ACK, next + 10, una), 10));
    assert_eq!(host.only().ack, raw(next + 20));
}

#[test]
fn must_59_segments_that_were_queued_are_handled_before_the_ack() {
    let mut calm = Calm::new();
    let mut out = Outbox::new();
    let host = &mut calm.host;
    for at in 0..5 {
        let segment = data(seg(ACK, calm.next + 1_000 * at, ISS + 1), 1_000);
        host.tcb.on_segment(host.now, &segment, &host.cfg, &mut out);
        assert!(out.reply.is_none());
    }
    let ack = host.tcb.next_segment(host.now, &host.cfg).unwrap();
    assert_eq!(brief(&ack), (ACK, ISS + 1, calm.next + 5_000, 0));
    assert!(host.tcb.next_segment(host.now, &host.cfg).is_none());
    assert_eq!(host.timer(), None);
}

#[test]
fn may_13_out_of_order_twice_and_into_the_gap_draw_acks_at_once() {
    let mut calm = Calm::new();
    let next = calm.next;
    let mut at_once = |seq: u32, len: u32, ack: u32| {
        calm.host.arrive(data(seg(ACK, seq, ISS + 1), len));
        assert_eq!(calm.host.only().ack, raw(ack));
    };
    at_once(next + 100, 10, next);
    at_once(next + 200, 10, next);
    // Not yet the whole gap.
    at_once(next, 50, next + 50);
    at_once(next, 50, next + 50);
    at_once(next + 50, 50, next + 110);
    at_once(next + 110, 90, next + 210);
    // And for a while what follows: the peer repairs a loss.
    at_once(next + 210, 10, next + 220);
}

/// Nobody closes this side: the ACK of the peer's FIN waits no longer than that of data (MUST-40).
/// A part that came twice says that an ACK of ours was lost, or is late.
#[test]
fn text_that_was_there_in_part_is_acknowledged_at_once() {
    let mut calm = Calm::new();
    calm.next -= 1;
    calm.text(2);
    calm.acked();
}

#[test]
fn must_40_the_ack_of_a_fin_waits_for_ours_and_what_waited_with_it() {
    let mut calm = Calm::new();
    calm.text(10);
    calm.waits();
    calm.host.pass(Duration::from_ms(10));
    calm.host.arrive(seg(FIN | ACK, calm.next, ISS + 1));
    // Not later than the data's own.
    calm.waits();
    assert_eq!(calm.host.time_left(), Duration::from_ms(30));
    calm.host.fire();
    assert_eq!(calm.host.only().ack, raw(calm.next + 1));
    assert_eq!(calm.host.timer(), None);

    // With the first ACKs, which are sent at once, as well.
    let mut host = Host::established();
    host.arrive(seg(FIN | ACK, IRS + 1, ISS + 1));
    assert_eq!(host.time_left(), DELAY);
}

#[test]
fn the_ack_of_a_fin_does_not_wait_where_acks_are_never_delayed_or_data_came_along() {
    let mut host = Host::established();
    host.set(|settings| settings.acks = AckMode::Quick);
    host.arrive(seg(FIN | ACK, IRS + 1, ISS + 1));
    assert_eq!(host.only().ack, raw(IRS + 2));
    // The first data is acknowledged at once.
    let mut host = Host::established();
    host.arrive(data(seg(FIN | ACK, IRS + 1, ISS + 1), 10));
    assert_eq!(host.only().ack, raw(IRS + 12));
    // A FIN that comes again was not acknowledged in time.
    let mut host = Host::established();
    host.arrive(seg(FIN | ACK, IRS + 1, ISS + 1));
    host.arrive(seg(FIN | ACK, IRS + 1, ISS + 1));
    assert_eq!(host.only().ack, raw(IRS + 2));
    assert_eq!(host.timer(), None);
}

#[test]
fn a_window_update_takes_the_ack_along() {
    let mut calm = Calm::new();
    for _ in 0..5 {
        calm.host.arrive(data(seg(ACK, calm.next, ISS + 1), 1_000));
        calm.next += 1_000;
    }
    calm.waits();
    calm.host.read(5_000);
    calm.acked();
    assert_eq!(calm.host.only().wnd, SPACE as u16);
}

#[test]
fn after_a_pause_acks_are_quick_again() {
    let mut calm = Calm::new();
    calm.text(10);
    calm.waits();
    calm.host.fire();
    calm.host.pass(Duration::from_secs(2));
    calm.text(10);
    calm.acked();
}

#[test]
fn the_program_may_have_it_quick_or_delayed() {
    let mut calm = Calm::new();
    let mode = |acks| {
        let mut settings = Settings::new();
        settings.acks = acks;
        settings
    };
    calm.text(10);
    calm.waits();
    let cfg = calm.host.cfg;
    calm.host.tcb.apply_settings(mode(AckMode::Quick), &cfg);
    // What waits goes out.
    let ack = calm.host.tcb.next_segment(calm.host.now, &cfg).unwrap();
    assert_eq!(ack.ack, raw(calm.next));
    for _ in 0..20 {
        calm.text(10);
        calm.acked();
    }
    calm.host.tcb.apply_settings(mode(AckMode::Delayed), &cfg);
    calm.host.pass(Duration::from_secs(2));
    calm.text(10);
    calm.waits();
}

#[test]
fn a_challenge_ack_fulfils_no_duty() {
    let mut calm = Calm::new();
    calm.text(10);
    calm.waits();
    calm.host.arrive(seg(SYN, calm.next, 0));
    assert_eq!(calm.host.sent.len(), 1);
    assert_eq!(calm.host.timer(), Some(TimerKind::DelayedAck));
}

#[test]
fn the_ack_timer_and_another_may_fire_together() {
    let mut calm = Calm::new();
    calm.host.queue(10);
    let rto = calm.host.time_left();
    calm.host.pass(rto - DELAY);
    calm.text(10);
    calm.host.sent.clear();
    calm.host.pass(DELAY);
    let mut out = Outbox::new();
    let host = &mut calm.host;
    host.tcb.on_timer(host.now, &host.cfg, &mut out);
    let sent = host.tcb.next_segment(host.now, &host.cfg).unwrap();
    assert_eq!((sent.payload_len, sent.ack), (10, raw(calm.next)));
    assert!(host.tcb.next_segment(host.now, &host.cfg).is_none());
}
