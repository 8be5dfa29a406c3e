// SPDX-License-Identifier: GPL-2.0

//! What fuzzers call: any octets are read as inputs, whatever they are. A panic is a bug.
//!
//! The targets of `make fuzz` are in `fuzz/`; the inputs under `fuzz/seeds` are tried with every test.

use crate::fsm::options::{OutOptions, SackBlocks, Timestamps};
use crate::fsm::runs::MaxRun;
use crate::fsm::segment::{Flags, Segment, SegmentOut};
use crate::fsm::{
    Config, Duration, Fate, IcmpError, IcmpKind, Instant, OpenParams, Outbox, ReqVerdict,
    SeqNumber, State, SynReq, TimeWait, UserCall,
};
use crate::records::Records;

type Tcb = crate::fsm::Tcb<Records>;

/// The octets of the longest header (RFC 9293 section 3.1).
const LONGEST_HEADER: usize = 60;

/// More segments than one call may send.
const MAX_BURST: usize = 1_000_000;

/// The receive buffer of the machine that is fuzzed.
const SPACE: u32 = 20_000;

const ISS: SeqNumber = SeqNumber::from_raw(u32::MAX - 1_000);

/// A header and options: any octets are read without harm, and what is read is written and read again as it was.
pub fn segment(data: &[u8]) {
    let Ok(segment) = Segment::parse(data, data.len() as u32) else {
        return;
    };
    assert!(usize::from(segment.header_len) + segment.payload_len as usize == data.len());
    assert!(segment.options.sack.as_slice().len() <= SackBlocks::MAX);
    assert!(segment.seg_len() >= segment.payload_len);
    written_and_read(&segment);
}

/// What was read of a segment is what is read of one that says the same, if our padding leaves room for that.
fn written_and_read(segment: &Segment) {
    let read = segment.options;
    let again = SegmentOut {
        seq: segment.seq,
        ack: segment.ack,
        flags: segment.flags,
        wnd: segment.wnd,
        urg: segment.urg,
        options: OutOptions {
            mss: read.mss,
            wscale: read.wscale,
            sack_permitted: read.sack_permitted,
            timestamps: read.timestamps,
            sack: read.sack,
        },
        payload_len: segment.payload_len,
        ect: false,
        piece: 0,
    };
    let mut header = [0; LONGEST_HEADER];
    let Some(len) = again.emit(segment.src_port, segment.dst_port, &mut header) else {
        return;
    };
    let written = Segment::parse(&header[..len], len as u32 + segment.payload_len).unwrap();
    let mut expected = *segment;
    expected.header_len = len as u8;
    // Of a list with a bad option what stood before it counts; and each option where it belongs, with a SYN or without.
    let options = &mut expected.options;
    options.malformed = false;
    if segment.flags.contains(Flags::SYN) {
        options.sack = SackBlocks::new();
    } else {
        (options.mss, options.wscale, options.sack_permitted) = (None, None, false);
    }
    assert_eq!(written, expected);
}

/// Two machines and a network that does what the octets say: the first eight are the seed of all else, of the others every
/// second one is for a packet of the left end, and for one of the right end.
pub fn network(data: &[u8]) {
    let Some((seed, schedule)) = data.split_first_chunk() else {
        return;
    };
    let every_second = |from| schedule.iter().skip(from).step_by(2).copied().collect();
    let [left, right]: [Vec<u8>; 2] = [every_second(0), every_second(1)];
    if let Err(failure) = crate::simulation::scheduled(u64::from_le_bytes(*seed), [&left, &right]) {
        panic!("\n{failure}");
    }
}

/// One machine against any inputs.
pub fn machine(data: &[u8]) {
    let mut inputs = Inputs(data);
    let mut machine = Machine::new(&mut inputs);
    while !inputs.0.is_empty() {
        machine.step(&mut inputs);
    }
}

/// The octets that are left; zeroes follow them.
struct Inputs<'a>(&'a [u8]);

impl Inputs<'_> {
    fn octets<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        let len = N.min(self.0.len());
        let (head, tail) = self.0.split_at(len);
        octets[..len].copy_from_slice(head);
        self.0 = tail;
        octets
    }

    fn octet(&mut self) -> u8 {
        u8::from_le_bytes(self.octets())
    }

    fn short(&mut self) -> u16 {
        u16::from_le_bytes(self.octets())
    }

    /// A distance: mostly a short one, either way.
    fn distance(&mut self) -> u32 {
        match self.octet() {
            0..=127 => 0,
            128..=199 => i32::from(i16::from_le_bytes(self.octets())) as u32,
            200..=229 => i32::from(self.octet() as i8) as u32,
            _ => u32::from_le_bytes(self.octets()),
        }
    }
}

/// A machine in one of its forms, and its clock.
struct Machine {
    cfg: Config,
    now: Instant,
    tcb: Tcb,
    request: Option<SynReq>,
    waiting: Option<TimeWait>,
    /// The peer's initial sequence number.
    irs: SeqNumber,
    /// The free receive buffer.
    space: u32,
}

impl Machine {
    fn new(inputs: &mut Inputs<'_>) -> Self {
        let [bits, more] = inputs.octets();
        let bit = |at: u8| bits & 1 << at != 0;
        let cfg = Config {
            timestamps: bit(0),
            window_scaling: bit(1),
            sack: bit(2),
            rfc1337: bit(3),
            keepalive_octet: bit(4),
            slow_start_after_idle: bit(5),
            ecn: more % 3,
            retries2: 4,
            syn_retries: 3,
            synack_retries: 3,
            ..Config::default()
        };
        let mut machine = Self {
            cfg,
            now: Instant::from_us(1_000_000_000),
            tcb: Tcb::new(),
            request: None,
            waiting: None,
            irs: SeqNumber::from_raw(u32::from(more) << 24),
            space: SPACE,
        };
        if bit(6) {
            let syn = machine.segment_from(inputs);
            machine.irs = syn.seq;
            let mut out = Outbox::new();
            let (now, params) = (machine.now, machine.params());
            machine.request = Some(SynReq::open(now, &syn, &params, false, &cfg, &mut out));
        } else if bit(7) {
            machine.user(UserCall::Connect(machine.params()));
        }
        machine
    }

    fn params(&self) -> OpenParams {
        OpenParams {
            iss: ISS,
            ts_offset: u32::MAX - 1_000_000,
            mss: 1_460,
            default_snd_mss: 536,
            path_mss: 1_460,
            rcv_space: self.space,
            rcv_wscale: 3,
        }
    }

    /// A segment near what the machine expects.
    fn segment_from(&mut self, inputs: &mut Inputs<'_>) -> Segment {
        let status = self.tcb.status();
        let [flags, options] = inputs.octets();
        let seq = self.irs + status.rcv_nxt + inputs.distance();
        let ack = ISS + status.snd_nxt + inputs.distance();
        // A header to start from: what it lacks is set below.
        let mut header = [0; 20];
        header[12] = 5 << 4;
        let mut segment = match Segment::parse(&header, 20) {
            Ok(segment) => segment,
            Err(error) => panic!("{error:?}"),
        };
        segment.seq = seq;
        segment.ack = ack;
        segment.flags = match flags {
            // Most segments are ordinary.
            0..=127 => Flags::ACK,
            flags => Flags::from_bits(flags.wrapping_mul(5)),
        };
        segment.wnd = match options & 0x80 {
            0 => 20_000,
            _ => inputs.short(),
        };
        segment.ce = options & 0x40 != 0;
        if options & 1 != 0 {
            segment.payload_len = u32::from(inputs.short());
        }
        if options & 2 != 0 {
            let now_ms = (self.now.as_us() / 1_000) as u32;
            segment.options.timestamps = Some(Timestamps {
                val: now_ms.wrapping_add(inputs.distance()),
                ecr: now_ms
                    .wrapping_add(self.params().ts_offset)
                    .wrapping_add(inputs.distance()),
            });
        }
        for _ in 0..(options >> 2 & 3) {
            let left = ISS + status.snd_una + u32::from(inputs.short());
            let right = left + inputs.distance().wrapping_add(u32::from(inputs.octet()));
            segment.options.sack.push(left, right);
        }
        if options & 0x10 != 0 {
            segment.options.mss = Some(inputs.short());
            segment.options.wscale = Some(inputs.octet() % 15);
            segment.options.sack_permitted = true;
        }
        if options & 0x20 != 0 {
            segment.urg = inputs.short();
        }
        segment
    }

    fn step(&mut self, inputs: &mut Inputs<'_>) {
        match inputs.octet() % 20 {
            0..=7 => {
                let segment = self.segment_from(inputs);
                self.arrive(&segment);
            }
            8 => self.user(UserCall::Queued {
                len: u32::from(inputs.short()),
            }),
            9 => {
                self.space = (self.space + u32::from(inputs.short())).min(SPACE);
                self.user(UserCall::Read);
            }
            10 | 11 => self.wait(None),
            12 => {
                let time = Duration::from_us(u64::from(inputs.short()) << (inputs.octet() & 15));
                self.wait(Some(time));
            }
            13 => {
                let mss = inputs.short();
                self.tcb.set_path_mss(mss);
                self.tcb.set_max_run(MaxRun {
                    octets: u32::from(mss) * 16,
                    segments: mss,
                });
            }
            14 => {
                let kind = match inputs.octet() {
                    254 => IcmpKind::TimeExceeded,
                    255 => IcmpKind::ParameterProblem,
                    code => IcmpKind::Unreachable(code),
                };
                let quoted_seq = ISS + self.tcb.status().snd_una + inputs.distance();
                let mut out = Outbox::new();
                self.tcb
                    .on_icmp(self.now, IcmpError { kind, quoted_seq }, &mut out);
                self.after(&out);
            }
            15 => self.tcb.mark_urgent(),
            16 => {
                let bits = inputs.octet();
                let mut settings = *self.tcb.settings();
                settings.nodelay = bits & 1 != 0;
                settings.cork = bits & 2 != 0;
                settings.keepalive = bits & 4 != 0;
                let _ = settings.set_user_timeout(i32::from(inputs.short()));
                self.tcb.apply_settings(settings, &self.cfg);
                self.tcb.set_more(bits & 8 != 0);
            }
            17 => {
                let from = self.irs + self.tcb.status().rcv_nxt + 1 + u32::from(inputs.short());
                self.tcb.forget_held_from(from);
            }
            18 => match inputs.octet() % 8 {
                0 => self.user(UserCall::ShutdownWrite),
                1 => self.user(UserCall::Close { unread_data: false }),
                2 => self.user(UserCall::Close { unread_data: true }),
                3 => self.user(UserCall::Abort),
                4 => self.user(UserCall::Listen),
                5 => self.user(UserCall::ListenerClosed),
                _ => self.user(UserCall::Connect(self.params())),
            },
            // So many octets as they are on the wire.
            _ => {
                let octets: [u8; 60] = inputs.octets();
                if let Ok(segment) = Segment::parse(&octets, 60) {
                    self.arrive(&segment);
                }
            }
        }
    }

    fn arrive(&mut self, segment: &Segment) {
        let mut out = Outbox::new();
        if let Some(mut waiting) = self.waiting {
            waiting.on_segment(self.now, segment, &self.cfg, &mut out);
            self.waiting = (waiting.state() == State::TimeWait).then_some(waiting);
            return;
        }
        if let Some(request) = &mut self.request {
            match request.on_segment(self.now, segment, &self.cfg, &mut out) {
                ReqVerdict::Keep => return,
                ReqVerdict::Remove => {
                    self.request = None;
                    return;
                }
                ReqVerdict::Establish => {
                    request.establish(self.now, &self.cfg, &mut self.tcb);
                    self.request = None;
                    out = Outbox::new();
                }
            }
        }
        if self.tcb.state() == State::SynSent && segment.flags.contains(Flags::SYN) {
            self.irs = segment.seq;
        }
        self.tcb.set_receive_space(self.space);
        self.tcb.on_segment(self.now, segment, &self.cfg, &mut out);
        if let Some(deliver) = out.deliver {
            assert!(deliver.len != 0 && deliver.skip + deliver.len <= segment.payload_len);
            self.space = self.space.saturating_sub(deliver.len);
        }
        if let Some(hold) = out.hold {
            assert!(hold.len != 0 && hold.skip + hold.len <= segment.payload_len);
        }
        let is_rst = segment.flags.contains(Flags::RST);
        let resets = out
            .reply
            .is_some_and(|reply| reply.segment.flags.contains(Flags::RST));
        assert!(!(is_rst && resets), "an RST answers an RST");
        self.after(&out);
    }

    fn user(&mut self, call: UserCall) {
        let mut out = Outbox::new();
        self.tcb.set_receive_space(self.space);
        if self
            .tcb
            .on_user(self.now, call, &self.cfg, &mut out)
            .is_ok()
        {
            self.after(&out);
        } else {
            assert_eq!(
                out,
                Outbox::new(),
                "a call that was refused changes something"
            );
        }
    }

    /// Lets time pass: so much, or until the timer fires.
    fn wait(&mut self, time: Option<Duration>) {
        let deadline = match (&self.request, &self.waiting) {
            (Some(request), _) => request.next_deadline(),
            (_, Some(waiting)) => waiting.next_deadline(),
            _ => self.tcb.next_deadline(),
        };
        match (time, deadline) {
            (Some(time), _) => self.now = self.now + time,
            (None, Some((_, deadline))) => self.now = self.now.max(deadline),
            (None, None) => return,
        }
        let mut out = Outbox::new();
        if let Some(request) = &mut self.request {
            request.on_timer(self.now, &self.cfg, &mut out);
            if request.state() == State::Closed {
                self.request = None;
            }
        } else if let Some(waiting) = &mut self.waiting {
            if waiting.on_timer(self.now, &mut out) {
                self.waiting = None;
            }
        } else {
            self.tcb.set_receive_space(self.space);
            self.tcb.on_timer(self.now, &self.cfg, &mut out);
            self.after(&out);
        }
    }

    /// What must hold after each call; then all is sent that is due.
    fn after(&mut self, out: &Outbox) {
        holds(self.tcb.invariants());
        match out.fate {
            Fate::Live => {}
            Fate::Closed => assert_eq!(self.tcb.state(), State::Closed),
            Fate::TimeWait => {
                self.waiting = Some(TimeWait::from_tcb(&self.tcb, self.now, &self.cfg));
                self.tcb.retire();
                return;
            }
        }
        self.tcb.set_receive_space(self.space);
        let mut segments = 0;
        while let Some(segment) = self.tcb.next_segment(self.now, &self.cfg) {
            segments += 1;
            assert!(segments < MAX_BURST, "the machine never stops to send");
            assert!(segment.header_len() <= 60);
            for piece in segment.pieces() {
                assert!(piece.payload_len <= u32::from(self.tcb.effective_mss()));
            }
        }
        holds(self.tcb.settled_invariants());
    }
}

fn holds(claim: Result<(), &str>) {
    if let Err(broken) = claim {
        panic!("does not hold: {broken}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Tries the inputs that are kept for a target.
    fn try_seeds(target: &str, run: impl Fn(&[u8])) {
        let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let seeds = std::fs::read_dir(top.join("fuzz/seeds").join(target)).unwrap();
        let mut count = 0;
        for seed in seeds {
            run(&std::fs::read(seed.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0);
    }

    #[test]
    fn the_inputs_that_are_kept_do_no_harm() {
        try_seeds("segment", segment);
        try_seeds("machine", machine);
        try_seeds("network", network);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_octets_are_inputs(data in vec(any::<u8>(), 0..300)) {
            segment(&data);
            machine(&data);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_octets_are_a_schedule(data in vec(any::<u8>(), 8..60)) {
            network(&data);
        }
    }
}
