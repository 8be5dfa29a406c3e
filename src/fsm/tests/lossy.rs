// SPDX-License-Identifier: GPL-2.0

//! Two machines joined by a network that loses, doubles, delays and reorders: every octet arrives, once and in order,
//! and both ends reach CLOSED.

use proptest::prelude::*;

use super::*;
use crate::fsm::{
    closed_on_segment, listen_on_segment, ListenVerdict, ReqTimer, ReqVerdict, TwVerdict,
};

/// A small generator of numbers that look random (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.roll(100) < chance
    }
}

/// What an end is at the moment.
enum Form {
    Listener,
    Request(SynReq),
    Block,
    TimeWait(TimeWait),
    Closed,
}

/// One end: its form, its program, and the streams.
struct End {
    form: Form,
    host: Host,
    /// All that the program has to say.
    outgoing: Vec<u8>,
    queued: usize,
    incoming: Vec<u8>,
    /// What came out of order, by the place in the stream.
    kept: Vec<(usize, Vec<u8>)>,
    /// What the program has not read yet.
    unread: u32,
    fin_received: bool,
    /// The program closes only after the peer has.
    closes_last: bool,
    closed: bool,
    failed: bool,
}

/// A segment on its way.
struct Packet {
    arrival: Instant,
    to: usize,
    segment: Segment,
    payload: Vec<u8>,
}

struct Network {
    ends: [End; 2],
    wire: Vec<Packet>,
    dice: Dice,
    loss: u64,
    now: Instant,
}

/// The free receive buffer of a program that has read everything.
const BUFFER: u32 = 30_000;

impl End {
    fn new(cfg: Config, iss: u32, len: usize) -> Self {
        let mut host = Host::with(cfg);
        host.space = BUFFER;
        host.tcb.iss = raw(iss);
        Self {
            form: Form::Listener,
            host,
            outgoing: (0..len).map(|at| (at as u32 ^ iss) as u8).collect(),
            queued: 0,
            incoming: Vec::new(),
            kept: Vec::new(),
            unread: 0,
            fin_received: false,
            closes_last: false,
            closed: false,
            failed: false,
        }
    }

    fn open_params(iss: u32) -> OpenParams {
        OpenParams {
            iss: raw(iss),
            rcv_space: BUFFER,
            ..params()
        }
    }

    /// The octets of the send stream that a segment carries.
    fn payload_of(&self, segment: &SegmentOut) -> Vec<u8> {
        if segment.payload_len == 0 {
            return Vec::new();
        }
        let start = segment.seq.distance_from(self.host.tcb.iss + 1) as usize;
        self.outgoing[start..start + segment.payload_len as usize].to_vec()
    }

    fn deadline(&self) -> Option<Instant> {
        let next = match &self.form {
            Form::Request(request) => request.next_deadline(),
            Form::Block => self.host.tcb.next_deadline(),
            Form::TimeWait(waiting) => waiting.next_deadline(),
            Form::Listener | Form::Closed => None,
        };
        next.map(|(_, deadline)| deadline)
    }

    fn follow(&mut self, out: &Outbox) {
        self.failed |= out.error.is_some();
        self.fin_received |= out.fin_received;
        match out.fate {
            Fate::Live => {}
            Fate::Closed => self.form = Form::Closed,
            Fate::TimeWait => {
                let waiting = TimeWait::from_tcb(&self.host.tcb, self.host.now, &self.host.cfg);
                self.form = Form::TimeWait(waiting);
            }
        }
    }
}

impl Network {
    fn send(&mut self, from: usize, sent: &SegmentOut, payload: Vec<u8>) {
        let copies = match () {
            () if self.dice.percent(self.loss) => 0,
            () if self.dice.percent(self.loss / 2) => 2,
            () => 1,
        };
        for _ in 0..copies {
            // Some are overtaken.
            let slow = if self.dice.percent(self.loss) { 80 } else { 5 };
            let delay = Duration::from_ms(10 + self.dice.roll(slow));
            self.wire.push(Packet {
                arrival: self.now + delay,
                to: 1 - from,
                segment: received(sent),
                payload: payload.clone(),
            });
        }
    }

    /// Sends what the last call of an end's host produced.
    fn flush(&mut self, from: usize) {
        for sent in core::mem::take(&mut self.ends[from].host.sent) {
            let payload = self.ends[from].payload_of(&sent);
            self.send(from, &sent, payload);
        }
    }

    fn deliver(&mut self, packet: Packet) {
        let Packet {
            to,
            segment,
            payload,
            ..
        } = packet;
        let now = self.now;
        let end = &mut self.ends[to];
        end.host.now = now;
        let cfg = end.host.cfg;
        let mut out = Outbox::new();
        match &mut end.form {
            Form::Closed => {
                if let Some((rst, _)) = closed_on_segment(&segment) {
                    self.send(to, &rst, Vec::new());
                }
            }
            Form::Listener => match listen_on_segment(&segment) {
                ListenVerdict::Open => {
                    let params = End::open_params(end.host.tcb.iss.raw());
                    let request = SynReq::open(now, &segment, &params, false, &cfg, &mut out);
                    let answer = request.syn_ack(now);
                    end.form = Form::Request(request);
                    self.send(to, &answer, Vec::new());
                }
                ListenVerdict::Reset(rst, _) => self.send(to, &rst, Vec::new()),
                ListenVerdict::Drop(_) => {}
            },
            Form::Request(request) => {
                let verdict = request.on_segment(now, &segment, &cfg, &mut out);
                match verdict {
                    ReqVerdict::Establish => {
                        end.host.tcb = request.establish(now, &cfg);
                        end.form = Form::Block;
                        self.arrive(to, segment, &payload);
                    }
                    ReqVerdict::Remove => end.form = Form::Listener,
                    ReqVerdict::Keep => {}
                }
                if let Some(reply) = out.reply {
                    self.send(to, &reply.segment, Vec::new());
                }
            }
            Form::Block => self.arrive(to, segment, &payload),
            Form::TimeWait(waiting) => {
                let verdict = waiting.on_segment(now, &segment, &cfg, &mut out);
                assert!(!matches!(verdict, TwVerdict::Reopen { .. }));
                if verdict == TwVerdict::Remove {
                    end.form = Form::Closed;
                }
                if let Some(reply) = out.reply {
                    self.send(to, &reply.segment, Vec::new());
                }
            }
        }
    }

    fn arrive(&mut self, to: usize, segment: Segment, payload: &[u8]) {
        let end = &mut self.ends[to];
        let out = end.host.arrive(segment);
        if let Some(deliver) = out.deliver {
            let start = deliver.skip as usize;
            let octets = &payload[start..start + deliver.len as usize];
            end.incoming.extend_from_slice(octets);
            end.unread += deliver.len;
        }
        if let Some(hold) = out.hold {
            let start = hold.skip as usize;
            let octets = &payload[start..start + hold.len as usize];
            let at = hold.at.distance_from(end.host.tcb.irs + 1) as usize;
            end.kept.push((at, octets.to_vec()));
        }
        if let Some(until) = out.release {
            let until = until.distance_from(end.host.tcb.irs + 1) as usize;
            end.kept.sort();
            for (at, octets) in core::mem::take(&mut end.kept) {
                if at >= until {
                    end.kept.push((at, octets));
                } else if at + octets.len() > end.incoming.len() {
                    let old = end.incoming.len() - at;
                    end.unread += (octets.len() - old) as u32;
                    end.incoming.extend_from_slice(&octets[old..]);
                }
            }
            assert_eq!(end.incoming.len(), until);
        }
        end.follow(&out);
        self.flush(to);
    }

    fn expire(&mut self, at: usize) {
        let end = &mut self.ends[at];
        end.host.now = self.now;
        let cfg = end.host.cfg;
        let mut out = Outbox::new();
        match &mut end.form {
            Form::Request(request) => match request.on_timer(self.now, &cfg, &mut out) {
                ReqTimer::Resend => {
                    let answer = request.syn_ack(self.now);
                    self.send(at, &answer, Vec::new());
                }
                ReqTimer::GiveUp => end.form = Form::Listener,
                ReqTimer::NotYet => {}
            },
            Form::Block => {
                let out = end.host.fire();
                end.follow(&out);
                self.flush(at);
            }
            Form::TimeWait(waiting) => {
                if waiting.on_timer(self.now, &mut out) {
                    end.form = Form::Closed;
                }
            }
            Form::Listener | Form::Closed => {}
        }
    }

    /// The program reads, writes and closes, a little each time.
    fn run_program(&mut self, at: usize) {
        let read = 1 + self.dice.roll(3_000) as u32;
        let write = 1 + self.dice.roll(5_000) as usize;
        let end = &mut self.ends[at];
        let read = read.min(end.unread);
        end.unread -= read;
        if !matches!(end.form, Form::Block) {
            return;
        }
        end.host.now = self.now;
        if read != 0 {
            end.host.read(read);
            self.flush(at);
        }
        let end = &mut self.ends[at];
        let write = write.min(end.outgoing.len() - end.queued);
        if write != 0 && end.host.tcb.send_queue_len() < 20_000 {
            end.queued += write;
            end.host.queue(write as u32);
            self.flush(at);
        }
        let end = &mut self.ends[at];
        let done = end.queued == end.outgoing.len();
        let may_close = end.fin_received || !end.closes_last;
        let open = !matches!(end.host.state(), State::SynSent | State::SynReceived);
        if done && may_close && open && !end.closed {
            end.closed = true;
            let out = end.host.user(UserCall::ShutdownWrite);
            end.follow(&out);
            self.flush(at);
        }
    }

    fn over(&self) -> bool {
        self.ends.iter().all(|end| matches!(end.form, Form::Closed)) && self.wire.is_empty()
    }

    fn run(&mut self) {
        let start = self.now;
        let tick = Duration::from_ms(20);
        let mut next_tick = self.now;
        for _ in 0..2_000_000 {
            if self.over() {
                return;
            }
            let first = self.wire.iter().map(|packet| packet.arrival).min();
            let busy = self
                .ends
                .iter()
                .any(|end| end.unread != 0 || end.queued < end.outgoing.len() || !end.closed);
            let times = [first, self.ends[0].deadline(), self.ends[1].deadline()];
            let times = times.into_iter().flatten().chain(busy.then_some(next_tick));
            let next = times.min().expect("something is still to come");
            self.now = self.now.max(next);
            assert!(self.now.since(start) < Duration::from_secs(24 * 3_600));
            if let Some(at) = self
                .wire
                .iter()
                .position(|packet| packet.arrival <= self.now)
            {
                let packet = self.wire.swap_remove(at);
                self.deliver(packet);
                continue;
            }
            for at in 0..2 {
                if self.ends[at]
                    .deadline()
                    .is_some_and(|deadline| deadline <= self.now)
                {
                    self.expire(at);
                }
            }
            if self.now >= next_tick {
                next_tick = self.now + tick;
                self.run_program(0);
                self.run_program(1);
            }
        }
        panic!("the connection never ends");
    }
}

fn transfer(seed: u64, loss: u64, lens: [usize; 2], full: bool, simultaneous: bool, order: u8) {
    let cfg = Config {
        // With this much loss the handshake may take long.
        syn_retries: 30,
        synack_retries: 30,
        retries2: 30,
        ..if full { Config::default() } else { plain() }
    };
    // The streams cross the end of the number space.
    let isses = [u32::MAX - 5_000, seed as u32];
    let ends = [0, 1].map(|at| End::new(cfg, isses[at], lens[at]));
    let mut network = Network {
        ends,
        wire: Vec::new(),
        dice: Dice(seed | 1),
        loss,
        now: Instant::from_us(1_000_000_000),
    };
    network.ends[0].closes_last = order == 1;
    network.ends[1].closes_last = order == 2;
    let active = if simultaneous { 2 } else { 1 };
    for (at, iss) in isses.into_iter().enumerate().take(active) {
        let end = &mut network.ends[at];
        end.form = Form::Block;
        end.host.user(UserCall::Connect(End::open_params(iss)));
        network.flush(at);
    }
    network.run();
    let [one, two] = &network.ends;
    assert!(!one.failed && !two.failed, "a connection failed");
    assert!(one.fin_received && two.fin_received);
    assert!(one.incoming == two.outgoing, "the octets arrive");
    assert!(two.incoming == one.outgoing, "the octets arrive");
}

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn every_octet_arrives_and_both_ends_close(
        seed in any::<u64>(),
        loss in 0u64..=25,
        lens in [0usize..40_000, 0usize..40_000],
        full in any::<bool>(),
        order in 0u8..3,
    ) {
        transfer(seed, loss, lens, full, false, order);
    }

    #[test]
    fn must_10_every_octet_arrives_after_a_simultaneous_open(
        seed in any::<u64>(),
        loss in 0u64..=10,
        lens in [0usize..8_000, 0usize..8_000],
        full in any::<bool>(),
    ) {
        transfer(seed, loss, lens, full, true, 0);
    }
}
