// SPDX-License-Identifier: GPL-2.0
//! ICMP errors about segments of ours (RFC 9293 3.9.2.2, RFC 5927): the machine judges them by the sequence number that
//! they quote.

use super::tables::Object;
use super::{effects, instance, request};
use crate::src::fsm::{IcmpError, IcmpKind, SeqNumber};
use crate::src::kapi::hash::Key;
use crate::src::kapi::ip::IcmpError as Message;
use crate::src::kapi::ip::IcmpKind as Kind;
use kernel::prelude::*;

/// An ICMP error that quotes the start of a segment of ours.
pub(crate) fn error(message: &Message<'_>) {
    let Some(quote) = message.quote() else { return };
    let net = message.net();
    let key = Key::new(
        net,
        (quote.source, quote.source_port),
        (quote.destination, quote.destination_port),
    );
    let seq = SeqNumber::from_raw(quote.sequence);
    match instance().tables.find(&key) {
        Some(Object::Socket(sk)) => {
            let mut locked = sk.bh_lock();
            // A process that owns the socket does not wait for this: the error is lost, as the packet could have been.
            let Some(guard) = locked.unowned() else {
                return;
            };
            let kind = match message.kind() {
                Kind::Unreachable(code) => IcmpKind::Unreachable(code),
                Kind::TooBig => {
                    // RFC 1191, RFC 8201: the route has learnt the path MTU; only a segment in flight may tell.
                    if guard.tcb.is_in_flight(seq) {
                        message.update_path_mtu(&sk);
                        effects::run(guard, |_, _, _, _| ());
                    }
                    return;
                }
                Kind::TimeExceeded => IcmpKind::TimeExceeded,
                Kind::ParameterProblem => IcmpKind::ParameterProblem,
                // RFC 9293 3.9.2.2, MUST-55: source quench and all the others.
                Kind::Other => return,
            };
            let error = IcmpError {
                kind,
                quoted_seq: seq,
            };
            effects::run(guard, |tcb, now, _, out| tcb.on_icmp(now, error, out));
        }
        Some(Object::Request(half_open)) => {
            if let Kind::Unreachable(code) = message.kind() {
                request::icmp(&half_open, seq, is_hard(code));
            }
        }
        _ => {}
    }
}

/// RFC 1122 4.2.3.9: protocol, port and fragmentation-needed errors may end an open.
fn is_hard(code: u8) -> bool {
    matches!(code, 2..=3)
}

/// What a program is told of an unreachable destination, by the code of ICMPv4.
pub(crate) fn unreachable_errno(code: u8) -> Error {
    match code {
        0 | 6 | 9 => ENETUNREACH,
        2 => ENOPROTOOPT,
        3 => ECONNREFUSED,
        4 => EMSGSIZE,
        5 => EOPNOTSUPP,
        8 => ENONET,
        _ => EHOSTUNREACH,
    }
}
