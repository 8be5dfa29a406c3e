// SPDX-License-Identifier: GPL-2.0

//! What a packet does that arrives at an end, and what an onlooker has to say of it.

use super::claims::Claim;
use super::end::{content, iss_of, Form, Packet, Tcb, NOW};
use super::setup::Broken;
use super::work::Work;
use crate::fsm::segment::{Flags, Segment};
use crate::fsm::{
    closed_on_segment, listen_on_segment, Fate, ListenVerdict, Outbox, ReqVerdict, SeqNumber,
    State, SynReq, TwVerdict,
};

impl Work<'_> {
    pub(super) fn arrive(&mut self, packet: &Packet) {
        let segment = packet.segment();
        let cfg = &self.setup.cfg;
        let has_room = self.has_room();
        let mut out = Outbox::new();
        match &mut self.step.end.form {
            Form::Closed => self.arrive_without_connection(&segment),
            Form::Request(request) => {
                let verdict = request.on_segment(NOW, &segment, cfg, &mut out);
                let mut child = Tcb::new();
                request.establish(NOW, cfg, &mut child);
                self.count(&out);
                self.reply(&out);
                match verdict {
                    ReqVerdict::Keep => {}
                    ReqVerdict::Remove => {
                        self.check_reset(packet, &segment);
                        self.step.end.forget();
                    }
                    ReqVerdict::Establish => {
                        if packet.about != self.step.end.ours {
                            self.fail(Claim::Old, "an old ACK completes a handshake");
                        }
                        self.accept(child);
                        self.arrive(packet);
                    }
                }
            }
            Form::Block(_) => self.arrive_at_block(packet, &segment),
            Form::TimeWait(waiting) => match waiting.on_segment(NOW, &segment, cfg, &mut out) {
                TwVerdict::Keep => {
                    self.count(&out);
                    self.reply(&out);
                }
                TwVerdict::Remove => {
                    self.count(&out);
                    self.check_reset(packet, &segment);
                    self.step.end.forget();
                }
                TwVerdict::Reopen { iss_floor } => {
                    if !has_room {
                        waiting.refuse(NOW, &mut out);
                        self.count(&out);
                        self.reply(&out);
                        return;
                    }
                    if packet.from <= self.step.end.theirs {
                        self.fail(Claim::Old, "an old SYN opens a connection anew");
                    }
                    self.step.end.forget();
                    self.open(&segment, true);
                    let iss = iss_of(self.side, self.step.end.ours);
                    if iss.before(iss_floor) {
                        self.fail(Claim::Old, "the new numbers are among the old ones");
                    }
                }
            },
        }
    }

    fn arrive_without_connection(&mut self, segment: &Segment) {
        if self.setup.broken == Broken::AnswersRst && segment.flags.contains(Flags::RST) {
            let plain = Segment {
                flags: Flags::ACK,
                ..*segment
            };
            if let Some((rst, _)) = closed_on_segment(&plain) {
                self.send(&rst);
            }
            return;
        }
        if self.step.end.listener.is_none() {
            if let Some((rst, _)) = closed_on_segment(segment) {
                self.send(&rst);
            }
            return;
        }
        match listen_on_segment(segment) {
            ListenVerdict::Open if self.has_room() => self.open(segment, false),
            ListenVerdict::Reset(rst, _) => self.send(&rst),
            ListenVerdict::Open | ListenVerdict::Drop(_) => {}
        }
    }

    /// Whether the listener takes one more request.
    fn has_room(&self) -> bool {
        let end = &self.step.end;
        end.listener.is_some() && end.attempts < self.setup.attempts[self.side]
    }

    /// A listener takes a SYN.
    fn open(&mut self, segment: &Segment, from_time_wait: bool) {
        let mut out = Outbox::new();
        let end = &mut self.step.end;
        let params = end.next_attempt(self.setup, self.side);
        let request = SynReq::open(
            NOW,
            segment,
            &params,
            from_time_wait,
            &self.setup.cfg,
            &mut out,
        );
        let syn_ack = request.syn_ack(NOW);
        end.theirs = self.packet.map_or(0, |packet| packet.from);
        end.form = Form::Request(request);
        self.count(&out);
        self.send(&syn_ack);
    }

    /// The handshake is complete, and a program takes the connection.
    pub(super) fn accept(&mut self, mut child: Tcb) {
        self.note(|| "accept".to_string());
        let mut settings = *child.settings();
        settings.acks = self.setup.acks;
        settings.nodelay = self.setup.nodelay;
        child.apply_settings(settings, &self.setup.cfg);
        self.step.end.form = Form::Block(Box::new(child));
        self.step.end.here = true;
    }

    fn arrive_at_block(&mut self, packet: &Packet, segment: &Segment) {
        let space = self.step.end.space(self.setup);
        let mut out = Outbox::new();
        let end = &mut self.step.end;
        let Form::Block(tcb) = &mut end.form else {
            return;
        };
        let was = tcb.state();
        let una = tcb.numbers()[2];
        tcb.set_receive_space(space);
        let mut seen = *segment;
        if self.setup.broken == Broken::TakesAnyRst && segment.flags.contains(Flags::RST) {
            seen.seq = tcb.receive_next();
        }
        tcb.on_segment(NOW, &seen, &self.setup.cfg, &mut out);
        let moved = tcb.numbers()[2] != una;
        if was == State::SynSent && tcb.state() != State::SynSent && out.fate == Fate::Live {
            end.theirs = packet.from;
        }
        let (ours, theirs) = (end.ours, end.theirs);
        let is_old = packet.about != 0 && packet.about != ours;
        let takes_text = out.deliver.is_some() || out.hold.is_some();
        if is_old && (moved || takes_text) || packet.from != theirs && takes_text {
            self.fail(Claim::Old, "a segment of an old connection is taken");
        }
        if segment.flags.contains(Flags::RST) && out.fate == Fate::Closed {
            self.check_reset(packet, segment);
        }
        if self.setup.broken == Broken::TakesTextTwice && segment.payload_len != 0 {
            self.take(packet, segment, 0, segment.payload_len);
        }
        self.take_text(packet, segment, &out);
        self.apply(&out, false);
    }

    /// An RST ends a connection: it must be about that one, or of the peer's attempt that it is with, which is over then.
    fn check_reset(&mut self, packet: &Packet, segment: &Segment) {
        let end = &self.step.end;
        let is_old = packet.about != end.ours && packet.from != end.theirs;
        // RFC 9293 3.10.7.1: the RST that answers a segment without ACK has the number 0, which is RCV.NXT by chance here, so near
        // to the wrap. RFC 5961 3.2 takes it, as it takes any RST that hits the number.
        let is_numbered = segment.seq != SeqNumber::from_raw(0);
        if segment.flags.contains(Flags::RST) && is_numbered && is_old {
            self.fail(Claim::Old, "an RST of an old connection is taken");
        }
    }

    /// The octets that the machine takes go where it says.
    fn take_text(&mut self, packet: &Packet, segment: &Segment, out: &Outbox) {
        if let Some(deliver) = out.deliver {
            self.take(packet, segment, deliver.skip, deliver.len);
        }
        let text = &packet.octets[usize::from(segment.header_len)..];
        if let Some(hold) = out.hold {
            for at in 0..hold.len {
                let octet = text[(hold.skip + at) as usize];
                self.step.end.held.push((hold.at + at, octet));
            }
            self.step.end.held.sort_by_key(|held| held.0.raw());
        }
        if let Some(until) = out.release {
            let mut held = core::mem::take(&mut self.step.end.held);
            let irs = iss_of(1 - self.side, self.step.end.theirs);
            held.sort_by_key(|held| held.0.distance_from(irs));
            held.retain(|(at, octet)| {
                let goes = at.before(until);
                // What was delivered meanwhile is there already.
                if goes && at.distance_from(irs + 1) == u32::from(self.step.end.received) {
                    self.deliver(*octet);
                }
                !goes
            });
            self.step.end.held = held;
        }
        if out.fin_received || out.fate != Fate::Live {
            self.step.end.held.clear();
        }
        self.step.end.ended |= out.fin_received;
    }

    fn take(&mut self, packet: &Packet, segment: &Segment, skip: u32, len: u32) {
        let start = usize::from(segment.header_len) + skip as usize;
        for octet in &packet.octets[start..start + len as usize] {
            self.deliver(*octet);
        }
    }

    /// The program gets an octet: it must be the next one.
    fn deliver(&mut self, octet: u8) {
        let end = &mut self.step.end;
        let expected = content(end.theirs, end.received);
        end.received += 1;
        end.unread += 1;
        if self.setup.reads_at_once {
            end.unread = 0;
        }
        if octet != expected {
            self.fail(Claim::Stream, "an octet arrives twice, or not in order");
        }
    }
}
