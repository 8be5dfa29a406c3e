// SPDX-License-Identifier: GPL-2.0

//! The programs at the two ends: what they write, how slowly they read, how they close.

use super::dice::Dice;
use crate::fsm::{Duration, Instant};

/// So many octets until the stream's content comes again: a prime, so that no power of two hides a shift.
const PERIOD: usize = 65_521;

/// How a program ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It shuts its sending down after the last octet, reads to the end, and closes.
    Shutdown,
    /// The same, but it waits with the shutdown until the peer's end has come.
    AfterPeer,
    /// It closes after the last octet without waiting for the peer's end. Only for a peer that sends nothing.
    Leave,
    /// It aborts the connection, so long after its start.
    Abort(Duration),
}

/// What a program does.
#[derive(Clone, Debug)]
pub(crate) struct ProgramPlan {
    /// Octets that it sends.
    pub(crate) total: u32,
    /// The most that it writes at once.
    pub(crate) write: u32,
    /// The longest pause between two writes.
    pub(crate) write_pause: Duration,
    /// The most that it reads at once.
    pub(crate) read: u32,
    /// The longest pause before it reads again.
    pub(crate) read_pause: Duration,
    /// So long after its start it reads nothing.
    pub(crate) deaf: Duration,
    /// How it ends.
    pub(crate) ending: Ending,
    /// Whether it writes before the connection is established.
    pub(crate) eager: bool,
    /// Writes in a thousand of which it says that more will follow at once.
    pub(crate) more: u32,
    /// Writes in a thousand whose last octet is urgent.
    pub(crate) urgent: u32,
}

/// A program that runs. When it has nothing to do it sleeps until the machine wakes it.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) plan: ProgramPlan,
    dice: Dice,
    /// Where its stream starts in the content of all streams.
    stream: u32,
    /// Octets written.
    pub(crate) written: u32,
    /// Octets received, read or not.
    pub(crate) received: u32,
    /// When it reads next.
    read_at: Option<Instant>,
    /// When it writes, or closes, next.
    write_at: Option<Instant>,
    /// When it aborts.
    abort_at: Option<Instant>,
    started: bool,
    /// Before it, it reads nothing.
    deaf_until: Instant,
    /// It has shut its sending down.
    pub(crate) shut: bool,
    /// It has read the peer's end.
    pub(crate) saw_end: bool,
    /// It has closed, or seen an error.
    pub(crate) gone: bool,
}

impl Program {
    /// A program before its connection.
    pub(crate) fn new(plan: ProgramPlan, stream: u32, dice: Dice) -> Self {
        Self {
            plan,
            dice,
            stream,
            written: 0,
            received: 0,
            read_at: None,
            write_at: None,
            abort_at: None,
            started: false,
            deaf_until: Instant::from_us(0),
            shut: false,
            saw_end: false,
            gone: false,
        }
    }

    /// connect() was called, or accept() handed the connection out.
    pub(crate) fn start(&mut self, now: Instant) {
        self.started = true;
        self.deaf_until = now + self.plan.deaf;
        self.may_write(now);
        if let Ending::Abort(after) = self.plan.ending {
            self.abort_at = Some(now + after);
        }
    }

    /// Whether it has a connection, or had one.
    pub(crate) fn started(&self) -> bool {
        self.started
    }

    /// Whether it aborts sooner or later.
    pub(crate) fn aborts(&self) -> bool {
        matches!(self.plan.ending, Ending::Abort(_))
    }

    /// The machine woke the readers.
    pub(crate) fn may_read(&mut self, now: Instant) {
        if self.read_at.is_none() {
            let pause = self.pause(self.plan.read_pause);
            self.read_at = Some((now + pause).max(self.deaf_until));
        }
    }

    /// The machine woke the writers, or the state changed.
    pub(crate) fn may_write(&mut self, now: Instant) {
        if self.write_at.is_none() {
            let pause = self.pause(self.plan.write_pause);
            self.write_at = Some(now + pause);
        }
    }

    fn pause(&mut self, longest: Duration) -> Duration {
        Duration::from_us(self.dice.between(0, longest.as_us()))
    }

    /// When it wants to run.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        if self.gone {
            return None;
        }
        [self.read_at, self.write_at, self.abort_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether it reads now; then it must be told again when there is more.
    pub(crate) fn takes_read(&mut self, now: Instant) -> bool {
        take(&mut self.read_at, now)
    }

    /// Whether it writes or closes now; then it must be told again when there is room.
    pub(crate) fn takes_write(&mut self, now: Instant) -> bool {
        take(&mut self.write_at, now)
    }

    /// Whether it aborts now.
    pub(crate) fn takes_abort(&mut self, now: Instant) -> bool {
        take(&mut self.abort_at, now)
    }

    /// How much it reads, where so much can be read.
    pub(crate) fn read_size(&mut self, unread: u32) -> u32 {
        let most = u64::from(self.plan.read);
        unread.min(self.dice.any_size(1, most) as u32)
    }

    /// How much it writes, where there is so much room. 0: it waits for room, or has written all.
    pub(crate) fn write_size(&mut self, room: u32) -> u32 {
        let most = u64::from(self.plan.write);
        let size = self.dice.any_size(1, most) as u32;
        size.min(room).min(self.plan.total - self.written)
    }

    /// Whether it says that more will follow what it has just written.
    pub(crate) fn says_more(&mut self) -> bool {
        self.dice.happens(self.plan.more) && self.written != self.plan.total
    }

    /// Whether what it has just written is urgent.
    pub(crate) fn is_urgent(&mut self) -> bool {
        self.dice.happens(self.plan.urgent)
    }

    /// Whether it has written everything and shuts its sending down now.
    pub(crate) fn wants_shutdown(&self) -> bool {
        let waits = matches!(self.plan.ending, Ending::AfterPeer) && !self.saw_end;
        !self.shut && self.written == self.plan.total && !waits
    }

    /// Whether it closes now.
    pub(crate) fn wants_close(&self) -> bool {
        let leaves = matches!(self.plan.ending, Ending::Leave);
        !self.gone && self.shut && (self.saw_end || leaves)
    }

    /// The octets of its stream from a position on.
    pub(crate) fn octets(&self, from: u32, len: u32, to: &mut Vec<u8>) {
        content(self.stream, from, len, |part| {
            to.extend_from_slice(part);
            true
        });
    }

    /// Whether these octets stand at this position of a stream.
    pub(crate) fn is_content(stream: u32, from: u32, octets: &[u8]) -> bool {
        let mut rest = octets;
        content(stream, from, octets.len() as u32, |part| {
            let (head, tail) = rest.split_at(part.len());
            rest = tail;
            head == part
        })
    }
}

/// Takes a time if it has come.
fn take(at: &mut Option<Instant>, now: Instant) -> bool {
    let due = at.is_some_and(|at| at <= now);
    if due {
        *at = None;
    }
    due
}

/// Shows the pieces of a stream's content, as long as that is answered by true.
fn content(stream: u32, from: u32, len: u32, mut show: impl FnMut(&[u8]) -> bool) -> bool {
    static CONTENT: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let all = CONTENT.get_or_init(|| {
        let mut dice = Dice::new(0);
        (0..PERIOD).map(|_| dice.below(256) as u8).collect()
    });
    let mut at = (u64::from(stream) + u64::from(from)) as usize % PERIOD;
    let mut left = len as usize;
    while left != 0 {
        let part = &all[at..PERIOD.min(at + left)];
        if !show(part) {
            return false;
        }
        left -= part.len();
        at = 0;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Program {
        let plan = ProgramPlan {
            total: 1_000,
            write: 100,
            write_pause: Duration::from_ms(1),
            read: 100,
            read_pause: Duration::from_ms(1),
            deaf: Duration::from_ms(50),
            ending: Ending::AfterPeer,
            eager: false,
            more: 0,
            urgent: 0,
        };
        Program::new(plan, 7, Dice::new(5))
    }

    #[test]
    fn content_is_known_at_every_position_and_nowhere_else() {
        let program = program();
        for from in [0, 1, PERIOD as u32 - 10, 1_000_000] {
            let mut octets = Vec::new();
            program.octets(from, 70_000, &mut octets);
            assert_eq!(octets.len(), 70_000);
            assert!(Program::is_content(7, from, &octets));
            assert!(!Program::is_content(7, from + 1, &octets[..20]));
            assert!(!Program::is_content(8, from, &octets[..20]));
            octets[69_999] ^= 1;
            assert!(!Program::is_content(7, from, &octets));
        }
    }

    #[test]
    fn a_program_sleeps_until_it_is_woken() {
        let start = Instant::from_us(1_000);
        let mut program = program();
        assert_eq!(program.wakes_at(), None);
        program.start(start);
        assert!(program.takes_write(start + Duration::from_ms(1)));
        assert_eq!(program.wakes_at(), None);
        program.may_read(start);
        // It is deaf at first.
        assert_eq!(program.wakes_at(), Some(start + Duration::from_ms(50)));
        assert!(!program.takes_read(start));
    }

    #[test]
    fn it_closes_when_everything_is_said_and_heard() {
        let mut program = program();
        program.written = 1_000;
        assert!(!program.wants_shutdown());
        program.saw_end = true;
        assert!(program.wants_shutdown() && !program.wants_close());
        program.shut = true;
        assert!(program.wants_close());
        assert_eq!(program.write_size(50), 0);
    }
}
