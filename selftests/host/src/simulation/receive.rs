// SPDX-License-Identifier: GPL-2.0

//! The receive queue of an end, what it keeps out of order, and the memory for both, as in `src/net/rx.rs`.

use super::end::{Check, End};
use super::program::Program;
use crate::fsm::segment::Segment;
use crate::fsm::tcb::MIN_SND_MSS;
use crate::fsm::{Fate, Instant, Outbox};

/// The largest size to which a receive buffer grows.
const MAX_RECEIVE_BUFFER: u32 = 1 << 20;

impl End {
    /// What is offered of the receive buffer, as `net::effects::receive_room`.
    pub(super) fn space(&self) -> u32 {
        self.window_from(self.plan.receive_buffer.saturating_sub(self.memory()))
    }

    /// The window for so many octets of memory.
    fn window_from(&self, memory: u32) -> u32 {
        match self.plan.overhead {
            0 => memory,
            _ => self.tcb.window_from(memory),
        }
    }

    /// Tells the machine what is free, as `net::effects::update_room`.
    pub(super) fn update_room(&mut self) {
        self.tcb
            .set_receive_buffer(self.window_from(self.plan.receive_buffer));
        self.tcb.set_receive_space(self.space());
    }

    /// The memory that is taken by what was received.
    fn memory(&self) -> u32 {
        let held = self.held.len() as u32 * self.plan.overhead + self.held_octets();
        self.queue.iter().map(|packet| packet.1).sum::<u32>() + held
    }

    /// The program has taken octets from the receive queue, and the packets that are empty are freed.
    pub(super) fn free(&mut self, now: Instant, mut len: u32) {
        self.unread -= len;
        let read = len;
        while let Some((left, _)) = self.queue.front_mut() {
            let part = len.min(*left);
            *left -= part;
            len -= part;
            if *left != 0 {
                break;
            }
            self.queue.pop_front();
        }
        if self.plan.overhead != 0 {
            let wanted = self.tcb.tune_receive_buffer(|| now, read, self.unread);
            let size = wanted.unwrap_or(0).min(MAX_RECEIVE_BUFFER);
            self.plan.receive_buffer = self.plan.receive_buffer.max(size);
        }
    }

    /// Octets that wait for what comes before them.
    fn held_octets(&self) -> u32 {
        self.held.values().map(|octets| octets.len() as u32).sum()
    }

    /// Appends to the receive queue what the machine says, and compares it with what the peer wrote.
    pub(super) fn take_text(&mut self, out: &Outbox, payload: &[u8]) -> Check {
        let part = |skip: u32, len: u32| {
            let start = skip as usize;
            payload
                .get(start..start + len as usize)
                .ok_or("octets are wanted that the segment does not have")
        };
        if let Some(deliver) = out.deliver {
            self.append(part(deliver.skip, deliver.len)?)?;
        }
        let origin = self.watch.origins().1 + 1;
        if let Some(hold) = out.hold {
            let at = hold.at.distance_from(origin);
            let end = at + hold.len;
            // Packets that it covers go.
            self.held
                .retain(|other, octets| *other < at || *other + octets.len() as u32 > end);
            for (other, octets) in &self.held {
                if *other < end && at < *other + octets.len() as u32 {
                    return Err("octets are kept twice".to_string());
                }
            }
            self.held.insert(at, part(hold.skip, hold.len)?.to_vec());
        }
        if let Some(end) = out.release {
            let end = end.distance_from(origin);
            while let Some((at, octets)) = self.held.pop_first() {
                if at >= end {
                    self.held.insert(at, octets);
                    break;
                }
                let old = (self.program.received - at).min(octets.len() as u32);
                self.append(&octets[old as usize..])?;
            }
            if self.program.received != end {
                return Err("what is released is not there".to_string());
            }
        }
        if out.fin_received || out.fate != Fate::Live {
            self.held.clear();
        }
        // The last packet may be larger than what is free; a window that is scaled may be rounded up.
        let packet = u32::from(self.plan.mss.max(MIN_SND_MSS)) + self.plan.overhead;
        let most = self.plan.receive_buffer + packet.max(1 << self.plan.wscale);
        if self.memory() > most {
            return Err(format!(
                "{} octets of memory for a receive buffer of {}",
                self.memory(),
                self.plan.receive_buffer
            ));
        }
        Ok(())
    }

    /// What the machine is told of the room for a segment, as in `net::rx::process`: none, if the memory is full. What is
    /// farthest behind a gap gives way to what is nearer (RFC 2018 section 8).
    pub(super) fn room_for(&mut self, segment: &Segment) -> u32 {
        let is_short = self.dice.happens(self.plan.forget);
        if segment.payload_len == 0 {
            return self.space();
        }
        let origin = self.watch.origins().1 + 1;
        let mut is_full = is_short || self.memory() > self.plan.receive_buffer;
        while is_full {
            let last = self.held.last_entry();
            let Some(last) = last.filter(|last| (origin + *last.key()).after(segment.seq)) else {
                break;
            };
            let at = origin + *last.key();
            last.remove();
            self.note(|| "no memory for what is out of order".to_string());
            self.tcb.forget_held_from(at);
            is_full = self.memory() > self.plan.receive_buffer;
        }
        match self.memory() > self.plan.receive_buffer {
            true => 0,
            // One packet always fits.
            false => self.space().max(1),
        }
    }

    /// Appends to the receive queue.
    fn append(&mut self, octets: &[u8]) -> Check {
        let at = self.program.received;
        if !Program::is_content(self.peer_stream, at, octets) {
            return Err(format!(
                "the octets from {at} on are not those that were sent"
            ));
        }
        let len = octets.len() as u32;
        self.program.received += len;
        self.unread += len;
        self.queue.push_back((len, len + self.plan.overhead));
        Ok(())
    }
}
