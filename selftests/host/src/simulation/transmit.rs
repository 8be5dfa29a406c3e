// SPDX-License-Identifier: GPL-2.0

//! What an end sends: the segments that the machine has ready, each with its octets, watched, and put on the network.

use super::end::{Check, End, Outgoing};
use super::trace;
use crate::fsm::runs::MaxRun;
use crate::fsm::segment::SegmentOut;
use crate::fsm::Instant;

/// More segments than any call may send: a machine that sends so many never stops.
const MAX_BURST: usize = 100_000;

impl End {
    /// Sends all that is due.
    pub(super) fn transmit(&mut self, now: Instant) -> Check {
        self.update_room();
        self.tcb.set_max_run(MaxRun {
            octets: self.plan.max_run,
            segments: u16::MAX,
        });
        for _ in 0..MAX_BURST {
            let Some(segment) = self.tcb.next_segment(now, &self.plan.cfg) else {
                return Ok(self.tcb.settled_invariants()?);
            };
            for piece in segment.pieces() {
                if !self.send(&piece)? {
                    return Ok(self.tcb.invariants()?);
                }
            }
        }
        Err("the machine never stops to send".to_string())
    }

    /// Sends a segment of the connection; false if there is no memory for it.
    pub(super) fn send(&mut self, segment: &SegmentOut) -> Result<bool, String> {
        let received = self.received_until();
        if let Err(what) = self.watch.sent(segment, received) {
            let (iss, irs) = self.watch.origins();
            return Err(format!("{what}: {}", trace::sent_words(segment, iss, irs)));
        }
        let mut data = Vec::new();
        if segment.payload_len != 0 {
            let iss = self.watch.origins().0;
            let queue_start = self.tcb.send_queue_start();
            let end = segment.seq + segment.payload_len;
            let from = segment.seq.distance_from(iss + 1);
            if segment.seq.before(queue_start) || end.after(iss + 1 + self.program.written) {
                return Err("data is sent that is not in the send queue".to_string());
            }
            self.program.octets(from, segment.payload_len, &mut data);
        }
        if self.dice.happens(self.plan.refuse) {
            self.note(|| "no memory for a segment".to_string());
            return Ok(false);
        }
        self.put(segment, &data)?;
        Ok(true)
    }

    /// Sends a segment that is no part of a connection.
    pub(super) fn send_stateless(&mut self, segment: &SegmentOut) -> Check {
        self.put(segment, &[])
    }

    pub(super) fn put(&mut self, segment: &SegmentOut, data: &[u8]) -> Check {
        let mut octets = [0; 60];
        let len = segment
            .emit(40_000, 80, &mut octets)
            .ok_or("a header does not fit")?;
        let words = match self.notes {
            Some(_) => {
                let (iss, irs) = self.watch.origins();
                trace::sent_words(segment, iss, irs)
            }
            None => String::new(),
        };
        self.outgoing.push(Outgoing {
            octets: [&octets[..len], data].concat().into(),
            has_data: !data.is_empty(),
            ect: segment.ect,
            words,
        });
        Ok(())
    }
}
