// SPDX-License-Identifier: GPL-2.0

//! What the module will answer, as the machine says it on the host: scripts for drill, each of them a random conversation of a
//! peer and a program with a socket in one of its states, and every segment that the host must send, in order.
//!
//! The kernel's clock is not ours: its timers are late, and each step takes a while. So each conversation is held with two hosts, one
//! that loses no time, one that is as slow as may be. A step at which they differ is not taken: what is left does not
//! depend on a few milliseconds. When a timer fires is foretold from what started it on, however long the lines between them take.

mod model;
mod moments;
mod steps;
mod told;

use crate::fsm::{DropReason, Duration, Instant, State, UserCall};
use crate::simulation::dice::Dice;
use model::Model;
use moments::Moments;
use told::{Harm, Told};

/// What a step of a script may take in a slow kernel.
const STEP: Duration = Duration::from_ms(5);

/// A timer of the kernel may be late by this and an eighth of its time.
const LATE: Duration = Duration::from_ms(5);

/// Two events that are so close may come in either order.
const CLOSE: Duration = Duration::from_ms(20);

/// drill takes the time of a segment from the host so long after it was sent, at most.
const READ_LATE: Duration = Duration::from_ms(5);

/// A step that takes no time.
const NOW: Duration = Duration::from_us(0);

/// Lines of which drill takes the time, just before they do something.
const TIMED: [&str; 6] = ["< ", "connect", "send", "shutdown", "close", "abort"];

/// Octets that a peer sends at most: no window moves for them.
const MOST_RECEIVED: u32 = 1_200;

/// TCP_WINDOW_CLAMP where it is set. Where the window ends is then known: else it depends on the memory that packets take.
const CLAMPS: [u32; 3] = [2_304, 4_000, 10_000];

/// Octets that the program sends at most.
const MOST_SENT: u32 = 20_000;

/// Tries at the next step before a script ends.
const TRIES: usize = 200;

/// Steps that follow the end of a connection.
const AFTER_THE_END: u32 = 3;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;

/// The states in which a conversation may start.
const STARTS: [State; 11] = [
    State::Closed,
    State::Listen,
    State::SynSent,
    State::SynReceived,
    State::Established,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::Closing,
    State::LastAck,
    State::TimeWait,
];

/// A conversation.
pub struct Prediction {
    /// The state in which it starts.
    pub start: &'static str,
    /// Whether its packets are those of IPv6.
    pub v6: bool,
    /// The lines of drill.
    pub script: String,
    /// How many segments the peer sends.
    pub injected: u64,
    /// How many segments the host must send.
    pub expected: u64,
}

/// The conversation of a seed.
///
/// # Errors
///
/// The machine broke an invariant of its own.
pub fn predict(seed: u64) -> Result<Prediction, String> {
    let start = STARTS[(seed % STARTS.len() as u64) as usize];
    let mut talk = Talk::new(seed);
    let here = talk.reach(start);
    debug_assert!(here, "{} is not reached", start.name());
    let quiet = matches!(start, State::Closed | State::Listen);
    let (mut steps, mut after) = (talk.dice.between(6, 24), AFTER_THE_END);
    while steps > 0 && after > 0 && (0..TRIES).any(|_| talk.random_step()) {
        steps -= 1;
        if talk.fast.state() == State::Closed && !quiet {
            after -= 1;
        }
    }
    talk.end();
    match talk.fast.broken {
        Some(ref broken) => Err(format!("seed {seed}: {broken}\n{}", talk.script())),
        None => Ok(Prediction {
            start: start.name(),
            v6: talk.v6,
            script: talk.script(),
            injected: talk.injected,
            expected: talk.expected,
        }),
    }
}

/// A conversation in the making: the script, and both hosts.
struct Talk {
    dice: Dice,
    v6: bool,
    fast: Model,
    slow: Model,
    lines: Vec<String>,
    moments: Moments,
    /// How many lines have a mark.
    marks: usize,
    /// Whether the peer's SYN offers or agrees to timestamps, and its clock.
    stamps: bool,
    stamp: u32,
    /// The sockets are there.
    has_socket: bool,
    sent: u32,
    received: u32,
    injected: u64,
    expected: u64,
}

impl Talk {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let v6 = dice.happens(300);
        // Near the wrap, most of them.
        let irs = 0u32.wrapping_sub(dice.any_size(1, u64::from(u32::MAX)) as u32);
        let stamps = dice.happens(500);
        let stamp = dice.any_size(1, u64::from(u32::MAX)) as u32;
        let clamp = match dice.happens(500) {
            true => dice.pick(&CLAMPS),
            false => 0,
        };
        let host = Model::new(v6, irs, clamp);
        let mut talk = Self {
            dice,
            v6,
            fast: host.clone(),
            slow: host,
            lines: Vec::new(),
            moments: Moments::default(),
            marks: 0,
            stamps,
            stamp,
            has_socket: false,
            sent: 0,
            received: 0,
            injected: 0,
            expected: 0,
        };
        talk.line(&format!("isn {irs}"));
        talk
    }

    fn line(&mut self, line: &str) {
        self.lines.push(line.to_string());
    }

    /// The script so far.
    fn script(&self) -> String {
        self.lines.iter().map(|line| line.clone() + "\n").collect()
    }

    /// The number of the mark after a line, which is set if need be.
    fn mark(&mut self, line: usize) -> Option<usize> {
        let text = self.lines.get_mut(line)?;
        if let Some((_, number)) = text.split_once("\nmark ") {
            return number.parse().ok();
        }
        self.marks += 1;
        text.push_str(&format!("\nmark {}", self.marks));
        Some(self.marks)
    }

    /// Does something to both hosts; false, and nothing is done, if they differ after it. `line` comes before what is sent.
    fn both(&mut self, line: &str, act: impl Fn(&mut Model) -> bool) -> bool {
        let (mut fast, mut slow) = (self.fast.clone(), self.slow.clone());
        slow.now = slow.now + STEP;
        if !act(&mut fast) || !act(&mut slow) || !alike(&fast, &slow) {
            return false;
        }
        (self.fast, self.slow) = (fast, slow);
        if !line.is_empty() {
            self.line(line);
        }
        if TIMED.iter().any(|word| line.starts_with(word)) {
            let at = (self.fast.now, self.slow.now);
            self.moments.begin(self.lines.len() - 1, at, NOW);
        }
        let sent = core::mem::take(&mut self.fast.sent);
        self.slow.sent.clear();
        self.expected += sent.len() as u64;
        for line in sent {
            self.line(&line);
        }
        self.settle();
        true
    }

    /// What follows each step: accept(), and the state.
    fn settle(&mut self) {
        if self.fast.arrived {
            (self.fast.arrived, self.slow.arrived) = (false, false);
            (self.fast.held, self.slow.held) = (true, true);
            self.line("accept L C");
        }
        let state = self.fast.state();
        self.line(&format!("state {}", state.name()));
    }

    /// The earliest time at which a timer of either host may fire.
    fn timer(&self) -> Option<Instant> {
        let both = [&self.fast, &self.slow];
        both.into_iter().filter_map(Model::next_deadline).min()
    }

    /// Whether a timer may fire before a step is done that takes so long.
    fn is_pressing(&self, time: Duration) -> bool {
        self.timer()
            .is_some_and(|at| at <= self.slow.now + time + CLOSE)
    }

    /// Waits for the timer that comes next.
    fn let_timer_fire(&mut self) -> bool {
        let (Some(early), Some(late)) = (self.fast.next_deadline(), self.slow.next_deadline())
        else {
            return false;
        };
        let Some(moment) = self.moments.start_of(early, late) else {
            return false;
        };
        let (mut fast, mut slow) = (self.fast.clone(), self.slow.clone());
        fast.now = early;
        let time = self.moments.time_until(moment, late);
        slow.now = late + Duration::from_us(time.as_us() / 8) + LATE;
        let fired = slow.now;
        fast.expire();
        slow.expire();
        if !alike(&fast, &slow) {
            return false;
        }
        if fast.sent.is_empty() {
            // In silence: it has fired for sure when so much time has passed.
            let ms = ms_of(slow.now.since(self.slow.now)) + ms_of(LATE);
            slow.now = self.slow.now + Duration::from_ms(ms);
            fast.now = self.fast.now + Duration::from_ms(ms);
            let deadlines = [fast.next_deadline(), slow.next_deadline()];
            if deadlines
                .into_iter()
                .flatten()
                .any(|at| at <= slow.now + CLOSE)
            {
                return false;
            }
            self.line(&format!("> nothing {ms}"));
            self.moments.again(moment);
        }
        let times = (fast.now, slow.now);
        (self.fast, self.slow) = (fast, slow);
        let sent = core::mem::take(&mut self.fast.sent);
        self.slow.sent.clear();
        self.expected += sent.len() as u64;
        for (place, line) in sent.iter().enumerate() {
            let when = self.moments.when(moment, early, fired);
            let within = when.filter(|_| place == 0).and_then(|when| {
                let mark = self.mark(when.line)?;
                let (least, most) = (ms_of(when.least), ms_of(when.most) + ms_of(CLOSE));
                Some(format!(" within {least}..{most} after {mark}"))
            });
            self.line(&format!("{line}{}", within.unwrap_or_default()));
            if place == 0 {
                self.moments.begin(self.lines.len() - 1, times, READ_LATE);
            }
        }
        self.settle();
        true
    }

    /// Time passes, and no timer fires.
    fn rest(&mut self, ms: u64) -> bool {
        let time = Duration::from_ms(ms);
        if self.is_pressing(Duration::from_ms(ms + ms / 8)) {
            return false;
        }
        self.stamp = self.stamp.wrapping_add(ms as u32);
        self.both(&format!("> nothing {ms}"), |host| {
            host.now = host.now + time;
            true
        })
    }

    /// The peer says something.
    fn tell(&mut self, told: &Told) -> bool {
        if self.is_pressing(NOW) {
            return false;
        }
        let line = told.line();
        let done = self.both(&line, |host| match told.harm {
            Harm::Checksum => host.refuse(DropReason::BadChecksum),
            _ => host.arrive(&told.wire(host)),
        });
        if done {
            self.injected += 1;
            if told.harm == Harm::None {
                self.received += told.len;
            }
        }
        done
    }

    /// The options of a SYN.
    fn syn_options(&mut self) -> (Vec<u8>, String) {
        let (mut octets, mut words) = (Vec::new(), Vec::new());
        if self.dice.happens(800) {
            let mss = self.dice.pick(&[1_460u16, 1_460, 536, 1_000, 100]);
            octets.extend([2, 4]);
            octets.extend(mss.to_be_bytes());
            words.push(format!("mss {mss}"));
        }
        if self.dice.happens(500) {
            let scale = self.dice.pick(&[0u8, 2, 7, 14]);
            octets.extend([1, 3, 3, scale]);
            words.push(format!("nop,wscale {scale}"));
        }
        if self.dice.happens(500) {
            octets.extend([1, 1, 4, 2]);
            words.push("nop,nop,sackOK".to_string());
        }
        if self.stamps {
            let (stamp, text) = self.stamp_option(self.stamp);
            octets.extend(stamp);
            words.push(text);
        }
        (octets, words.join(","))
    }

    /// A timestamp. The echo, the last four octets, is what the host said last: it is filled in for each host.
    fn stamp_option(&self, value: u32) -> (Vec<u8>, String) {
        let mut octets = vec![1, 1, 8, 10];
        octets.extend(value.to_be_bytes());
        octets.extend([0; 4]);
        (octets, format!("nop,nop,ts {value}"))
    }

    /// What a peer that knows all says next: these bits, the next numbers.
    fn proper(&mut self, flags: u8) -> Told {
        let status = self.fast.status();
        let (next, ack) = match &status {
            Some(status) if status.state != State::SynSent => (status.rcv_nxt, status.snd_nxt),
            Some(status) => (0, status.snd_nxt),
            None => (0, 0),
        };
        let is_syn = flags & SYN != 0;
        let options = if is_syn {
            self.syn_options()
        } else if self.stamps && self.fast.stamps() {
            self.stamp_option(self.stamp)
        } else {
            Default::default()
        };
        Told {
            flags,
            seq: next,
            ack: if flags & ACK != 0 { ack } else { 0 },
            wnd: 65_535,
            urg: 0,
            len: 0,
            harm: Harm::None,
            echoes: !options.0.is_empty(),
            options,
        }
    }

    fn say(&mut self, flags: u8) -> bool {
        let told = self.proper(flags);
        self.tell(&told)
    }

    fn program(&mut self, line: &str, call: UserCall) -> bool {
        !self.is_pressing(NOW) && self.both(line, |host| host.call(call))
    }

    fn listen(&mut self) -> bool {
        self.has_socket = true;
        self.line("socket L");
        self.clamp("L");
        for line in ["listen L", "state LISTEN"] {
            self.line(line);
        }
        self.both("", |host| {
            host.listens = true;
            *host
                .counts
                .entry(("arc", "closed-passive-open"))
                .or_default() += 1;
            true
        })
    }

    fn connect(&mut self) -> bool {
        self.has_socket = true;
        self.line("socket C");
        self.clamp("C");
        self.both("connect C", Model::connect)
    }

    fn clamp(&mut self, socket: &str) {
        if self.fast.clamp != 0 {
            self.line(&format!("option {socket} clamp {}", self.fast.clamp));
        }
    }

    /// Goes to that state, by one of the ways that lead there.
    fn reach(&mut self, state: State) -> bool {
        let active = self.dice.happens(400);
        match state {
            State::Closed => true,
            State::Listen => self.listen(),
            State::SynSent => self.connect(),
            State::SynReceived if active => self.connect() && self.say(SYN),
            State::SynReceived => self.listen() && self.say(SYN),
            State::Established if active => self.connect() && self.say(SYN | ACK),
            State::Established => self.listen() && self.say(SYN) && self.say(ACK),
            State::FinWait1 => {
                self.reach(State::Established)
                    && self.program("shutdown C wr", UserCall::ShutdownWrite)
            }
            State::FinWait2 => self.reach(State::FinWait1) && self.say(ACK),
            State::CloseWait => {
                // The ACK of the FIN waits a little.
                self.reach(State::Established) && self.say(FIN | ACK) && self.let_timer_fire()
            }
            State::LastAck => {
                self.reach(State::CloseWait)
                    && self.program("shutdown C wr", UserCall::ShutdownWrite)
            }
            State::Closing => {
                self.reach(State::FinWait1) && {
                    let mut fin = self.proper(FIN | ACK);
                    // Our FIN has not come there yet.
                    fin.ack = fin.ack.wrapping_sub(1);
                    self.tell(&fin)
                }
            }
            State::TimeWait => self.reach(State::FinWait2) && self.say(FIN | ACK),
        }
    }

    /// The last lines: the connection ends, so that it does not meet the next script; and what was counted.
    fn end(&mut self) {
        for _ in 0..3 {
            let Some(status) = self.fast.status() else {
                break;
            };
            let (flags, seq) = match status.state {
                State::SynSent => (RST | ACK, 0),
                _ => (RST, status.rcv_nxt),
            };
            let rst = Told {
                flags,
                seq,
                ack: if flags & ACK != 0 { status.snd_nxt } else { 0 },
                ..Told::default()
            };
            if !self.tell(&rst) && !self.let_timer_fire() {
                break;
            }
        }
        let counts: Vec<_> = self
            .fast
            .counts
            .iter()
            .map(|(key, count)| (*key, *count))
            .collect();
        for ((kind, name), count) in counts {
            self.line(&format!("count {kind} {name} +{count}"));
        }
        let kinds = crate::fsm::ChallengeReason::ALL
            .iter()
            .map(|why| ("challenge", why.name()));
        let kinds = kinds.chain(
            crate::fsm::ResetReason::ALL
                .iter()
                .map(|why| ("reset", why.name())),
        );
        let never: Vec<_> = kinds
            .filter(|key| !self.fast.counts.contains_key(key))
            .collect();
        for (kind, name) in never {
            self.line(&format!("count {kind} {name} +0"));
        }
    }
}

fn ms_of(time: Duration) -> u64 {
    time.as_us() / 1_000
}

/// Whether two hosts that live at different speeds did the same, and wait for the same.
fn alike(fast: &Model, slow: &Model) -> bool {
    let waits = |host: &Model| {
        let retransmits = host.status().map_or(0, |status| status.retransmits);
        (host.next_timer().map(|(kind, _)| kind), retransmits)
    };
    fast.sent == slow.sent
        && fast.state() == slow.state()
        && fast.counts == slow.counts
        && fast.unread == slow.unread
        && fast.unreadable == slow.unreadable
        && fast.arrived == slow.arrived
        && waits(fast) == waits(slow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_reached_and_answers() {
        let mut expected = 0;
        for seed in 0..500 {
            let talk = predict(seed).unwrap();
            assert!(
                talk.script.contains(&format!("state {}", talk.start)) || talk.start == "CLOSED"
            );
            expected += talk.expected;
        }
        assert!(expected > 500, "{expected}");
    }

    #[test]
    fn a_seed_gives_the_same_script_again() {
        for seed in 0..50 {
            assert_eq!(predict(seed).unwrap().script, predict(seed).unwrap().script);
        }
    }
}
