// SPDX-License-Identifier: GPL-2.0

//! Two ends and the network between them, as stateright explores them.
//!
//! Ends and packets are many times the same in different states: each is kept once and called by its number, and what an
//! input does to an end is computed once.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use stateright::{Model, Property};

use super::claims::{Claim, Fault};
use super::end::{iss_of, End, Input, Packet, Step};
use super::setup::Setup;
use crate::fsm::State;

/// So many parts of a table have locks of their own.
const SHARDS: usize = 64;

/// The most packets on the way in both directions that a configuration can ask for.
const MAX_PACKETS: usize = 8;

/// The entry for a packet that is not there.
const NONE: u32 = u32::MAX;

/// More inputs than any state needs to come to its end over a fair network.
const FAIR_STEPS: usize = 400;

/// A lock that another thread's panic does not matter for: the panic ends the check anyway.
macro_rules! locked {
    ($lock:expr) => {
        $lock.unwrap_or_else(std::sync::PoisonError::into_inner)
    };
}

/// The numbers of some values, and the values by their places.
type Values<T> = (HashMap<Arc<T>, u32>, Vec<Arc<T>>);

/// Values that are kept once.
struct Pool<T> {
    shards: Vec<RwLock<Values<T>>>,
    hasher: RandomState,
}

impl<T: Hash + Eq> Pool<T> {
    fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    fn put(&self, value: T) -> u32 {
        let shard = self.hasher.hash_one(&value) as usize % SHARDS;
        if let Some(id) = locked!(self.shards[shard].read()).0.get(&value) {
            return *id;
        }
        let mut guard = locked!(self.shards[shard].write());
        let (ids, values) = &mut *guard;
        let value = Arc::new(value);
        *ids.entry(Arc::clone(&value)).or_insert_with(|| {
            values.push(value);
            ((values.len() - 1) * SHARDS + shard) as u32
        })
    }

    fn get(&self, id: u32) -> Arc<T> {
        let (shard, at) = (id as usize % SHARDS, id as usize / SHARDS);
        Arc::clone(&locked!(self.shards[shard].read()).1[at])
    }

    fn len(&self) -> usize {
        let len = |shard: &RwLock<(_, Vec<_>)>| locked!(shard.read()).1.len();
        self.shards.iter().map(len).sum()
    }
}

/// What an input does to an end, by numbers.
#[derive(Clone)]
struct Effect {
    end: u32,
    sent: Box<[u32]>,
    fault: Option<Fault>,
}

/// What each input does to each end, which is on the left or on the right.
type Effects = HashMap<(u32, usize, Input), Effect>;

/// A state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) ends: [u32; 2],
    /// The packets on the way, in ascending order, then nothing. Two that are equal are one.
    packets: [u32; MAX_PACKETS],
    replays_left: u8,
    pub(super) fault: Option<Fault>,
}

impl World {
    pub(super) fn packets(&self) -> impl Iterator<Item = u32> + '_ {
        self.packets.iter().copied().take_while(|id| *id != NONE)
    }

    fn add(&mut self, id: u32) {
        if let Some(slot) = self.packets.iter_mut().find(|slot| **slot == NONE) {
            *slot = id;
        }
        self.packets.sort_unstable();
    }

    fn remove(&mut self, id: u32) {
        if let Some(slot) = self.packets.iter_mut().find(|slot| **slot == id) {
            *slot = NONE;
        }
        self.packets.sort_unstable();
    }
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// An input but a packet.
    Input(usize, Input),
    /// A packet arrives.
    Arrive(u32),
    /// It arrives, and may come again.
    ArriveAndStay(u32),
    /// It is lost.
    Lose(u32),
}

/// The end that the packet of this number is on the way to.
fn to(id: u32) -> usize {
    id as usize % 2
}

/// A configuration, and what was found of it so far.
pub(super) struct Pair {
    pub(super) setup: Setup,
    ends: Pool<End>,
    /// Those to the end on the left and on the right, which have even and odd numbers.
    packets: [Pool<Packet>; 2],
    effects: Vec<Mutex<Effects>>,
    /// The hashes of states that come to their end over a fair network.
    fair: Vec<Mutex<HashSet<u64>>>,
    hasher: RandomState,
    /// A bit for each arc that was taken.
    arcs: AtomicU64,
}

impl Pair {
    pub(super) fn new(setup: Setup) -> Self {
        assert!(2 * setup.on_the_way <= MAX_PACKETS, "room for all packets");
        Self {
            setup,
            ends: Pool::new(),
            packets: [Pool::new(), Pool::new()],
            effects: (0..SHARDS).map(|_| Mutex::default()).collect(),
            fair: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            arcs: AtomicU64::new(0),
        }
    }

    pub(super) fn end(&self, id: u32) -> Arc<End> {
        self.ends.get(id)
    }

    pub(super) fn packet(&self, id: u32) -> Arc<Packet> {
        self.packets[to(id)].get(id / 2)
    }

    pub(super) fn number_of(&self, packet: Packet) -> u32 {
        let to = packet.to;
        self.packets[to].put(packet) * 2 + to as u32
    }

    /// How many different ends there are.
    pub(super) fn distinct_ends(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn arcs(&self) -> u64 {
        self.arcs.load(Ordering::Relaxed)
    }

    /// What an input does, anew and in words.
    pub(super) fn step(&self, world: &World, side: usize, input: Input, draws: bool) -> Step {
        let packet = match input {
            Input::Packet(id) => Some(self.packet(id)),
            _ => None,
        };
        let end = self.end(world.ends[side]);
        end.step(&self.setup, side, input, packet.as_deref(), draws)
    }

    fn effect(&self, world: &World, side: usize, input: Input) -> Effect {
        let key = (world.ends[side], side, input);
        let shard = &self.effects[self.hasher.hash_one(key) as usize % SHARDS];
        if let Some(effect) = locked!(shard.lock()).get(&key) {
            return effect.clone();
        }
        let step = self.step(world, side, input, false);
        self.arcs.fetch_or(step.arcs, Ordering::Relaxed);
        let effect = Effect {
            end: self.ends.put(step.end),
            sent: step
                .sent
                .into_iter()
                .map(|packet| self.number_of(packet))
                .collect(),
            fault: step.fault,
        };
        locked!(shard.lock()).insert(key, effect.clone());
        effect
    }

    /// An input, and what comes of it.
    fn apply(&self, world: &mut World, side: usize, input: Input) {
        let effect = self.effect(world, side, input);
        world.ends[side] = effect.end;
        for id in effect.sent.iter().copied() {
            let in_way = world.packets().filter(|other| to(*other) != side).count();
            if in_way < self.setup.on_the_way && !world.packets().any(|other| other == id) {
                world.add(id);
            }
        }
        world.fault = effect.fault.or_else(|| self.disagreement(world));
    }

    /// What the two ends believe of each other.
    fn disagreement(&self, world: &World) -> Option<Fault> {
        let ends = world.ends.map(|id| self.end(id));
        let [Some(left), Some(right)] = [ends[0].block(), ends[1].block()] else {
            return None;
        };
        let agree = |text| {
            let claim = Claim::Agree;
            Some(Fault { claim, text })
        };
        let mutual = ends[0].ours == ends[1].theirs && ends[1].ours == ends[0].theirs;
        if !mutual {
            let open = |end: &End| end.state() == State::Established;
            return match open(&ends[0]) && open(&ends[1]) {
                true => agree("both are in ESTABLISHED, but not with each other"),
                false => None,
            };
        }
        for (side, tcb, peer) in [(0, left, right), (1, right, left)] {
            let [iss, _, una, nxt, _] = tcb.numbers();
            let [_, irs, _, _, rcv_nxt] = peer.numbers();
            if iss != irs || iss != iss_of(side, ends[side].ours) {
                return agree("the initial sequence numbers differ");
            }
            if !(una.at_or_before(rcv_nxt) && rcv_nxt.at_or_before(nxt)) {
                return agree("SND.UNA <= RCV.NXT <= SND.NXT does not hold");
            }
            let peer = &ends[1 - side];
            if peer.ended && peer.received != ends[side].written {
                let (claim, text) = (Claim::Stream, "the peer's end comes before its last octet");
                return Some(Fault { claim, text });
            }
        }
        None
    }

    fn hash(&self, world: &World) -> u64 {
        self.hasher.hash_one(world)
    }

    /// What happens next if the network is fair; `None`: nothing.
    pub(super) fn fair_act(&self, world: &World) -> Option<Act> {
        if let Some(id) = world.packets().next() {
            return Some(Act::Arrive(id));
        }
        let next = [0, 1].into_iter().filter_map(|side| {
            let next = self.end(world.ends[side]).next_to_finish(&self.setup);
            next.map(|(rank, input)| (rank, side, input))
        });
        next.min_by_key(|(rank, side, _)| (*rank, *side))
            .map(|(_, side, input)| Act::Input(side, input))
    }

    pub(super) fn do_act(&self, world: &mut World, act: Act) {
        match act {
            Act::Input(side, input) => self.apply(world, side, input),
            Act::Lose(id) => world.remove(id),
            Act::Arrive(id) => {
                world.remove(id);
                self.apply(world, to(id), Input::Packet(id));
            }
            Act::ArriveAndStay(id) => {
                world.replays_left -= 1;
                self.apply(world, to(id), Input::Packet(id));
            }
        }
    }

    /// Whether both ends reach CLOSED if the network is fair from now on: what is on the way arrives, nothing is lost or comes
    /// again; then timers fire, then the programs close.
    fn comes_to_its_end(&self, world: &World) -> bool {
        let shard = |hash: u64| &self.fair[hash as usize % SHARDS];
        let mut world = world.clone();
        world.replays_left = 0;
        let mut seen = Vec::new();
        for _ in 0..FAIR_STEPS {
            let hash = self.hash(&world);
            if world.fault.is_some() || locked!(shard(hash).lock()).contains(&hash) {
                break;
            }
            seen.push(hash);
            let Some(act) = self.fair_act(&world) else {
                let mut ends = world.ends.iter().map(|id| self.end(*id));
                if ends.any(|end| end.state() != State::Closed) {
                    return false;
                }
                break;
            };
            self.do_act(&mut world, act);
        }
        if seen.len() == FAIR_STEPS {
            return false;
        }
        for hash in seen {
            locked!(shard(hash).lock()).insert(hash);
        }
        true
    }
}

/// The property of a claim that a fault belongs to.
macro_rules! property {
    ($claim:ident) => {
        Property::always(Claim::$claim.text(), |_, world: &World| {
            world.fault.is_none_or(|fault| fault.claim != Claim::$claim)
        })
    };
}

impl Model for Pair {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let end = |side| self.ends.put(End::new(&self.setup, side));
        vec![World {
            ends: [end(0), end(1)],
            packets: [NONE; MAX_PACKETS],
            replays_left: self.setup.replays,
            fault: None,
        }]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        if world.fault.is_some() {
            return;
        }
        for id in world.packets() {
            acts.push(Act::Arrive(id));
            if world.replays_left != 0 {
                acts.push(Act::ArriveAndStay(id));
            }
            acts.push(Act::Lose(id));
        }
        let mut inputs = Vec::new();
        for (side, id) in world.ends.into_iter().enumerate() {
            self.end(id).inputs(&self.setup, side, &mut inputs);
            acts.extend(inputs.drain(..).map(|input| Act::Input(side, input)));
        }
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        let mut world = world.clone();
        self.do_act(&mut world, act);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            property!(Agree),
            property!(Fin),
            property!(Stream),
            property!(Waits),
            Property::always(Claim::Ends.text(), |pair: &Self, world: &World| {
                world.fault.is_some() || pair.comes_to_its_end(world)
            }),
            property!(Old),
            property!(Arcs),
            property!(Rst),
            property!(Invariants),
        ]
    }
}
