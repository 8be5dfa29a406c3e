// SPDX-License-Identifier: GPL-2.0

//! The protocol: RFC 9293 as a pure machine.
//!
//! It knows no kernel types, allocates nothing, has no clock and never panics. It is told the time and an input, and
//! says what to do: a [`Tcb`] is a connection, a [`SynReq`] a half-open one of a listener, a [`TimeWait`] what is left of one.
//! Their calls fill an [`Outbox`]; after each call on a Tcb, [`Tcb::next_segment`] tells what is to be sent. [`arcs::ARCS`] is the table
//! of all transitions.

#![forbid(unsafe_code)]

pub(crate) mod abstraction;
pub(crate) mod ack;
pub(crate) mod acks;
pub(crate) mod arcs;
pub(crate) mod arrives;
pub(crate) mod autotune;
pub(crate) mod challenge;
pub(crate) mod config;
pub(crate) mod congestion;
pub(crate) mod cookie;
pub(crate) mod cubic;
pub(crate) mod dispatch;
pub(crate) mod ecn;
pub(crate) mod hystart;
pub(crate) mod icmp;
pub(crate) mod info;
pub(crate) mod invariants;
pub(crate) mod isn;
pub(crate) mod keepalive;
pub(crate) mod listen;
pub(crate) mod options;
pub(crate) mod outbox;
pub(crate) mod prr;
pub(crate) mod rack;
pub(crate) mod reasons;
pub(crate) mod reassembly;
pub(crate) mod records;
pub(crate) mod recovery;
pub(crate) mod reno;
pub(crate) mod rtt;
pub(crate) mod runs;
pub(crate) mod scoreboard;
pub(crate) mod segment;
pub(crate) mod seq;
pub(crate) mod settings;
pub(crate) mod syn_sent;
pub(crate) mod tail_probe;
pub(crate) mod tcb;
pub(crate) mod time;
pub(crate) mod time_wait;
pub(crate) mod timers;
pub(crate) mod urgent;
pub(crate) mod user;
pub(crate) mod window;

#[cfg(test)]
mod tests;

pub(crate) use arcs::{ArcId, State};
pub(crate) use config::Config;
pub(crate) use icmp::{IcmpError, IcmpKind};
pub(crate) use isn::initial_sequence_number;
pub(crate) use listen::{
    closed_on_segment, listen_on_segment, ListenVerdict, ReqTimer, ReqVerdict, SynReq, SynReqParams,
};
pub(crate) use outbox::{ConnError, Fate, Outbox, Reply, ReplyWhy, Wake};
pub(crate) use reasons::{ChallengeReason, DropReason, ResetReason};
pub(crate) use records::{Record, RecordList};
pub(crate) use runs::{cut_header, MaxRun};
pub(crate) use segment::{Flags, ParseError, Segment, SegmentOut};
pub(crate) use seq::SeqNumber;
pub(crate) use settings::{AckMode, BadValue, Linger2, Settings};
pub(crate) use tcb::{OpenParams, Status, Tcb};
pub(crate) use time::{Duration, Instant};
pub(crate) use time_wait::{ReuseFloor, TimeWait, TwVerdict};
pub(crate) use urgent::{UrgentMark, UrgentStep};
pub(crate) use user::{UserCall, UserError};
