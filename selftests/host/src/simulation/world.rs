// SPDX-License-Identifier: GPL-2.0

//! Two ends and the network between them, in virtual time: what happens next happens at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::dice::Dice;
use super::end::{Check, End};
use super::network::{checksum_holds, Arrival, Fault, Link, Packet};
use super::report::Report;
use super::scenario::{Expect, Scenario};
use super::trace::{words, Trace};
use crate::fsm::segment::Segment;
use crate::fsm::{ConnError, Duration, Instant};
use crate::records;

/// When a simulation starts.
pub(crate) const START: Instant = Instant::from_us(1_000_000_000);

/// Without any progress for so long, somebody is stuck: longer than ten of the longest retransmission timeouts, and than
/// any program pauses.
const STUCK_AFTER: Duration = Duration::from_secs(3_600);

/// More steps than any scenario needs, and than each octet does that has a segment of its own because the send buffer holds no more.
const MAX_STEPS: u64 = 1_000_000;
const MAX_STEPS_FOR_OCTET: u64 = 20;

/// So many segments are no flood, whatever the data.
const FEW_SEGMENTS: u64 = 2_000;

/// What reaches an end.
enum What {
    /// A segment.
    Segment(Arrival),
    /// ICMP: the path takes no larger segments, header included (RFC 1191).
    PathNarrowed(u16),
}

/// An event on the wire, ordered by its time and then by when it was sent.
struct Due {
    at: Instant,
    order: u64,
    to: usize,
    what: What,
}

impl Due {
    fn key(&self) -> (Instant, u64) {
        (self.at, self.order)
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// Two ends and the network between them.
pub(crate) struct World<'a> {
    scenario: &'a Scenario,
    trace: &'a mut Trace,
    pub(crate) now: Instant,
    pub(crate) ends: [End; 2],
    links: [Link; 2],
    wire: BinaryHeap<Reverse<Due>>,
    packets: u64,
    order: u64,
    steps: u64,
    /// What has moved so far, and when it last did.
    progress: (u64, Instant),
    /// Octets that have arrived in order, and when the last one did.
    received: (u64, Instant),
}

/// Runs a scenario to its end.
///
/// # Errors
///
/// What went wrong, in a sentence.
pub(crate) fn run(scenario: &Scenario, trace: &mut Trace) -> Result<Report, String> {
    records::limited(scenario.records, || {
        let mut world = World::new(scenario, trace);
        world.start()?;
        while world.step()? {}
        world.judge()?;
        Ok(world.report())
    })
}

impl<'a> World<'a> {
    /// A world before its start.
    pub(crate) fn new(scenario: &'a Scenario, trace: &'a mut Trace) -> Self {
        let mut dice = Dice::new(!scenario.seed);
        let streams = [dice.below(60_000) as u32, dice.below(60_000) as u32];
        let draws = trace.is_drawn();
        let ends = [0, 1].map(|side| {
            End::new(
                scenario.ends[side].clone(),
                scenario.programs[side].clone(),
                (streams[side], streams[1 - side]),
                dice.split(),
                draws,
            )
        });
        let links = [0, 1].map(|side| Link::new(scenario.links[side].clone(), dice.split(), START));
        Self {
            scenario,
            trace,
            now: START,
            ends,
            links,
            wire: BinaryHeap::new(),
            packets: 0,
            order: 0,
            steps: 0,
            progress: (0, START),
            received: (0, START),
        }
    }

    /// The passive end listens, the active one connects.
    ///
    /// # Errors
    ///
    /// What does not hold.
    pub(crate) fn start(&mut self) -> Check {
        for side in [1, 0] {
            let check = self.ends[side].start(self.now);
            self.collect(side);
            check?;
        }
        Ok(())
    }

    /// Does what is next; false: nothing is left to be done.
    ///
    /// # Errors
    ///
    /// What does not hold.
    pub(crate) fn step(&mut self) -> Result<bool, String> {
        let packet = self.wire.peek().map(|Reverse(due)| due.at);
        let wakes = [0, 1].map(|side| self.ends[side].wakes_at());
        let Some(next) = packet.into_iter().chain(wakes.into_iter().flatten()).min() else {
            return Ok(false);
        };
        self.now = self.now.max(next);
        self.steps += 1;
        let (side, check) = if packet == Some(next) {
            let Some(Reverse(due)) = self.wire.pop() else {
                return Ok(false);
            };
            let check = match due.what {
                What::Segment(arrival) => self.arrive(due.to, &arrival),
                What::PathNarrowed(most) => self.ends[due.to].path_narrowed(self.now, most),
            };
            (due.to, check)
        } else {
            let side = usize::from(wakes[0] != Some(next));
            (side, self.ends[side].wake(self.now))
        };
        self.collect(side);
        check.map_err(|what| format!("{}: {what}", ["A", "B"][side]))?;
        self.watch_over()?;
        Ok(true)
    }

    fn arrive(&mut self, side: usize, arrival: &Arrival) -> Check {
        let packet = &arrival.packet;
        let (now, octets) = (self.now, &packet.octets);
        let parsed = Segment::parse(octets, octets.len() as u32);
        let (iss, irs) = self.ends[1 - side].watch.origins();
        self.trace.arrives(now, side, packet.id, || match parsed {
            _ if arrival.damaged => "damaged".to_string(),
            Ok(segment) if arrival.marked => words(&segment, iss, irs) + " CE",
            Ok(segment) => words(&segment, iss, irs),
            Err(error) => format!("{error:?}"),
        });
        if arrival.damaged {
            // MUST-3: net drops it. That it could be parsed, or not, without harm was seen just now.
            return match checksum_holds(octets) {
                true => Err("damage that the checksum does not tell".to_string()),
                false => Ok(()),
            };
        }
        self.ends[side].arrive(now, octets, arrival.marked)
    }

    /// Takes what an end has sent to the network.
    fn collect(&mut self, side: usize) {
        let now = self.now;
        for note in self.ends[side]
            .notes
            .iter_mut()
            .flat_map(|notes| notes.drain(..))
        {
            self.trace.note(now, side, || note);
        }
        for sent in core::mem::take(&mut self.ends[side].outgoing) {
            self.packets += 1;
            let packet = Packet {
                id: self.packets,
                octets: sent.octets,
                has_data: sent.has_data,
                ect: sent.ect,
            };
            let carried = self.links[side].carry(now, packet);
            let fault = carried.fault.map(|fault| fault.name());
            let copies = carried.arrivals.len();
            self.trace
                .sends(now, side, self.packets, || sent.words, fault, copies);
            for arrival in carried.arrivals {
                self.push(arrival.at, 1 - side, What::Segment(arrival));
            }
            if let (Some(Fault::TooLarge), Some(most)) =
                (carried.fault, self.links[side].narrowed(now))
            {
                // Half-way there and back.
                let at = now + self.scenario.links[side].delay;
                self.push(at, side, What::PathNarrowed(most));
            }
        }
    }

    fn push(&mut self, at: Instant, to: usize, what: What) {
        self.order += 1;
        self.wire.push(Reverse(Due {
            at,
            order: self.order,
            to,
            what,
        }));
    }

    /// Whether things move, and not too much.
    fn watch_over(&mut self) -> Check {
        let [left, right] = &self.ends;
        if left.program.received > right.program.written
            || right.program.received > left.program.written
        {
            return Err("more arrived than was sent".to_string());
        }
        let received = u64::from(left.program.received) + u64::from(right.program.received);
        if received != self.received.0 {
            self.received = (received, self.now);
        }
        let moved = self.ends.iter().map(End::progress).sum();
        if moved != self.progress.0 {
            self.progress = (moved, self.now);
        }
        let silence = self.now.since(self.progress.1);
        if silence > STUCK_AFTER && self.scenario.expect == Expect::Everything {
            return Err(format!(
                "no progress since {} s",
                silence.as_us() / 1_000_000
            ));
        }
        let [left, right] = &self.scenario.programs;
        let octets = u64::from(left.total) + u64::from(right.total);
        if self.steps > MAX_STEPS + octets * MAX_STEPS_FOR_OCTET {
            return Err("it never ends".to_string());
        }
        Ok(())
    }

    /// Nothing is left to be done: has everything been done?
    fn judge(&self) -> Check {
        let scenario = self.scenario;
        for (side, end) in self.ends.iter().enumerate() {
            let name = ["A", "B"][side];
            let peer = &self.ends[1 - side];
            let may_fail = match scenario.expect {
                Expect::Everything => false,
                Expect::Abort => !end.program.aborts(),
                Expect::CutOff => true,
            };
            match end.error {
                None => {}
                // RFC 9293 3.6: every ACK of its FIN was lost until the peer's 2MSL were over, and the RSTs after it may be lost,
                // too; both know that all arrived.
                Some(ConnError::Reset | ConnError::TimedOut) if end.outlived_time_wait_of(peer) => {
                }
                Some(error) if !may_fail => return Err(format!("{name} failed: {error:?}")),
                Some(ConnError::TimedOut) if scenario.expect == Expect::CutOff => {}
                // An RST of an end that has given up may get through before the cut, or after an abort.
                Some(ConnError::Reset | ConnError::BrokenPipe | ConnError::Refused) => {}
                Some(ConnError::TimedOut) if scenario.expect == Expect::Abort => {}
                Some(error) => return Err(format!("{name} failed: {error:?}")),
            }
            if end.program.received != peer.program.written
                && (scenario.expect == Expect::Everything || end.program.saw_end)
            {
                return Err(format!(
                    "{name} got {} octets of {}",
                    end.program.received, peer.program.written
                ));
            }
            let may_wait = scenario.expect != Expect::Everything && end.may_wait();
            if !end.is_over() && !may_wait {
                return Err(format!("{name} is stuck in {}", end.state().name()));
            }
        }
        self.check_economy()
    }

    /// Nobody floods: segments are in proportion to the data, losses and timers included.
    fn check_economy(&self) -> Check {
        let count = |end: &End| end.watch.counts;
        let [left, right] = self.ends.each_ref().map(count);
        let arrived: u64 = self.links.iter().map(|link| link.counts.doubled).sum();
        let written: u64 = self
            .ends
            .iter()
            .map(|end| u64::from(end.program.written))
            .sum();
        let sent = left.segments + right.segments;
        // Each octet may have been written, read and acknowledged on its own, and lost a few times.
        let most = FEW_SEGMENTS + 10 * written + 4 * arrived;
        if sent > most {
            return Err(format!("{sent} segments for {written} octets"));
        }
        Ok(())
    }

    fn report(&self) -> Report {
        let mut report = Report {
            runs: 1,
            virtual_time: self.now.since(START),
            transfer_time: self.received.1.since(START),
            ..Report::default()
        };
        for (end, link) in self.ends.iter().zip(&self.links) {
            report.add_end(end, &link.counts);
        }
        report
    }
}
