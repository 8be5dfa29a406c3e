// SPDX-License-Identifier: GPL-2.0

//! The configurations that are checked: what both ends may do, and what the network may.

use crate::fsm::{AckMode, Config};

/// An end that is broken on purpose, to see that the checker finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code, reason = "only tests break an end"))]
pub(crate) enum Broken {
    /// None is.
    No,
    /// The second end's ACKs count a FIN that was not sent.
    AcksFinEarly,
    /// The same, and the first end's FIN is never sent.
    KeepsFin,
    /// Data is given to the program as often as it comes.
    TakesTextTwice,
    /// No error is told.
    TellsNobody,
    /// An RST for no connection is answered as any other segment.
    AnswersRst,
    /// The retransmission timer never runs.
    ForgetsTimer,
    /// Timers run out, and nothing happens.
    DeafToTimers,
    /// There is no limit of challenge ACKs.
    ChallengesAll,
    /// Any RST ends the connection.
    TakesAnyRst,
}

/// A configuration. The first of two values is that of the end on the left.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) about: &'static str,
    /// Whether an end may connect, and listen.
    pub(super) connects: [bool; 2],
    pub(super) listens: [bool; 2],
    /// How many connections an end may start or accept at most, one after the other.
    pub(super) attempts: [u8; 2],
    /// How many octets each end sends at most, all connections together.
    pub(super) writes: [u8; 2],
    /// How often a host may restart.
    pub(super) restarts: [u8; 2],
    /// Whether programs abort.
    pub(super) aborts: bool,
    /// Whether ICMP errors come, and the host takes back memory of TIME-WAITs.
    pub(super) accidents: bool,
    /// Packets that are on the way in each direction at most; more are lost.
    pub(super) on_the_way: usize,
    /// How many packets may arrive again, at any time later.
    pub(super) replays: u8,
    /// Octets of the receive buffer.
    pub(super) buffer: u32,
    /// Whether programs read all that is there at once.
    pub(super) reads_at_once: bool,
    pub(super) nodelay: bool,
    pub(super) acks: AckMode,
    pub(super) cfg: Config,
    pub(super) broken: Broken,
    /// Transitions after which it stops.
    pub(super) most_transitions: usize,
}

/// The machine's settings: without the extensions, whose numbers are times or larger than these windows, and with little
/// patience, since each further retransmission is the same state again but for its count.
fn config() -> Config {
    Config {
        syn_retries: 1,
        synack_retries: 1,
        retries1: 1,
        retries2: 1,
        orphan_retries: 1,
        timestamps: false,
        window_scaling: false,
        sack: false,
        ecn: 0,
        ..Config::default()
    }
}

impl Setup {
    /// One end connects to a listener; nobody sends data.
    fn simple() -> Self {
        Self {
            name: "",
            about: "",
            connects: [true, false],
            listens: [false, true],
            attempts: [1, 1],
            writes: [0, 0],
            restarts: [0, 0],
            aborts: true,
            accidents: true,
            on_the_way: 1,
            replays: 1,
            buffer: 1_000,
            reads_at_once: true,
            nodelay: true,
            acks: AckMode::Quick,
            cfg: config(),
            broken: Broken::No,
            most_transitions: 15_000_000,
        }
    }

    /// Those that take seconds.
    pub(crate) fn quick() -> Vec<Self> {
        vec![
            Self {
                name: "small",
                about: "active and passive open, an octet one way",
                writes: [1, 0],
                replays: 0,
                ..Self::simple()
            },
            Self {
                name: "small-both",
                about: "simultaneous open, no data",
                connects: [true, true],
                listens: [false, false],
                ..Self::simple()
            },
        ]
    }

    /// Two connections, one after the other, and nothing else.
    #[cfg(test)]
    pub(super) fn two_connections(broken: Broken) -> Self {
        Self {
            attempts: [2, 2],
            aborts: false,
            accidents: false,
            replays: 0,
            on_the_way: 2,
            broken,
            ..Self::simple()
        }
    }

    /// All.
    pub(crate) fn all() -> Vec<Self> {
        let mut setups = Self::quick();
        setups.extend([
            Self {
                name: "passive",
                about: "active and passive open, one or two octets each way, delayed ACKs, Nagle",
                writes: [2, 1],
                acks: AckMode::Delayed,
                nodelay: false,
                ..Self::simple()
            },
            Self {
                name: "window",
                about: "a receive buffer of one octet, read when the program likes",
                writes: [2, 0],
                buffer: 1,
                reads_at_once: false,
                aborts: false,
                accidents: false,
                ..Self::simple()
            },
            Self {
                name: "simultaneous",
                about: "both ends may connect and listen, an octet each way",
                connects: [true, true],
                listens: [true, true],
                writes: [1, 1],
                ..Self::simple()
            },
            Self {
                name: "restart",
                about: "two connections, a listener that restarts, old segments replayed",
                attempts: [2, 3],
                writes: [1, 0],
                restarts: [0, 1],
                aborts: false,
                on_the_way: 2,
                replays: 2,
                ..Self::simple()
            },
            Self {
                name: "wide",
                about: "active and passive open, an octet each way, two packets on the way in each direction",
                writes: [1, 1],
                on_the_way: 2,
                most_transitions: 60_000_000,
                ..Self::simple()
            },
        ]);
        setups
    }
}
