// SPDX-License-Identifier: GPL-2.0
//! ICMP errors about segments of ours (RFC 9293 3.9.2.2, RFC 5927): the machine judges them by the sequence number that
//! they quote.
//!
//! One that comes while a process owns the socket waits until it lets go: one at a time, and of several the word of a path MTU.

use super::tables::Object;
use super::{effects, instance, request, Locked, Socket};
use crate::src::fsm::{DropReason, IcmpError, IcmpKind, SeqNumber, State};
use crate::src::kapi::hash::Key;
use crate::src::kapi::ip::IcmpError as Message;
use crate::src::kapi::ip::IcmpKind as Kind;
use kernel::prelude::*;

/// What an ICMP error says of one connection.
#[derive(Clone, Copy)]
struct Report {
    kind: Kind,
    /// Of the segment that it quotes.
    quoted: SeqNumber,
    /// The path MTU that it tells, if it is about that.
    mtu: u16,
}

/// A report as a word that is never 0, so that it can wait in an atomic: the kind, ICMP's code, the MTU, the quoted number.
impl Report {
    const KIND_SHIFT: u32 = 60;
    const CODE_SHIFT: u32 = 48;
    const MTU_SHIFT: u32 = 32;
    const UNREACHABLE: u64 = 1;
    const TOO_BIG: u64 = 2;
    const TIME_EXCEEDED: u64 = 3;
    const PARAMETER_PROBLEM: u64 = 4;
    const OTHER: u64 = 5;

    fn to_word(self) -> u64 {
        let (kind, code) = match self.kind {
            Kind::Unreachable(code) => (Self::UNREACHABLE, code),
            Kind::TooBig => (Self::TOO_BIG, 0),
            Kind::TimeExceeded => (Self::TIME_EXCEEDED, 0),
            Kind::ParameterProblem => (Self::PARAMETER_PROBLEM, 0),
            Kind::Redirect | Kind::Other => (Self::OTHER, 0),
        };
        kind << Self::KIND_SHIFT
            | u64::from(code) << Self::CODE_SHIFT
            | u64::from(self.mtu) << Self::MTU_SHIFT
            | u64::from(self.quoted.raw())
    }

    fn from_word(word: u64) -> Option<Self> {
        let kind = match word >> Self::KIND_SHIFT {
            Self::UNREACHABLE => Kind::Unreachable((word >> Self::CODE_SHIFT) as u8),
            Self::TOO_BIG => Kind::TooBig,
            Self::TIME_EXCEEDED => Kind::TimeExceeded,
            Self::PARAMETER_PROBLEM => Kind::ParameterProblem,
            Self::OTHER => Kind::Other,
            _ => return None,
        };
        Some(Report {
            kind,
            quoted: SeqNumber::from_raw(word as u32),
            mtu: (word >> Self::MTU_SHIFT) as u16,
        })
    }
}

/// An ICMP error that quotes the start of a segment of ours.
pub(crate) fn error(message: &Message<'_>) {
    let Some(quote) = message.quote() else { return };
    let net = message.net();
    let key = Key::new(
        net,
        (quote.source, quote.source_port),
        (quote.destination, quote.destination_port),
    );
    let report = Report {
        kind: message.kind(),
        quoted: SeqNumber::from_raw(quote.sequence),
        // No segment is larger than this.
        mtu: message.mtu().min(u32::from(u16::MAX)) as u16,
    };
    match instance()
        .tables
        .find_quoted(net, &key, message.interfaces())
    {
        Some(Object::Socket(sk)) => {
            if !message.is_near(&sk) {
                return sk.per_net().counters().drop(DropReason::Policy);
            }
            let mut locked = sk.bh_lock();
            match locked.unowned() {
                // RFC 1122 3.2.2.2: routing knows what to believe. Nobody waits for it: the next one will come.
                Some(guard) if report.kind == Kind::Redirect => {
                    if guard.tcb.may_be_ours(report.quoted) {
                        message.redirect(guard);
                    }
                }
                None if report.kind == Kind::Redirect => {}
                Some(guard) => {
                    queue(guard, message, report);
                    handle(guard, report);
                }
                None => {
                    if keep(&sk, report) {
                        locked.defer();
                    }
                }
            }
        }
        Some(Object::Request(half_open)) => {
            if let Kind::Unreachable(code) = report.kind {
                request::icmp(&half_open, report.quoted, is_hard(code));
            }
        }
        _ => {}
    }
}

/// What ends an open is queued for a program that asked for it (IP_RECVERR), with all that the message tells.
fn queue(sk: &Locked<'_>, message: &Message<'_>, report: Report) {
    let opening = matches!(sk.tcb.state(), State::SynSent | State::SynReceived);
    if !opening || !sk.sk().wants_soft_errors() || !sk.tcb.is_in_flight(report.quoted) {
        return;
    }
    let Some(error) = for_machine(report.kind).and_then(IcmpKind::error) else {
        return;
    };
    let key = sk.sk().key();
    let error = effects::conn_errno(error, !key.remote.is_v4());
    message.queue(sk.sk(), error, key.remote_port());
}

/// Keeps a report for when the process lets the socket go. The spin lock is held. False: another waits.
fn keep(sk: &Socket, report: Report) -> bool {
    let waits = sk.shared().icmp();
    if waits.load() != 0 {
        sk.per_net().counters().drop(DropReason::IcmpLocked);
        if report.kind != Kind::TooBig {
            return false;
        }
    }
    waits.store(report.to_word());
    true
}

/// The process lets the socket go: what waited is handled. The spin lock is held.
pub(super) fn deferred(sk: &mut Locked<'_>) {
    let waits = sk.sk().shared().icmp();
    let word = waits.load();
    if word != 0 {
        waits.store(0);
        if let Some(report) = Report::from_word(word) {
            handle(sk, report);
        }
    }
}

/// What the machine is told of; `None`: of nothing.
fn for_machine(kind: Kind) -> Option<IcmpKind> {
    match kind {
        Kind::Unreachable(code) => Some(IcmpKind::Unreachable(code)),
        Kind::TimeExceeded => Some(IcmpKind::TimeExceeded),
        Kind::ParameterProblem => Some(IcmpKind::ParameterProblem),
        // The path MTU and the first hop are routing's. RFC 9293 3.9.2.2, MUST-55: source quench and all the others.
        Kind::TooBig | Kind::Redirect | Kind::Other => None,
    }
}

fn handle(sk: &mut Locked<'_>, report: Report) {
    if report.kind == Kind::TooBig {
        return too_big(sk, report);
    }
    let Some(kind) = for_machine(report.kind) else {
        return;
    };
    let error = IcmpError {
        kind,
        quoted_seq: report.quoted,
    };
    effects::run(sk, |tcb, now, _, out| tcb.on_icmp(now, error, out));
}

/// RFC 1191, RFC 8201: routing learns the path MTU, for this connection and all others of that way, and the machine is told
/// before it runs. Only a segment in flight may tell (RFC 5927 7.2); routing takes only a smaller one.
fn too_big(sk: &mut Locked<'_>, report: Report) {
    if !sk.tcb.is_in_flight(report.quoted) {
        let counters = sk.sk().per_net().counters();
        counters.drop(DropReason::IcmpNotInFlight);
        return;
    }
    let v6 = !sk.sk().key().remote.is_v4();
    if sk.accepts_path_mtu(v6) {
        sk.learn_path_mtu(v6, u32::from(report.mtu));
        // The machine is told even where nothing seemed to be due.
        effects::update_path(sk);
        effects::send_due(sk);
    }
}

/// RFC 1122 4.2.3.9: that there is no such protocol or port ends an open. What is too large is for the path MTU.
fn is_hard(code: u8) -> bool {
    matches!(code, 2..=3)
}

/// What a program is told of an unreachable destination, by the code of ICMPv4, as with native TCP.
pub(super) fn unreachable_errno(code: u8, v6: bool) -> Error {
    match code {
        0 | 6 | 9 | 11 => ENETUNREACH,
        2 => ENOPROTOOPT,
        3 => ECONNREFUSED,
        4 => EMSGSIZE,
        5 => EOPNOTSUPP,
        7 => EHOSTDOWN,
        8 => ENONET,
        // A firewall does not want it.
        13 if v6 => EACCES,
        _ => EHOSTUNREACH,
    }
}
