// SPDX-License-Identifier: GPL-2.0
//! Segments coming in (RFC 9293 3.10.7): [`verify`]d, read, given to their object by [`dispatch`], shown to the program's filters
//! ([`admits`]), and, with the socket locked, to the machine ([`meet`]).
//!
//! Runs in softirq, or for the backlog of a socket in the process that owned it. Locks: see [`super`].

use super::pernet::{PerNet, Reading};
use super::tables::Object;
use super::{effects, instance, now, request, time_wait, tx, urgent, Locked, Rtcpfsm, Socket};
use crate::src::fsm::{
    self, closed_on_segment, DropReason, Flags, Instant, Outbox, ParseError, Segment, SeqNumber,
    State, TimeWait,
};
use crate::src::kapi::hash::Key;
use crate::src::kapi::ip;
use crate::src::kapi::netns::Net;
use crate::src::kapi::offload::FIXED_HEADER;
use crate::src::kapi::skb::Skb;
use kernel::prelude::*;

/// The octets of a header without options, and where its data offset stands.
const MIN_HEADER: u32 = 20;
const DATA_OFFSET_AT: usize = 12;
/// How often a segment looks for its object again when that was just replaced.
const LOOKUPS: u32 = 4;
/// Room in a backlog beyond the buffers, so that ACKs and FINs get through to a socket in use.
const BACKLOG_HEADROOM: u32 = 64 * 1024;

/// A verified segment on its way to its object.
pub(crate) struct Arrived<'a> {
    pub(crate) skb: Skb,
    pub(crate) segment: &'a mut Segment,
    pub(crate) key: Key,
    /// The number by which the table of connections spreads this key.
    pub(crate) hash: u32,
    /// A filter cut off the end of its data, and the FIN that stood behind it.
    fin_cut: bool,
}

impl Arrived<'_> {
    /// Index of the interface that it arrived on, and of the enslaved one below (0: none). Not of what was in a backlog.
    #[inline]
    pub(crate) fn interfaces(&self) -> (i32, i32) {
        let v6 = !self.key.remote.is_v4();
        (self.skb.interface(v6), self.skb.enslaved(v6))
    }
}

/// What became of a segment that was shown to an object.
pub(crate) enum Taken<'a> {
    /// It was handled.
    Done,
    /// The object is not there any more, or not for this segment: look again.
    Again(Arrived<'a>),
    /// A SYN for the listener, in spite of this TIME-WAIT, which has ended: initial sequence numbers start beyond that one.
    Reopen(Arrived<'a>, SeqNumber, TimeWait),
}

impl ip::Handler for Rtcpfsm {
    fn receive(mut skb: Skb, v6: bool) {
        let header_len = match verify(&mut skb, v6) {
            Ok(header_len) => header_len,
            Err(reason) => return PerNet::of(skb.net()).counters().drop(reason),
        };
        // It stays where it is read to: to copy it would cost as much as to read it.
        let mut segment = Segment::empty();
        if let Err(error) = segment.read(skb.linear_up_to(header_len), skb.len()) {
            let reason = match error {
                ParseError::Truncated => DropReason::Truncated,
                ParseError::BadDataOffset => DropReason::BadDataOffset,
            };
            return PerNet::of(skb.net()).counters().drop(reason);
        }
        segment.ce = skb.is_ce(v6);
        segment.piece = skb.piece();
        if segment.options.malformed {
            // RFC 9293 3.2, MUST-7: the segment is good for what stood before.
            PerNet::of(skb.net()).counters().drop(DropReason::BadOption);
        }
        let (source, destination) = skb.addresses(v6);
        let key = Key::new(
            skb.net(),
            (destination, segment.dst_port),
            (source, segment.src_port),
        );
        dispatch(Arrived {
            skb,
            segment: &mut segment,
            hash: instance().tables.hash(&key),
            key,
            fin_cut: false,
        });
    }

    fn error(skb: &ip::IcmpError<'_>) {
        super::icmp::error(skb);
    }

    fn cut_header(header: &mut [u8; FIXED_HEADER], offset: u32, is_last: bool) {
        fsm::cut_header(header, offset, is_last);
    }
}

/// Is it whole, for this host alone, from one host, and undamaged? If so, how long its header is, all of which is linear.
fn verify(skb: &mut Skb, v6: bool) -> Result<u32, DropReason> {
    // RFC 9293 3.9.2.3, MUST-57
    if !skb.to_unicast(v6) {
        return Err(DropReason::MulticastOrBroadcast);
    }
    let (source, _) = skb.addresses(v6);
    // RFC 9293 3.9.2.3, MUST-63
    if !Skb::source_is_host(source) {
        return Err(DropReason::BadSource);
    }
    let fixed = skb.linear(MIN_HEADER).ok_or(DropReason::Truncated)?;
    let header_len = fixed
        .get(DATA_OFFSET_AT)
        .map_or(0, |byte| u32::from(byte >> 4) * 4);
    if header_len < MIN_HEADER {
        return Err(DropReason::BadDataOffset);
    }
    skb.linear(header_len).ok_or(DropReason::BadDataOffset)?;
    // RFC 9293 3.1, MUST-3
    if !skb.checksum_ok(v6, instance().protocol) {
        return Err(DropReason::BadChecksum);
    }
    if !skb.passes_policy(v6) {
        return Err(DropReason::Policy);
    }
    Ok(header_len)
}

/// Finds the object of a segment and gives it to it.
#[inline(always)]
fn dispatch(mut arrived: Arrived<'_>) {
    let tables = &instance().tables;
    for _ in 0..LOOKUPS {
        let taken = match tables.find_for(&arrived) {
            Some(Object::Socket(sk)) => socket(&sk, arrived),
            Some(Object::Request(request)) => request::segment(&request, arrived),
            Some(Object::TimeWait(waiting)) => time_wait::segment(&waiting, arrived),
            None => unmatched(arrived),
        };
        match taken {
            Taken::Done => return,
            Taken::Again(back) => arrived = back,
            Taken::Reopen(back, floor, ended) => return reopen(back, floor, ended),
        }
    }
    // Objects come and go faster than we look: the peer sends it again.
    PerNet::of(arrived.skb.net())
        .counters()
        .drop(DropReason::BacklogFull);
}

/// RFC 9293 3.10.7.3 and 3.10.7.4: a segment for a socket's connection.
fn socket<'a>(sk: &Socket, mut arrived: Arrived<'a>) -> Taken<'a> {
    if !admits(sk, &mut arrived) {
        return Taken::Done;
    }
    let mut locked = sk.bh_lock();
    match locked.unowned() {
        Some(guard) => process(guard, arrived, now()),
        // In the backlog it would have its FIN again, and be read so. It is as if it were lost.
        None if arrived.fin_cut => Taken::Done,
        None => {
            let limit = sk
                .rcvbuf()
                .saturating_add(sk.sndbuf())
                .saturating_add(BACKLOG_HEADROOM);
            if !locked.add_backlog(arrived.skb, limit) {
                sk.per_net().counters().drop(DropReason::BacklogFull);
            }
            Taken::Done
        }
    }
}

/// Gives a segment to the machine of a locked socket.
pub(crate) fn process<'a>(sk: &mut Locked<'_>, arrived: Arrived<'a>, now: Instant) -> Taken<'a> {
    if has_ended(sk) {
        return Taken::Again(arrived);
    }
    meet(sk, arrived.skb, arrived.segment, now);
    Taken::Done
}

/// It was found in the table, but ended before we had the lock: a TIME-WAIT may stand in its place.
pub(super) fn has_ended(sk: &Locked<'_>) -> bool {
    sk.tcb.state() == State::Closed || !sk.sk().head().is_hashed()
}

/// Do the program's own limits and filters let this segment in? Asked while the packet's device is there to be looked at.
pub(super) fn admits(sk: &Socket, arrived: &mut Arrived<'_>) -> bool {
    let header_len = u32::from(arrived.segment.header_len);
    if !sk.is_near(&arrived.skb) || !sk.passes_filter(&mut arrived.skb, header_len) {
        sk.per_net().counters().drop(DropReason::Policy);
        return false;
    }
    // The filter may have cut payload off; what is gone has not arrived, nor has a FIN behind it.
    let payload_len = arrived.skb.len().saturating_sub(header_len);
    if payload_len < arrived.segment.payload_len {
        arrived.segment.payload_len = payload_len;
        arrived.fin_cut = arrived.segment.flags.contains(Flags::FIN);
        arrived.segment.flags = arrived.segment.flags.without(Flags::FIN);
    }
    true
}

/// Gives a segment that was admitted to the machine of a socket whose connection has not ended.
pub(super) fn meet(sk: &mut Locked<'_>, mut skb: Skb, segment: &mut Segment, now: Instant) {
    let per_net = sk.sk().per_net();
    let header_len = u32::from(segment.header_len);
    let mut reading = Reading::new();
    let config = per_net.config(&mut reading);
    let mut out = Outbox::new();
    effects::update_room(sk);
    // A reader who is slow loses no ACK, RST or window update: the machine is told that there is no room, and refuses the
    // text alone.
    if segment.payload_len > 0 {
        if has_room(sk, &skb, segment.seq) {
            sk.tcb.spare_receive_space();
        } else {
            sk.tcb.set_receive_space(0);
            sk.room_told = None;
            // Who waits for more than there is (SO_RCVLOWAT) has to make room.
            let unread = sk.sk().rcv_queued();
            if unread > 0 && unread < sk.sk().receive_low_water() {
                sk.wake_readers();
            }
        }
    }
    let next = sk.tcb.receive_next();
    let reader_waits = sk.reader_waits();
    sk.tcb.set_reader_waits(reader_waits);
    sk.tcb.on_segment(now, segment, config, &mut out);
    sk.tcb.count_arrived(now, segment);
    if let Some(ahead) = out.urgent {
        urgent::announced(sk, ahead);
    }
    let queued = out.deliver.is_some() || out.hold.is_some();
    let mostly_memory = segment.payload_len < skb.truesize() / 4;
    if queued {
        sk.tcb.note_packet(now, segment, skb.truesize());
        skb.pull(header_len);
    }
    match (out.deliver, out.hold) {
        (Some(deliver), _) => sk.receive_queue_append(skb, deliver.skip, deliver.len),
        (None, Some(hold)) => sk.hold(skb, hold.at.raw(), hold.skip, hold.len),
        (None, None) => skb.consume(),
    }
    if let Some(end) = out.release {
        let next = next + out.deliver.map_or(0, |deliver| deliver.len);
        sk.release(next.raw(), end.raw());
    }
    if out.fin_received {
        sk.purge_held();
    }
    if queued {
        // The machine has guessed, and the packet may have gone to memory that another one has taken.
        sk.room_told = None;
        effects::update_room(sk);
        if mostly_memory && sk.sk().rmem_alloc() > sk.sk().rcvbuf() / 2 {
            sk.tcb.acknowledge_for_room();
        }
    }
    effects::apply(sk, &out, now, config);
}

/// Is there memory for this packet, with data from `seq` on? What comes first is worth more than what waits behind a gap.
fn has_room(sk: &mut Locked<'_>, skb: &Skb, seq: SeqNumber) -> bool {
    if sk.has_receive_memory(skb) {
        return true;
    }
    if let Some(from) = sk.give_up_held(seq.raw(), skb) {
        sk.tcb.forget_held_from(SeqNumber::from_raw(from));
        effects::update_room(sk);
        if sk.has_receive_memory(skb) {
            return true;
        }
    }
    // A single packet always fits where nothing else waits: no other socket can stop this stream for ever.
    let is_next = seq.at_or_before(sk.tcb.receive_next());
    is_next && sk.sk().rcv_queued() == 0 && sk.force_receive_memory(skb)
}

/// A packet that waited while a process owned the socket.
pub(crate) fn backlog(sk: &mut Locked<'_>, skb: Skb) {
    let mut segment = Segment::empty();
    let header = skb.linear_up_to(u32::MAX);
    if segment.read(header, skb.len()).is_err() {
        return;
    }
    let key = sk.sk().key();
    segment.ce = skb.is_ce(!key.remote.is_v4());
    segment.piece = skb.piece();
    let arrived = Arrived {
        skb,
        segment: &mut segment,
        key,
        hash: sk.sk().head().hash(),
        fin_cut: false,
    };
    sk.in_backlog = true;
    let taken = process(sk, arrived, now());
    sk.in_backlog = false;
    if let Taken::Again(_) = taken {
        // A segment before it ended the connection. It is as if this one were lost: outside of softirq nothing holds the
        // device that it came from, by which a TIME-WAIT would answer.
        let counters = sk.sk().per_net().counters();
        counters.drop(DropReason::AfterClose);
    }
}

/// No connection: the listener's affair, or nobody's.
fn unmatched(arrived: Arrived<'_>) -> Taken<'_> {
    match instance().tables.find_listener(&arrived) {
        Some(listener) => request::listen(&listener, arrived),
        None => {
            no_socket(arrived.skb.net(), &arrived);
            Taken::Done
        }
    }
}

/// RFC 6191 2: a SYN that a TIME-WAIT gave way to.
fn reopen(mut arrived: Arrived<'_>, floor: SeqNumber, ended: TimeWait) {
    let opened = match instance().tables.find_listener(&arrived) {
        // Counted already.
        Some(listener) if !admits(&listener, &mut arrived) => Err(None),
        Some(listener) => request::open(&listener, &arrived, Some(floor)).map_err(Some),
        None => Err(Some(DropReason::NoSocket)),
    };
    if let Err(reason) = opened {
        let per_net = PerNet::of(arrived.skb.net());
        if let Some(reason) = reason {
            per_net.counters().drop(reason);
        }
        time_wait::not_reopened(per_net, ended);
    }
}

/// RFC 9293 3.10.7.1: no such connection. An RST answers all but an RST.
fn no_socket(net: &Net, arrived: &Arrived<'_>) {
    let counters = PerNet::of(net).counters();
    match closed_on_segment(arrived.segment) {
        Some((segment, reason)) => {
            counters.drop(DropReason::NoSocket);
            counters.reset(reason);
            let _ = tx::send_reset(net, None, arrived, &segment);
        }
        None => counters.drop(DropReason::ClosedRst),
    }
}
