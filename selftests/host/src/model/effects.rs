// SPDX-License-Identifier: GPL-2.0

//! What an end does because the machine said so: states to be noted, segments to be sent, connections that are over.

use super::claims::Claim;
use super::end::{content, iss_of, Form, Packet, NOW};
use super::setup::Broken;
use super::work::Work;
use crate::fsm::segment::{Flags, SegmentOut};
use crate::fsm::{Fate, Outbox, TimeWait};

impl Work<'_> {
    /// Counts what a call of the machine did.
    pub(super) fn count(&mut self, out: &Outbox) {
        for id in out.arcs.iter() {
            self.step.arcs |= 1 << id.index();
            self.note(|| format!("  {}", id.arc().to.name()));
        }
        for reason in out.drop.into_iter().chain(out.notes()) {
            self.note(|| format!("  {}", reason.name()));
            if reason == crate::fsm::DropReason::NoArc {
                self.fail(Claim::Arcs, "an event comes in a state without an arc");
            }
        }
    }

    pub(super) fn reply(&mut self, out: &Outbox) {
        if let Some(reply) = out.reply {
            self.send(&reply.segment);
        }
    }

    /// Carries out what a call of the block asks for; `is_own`: the program has ended the connection itself.
    pub(super) fn apply(&mut self, out: &Outbox, is_own: bool) {
        self.count(out);
        if let Some(error) = out.error {
            self.note(|| format!("  error: {error:?}"));
        }
        self.reply(out);
        let end = &mut self.step.end;
        let space = end.space(self.setup);
        let lost = end.is_lost();
        let Form::Block(tcb) = &mut end.form else {
            return;
        };
        let holds = tcb.invariants();
        let counts_fin = out.arcs.iter().any(|id| {
            use crate::fsm::arcs::Event;
            matches!(id.arc().event, Event::RcvAckOfFin | Event::RcvFinAckOfFin)
        });
        let fin_sent = end.fin_sent;
        match out.fate {
            Fate::Live => {
                tcb.set_receive_space(space);
                self.transmit();
            }
            Fate::TimeWait => {
                let waiting = TimeWait::from_tcb(tcb, NOW, &self.setup.cfg);
                end.form = Form::TimeWait(waiting);
                // The program has its end, and has sent its own: nothing that it does is seen any more.
                (end.here, end.unread, end.written, end.received) = (false, 0, 0, 0);
            }
            Fate::Closed => {
                let told = out.error.is_some() && self.setup.broken != Broken::TellsNobody;
                let here = end.here;
                end.forget();
                if here && lost && !told && !is_own {
                    self.fail(Claim::Stream, "a connection ends, and nobody is told");
                }
            }
        }
        self.check(holds);
        if counts_fin && !fin_sent {
            self.fail(Claim::Fin, "a FIN is acknowledged that was not sent");
        }
    }

    pub(super) fn transmit(&mut self) {
        loop {
            let Form::Block(tcb) = &mut self.step.end.form else {
                return;
            };
            let Some(segment) = tcb.next_segment(NOW, &self.setup.cfg) else {
                let holds = tcb.settled_invariants();
                return self.check(holds);
            };
            self.send(&segment);
        }
    }

    /// A segment goes out.
    pub(super) fn send(&mut self, segment: &SegmentOut) {
        let mut segment = *segment;
        let end = &mut self.step.end;
        let is_rst = segment.flags.contains(Flags::RST);
        let broken = self.setup.broken;
        if broken == Broken::KeepsFin && self.side == 0 && segment.flags.contains(Flags::FIN) {
            segment.flags = Flags::ACK;
        }
        if matches!(broken, Broken::AcksFinEarly | Broken::KeepsFin)
            && self.side == 1
            && !end.ended
            && end.block().is_some()
            && segment.flags.bits() == Flags::ACK.bits()
        {
            segment.ack = segment.ack + 1;
        }
        end.fin_sent |= segment.flags.contains(Flags::FIN);
        let mut header = [0; 60];
        let ports = [40_000, 80];
        let len = segment
            .emit(ports[self.side], ports[1 - self.side], &mut header)
            .expect("60 octets are enough for any header");
        let first = segment.seq.distance_from(iss_of(self.side, end.ours) + 1);
        let text = (0..segment.payload_len).map(|at| content(end.ours, (first + at) as u8));
        let octets = header[..len].iter().copied().chain(text).collect();
        // An RST answers the segment that came, for the connection that was meant.
        let (from, about) = match self.packet {
            Some(packet) if is_rst => (packet.about, packet.from),
            _ => (end.ours, end.theirs),
        };
        let packet = Packet {
            to: 1 - self.side,
            octets,
            from,
            about,
        };
        self.step.sent.push(packet);
        let answers_rst = self
            .packet
            .is_some_and(|packet| packet.segment().flags.contains(Flags::RST));
        if is_rst && answers_rst {
            self.fail(Claim::Rst, "an RST answers an RST");
        }
    }
}
