// SPDX-License-Identifier: GPL-2.0

//! How large the socket's buffers should be: the receive buffer as large as what the program reads in a round-trip time asks for,
//! the send buffer as large as the congestion window asks for. As Linux's TCP, whose algorithm is known as dynamic right-sizing.
//!
//! Nothing here is of the RFC: a buffer only bounds what the windows may be.

use super::congestion::Congestion;
use super::records::RecordList;
use super::segment::Segment;
use super::seq::SeqNumber;
use super::tcb::Tcb;
use super::time::Instant;

/// Payload is told in so many parts of the memory that it takes.
const PARTS: u32 = 256;

/// Until a segment shows better: half of the memory is payload, as Linux assumes.
const HALF: u8 = 128;

/// The first congestion window in segments (RFC 6928): the least that is read in a round-trip time, or that a send buffer is
/// made for.
const INITIAL_WINDOW: u32 = 10;

/// What is acknowledged one by one, and what is queued meanwhile: a window of each.
const WINDOWS: u32 = 2;

/// Below this round-trip time a buffer grows slower: a program that is late by a moment asks for no more. In microseconds, as
/// Linux's `tcp_rcvbuf_low_rtt`.
const LOW_RTT_US: u64 = 1_000;

/// A tick of the clock of timestamps, in microseconds.
const TICK_US: u32 = 1_000;

/// What is measured for the buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tuning {
    /// The payload of a full segment in parts of its memory.
    parts: u8,
    /// The round-trip time as the receiver sees it, in microseconds; 0: not known.
    rtt_us: u32,
    /// A window's worth of data is timed: it ends before this number, since then.
    window_end: SeqNumber,
    window_at: Instant,
    timing: bool,
    /// The echo of the last sample.
    echo: u32,
    /// Octets that were read since `read_at`.
    read: u32,
    read_at: Instant,
    /// The most octets that were read in a round-trip time; 0: none yet.
    most_read: u32,
}

impl Tuning {
    /// Nothing was measured.
    pub(super) const fn new() -> Self {
        const START: Instant = Instant::from_us(0);
        Self {
            parts: HALF,
            rtt_us: 0,
            window_end: SeqNumber::from_raw(0),
            window_at: START,
            timing: false,
            echo: 0,
            read: 0,
            read_at: START,
            most_read: 0,
        }
    }

    /// A sample of the round-trip time. One of a window's arrival is good only as a minimum: the sender may have waited.
    fn sample(&mut self, us: u32, of_window: bool) {
        let us = us.max(1);
        if self.rtt_us == 0 || us < self.rtt_us {
            self.rtt_us = us;
        } else if !of_window {
            // As RFC 6298 2.3 smoothes.
            self.rtt_us = self
                .rtt_us
                .saturating_sub(self.rtt_us / 8)
                .saturating_add(us / 8);
        }
    }
}

impl<L: RecordList> Tcb<L> {
    /// A segment whose data was taken came in a packet of `memory` octets.
    pub(crate) fn note_packet(&mut self, now: Instant, segment: &Segment, memory: u32) {
        let len = segment.payload_len;
        let full = len >= self.full_segment();
        if full && memory != 0 {
            let parts = u64::from(len).saturating_mul(u64::from(PARTS)) / u64::from(memory);
            self.tuning.parts = parts.clamp(1, u64::from(u8::MAX)) as u8;
        }
        if let (true, true, Some(timestamps)) = (self.ts_on, full, segment.options.timestamps) {
            let age_ms = self.ts_now(now).wrapping_sub(timestamps.ecr);
            if timestamps.ecr != self.tuning.echo && age_ms != 0 && age_ms <= i32::MAX as u32 {
                self.tuning.sample(age_ms.saturating_mul(TICK_US), false);
            }
            self.tuning.echo = timestamps.ecr;
        }
        let tuning = &mut self.tuning;
        if tuning.timing && self.rcv_nxt.before(tuning.window_end) {
            return;
        }
        // Timestamps tell it better, but for less than a tick of theirs.
        if tuning.timing && !(self.ts_on && tuning.rtt_us >= TICK_US) {
            let us = now.since(tuning.window_at).as_us();
            tuning.sample(us.min(u64::from(u32::MAX)) as u32, true);
        }
        tuning.timing = true;
        tuning.window_end = self.rcv_adv;
        tuning.window_at = now;
    }

    /// The round-trip time as the receiver sees it, in microseconds; 0: not known yet.
    pub(super) fn receive_rtt_us(&self) -> u32 {
        self.tuning.rtt_us
    }

    /// The window that so much free memory is good for.
    #[inline]
    pub(crate) fn window_from(&self, memory: u32) -> u32 {
        // At most 40 bits.
        let parts = u64::from(memory).wrapping_mul(u64::from(self.tuning.parts));
        (parts / u64::from(PARTS)) as u32
    }

    /// The most that is offered anew while the memory of all connections together is short: as Linux, four segments.
    pub(crate) fn window_under_pressure(&self) -> u32 {
        u32::from(self.rcv_mss).saturating_mul(4)
    }

    /// The memory that a window asks for.
    pub(crate) fn memory_for(&self, window: u64) -> u32 {
        let memory = window.saturating_mul(u64::from(PARTS)) / u64::from(self.tuning.parts.max(1));
        memory.min(u64::from(u32::MAX)) as u32
    }

    /// The program read `count` octets, and left `unread` in the queue. How large the receive buffer should be at least, in octets
    /// of memory, if more is known now than before.
    pub(crate) fn tune_receive_buffer(
        &mut self,
        clock: impl FnOnce() -> Instant,
        count: u32,
        unread: u32,
    ) -> Option<u32> {
        // Where segments are large the window was never so wide.
        let initial = u32::from(self.rcv_mss)
            .saturating_mul(INITIAL_WINDOW)
            .min(self.rcv_buf);
        let tuning = &mut self.tuning;
        tuning.read = tuning.read.saturating_add(count);
        if tuning.rtt_us == 0 {
            return None;
        }
        let now = clock();
        if now.since(tuning.read_at).as_us() < u64::from(tuning.rtt_us) {
            return None;
        }
        tuning.read_at = now;
        let read = core::mem::take(&mut tuning.read).saturating_sub(unread);
        let before = tuning.most_read.max(initial).max(1);
        if read <= before {
            return None;
        }
        tuning.most_read = read;
        let rtt_us = u64::from(tuning.rtt_us);
        // What is measured is a round-trip time old; the sender may double meanwhile (RFC 5681 3.1).
        let window = u64::from(read).saturating_mul(2);
        let growth = if rtt_us < LOW_RTT_US {
            window.saturating_mul(rtt_us) / LOW_RTT_US
        } else {
            let more = u64::from(read.saturating_sub(before));
            window.saturating_mul(2).saturating_mul(more) / u64::from(before)
        };
        let held = self
            .held
            .as_slice()
            .last()
            .map_or(0, |range| range.right.distance_from(self.rcv_nxt));
        Some(
            self.memory_for(
                window
                    .saturating_add(growth)
                    .saturating_add(u64::from(held)),
            ),
        )
    }

    /// Whether the peer holds something behind a gap, which the send buffer must keep.
    #[inline]
    pub(crate) fn peer_holds_some(&self) -> bool {
        self.sums.sacked != 0
    }

    /// The octets of data that the send buffer should hold: a congestion window in flight, and one more that is ready when the
    /// window of slow start doubles.
    #[inline]
    pub(crate) fn send_buffer_wanted(&self) -> u32 {
        let mss = u32::from(self.effective_mss());
        // What the peer holds behind a gap stays in the buffer, but keeps nothing from being sent.
        send_buffer(&self.congestion, mss).saturating_add(self.sums.sacked)
    }
}

fn send_buffer(congestion: &Congestion, mss: u32) -> u32 {
    congestion
        .cwnd()
        .max(mss.saturating_mul(INITIAL_WINDOW))
        .saturating_mul(WINDOWS)
}

#[cfg(test)]
mod tests {
    use super::super::congestion::Kind;
    use super::super::time::Instant;
    use super::*;

    #[test]
    fn the_send_buffer_holds_two_windows() {
        let mut congestion = Congestion::new(Kind::Reno, 1_000);
        assert_eq!(send_buffer(&congestion, 1_000), 20_000);
        congestion.on_ack(Instant::from_us(1), 2_000, 1_000, None, 0, true);
        assert_eq!(send_buffer(&congestion, 1_000), 24_000);
        // A small window is no reason to let the program wait.
        congestion.on_timeout(Instant::from_us(2), 12_000, 1_000);
        assert_eq!(congestion.cwnd(), 1_000);
        assert_eq!(send_buffer(&congestion, 1_000), 20_000);
    }
}
