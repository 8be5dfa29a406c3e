// SPDX-License-Identifier: GPL-2.0

//! What must hold, with the clauses that ask for it.

/// What is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Claim {
    Agree,
    Fin,
    Stream,
    Waits,
    Ends,
    Old,
    Arcs,
    Rst,
    Invariants,
}

impl Claim {
    pub(super) const ALL: [Self; 9] = [
        Self::Agree,
        Self::Fin,
        Self::Stream,
        Self::Waits,
        Self::Ends,
        Self::Old,
        Self::Arcs,
        Self::Rst,
        Self::Invariants,
    ];

    /// The claim in words.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Agree => "both ends in ESTABLISHED agree on all sequence numbers (RFC 9293 3.4, 3.5)",
            Self::Fin => "no FIN counts as acknowledged before it was sent (RFC 9293 3.10.7.4, fifth)",
            Self::Stream => {
                "every octet arrives once and in order, or the program is told (RFC 9293 3.4, 3.8, 3.10.7.4)"
            }
            Self::Waits => {
                "every state has a timer or awaits an input that must come (RFC 9293 3.8.1, 3.10.8)"
            }
            Self::Ends => "over a fair network both ends reach CLOSED (RFC 9293 3.3.2, 3.6)",
            Self::Old => {
                "no segment of an old incarnation enters a new one (RFC 9293 3.4.1, 3.5, MUST-13; RFC 6191 2)"
            }
            Self::Arcs => "no event comes in a state that has no arc for it (RFC 9293 3.3.2)",
            Self::Rst => "an RST never answers an RST (RFC 9293 3.5.2, 3.10.7.1)",
            Self::Invariants => "the invariants of src/fsm/invariants.rs hold (RFC 9293 3.3.1, 3.4)",
        }
    }
}

/// A claim that does not hold, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fault {
    pub(super) claim: Claim,
    pub(super) text: &'static str,
}
