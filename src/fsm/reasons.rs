// SPDX-License-Identifier: GPL-2.0

//! Why segments are dropped, resets sent and challenges made. Nothing happens in silence: each of these is counted per
//! network namespace and can be traced.

/// Defines an enum of reasons, each with a stable name for `/proc` and the clause that it obeys.
macro_rules! reasons {
    ($(#[$outer:meta])* $kind:ident { $($(#[$inner:meta])* $variant:ident, $name:literal, $clause:literal;)+ }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum $kind {
            $($(#[$inner])* $variant,)+
        }

        impl $kind {
            /// All of them, in the order of their indices.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// How many there are.
            pub(crate) const COUNT: usize = Self::ALL.len();

            /// The place in [`ALL`](Self::ALL), for arrays of counters.
            #[inline]
            pub(crate) const fn index(self) -> usize {
                self as usize
            }

            /// The name in `/proc`: stable, of lower-case letters, digits and dashes.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The document and section that ask for it.
            pub(crate) const fn clause(self) -> &'static str {
                match self {
                    $(Self::$variant => $clause,)+
                }
            }
        }
    };
}

reasons! {
    /// Why a segment, or a part of it, was dropped. Those marked as notes do not drop it.
    DropReason {
        /// It was sent to a broadcast or multicast address.
        MulticastOrBroadcast, "multicast-or-broadcast", "RFC 9293 3.9.2.3 MUST-57";
        /// Its source is no address of one host.
        BadSource, "bad-source", "RFC 9293 3.9.2.3 MUST-63";
        /// It ends within its header.
        Truncated, "truncated", "RFC 9293 3.1";
        /// The data offset is less than 20 octets or more than the segment.
        BadDataOffset, "bad-data-offset", "RFC 9293 3.1";
        /// The checksum does not match.
        BadChecksum, "bad-checksum", "RFC 9293 3.1 MUST-3";
        /// Note: the option list was bad from some option on; the segment was handled with those before it.
        BadOption, "bad-option", "RFC 9293 3.2 MUST-7";
        /// A security policy of the host forbade it.
        Policy, "policy", "RFC 4301 5.2";
        /// No socket of that address and port; the answer is an RST.
        NoSocket, "no-socket", "RFC 9293 3.10.7.1";
        /// An RST for a connection that does not exist.
        ClosedRst, "closed-rst", "RFC 9293 3.10.7.1";
        /// An RST for a listener.
        ListenRst, "listen-rst", "RFC 9293 3.10.7.2";
        /// An ACK for a listener; the answer is an RST.
        ListenAck, "listen-ack", "RFC 9293 3.10.7.2";
        /// Neither RST, ACK nor SYN for a listener.
        ListenBadFlags, "listen-bad-flags", "RFC 9293 3.10.7.2";
        /// The listener has too many half-open requests.
        ListenOverflow, "listen-overflow", "RFC 9293 3.10.7.2";
        /// Note: the listener has too many half-open requests, and answered by a SYN cookie.
        SynCookieSent, "syn-cookie-sent", "RFC 4987 3.6";
        /// Note: an acknowledgment proved to bring a SYN cookie back; it opened a connection.
        SynCookieTaken, "syn-cookie-taken", "RFC 4987 3.6";
        /// Note: what an acknowledgment for a listener brings back is no SYN cookie of ours, or not for these terms.
        SynCookieBad, "syn-cookie-bad", "RFC 4987 3.6";
        /// Note: a SYN cookie came back too late.
        SynCookieOld, "syn-cookie-old", "RFC 4987 3.6";
        /// The listener has too many connections that nobody accepted.
        AcceptQueueFull, "accept-queue-full", "RFC 9293 3.10.7.4";
        /// Outside the receive window.
        OutOfWindow, "out-of-window", "RFC 9293 3.10.7.4";
        /// All of it had arrived before.
        Duplicate, "duplicate", "RFC 9293 3.10.7.4";
        /// Its timestamp is older than the last one.
        PawsRejected, "paws-rejected", "RFC 7323 5.3";
        /// Without the timestamp that both sides agreed to send.
        MissingTimestamp, "missing-timestamp", "RFC 7323 3.2";
        /// Note: data, or a FIN, after a gap; it waits for what is missing.
        OutOfOrder, "out-of-order", "RFC 9293 3.10.7.4";
        /// A SYN on a connection that has one.
        SynInWindow, "syn-in-window", "RFC 9293 3.10.7.4";
        /// Note: the peer's SYN came again; its SYN-ACK is sent again.
        SynAgain, "syn-again", "RFC 9293 3.10.7.4";
        /// A SYN that cannot open a connection anew, in TIME-WAIT.
        StaleSyn, "stale-syn", "RFC 6191 2";
        /// An RST outside the receive window.
        RstOutOfWindow, "rst-out-of-window", "RFC 9293 3.10.7.4";
        /// An RST in the window, but not at its left edge.
        RstInWindow, "rst-in-window", "RFC 5961 3.2";
        /// An RST that does not acknowledge our SYN.
        RstInSynSent, "rst-in-syn-sent", "RFC 9293 3.10.7.3";
        /// An RST that TIME-WAIT ignores.
        RstInTimeWait, "rst-in-time-wait", "RFC 1337 3";
        /// The ACK bit is not set.
        NoAck, "no-ack", "RFC 9293 3.10.7.4";
        /// It acknowledges what was never sent.
        BadAck, "bad-ack", "RFC 9293 3.10.7.4";
        /// It acknowledges what was acknowledged very long ago.
        OldAck, "old-ack", "RFC 5961 5.2";
        /// Neither SYN nor RST, in SYN-SENT.
        NoSyn, "no-syn", "RFC 9293 3.10.7.3";
        /// Data that the receive buffer cannot take; the rest of the segment was handled.
        ReceiveBufferFull, "receive-buffer-full", "RFC 9293 3.10.7.4";
        /// Data after the peer's FIN, or for a connection that is over.
        AfterClose, "after-close", "RFC 9293 3.10.7.4";
        /// Data that nobody can read any more; the answer is an RST.
        NoReader, "no-reader", "RFC 9293 3.6.1 SHLD-3";
        /// Note: a challenge ACK was due, but too many were sent.
        ChallengeLimited, "challenge-limited", "RFC 5961 7";
        /// The queue of segments for a socket in use is full.
        BacklogFull, "backlog-full", "RFC 9293 3.10.7";
        /// No memory.
        NoMemory, "no-memory", "RFC 9293 3.10.7";
        /// An ACK without data, of a connection that is wanted with data only (TCP_DEFER_ACCEPT).
        Deferred, "deferred", "RFC 9293 3.10.7.4";
        /// There is no way to answer its sender.
        NoRoute, "no-route", "RFC 9293 3.10.7.2";
        /// Note: no room for one more TIME-WAIT; the connection was closed at once.
        TimeWaitFull, "time-wait-full", "RFC 9293 3.10.7.4";
        /// Note: an ICMP error quotes what is not in flight; it is ignored.
        IcmpNotInFlight, "icmp-not-in-flight", "RFC 5927 4.1";
        /// Note: an ICMP error came while a process held the socket, and another waited already.
        IcmpLocked, "icmp-locked", "RFC 9293 3.9.2.2";
        /// Note: an event came in a state that has no arc for it. It never counts if the machine is right.
        NoArc, "no-arc", "RFC 9293 3.3.2";
    }
}

reasons! {
    /// Why an RST was sent.
    ResetReason {
        /// No socket of that address and port.
        NoConnection, "no-connection", "RFC 9293 3.10.7.1";
        /// An ACK reached a listener.
        AckInListen, "ack-in-listen", "RFC 9293 3.10.7.2";
        /// In SYN-SENT: the segment acknowledges what was never sent.
        BadAckInSynSent, "bad-ack-in-syn-sent", "RFC 9293 3.10.7.3";
        /// In SYN-RECEIVED: the segment does not acknowledge our SYN.
        BadAckInSynReceived, "bad-ack-in-syn-received", "RFC 9293 3.10.7.4";
        /// Data came that nobody can read any more.
        DataAfterClose, "data-after-close", "RFC 9293 3.6.1 SHLD-3";
        /// The program closed without reading all data.
        UnreadDataAtClose, "unread-data-at-close", "RFC 9293 3.6.1 SHLD-3";
        /// The program aborted the connection.
        Aborted, "aborted", "RFC 9293 3.10.5";
        /// The peer does not answer keep-alives.
        KeepAliveTimeout, "keep-alive-timeout", "RFC 9293 3.8.4";
        /// The program does not wait for the peer's FIN (TCP_LINGER2).
        NoFinWait2, "no-fin-wait-2", "RFC 9293 3.6";
        /// Too many connections had no program any more.
        TooManyOrphans, "too-many-orphans", "RFC 9293 3.10.5";
        /// The listener went away before the connection was accepted.
        ListenerClosed, "listener-closed", "RFC 9293 3.10.4";
    }
}

reasons! {
    /// Why a challenge ACK was sent: an ACK that a true peer answers by an exact RST, if it has cause to.
    ChallengeReason {
        /// An RST in the window, but not at its left edge.
        RstInWindow, "rst-in-window", "RFC 5961 3.2";
        /// A SYN on a synchronized connection.
        Syn, "syn", "RFC 5961 4.2";
        /// An acknowledgment of what was never sent, or of what is very old.
        UnacceptableAck, "unacceptable-ack", "RFC 5961 5.2";
        /// A segment without data outside the window, or with an old timestamp.
        OutOfWindow, "out-of-window", "RFC 9293 3.10.7.4";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], clauses: &[&str]) {
        for (at, name) in names.iter().enumerate() {
            let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(!name.is_empty() && name.chars().all(letters), "{name}");
            assert!(!names[..at].contains(name), "{name} is there twice");
        }
        for clause in clauses {
            let number = clause.strip_prefix("RFC ").unwrap_or_default();
            assert!(number.starts_with(|c: char| c.is_ascii_digit()), "{clause}");
        }
    }

    macro_rules! check_reasons {
        ($test:ident, $kind:ident) => {
            #[test]
            fn $test() {
                let names: Vec<_> = $kind::ALL.iter().map(|reason| reason.name()).collect();
                let clauses: Vec<_> = $kind::ALL.iter().map(|reason| reason.clause()).collect();
                check(&names, &clauses);
                assert_eq!($kind::COUNT, names.len());
                for (at, reason) in $kind::ALL.iter().enumerate() {
                    assert_eq!(reason.index(), at);
                }
            }
        };
    }

    check_reasons!(drop_reasons_are_named_and_in_order, DropReason);
    check_reasons!(reset_reasons_are_named_and_in_order, ResetReason);
    check_reasons!(challenge_reasons_are_named_and_in_order, ChallengeReason);
}
