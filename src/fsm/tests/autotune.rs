// SPDX-License-Identifier: GPL-2.0

//! How large the buffers should be, by what arrives, what is read and what is in flight.

use super::*;

/// A receiver whose round-trip time is 20 ms, by timestamps, and whose full segments of 1000 octets take `memory` octets.
struct Receiver {
    host: Host,
    next: u32,
    memory: u32,
}

const RTT: Duration = Duration::from_ms(20);

impl Receiver {
    fn new(memory: u32) -> Self {
        let cfg = Config {
            timestamps: true,
            ..plain()
        };
        let mut host = Host::syn_sent_with(cfg);
        host.space = 1 << 20;
        let echo = host.tcb.ts_now(host.now);
        host.arrive(ts(syn(SYN | ACK, IRS, ISS + 1), 1, echo));
        Self {
            host,
            next: IRS + 1,
            memory,
        }
    }

    /// So many full segments arrive at once, and echo what we sent a round-trip time ago.
    fn burst(&mut self, segments: u32) {
        let echo = self.host.tcb.ts_now(self.host.now) - RTT.as_ms() as u32;
        for _ in 0..segments {
            let segment = ts(data(seg(ACK, self.next, ISS + 1), 1_000), 1, echo);
            self.host.arrive(segment);
            self.host
                .tcb
                .note_packet(self.host.now, &segment, self.memory);
            self.next += 1_000;
        }
        self.host.space = 1 << 20;
    }

    /// The program reads it; what the buffer should be then.
    fn read(&mut self, segments: u32) -> Option<u32> {
        self.host
            .tcb
            .tune_receive_buffer(|| self.host.now, segments * 1_000, 0)
    }
}

#[test]
fn the_window_is_what_the_free_memory_is_good_for() {
    let mut receiver = Receiver::new(2_000);
    assert_eq!(
        receiver.host.tcb.window_from(10_000),
        5_000,
        "at first half"
    );
    receiver.burst(1);
    assert_eq!(receiver.host.tcb.window_from(10_000), 5_000);
    receiver.memory = 1_250;
    receiver.burst(1);
    // 204 of 256 parts: never more than there is.
    assert_eq!(receiver.host.tcb.window_from(10_000), 7_968);
    for (memory, window) in [(1, 9_960), (1_000, 9_960), (u32::MAX, 39), (0, 39)] {
        receiver.memory = memory;
        receiver.burst(1);
        assert_eq!(receiver.host.tcb.window_from(10_000), window);
    }
    // A small segment says nothing.
    let segment = data(seg(ACK, receiver.next, ISS + 1), 10);
    receiver
        .host
        .tcb
        .note_packet(receiver.host.now, &segment, 800);
    assert_eq!(receiver.host.tcb.window_from(10_000), 39);
    assert_eq!(receiver.host.tcb.window_from(u32::MAX), u32::MAX / 256);
}

#[test]
fn the_receive_buffer_grows_with_what_is_read_in_a_round_trip_time() {
    let mut receiver = Receiver::new(2_000);
    receiver.burst(10);
    // Ten segments are what any connection starts with.
    assert_eq!(receiver.read(10), None);
    receiver.host.pass(RTT);
    receiver.burst(20);
    let info = receiver.host.tcb.info(receiver.host.now);
    assert_eq!(info.rcv_rtt_us, 20_000);
    // Twice as much: the window is twice that, and the growth goes on while the news travels.
    assert_eq!(receiver.read(20), Some((40_000 + 80_000) * 2));
    // Not before a round-trip time is over.
    receiver.burst(40);
    assert_eq!(receiver.read(40), None);
    receiver.host.pass(RTT);
    assert_eq!(receiver.read(0), Some((80_000 + 160_000) * 2));
    // No more than before: it stays.
    receiver.host.pass(RTT);
    receiver.burst(40);
    assert_eq!(receiver.read(40), None);
}

#[test]
fn a_program_that_leaves_data_unread_needs_no_larger_buffer() {
    let mut receiver = Receiver::new(2_000);
    receiver.burst(10);
    receiver.read(10);
    receiver.host.pass(RTT);
    receiver.burst(40);
    let host = &mut receiver.host;
    assert_eq!(
        host.tcb.tune_receive_buffer(|| host.now, 25_000, 15_000),
        None
    );
}

#[test]
fn without_timestamps_a_window_is_timed() {
    let mut host = Host::established();
    let mut next = IRS + 1;
    for _ in 0..4 {
        for _ in 0..5 {
            let segment = data(seg(ACK, next, ISS + 1), 1_000);
            host.arrive(segment);
            host.tcb.note_packet(host.now, &segment, 2_000);
            next += 1_000;
            host.space = SPACE;
        }
        host.pass(RTT);
    }
    assert_eq!(
        host.tcb.tune_receive_buffer(|| host.now, 20_000, 0),
        Some(240_000)
    );
    host.pass(RTT - Duration::from_us(1));
    assert_eq!(host.tcb.tune_receive_buffer(|| host.now, 90_000, 0), None);
}

#[test]
fn a_window_of_less_than_ten_large_segments_is_where_growth_starts() {
    // As over loopback, whose segments have 64 KiB.
    let mut receiver = Receiver::new(2_000);
    receiver.host.tcb.set_receive_buffer(4_000);
    receiver.host.tcb.set_receive_space(4_000);
    receiver.burst(4);
    receiver.host.tcb.set_receive_buffer(4_000);
    assert_eq!(receiver.read(4), None);
    receiver.host.pass(RTT);
    // More was read than the window lets in at once.
    assert_eq!(receiver.read(5), Some((10_000 + 5_000) * 2));
}

#[test]
fn no_numbers_are_too_large() {
    let mut receiver = Receiver::new(u32::MAX);
    receiver.burst(1);
    let tcb = &mut receiver.host.tcb;
    let now = receiver.host.now + Duration::from_secs(10);
    assert_eq!(tcb.tune_receive_buffer(|| now, u32::MAX, 0), Some(u32::MAX));
    let now = now + Duration::from_secs(10);
    assert_eq!(tcb.tune_receive_buffer(|| now, u32::MAX, u32::MAX), None);
}
