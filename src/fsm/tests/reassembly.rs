// SPDX-License-Identifier: GPL-2.0

//! Segments out of order: held, told, and delivered when the gap is filled.

use super::*;
use crate::fsm::outbox::Deliver;
use crate::fsm::{DropReason, RecordList};

/// A connection with selective acknowledgments.
fn sacking() -> Host {
    let cfg = Config {
        sack: true,
        ..plain()
    };
    let mut host = Host::syn_sent_with(cfg);
    let mut segment = syn(SYN | ACK, IRS, ISS + 1);
    segment.options.sack_permitted = true;
    host.arrive(segment);
    host
}

/// The octets `from` to `to` of the peer's stream, counted from 1, arrive.
fn octets(host: &mut Host, from: u32, to: u32) -> Outbox {
    host.arrive(data(seg(ACK, IRS + from, ISS + 1), to - from))
}

/// The blocks of the one segment that was sent, counted as in [`octets`].
fn blocks(host: &Host) -> Vec<(u32, u32)> {
    let sack = host.only().options.sack;
    let blocks = sack.as_slice().iter();
    blocks
        .map(|block| (block.left.raw() - IRS, block.right.raw() - IRS))
        .collect()
}

#[test]
fn shld_31_may_13_what_comes_behind_a_gap_is_held_and_acknowledged_at_once() {
    let mut host = Host::established();
    let out = octets(&mut host, 101, 201);
    let hold = Hold {
        at: raw(IRS + 101),
        skip: 0,
        len: 100,
    };
    assert_eq!((out.hold, out.drop, out.deliver), (Some(hold), None, None));
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 1, 0));
    octets(&mut host, 301, 401);
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 1, 0));
    // The first gap is filled: what was held follows, up to the next gap.
    let out = octets(&mut host, 1, 101);
    assert_eq!(out.deliver, Some(Deliver { skip: 0, len: 100 }));
    assert_eq!(out.release, Some(raw(IRS + 201)));
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 201, 0));
    let out = octets(&mut host, 201, 301);
    assert_eq!(out.release, Some(raw(IRS + 401)));
    assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 401, 0));
    assert_eq!(host.delivered, 400);
    assert!(host.kept.is_empty());
}

#[test]
fn without_sack_no_blocks_are_sent() {
    let mut host = Host::established();
    octets(&mut host, 101, 201);
    assert!(blocks(&host).is_empty());
    octets(&mut host, 101, 201);
    assert!(blocks(&host).is_empty());
}

// RFC 2018 section 4: the first block has the segment that drew the ACK, the others repeat the last ones.
#[test]
fn the_blocks_are_those_that_changed_last() {
    let mut host = sacking();
    octets(&mut host, 11, 21);
    assert_eq!(blocks(&host), [(11, 21)]);
    octets(&mut host, 31, 41);
    assert_eq!(blocks(&host), [(31, 41), (11, 21)]);
    octets(&mut host, 51, 61);
    octets(&mut host, 71, 81);
    octets(&mut host, 91, 101);
    assert_eq!(blocks(&host), [(91, 101), (71, 81), (51, 61), (31, 41)]);
    // A range that grows is told once, as it is now.
    octets(&mut host, 41, 46);
    assert_eq!(blocks(&host), [(31, 46), (91, 101), (71, 81), (51, 61)]);
    // Two become one.
    octets(&mut host, 46, 51);
    assert_eq!(blocks(&host), [(31, 61), (91, 101), (71, 81)]);
    // What is delivered is told no more.
    octets(&mut host, 1, 11);
    assert_eq!(host.only().ack, raw(IRS + 21));
    assert_eq!(blocks(&host), [(31, 61), (91, 101), (71, 81)]);
}

// RFC 2018 section 4, first example: the first of eight segments is lost.
#[test]
fn rfc_2018_the_first_of_eight_is_lost() {
    let mut host = sacking();
    for at in 1..8 {
        octets(&mut host, 1 + 500 * at, 501 + 500 * at);
        assert_eq!(host.only().ack, raw(IRS + 1));
        assert_eq!(blocks(&host), [(501, 501 + 500 * at)]);
    }
}

// RFC 2018 section 4, third example: the second, fourth, sixth and eighth of eight are lost, the fourth comes late, then the
// second.
#[test]
fn rfc_2018_every_other_is_lost() {
    let mut host = sacking();
    octets(&mut host, 1, 501);
    for (at, told) in [
        (1_001, vec![(1_001, 1_501)]),
        (2_001, vec![(2_001, 2_501), (1_001, 1_501)]),
        (3_001, vec![(3_001, 3_501), (2_001, 2_501), (1_001, 1_501)]),
        (1_501, vec![(1_001, 2_501), (3_001, 3_501)]),
    ] {
        octets(&mut host, at, at + 500);
        assert_eq!(host.only().ack, raw(IRS + 501));
        assert_eq!(blocks(&host), told);
    }
    octets(&mut host, 501, 1_001);
    assert_eq!(host.only().ack, raw(IRS + 2_501));
    assert_eq!(blocks(&host), [(3_001, 3_501)]);
}

// RFC 2883 section 4.1: a whole segment twice, reported once, without and with other blocks.
#[test]
fn rfc_2883_a_duplicate_is_told_first_and_once() {
    let mut host = sacking();
    octets(&mut host, 1, 501);
    octets(&mut host, 1, 501);
    assert_eq!(host.only().ack, raw(IRS + 501));
    assert_eq!(blocks(&host), [(1, 501)]);
    octets(&mut host, 1_001, 1_501);
    assert_eq!(blocks(&host), [(1_001, 1_501)]);
    octets(&mut host, 1, 501);
    assert_eq!(blocks(&host), [(1, 501), (1_001, 1_501)]);
    // Behind the gap: the second block is the one that it lies in.
    octets(&mut host, 2_001, 2_501);
    octets(&mut host, 1_101, 1_201);
    assert_eq!(
        blocks(&host),
        [(1_101, 1_201), (1_001, 1_501), (2_001, 2_501)]
    );
    octets(&mut host, 3_001, 3_501);
    assert_eq!(
        blocks(&host),
        [(3_001, 3_501), (1_001, 1_501), (2_001, 2_501)]
    );
}

// RFC 2883 section 4.2: a part of a segment twice.
#[test]
fn rfc_2883_a_partial_duplicate_is_told() {
    let mut host = sacking();
    octets(&mut host, 1, 501);
    octets(&mut host, 301, 801);
    assert_eq!(host.only().ack, raw(IRS + 801));
    assert_eq!(blocks(&host), [(301, 501)]);
    // In order, over what was held.
    octets(&mut host, 901, 1_001);
    let out = octets(&mut host, 801, 951);
    assert_eq!(out.deliver, Some(Deliver { skip: 0, len: 150 }));
    assert_eq!(out.release, Some(raw(IRS + 1_001)));
    assert_eq!(host.only().ack, raw(IRS + 1_001));
    assert_eq!(blocks(&host), [(901, 951)]);
    assert_eq!(host.delivered, 1_000);
}

#[test]
fn a_challenge_ack_does_not_take_the_duplicate_along() {
    let mut host = sacking();
    octets(&mut host, 1, 501);
    host.tcb.note_old(raw(IRS + 1), raw(IRS + 11));
    let challenge = host.tcb.challenge_ack(host.now);
    assert_eq!(challenge.options.sack.as_slice().len(), 1);
    assert_eq!(host.tcb.sack_blocks().as_slice().len(), 1);
}

#[test]
fn overlaps_are_cut_and_every_octet_comes_once() {
    let mut host = Host::established();
    octets(&mut host, 101, 201);
    octets(&mut host, 301, 401);
    for (from, to, at, skip, len) in [(151, 251, 201, 50, 50), (281, 351, 281, 0, 20)] {
        let out = octets(&mut host, from, to);
        let hold = Hold {
            at: raw(IRS + at),
            skip,
            len,
        };
        assert_eq!(out.hold, Some(hold));
    }
    let out = octets(&mut host, 151, 181);
    assert_eq!((out.hold, out.drop), (None, Some(DropReason::Duplicate)));
    // It covers one that is held.
    octets(&mut host, 501, 511);
    octets(&mut host, 491, 521);
    let out = octets(&mut host, 1, 601);
    assert_eq!(out.deliver, Some(Deliver { skip: 0, len: 600 }));
    assert_eq!(host.delivered, 600);
    assert!(host.kept.is_empty() && host.tcb.held.as_slice().is_empty());
}

#[test]
fn a_fin_behind_a_gap_is_taken_when_the_gap_is_filled() {
    // Alone, with the last data, and before it.
    for (fin_from, fin_len) in [(201, 0), (101, 100), (151, 50)] {
        let mut host = Host::established();
        octets(&mut host, 101, 201);
        let out = host.arrive(data(seg(FIN | ACK, IRS + fin_from, ISS + 1), fin_len));
        assert!(!out.fin_received);
        assert_eq!(host.state(), State::Established);
        let out = octets(&mut host, 1, 101);
        assert_eq!(out.release, Some(raw(IRS + 201)));
        assert!(out.fin_received);
        assert_eq!(host.state(), State::CloseWait);
        assert_eq!(brief(&host.only()), (ACK, ISS + 1, IRS + 202, 0));
    }
}

#[test]
fn rfc_2018_a_fin_behind_a_gap_is_told_as_it_takes_a_number() {
    // Alone.
    let mut host = sacking();
    host.arrive(seg(FIN | ACK, IRS + 301, ISS + 1));
    assert_eq!(blocks(&host), [(301, 302)]);
    // Text elsewhere, then next to it.
    octets(&mut host, 101, 201);
    assert_eq!(blocks(&host), [(101, 201), (301, 302)]);
    octets(&mut host, 251, 301);
    assert_eq!(blocks(&host), [(251, 302), (101, 201)]);
    // The first gap is filled.
    octets(&mut host, 1, 101);
    assert_eq!(host.only().ack, raw(IRS + 201));
    assert_eq!(blocks(&host), [(251, 302)]);
    assert!(octets(&mut host, 201, 251).fin_received);
    assert_eq!(blocks(&host), []);
    // With the text that it follows; also where that is there already.
    let mut host = sacking();
    host.arrive(data(seg(FIN | ACK, IRS + 101, ISS + 1), 100));
    assert_eq!(blocks(&host), [(101, 202)]);
    let mut host = sacking();
    octets(&mut host, 101, 201);
    host.arrive(seg(FIN | ACK, IRS + 201, ISS + 1));
    assert_eq!(blocks(&host), [(101, 202)]);
    // All text before it goes at once, and it stays.
    let mut host = sacking();
    host.arrive(seg(FIN | ACK, IRS + 301, ISS + 1));
    octets(&mut host, 101, 201);
    octets(&mut host, 1, 101);
    assert_eq!(blocks(&host), [(301, 302)]);
    // The owner gave the text up.
    let mut host = sacking();
    host.arrive(data(seg(FIN | ACK, IRS + 101, ISS + 1), 100));
    host.tcb.forget_held_from(raw(IRS + 101));
    octets(&mut host, 301, 302);
    assert_eq!(blocks(&host), [(201, 202)]);
}

#[test]
fn nothing_is_behind_a_fin() {
    let mut host = Host::established();
    host.arrive(seg(FIN | ACK, IRS + 201, ISS + 1));
    let out = octets(&mut host, 251, 301);
    assert_eq!((out.hold, out.drop), (None, Some(DropReason::OutOfWindow)));
    let out = octets(&mut host, 151, 301);
    assert_eq!(out.hold.map(|hold| hold.len), Some(50));
    let out = octets(&mut host, 1, 301);
    assert_eq!(out.deliver, Some(Deliver { skip: 0, len: 200 }));
    assert!(out.fin_received);
    // The other way round: the FIN is before what is held.
    let mut host = Host::established();
    octets(&mut host, 101, 301);
    host.arrive(seg(FIN | ACK, IRS + 201, ISS + 1));
    let out = octets(&mut host, 1, 101);
    assert_eq!(out.release, Some(raw(IRS + 201)));
    assert!(out.fin_received && host.kept.is_empty());
    assert_eq!(host.state(), State::CloseWait);
}

#[test]
fn what_is_beyond_the_window_is_not_held() {
    let mut host = Host::established();
    let out = octets(&mut host, SPACE - 99, SPACE + 101);
    assert_eq!(out.hold.map(|hold| hold.len), Some(100));
    let edge = host.tcb.rcv_adv;
    octets(&mut host, 1, SPACE - 99);
    assert_eq!((host.tcb.rcv_nxt, host.delivered), (edge, SPACE));
}

#[test]
fn without_room_or_memory_the_text_is_dropped_and_the_rest_handled() {
    let mut host = Host::established();
    host.queue(10);
    host.space = 0;
    let out = host.arrive(data(seg(ACK, IRS + 101, ISS + 11), 100));
    assert_eq!(
        (out.hold, out.drop),
        (None, Some(DropReason::ReceiveBufferFull))
    );
    assert!(out.acked);
    host.space = SPACE;
    host.tcb.held.limit = 1;
    octets(&mut host, 101, 201);
    let out = octets(&mut host, 301, 401);
    assert_eq!(
        (out.hold, out.drop),
        (None, Some(DropReason::ReceiveBufferFull))
    );
    assert_eq!(host.kept.len(), 1);
}

// RFC 2018 section 8: what was not acknowledged may be given up.
#[test]
fn what_the_owner_gives_up_is_asked_for_again() {
    let mut host = sacking();
    octets(&mut host, 101, 201);
    octets(&mut host, 301, 401);
    host.tcb.forget_held_from(raw(IRS + 151));
    host.kept = vec![(raw(IRS + 101), 50)];
    octets(&mut host, 501, 511);
    assert_eq!(blocks(&host), [(501, 511), (101, 151)]);
    octets(&mut host, 1, 101);
    assert_eq!(host.only().ack, raw(IRS + 151));
    octets(&mut host, 151, 501);
    assert_eq!(host.only().ack, raw(IRS + 511));
    assert_eq!(host.delivered, 510);
}

#[test]
fn held_octets_do_not_narrow_the_window() {
    let mut host = Host::established();
    octets(&mut host, 1_001, 5_001);
    assert_eq!(host.only().wnd, SPACE as u16);
    octets(&mut host, 1, 1_001);
    assert_eq!(host.only().wnd, (SPACE - 5_000) as u16);
    // Nor does a gap stop it from growing when the program reads.
    host.read(5_000);
    octets(&mut host, 6_001, 7_001);
    assert_eq!(host.only().wnd, SPACE as u16);
}

#[test]
fn blocks_make_segments_of_data_shorter() {
    let mut host = sacking();
    octets(&mut host, 101, 201);
    octets(&mut host, 301, 401);
    host.queue(2_000);
    let full = host.sent[0];
    assert_eq!(full.options.sack.as_slice().len(), 2);
    assert_eq!(
        full.header_len() as u32 + full.payload_len,
        20 + u32::from(MSS)
    );
}

#[test]
fn close_gives_up_what_is_held() {
    let mut host = Host::established();
    octets(&mut host, 101, 201);
    host.drop_kept();
    host.user(UserCall::Close { unread_data: false });
    assert!(host.tcb.held.as_slice().is_empty());
}
