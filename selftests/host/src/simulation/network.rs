// SPDX-License-Identifier: GPL-2.0

//! One direction of a network that loses, doubles, delays, reorders and damages packets, as its dice tell.

use std::rc::Rc;

use super::dice::Dice;
use crate::fsm::{Duration, Instant};

/// The protocol number, for the pseudo-header.
const PROTOCOL: u32 = 253;
/// The sum of the addresses in the pseudo-header: those of the two ends never change.
const ADDRESSES: u32 = 0x0a00 + 0x0001 + 0x0a00 + 0x0002;
/// Where the checksum stands in a header (RFC 9293 section 3.1).
const CHECKSUM_AT: usize = 16;
/// Octets of an IPv4 header, which take their share of a line's rate.
const IP_HEADER: u64 = 20;

/// What a direction does to its packets. All zero: nothing, and it takes no time.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkPlan {
    /// The least time from end to end.
    pub(crate) delay: Duration,
    /// What is added to it at most, by chance.
    pub(crate) jitter: Duration,
    /// Whether packets with different jitter stay in order.
    pub(crate) in_order: bool,
    /// Packets in a thousand that are lost.
    pub(crate) loss: u32,
    /// The mean time between two bursts in which everything is lost; zero: there are none.
    pub(crate) burst_every: Duration,
    /// How long a burst lasts at most.
    pub(crate) burst: Duration,
    /// Packets in a thousand that others overtake.
    pub(crate) reorder: u32,
    /// By how much those are late at most.
    pub(crate) reorder_by: Duration,
    /// Packets in a thousand that arrive twice.
    pub(crate) duplicate: u32,
    /// Packets in a thousand whose octets are damaged.
    pub(crate) corrupt: u32,
    /// Packets in a thousand that are marked instead of lost, if their sender knows marks (RFC 3168).
    pub(crate) mark: u32,
    /// Since when segments of more octets than this, header included, get lost, and their sender is told (RFC 1191).
    pub(crate) narrow: Option<(Duration, u16)>,
    /// Packets in a thousand of which a copy comes long after.
    pub(crate) late: u32,
    /// How much after, at most: within the maximum segment lifetime.
    pub(crate) late_by: Duration,
    /// Octets per second, those of IP headers included; 0: no limit.
    pub(crate) rate: u64,
    /// Octets that wait for a line of that rate at most; more are lost.
    pub(crate) queue: u64,
    /// When nothing gets through: from the first instant up to the second, both since the start.
    pub(crate) cut: Option<(Duration, Duration)>,
    /// What happens to the first packets, one octet for each, instead of by chance: see [`Turn`].
    pub(crate) schedule: Vec<u8>,
    /// The packets with data, counted from 0, that are lost, in ascending order.
    pub(crate) lose_data: Vec<u64>,
    /// The packets with data, counted from 0, that come late by `reorder_by`, in ascending order.
    pub(crate) delay_data: Vec<u64>,
}

/// So many packets a schedule may lose or damage each way: with a third of its patience in both directions, no end has to give up, however
/// the losses are chosen.
const MOST_HARMED: u32 = 10;

/// What a schedule's octet does to its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Pass,
    Lose,
    Double,
    /// It comes late by so much.
    Delay(Duration),
    Damage,
    Mark,
}

impl Turn {
    /// The low three bits choose; the others say how late.
    fn of(octet: u8) -> Self {
        match octet & 7 {
            3 => Self::Lose,
            4 => Self::Double,
            5 => Self::Delay(Duration::from_ms(1 << (octet >> 4))),
            6 => Self::Damage,
            7 => Self::Mark,
            _ => Self::Pass,
        }
    }
}

/// Why a packet, or a copy of it, did not arrive as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Lost by chance.
    Lost,
    /// Lost in a burst.
    Burst,
    /// Lost while nothing got through.
    Cut,
    /// Lost because it was chosen.
    Chosen,
    /// Too large for the path; its sender is told.
    TooLarge,
    /// Lost because the line's queue was full.
    QueueFull,
}

impl Fault {
    /// A word for the chart.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Burst => "lost in a burst",
            Self::Cut => "cut off",
            Self::Chosen => "chosen to be lost",
            Self::TooLarge => "too large for the path",
            Self::QueueFull => "queue full",
        }
    }
}

/// A packet on its way: the header and the data, without the header of IP.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// Counts the packets of both directions.
    pub(crate) id: u64,
    /// The octets.
    pub(crate) octets: Rc<[u8]>,
    /// Whether there is data in it.
    pub(crate) has_data: bool,
    /// Whether a mark tells its receiver of congestion (RFC 3168 section 5).
    pub(crate) ect: bool,
}

/// The arrival of a packet, or of a copy of it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// When.
    pub(crate) at: Instant,
    /// What.
    pub(crate) packet: Packet,
    /// Whether the octets are damaged; the checksum tells so, too.
    pub(crate) damaged: bool,
    /// Whether it is marked.
    pub(crate) marked: bool,
}

/// What becomes of a packet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    /// It, its copies.
    pub(crate) arrivals: Vec<Arrival>,
    /// Why it does not arrive at once, if it does not.
    pub(crate) fault: Option<Fault>,
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkCounts {
    /// Packets sent.
    pub(crate) sent: u64,
    /// Lost, whatever the cause.
    pub(crate) lost: u64,
    /// Of these lost in a full queue.
    pub(crate) queue_full: u64,
    /// Copies that came besides, soon or late.
    pub(crate) doubled: u64,
    /// Of these late ones.
    pub(crate) late: u64,
    /// Held up so that others could overtake.
    pub(crate) reordered: u64,
    /// Damaged.
    pub(crate) damaged: u64,
    /// Marked for congestion.
    pub(crate) marked: u64,
    /// Lost because they were too large for the path.
    pub(crate) too_large: u64,
}

/// One direction.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    plan: LinkPlan,
    dice: Dice,
    start: Instant,
    /// The burst that is, or is to come.
    burst: (Instant, Instant),
    /// When the line is free.
    free_at: Instant,
    last_arrival: Instant,
    data_sent: u64,
    /// Packets that the schedule has lost or damaged.
    harmed: u32,
    pub(crate) counts: LinkCounts,
}

impl Link {
    /// A direction that starts now.
    pub(crate) fn new(plan: LinkPlan, mut dice: Dice, start: Instant) -> Self {
        let burst = next_burst(&plan, &mut dice, start);
        Self {
            plan,
            dice,
            start,
            burst,
            free_at: start,
            last_arrival: start,
            data_sent: 0,
            harmed: 0,
            counts: LinkCounts::default(),
        }
    }

    /// A packet is sent now.
    ///
    /// The dice are rolled the same number of times for each packet, whatever happens to it, so that one misfortune less in
    /// the plan leaves the others as they were.
    pub(crate) fn carry(&mut self, now: Instant, packet: Packet) -> Carried {
        let plan = &self.plan;
        let dice = &mut self.dice;
        let turn = self
            .counts
            .sent
            .try_into()
            .ok()
            .and_then(|at: usize| plan.schedule.get(at));
        let mut turn = turn.map_or(Turn::Pass, |octet| Turn::of(*octet));
        if matches!(turn, Turn::Lose | Turn::Damage) {
            if self.harmed == MOST_HARMED {
                turn = Turn::Pass;
            } else {
                self.harmed += 1;
            }
        }
        let is_lost = dice.happens(plan.loss) || turn == Turn::Lose;
        let jitter = Duration::from_us(dice.between(0, plan.jitter.as_us()));
        let is_late = dice.happens(plan.reorder);
        let late_by = Duration::from_us(dice.between(0, plan.reorder_by.as_us()));
        let is_doubled = dice.happens(plan.duplicate) || turn == Turn::Double;
        let double_after = Duration::from_us(dice.between(0, 2 * plan.delay.as_us()));
        let is_damaged = dice.happens(plan.corrupt) || turn == Turn::Damage;
        let mut damage = dice.split();
        let is_marked = (dice.happens(plan.mark) || turn == Turn::Mark) && packet.ect;
        let comes_again = dice.happens(plan.late);
        let again_after = Duration::from_us(dice.between(0, plan.late_by.as_us()));

        self.counts.sent += 1;
        let data_number = self.data_sent;
        self.data_sent += u64::from(packet.has_data);
        let is_chosen = |list: &[u64]| packet.has_data && list.binary_search(&data_number).is_ok();
        let is_held_up = is_late || is_chosen(&self.plan.delay_data);
        let chosen_late = is_chosen(&self.plan.delay_data);

        let fault = if self.is_cut(now) {
            Some(Fault::Cut)
        } else if self.is_in_burst(now) {
            Some(Fault::Burst)
        } else if self.is_too_large(now, &packet) {
            self.counts.too_large += 1;
            Some(Fault::TooLarge)
        } else if is_chosen(&self.plan.lose_data) {
            Some(Fault::Chosen)
        } else if is_lost {
            Some(Fault::Lost)
        } else {
            None
        };
        let sent_at = match fault {
            None => self.through_the_line(now, &packet),
            Some(_) => Err(()),
        };
        let fault = match (fault, sent_at) {
            (None, Err(())) => {
                self.counts.queue_full += 1;
                Some(Fault::QueueFull)
            }
            (fault, _) => fault,
        };
        let mut arrivals = Vec::new();
        if let Ok(sent_at) = sent_at {
            let mut at = sent_at + self.plan.delay + jitter;
            if let Turn::Delay(time) = turn {
                at = at + time;
            }
            if self.plan.in_order {
                at = at.max(self.last_arrival);
            }
            if is_held_up {
                self.counts.reordered += 1;
                at = at
                    + if chosen_late {
                        self.plan.reorder_by
                    } else {
                        late_by
                    };
            } else {
                self.last_arrival = self.last_arrival.max(at);
            }
            self.counts.damaged += u64::from(is_damaged);
            self.counts.marked += u64::from(is_marked);
            let octets = if is_damaged {
                damaged(&packet.octets, &mut damage)
            } else {
                Rc::clone(&packet.octets)
            };
            arrivals.push(Arrival {
                at,
                packet: Packet {
                    octets,
                    ..packet.clone()
                },
                damaged: is_damaged,
                marked: is_marked,
            });
            if is_doubled {
                self.counts.doubled += 1;
                arrivals.push(copy(&packet, at + double_after));
            }
            if comes_again {
                self.counts.doubled += 1;
                self.counts.late += 1;
                arrivals.push(copy(&packet, at + again_after));
            }
        } else {
            self.counts.lost += 1;
        }
        Carried { arrivals, fault }
    }

    fn is_cut(&self, now: Instant) -> bool {
        self.plan
            .cut
            .is_some_and(|(from, to)| self.start + from <= now && now < self.start + to)
    }

    fn is_too_large(&self, now: Instant, packet: &Packet) -> bool {
        self.narrowed(now)
            .is_some_and(|most| packet.octets.len() > usize::from(most))
    }

    /// The largest segment, header included, that gets through now, where there is a limit.
    pub(crate) fn narrowed(&self, now: Instant) -> Option<u16> {
        let (since, most) = self.plan.narrow?;
        (now >= self.start + since).then_some(most)
    }

    fn is_in_burst(&mut self, now: Instant) -> bool {
        while self.burst.1 <= now {
            self.burst = next_burst(&self.plan, &mut self.dice, self.burst.1);
        }
        self.burst.0 <= now
    }

    /// When the last octet of a packet has left; an error if the queue has no room for it.
    fn through_the_line(&mut self, now: Instant, packet: &Packet) -> Result<Instant, ()> {
        let Some(us_for) = time_of(self.plan.rate) else {
            return Ok(now);
        };
        let octets = packet.octets.len() as u64 + IP_HEADER;
        let start = self.free_at.max(now);
        let waiting = start.since(now).as_us() * self.plan.rate / 1_000_000;
        if waiting != 0 && waiting + octets > self.plan.queue {
            return Err(());
        }
        self.free_at = start + us_for(octets);
        Ok(self.free_at)
    }
}

/// How long a line of this rate takes for so many octets; none if it takes no time.
fn time_of(rate: u64) -> Option<impl Fn(u64) -> Duration> {
    (rate != 0).then_some(move |octets| Duration::from_us(octets * 1_000_000 / rate))
}

fn copy(packet: &Packet, at: Instant) -> Arrival {
    Arrival {
        at,
        packet: packet.clone(),
        damaged: false,
        marked: false,
    }
}

/// The first burst after an instant.
fn next_burst(plan: &LinkPlan, dice: &mut Dice, after: Instant) -> (Instant, Instant) {
    const NEVER: Instant = Instant::from_us(u64::MAX);
    if plan.burst_every == Duration::from_us(0) {
        return (NEVER, NEVER);
    }
    let from = after + Duration::from_us(dice.between(0, 2 * plan.burst_every.as_us()));
    let to = from + Duration::from_us(dice.between(1, plan.burst.as_us().max(1)));
    (from, to)
}

/// The checksum of a segment whose own field counts as zero (RFC 9293 section 3.1).
pub(crate) fn checksum(octets: &[u8]) -> u16 {
    let mut sum = ADDRESSES + PROTOCOL + octets.len() as u32;
    for (at, pair) in octets.chunks(2).enumerate() {
        if 2 * at != CHECKSUM_AT {
            sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Whether the checksum in a segment is the right one.
pub(crate) fn checksum_holds(octets: &[u8]) -> bool {
    let field = octets.get(CHECKSUM_AT..CHECKSUM_AT + 2);
    field == Some(&checksum(octets).to_be_bytes())
}

/// The octets with some bits turned over, such that the checksum tells.
fn damaged(octets: &[u8], dice: &mut Dice) -> Rc<[u8]> {
    let mut whole = octets.to_vec();
    let sum = checksum(octets);
    whole[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
    let mut broken = whole.clone();
    for _ in 0..dice.between(1, 8) {
        // The header is where damage matters most.
        let end = if dice.happens(500) {
            20
        } else {
            broken.len() as u64
        };
        let at = dice.below(end) as usize;
        broken[at] ^= 1 << dice.below(8);
    }
    if checksum_holds(&broken) {
        // Damage that the checksum cannot see is nobody's fault: turn over just one bit.
        broken = whole;
        broken[4] ^= 1;
    }
    broken.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_us(1_000_000);

    fn packet(len: usize) -> Packet {
        Packet {
            id: 0,
            octets: vec![0xa5; len].into(),
            has_data: true,
            ect: false,
        }
    }

    fn link(plan: LinkPlan) -> Link {
        Link::new(plan, Dice::new(3), START)
    }

    /// How long each of some packets takes that are sent together.
    fn times(plan: LinkPlan, packets: usize) -> Vec<Option<u64>> {
        let mut link = link(plan);
        let mut time = |_| {
            let carried = link.carry(START, packet(80));
            let first = carried.arrivals.first();
            first.map(|arrival| arrival.at.since(START).as_us())
        };
        (0..packets).map(&mut time).collect()
    }

    #[test]
    fn a_plan_of_nothing_does_nothing() {
        assert_eq!(times(LinkPlan::default(), 3), [Some(0); 3]);
    }

    #[test]
    fn packets_take_the_delay_and_wait_for_the_line() {
        let plan = LinkPlan {
            delay: Duration::from_ms(10),
            // Each packet of 80 octets is 100 with IP's header, which take 1 ms.
            rate: 100_000,
            queue: 300,
            ..LinkPlan::default()
        };
        let expected = [Some(11_000), Some(12_000), Some(13_000), None, None];
        assert_eq!(times(plan, 5), expected);
    }

    #[test]
    fn chosen_packets_are_lost_or_late() {
        let plan = LinkPlan {
            reorder_by: Duration::from_us(7),
            lose_data: vec![1],
            delay_data: vec![3],
            ..LinkPlan::default()
        };
        assert_eq!(times(plan, 4), [Some(0), None, Some(0), Some(7)]);
    }

    #[test]
    fn nothing_gets_through_a_cut_or_a_burst() {
        let cut = LinkPlan {
            cut: Some((Duration::from_us(0), Duration::from_us(5))),
            ..LinkPlan::default()
        };
        let mut cut = link(cut);
        assert_eq!(cut.carry(START, packet(40)).fault, Some(Fault::Cut));
        let after = START + Duration::from_us(5);
        assert_eq!(cut.carry(after, packet(40)).fault, None);

        let mut bursts = link(LinkPlan {
            burst_every: Duration::from_ms(10),
            burst: Duration::from_ms(10),
            ..LinkPlan::default()
        });
        let lost = (0..1_000u64)
            .map(|ms| bursts.carry(START + Duration::from_ms(ms), packet(40)))
            .filter(|carried| carried.fault == Some(Fault::Burst))
            .count();
        // A mean of 10 ms between them, of 5 ms within.
        assert!((250..420).contains(&lost), "{lost}");
    }

    #[test]
    fn copies_come_besides_the_packet() {
        let mut link = link(LinkPlan {
            duplicate: 1_000,
            late: 1_000,
            late_by: Duration::from_secs(30),
            ..LinkPlan::default()
        });
        assert_eq!(link.carry(START, packet(40)).arrivals.len(), 3);
        assert_eq!((link.counts.doubled, link.counts.late), (2, 1));
    }

    #[test]
    fn the_checksum_tells_all_damage_that_is_done() {
        let mut dice = Dice::new(4);
        for len in 20..200 {
            let octets: Vec<u8> = (0..len).map(|_| dice.below(256) as u8).collect();
            assert!(!checksum_holds(&damaged(&octets, &mut dice)));
        }
        assert!(!checksum_holds(&[0; 10]));
    }

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        // All fields zero but one: the complement of the sum of the pseudo-header and that field.
        let mut octets = [0; 21];
        octets[20] = 1;
        let sum = 0x0a00 + 1 + 0x0a00 + 2 + 253 + 21 + 0x100;
        assert_eq!(checksum(&octets), !(sum as u16));
    }
}
