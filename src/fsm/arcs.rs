// SPDX-License-Identifier: GPL-2.0

//! The state machine's states, events and arcs: one table, and the one function that changes a state.
//!
//! Counters, history, pictures and tests derive from [`ARCS`]; RFC 9293 section 3.3.2 has the picture. An arc's name is made of its
//! state and its event and never changes: programs read it in `/proc`.

use super::outbox::Outbox;
use super::reasons::DropReason;

/// The state of a connection (RFC 9293 section 3.3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum State {
    /// There is no connection.
    #[default]
    Closed,
    /// Waits for connection requests.
    Listen,
    /// A SYN was sent, none has arrived.
    SynSent,
    /// SYNs went both ways; ours is not acknowledged.
    SynReceived,
    /// Data flows both ways.
    Established,
    /// We closed; our FIN is not acknowledged, the peer has not closed.
    FinWait1,
    /// We closed, and the peer knows; it has not closed.
    FinWait2,
    /// The peer closed, we have not.
    CloseWait,
    /// Both closed at the same time; our FIN is not acknowledged.
    Closing,
    /// The peer closed, then we did; our FIN is not acknowledged.
    LastAck,
    /// Both closed; old segments are given the time to die.
    TimeWait,
}

impl State {
    /// All states, in the order of [`index`](Self::index).
    pub(crate) const ALL: &'static [Self] = &[
        Self::Closed,
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
    ];
    /// How many there are.
    pub(crate) const COUNT: usize = Self::ALL.len();

    /// The place in [`ALL`](Self::ALL).
    #[cfg(test)]
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// The state's name in the RFC.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }

    /// The state of an index; `None` if there is none.
    #[cfg(test)]
    pub(crate) fn from_u8(index: u8) -> Option<Self> {
        Self::ALL.get(usize::from(index)).copied()
    }
}

/// What makes a state change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Event {
    /// The user's passive OPEN.
    PassiveOpen,
    /// The user's active OPEN.
    ActiveOpen,
    /// The user's CLOSE: nothing more will be sent.
    Close,
    /// The user's ABORT, a CLOSE with data unread, or one without lingering.
    Abort,
    /// A SYN that does not acknowledge ours.
    RcvSyn,
    /// A SYN in the window of a request that a listener made.
    RcvSynPassive,
    /// A SYN that acknowledges ours.
    RcvSynAck,
    /// The acknowledgment of our SYN.
    RcvAckOfSyn,
    /// The peer's FIN.
    RcvFin,
    /// The acknowledgment of our FIN.
    RcvAckOfFin,
    /// The peer's FIN, in a segment that also acknowledges ours.
    RcvFinAckOfFin,
    /// A valid RST.
    RcvRst,
    /// A valid RST for a request that a listener made.
    RcvRstPassive,
    /// Data that nobody can read any more.
    DataAfterClose,
    /// A destination-unreachable error while opening.
    Icmp,
    /// R2 was reached: retransmission is given up.
    Timeout,
    /// Nobody waits for the peer's FIN, and it took too long.
    OrphanTimeout,
    /// Twice the maximum segment lifetime is over.
    TwoMsl,
    /// The listener of a request was closed.
    ListenerClosed,
    /// The host takes the memory back: too many of its kind, or its namespace ends.
    Evict,
}

impl Event {
    /// All events, in the order of their values.
    pub(crate) const ALL: &'static [Self] = &[
        Self::PassiveOpen,
        Self::ActiveOpen,
        Self::Close,
        Self::Abort,
        Self::RcvSyn,
        Self::RcvSynPassive,
        Self::RcvSynAck,
        Self::RcvAckOfSyn,
        Self::RcvFin,
        Self::RcvAckOfFin,
        Self::RcvFinAckOfFin,
        Self::RcvRst,
        Self::RcvRstPassive,
        Self::DataAfterClose,
        Self::Icmp,
        Self::Timeout,
        Self::OrphanTimeout,
        Self::TwoMsl,
        Self::ListenerClosed,
        Self::Evict,
    ];
    /// How many there are.
    pub(crate) const COUNT: usize = Self::ALL.len();
}

/// What an arc does to the number of objects in its two states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gauge {
    /// The object goes from one state to the other.
    Moves,
    /// The object stays; a new one appears in the other state.
    Spawns,
    /// The object disappears; in the other state one was there all along.
    Vanishes,
}

/// A transition of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arc {
    /// The state that is left.
    pub(crate) from: State,
    /// What happens.
    pub(crate) event: Event,
    /// The state that is entered.
    pub(crate) to: State,
    /// What this does to the number of objects in each state.
    pub(crate) gauge: Gauge,
    /// The stable name.
    pub(crate) name: &'static str,
    /// The document and section that ask for it.
    pub(crate) clause: &'static str,
}

/// Writes the table: state, event, state, gauge, name, clause.
macro_rules! arcs {
    ($($from:ident $event:ident $to:ident $gauge:ident $name:literal $clause:literal;)+) => {
        /// Every arc of the machine.
        pub(crate) const ARCS: &[Arc] = &[$(Arc {
            from: State::$from,
            event: Event::$event,
            to: State::$to,
            gauge: Gauge::$gauge,
            name: $name,
            clause: $clause,
        },)+];
    };
}

arcs! {
    Closed PassiveOpen Listen Moves "closed-passive-open" "RFC 9293 3.10.1";
    Closed ActiveOpen SynSent Moves "closed-active-open" "RFC 9293 3.10.1";

    Listen ActiveOpen SynSent Moves "listen-active-open" "RFC 9293 3.10.1";
    Listen RcvSyn SynReceived Spawns "listen-rcv-syn" "RFC 9293 3.10.7.2";
    Listen Close Closed Moves "listen-close" "RFC 9293 3.10.4";
    Listen Abort Closed Moves "listen-abort" "RFC 9293 3.10.5";

    SynSent RcvSyn SynReceived Moves "syn-sent-rcv-syn" "RFC 9293 3.10.7.3";
    SynSent RcvSynAck Established Moves "syn-sent-rcv-syn-ack" "RFC 9293 3.10.7.3";
    SynSent Close Closed Moves "syn-sent-close" "RFC 9293 3.10.4";
    SynSent Abort Closed Moves "syn-sent-abort" "RFC 9293 3.10.5";
    SynSent RcvRst Closed Moves "syn-sent-rcv-rst" "RFC 9293 3.10.7.3";
    SynSent Icmp Closed Moves "syn-sent-icmp" "RFC 9293 3.9.2.2";
    SynSent Timeout Closed Moves "syn-sent-timeout" "RFC 9293 3.8.3";

    SynReceived RcvAckOfSyn Established Moves "syn-received-rcv-ack-of-syn" "RFC 9293 3.10.7.4";
    SynReceived Close FinWait1 Moves "syn-received-close" "RFC 9293 3.10.4";
    SynReceived RcvRstPassive Listen Vanishes "syn-received-rcv-rst-passive" "RFC 9293 3.10.7.4";
    SynReceived RcvSynPassive Listen Vanishes "syn-received-rcv-syn-passive" "RFC 9293 3.10.7.4";
    SynReceived RcvRst Closed Moves "syn-received-rcv-rst" "RFC 9293 3.10.7.4";
    SynReceived Abort Closed Moves "syn-received-abort" "RFC 9293 3.10.5";
    SynReceived Icmp Closed Moves "syn-received-icmp" "RFC 9293 3.9.2.2";
    SynReceived Timeout Closed Moves "syn-received-timeout" "RFC 9293 3.8.3";
    SynReceived ListenerClosed Closed Moves "syn-received-listener-closed" "RFC 9293 3.10.4";

    Established Close FinWait1 Moves "established-close" "RFC 9293 3.10.4";
    Established RcvFin CloseWait Moves "established-rcv-fin" "RFC 9293 3.10.7.4";
    Established RcvRst Closed Moves "established-rcv-rst" "RFC 9293 3.10.7.4";
    Established Abort Closed Moves "established-abort" "RFC 9293 3.10.5";
    Established Timeout Closed Moves "established-timeout" "RFC 9293 3.8.3";

    FinWait1 RcvAckOfFin FinWait2 Moves "fin-wait-1-rcv-ack-of-fin" "RFC 9293 3.10.7.4";
    FinWait1 RcvFin Closing Moves "fin-wait-1-rcv-fin" "RFC 9293 3.10.7.4";
    FinWait1 RcvFinAckOfFin TimeWait Moves "fin-wait-1-rcv-fin-ack-of-fin" "RFC 9293 3.10.7.4";
    FinWait1 RcvRst Closed Moves "fin-wait-1-rcv-rst" "RFC 9293 3.10.7.4";
    FinWait1 DataAfterClose Closed Moves "fin-wait-1-data-after-close" "RFC 9293 3.6.1";
    FinWait1 Abort Closed Moves "fin-wait-1-abort" "RFC 9293 3.10.5";
    FinWait1 Timeout Closed Moves "fin-wait-1-timeout" "RFC 9293 3.8.3";

    FinWait2 RcvFin TimeWait Moves "fin-wait-2-rcv-fin" "RFC 9293 3.10.7.4";
    FinWait2 RcvRst Closed Moves "fin-wait-2-rcv-rst" "RFC 9293 3.10.7.4";
    FinWait2 DataAfterClose Closed Moves "fin-wait-2-data-after-close" "RFC 9293 3.6.1";
    FinWait2 Abort Closed Moves "fin-wait-2-abort" "RFC 9293 3.10.5";
    FinWait2 OrphanTimeout Closed Moves "fin-wait-2-orphan-timeout" "RFC 9293 3.3.2";

    CloseWait Close LastAck Moves "close-wait-close" "RFC 9293 3.10.4";
    CloseWait RcvRst Closed Moves "close-wait-rcv-rst" "RFC 9293 3.10.7.4";
    CloseWait Abort Closed Moves "close-wait-abort" "RFC 9293 3.10.5";
    CloseWait Timeout Closed Moves "close-wait-timeout" "RFC 9293 3.8.3";

    Closing RcvAckOfFin TimeWait Moves "closing-rcv-ack-of-fin" "RFC 9293 3.10.7.4";
    Closing RcvRst Closed Moves "closing-rcv-rst" "RFC 9293 3.10.7.4";
    Closing Abort Closed Moves "closing-abort" "RFC 9293 3.10.5";
    Closing Timeout Closed Moves "closing-timeout" "RFC 9293 3.8.3";

    LastAck RcvAckOfFin Closed Moves "last-ack-rcv-ack-of-fin" "RFC 9293 3.10.7.4";
    LastAck RcvRst Closed Moves "last-ack-rcv-rst" "RFC 9293 3.10.7.4";
    LastAck Abort Closed Moves "last-ack-abort" "RFC 9293 3.10.5";
    LastAck Timeout Closed Moves "last-ack-timeout" "RFC 9293 3.8.3";

    TimeWait RcvSyn SynReceived Moves "time-wait-rcv-syn" "RFC 6191 2";
    TimeWait RcvRst Closed Moves "time-wait-rcv-rst" "RFC 9293 3.10.7.4";
    TimeWait TwoMsl Closed Moves "time-wait-two-msl" "RFC 9293 3.10.8";
    TimeWait Evict Closed Moves "time-wait-evict" "RFC 9293 3.3.2";
}

/// The entry of [`LOOKUP`] where there is no arc.
const NO_ARC: u8 = u8::MAX;

/// For each state and event the index of the arc.
const LOOKUP: [[u8; Event::COUNT]; State::COUNT] = {
    assert!(ARCS.len() < NO_ARC as usize);
    let mut lookup = [[NO_ARC; Event::COUNT]; State::COUNT];
    let mut at = 0;
    while at < ARCS.len() {
        let arc = &ARCS[at];
        let slot = &mut lookup[arc.from as usize][arc.event as usize];
        // The machine is deterministic.
        assert!(*slot == NO_ARC);
        *slot = at as u8;
        at += 1;
    }
    lookup
};

/// One of [`ARCS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArcId(u8);

impl ArcId {
    /// How many arcs there are.
    pub(crate) const COUNT: usize = ARCS.len();

    /// All arcs, in the order of the table.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..).take(Self::COUNT).map(Self)
    }

    /// The arc of this state and event; `None` if there is none.
    #[inline]
    pub(crate) fn lookup(from: State, event: Event) -> Option<Self> {
        // Both indices are values of enums that have just as many: the compiler drops the checks.
        match LOOKUP[from as usize][event as usize] {
            NO_ARC => None,
            at => Some(Self(at)),
        }
    }

    /// The place in [`ARCS`], for arrays of counters.
    #[inline]
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// The row of the table.
    #[inline]
    pub(crate) const fn arc(self) -> &'static Arc {
        // In range: an ArcId comes from `all` or from `lookup` only.
        &ARCS[self.0 as usize]
    }
}

/// The state of one object. Its field is private: only [`take`](Self::take) changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct MachineState {
    state: State,
}

impl MachineState {
    /// An object that is not there yet: a socket in CLOSED.
    pub(crate) const CLOSED: Self = Self {
        state: State::Closed,
    };
    /// A request about to be spawned by a listener.
    pub(crate) const LISTEN: Self = Self {
        state: State::Listen,
    };
    /// What is left of a connection, about to be opened anew.
    pub(crate) const TIME_WAIT: Self = Self {
        state: State::TimeWait,
    };

    /// The state.
    #[inline]
    pub(crate) const fn get(self) -> State {
        self.state
    }

    /// Takes the arc of `event` and reports it in `out`. Without such an arc nothing changes but a note in `out`.
    ///
    /// After an arc that [vanishes](Gauge::Vanishes) the object is CLOSED: it was never the listener itself.
    pub(crate) fn take(&mut self, event: Event, out: &mut Outbox) {
        let Some(id) = ArcId::lookup(self.state, event) else {
            out.note(DropReason::NoArc);
            return;
        };
        let arc = id.arc();
        self.state = match arc.gauge {
            Gauge::Moves | Gauge::Spawns => arc.to,
            Gauge::Vanishes => State::Closed,
        };
        out.take_arc(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_events_are_in_order() {
        for (at, state) in State::ALL.iter().enumerate() {
            assert_eq!(state.index(), at);
            assert_eq!(State::from_u8(at as u8), Some(*state));
        }
        assert_eq!(State::from_u8(State::COUNT as u8), None);
        for (at, event) in Event::ALL.iter().enumerate() {
            assert_eq!(*event as usize, at);
        }
    }

    #[test]
    fn an_arc_is_named_after_its_state_and_event() {
        assert_eq!(ArcId::all().count(), ARCS.len());
        for (at, id) in ArcId::all().enumerate() {
            assert_eq!(id.index(), at);
            let arc = id.arc();
            let from = arc.from.name().to_lowercase();
            assert!(arc.name.starts_with(&(from + "-")), "{}", arc.name);
            assert!(arc.clause.starts_with("RFC "), "{}", arc.clause);
            let of_name = ARCS.iter().filter(|other| other.name == arc.name);
            assert_eq!(of_name.count(), 1, "{}", arc.name);
        }
    }

    #[test]
    fn every_event_is_of_use_and_every_state_is_entered_and_left() {
        for event in Event::ALL {
            assert!(ARCS.iter().any(|arc| arc.event == *event), "{event:?}");
        }
        for state in State::ALL {
            assert!(ARCS.iter().any(|arc| arc.from == *state), "{state:?}");
            assert!(ARCS.iter().any(|arc| arc.to == *state), "{state:?}");
        }
    }

    #[test]
    fn take_follows_the_table_and_nothing_else() {
        for from in State::ALL {
            for event in Event::ALL {
                let mut machine = MachineState { state: *from };
                let mut out = Outbox::new();
                machine.take(*event, &mut out);
                let row = ARCS
                    .iter()
                    .find(|arc| arc.from == *from && arc.event == *event);
                let taken: Vec<_> = out.arcs.iter().map(|id| id.arc().name).collect();
                match row {
                    Some(arc) if arc.gauge == Gauge::Vanishes => {
                        assert_eq!(machine.get(), State::Closed);
                        assert_eq!(taken, [arc.name]);
                    }
                    Some(arc) => {
                        assert_eq!(machine.get(), arc.to);
                        assert_eq!(taken, [arc.name]);
                    }
                    None => {
                        assert_eq!(machine.get(), *from);
                        assert_eq!(taken, [] as [&str; 0]);
                        assert_eq!(out.notes().next(), Some(DropReason::NoArc));
                    }
                }
            }
        }
    }

    #[test]
    fn every_state_can_be_reached_and_can_reach_closed() {
        let mut reached = vec![State::Closed];
        let mut at = 0;
        while let Some(from) = reached.get(at).copied() {
            for arc in ARCS.iter().filter(|arc| arc.from == from) {
                if !reached.contains(&arc.to) {
                    reached.push(arc.to);
                }
            }
            at += 1;
        }
        assert_eq!(reached.len(), State::COUNT);
        for state in State::ALL.iter().filter(|state| **state != State::Closed) {
            let to_closed = |arc: &&Arc| arc.from == *state && arc.to == State::Closed;
            assert!(ARCS.iter().any(|arc| to_closed(&arc)), "{state:?}");
        }
    }
}
