// SPDX-License-Identifier: GPL-2.0

//! Every kind of segment in every state: the answer, and the state after it.

use super::*;
use crate::fsm::{listen_on_segment, ListenVerdict, ReqVerdict, ResetReason, TwVerdict};

/// By RFC 9293 section 3.10.7, RFC 5961 and RFC 6191, written by hand. A cell is the answer, and after `>` the state if it
/// changes. PASSIVE is SYN-RECEIVED after a passive open, SYN-RECEIVED after a simultaneous one.
///
/// The kinds: `inside` is in the window but not at its left edge, `outside` is neither; `again` was received before.
/// An ACK is `good` if it acknowledges all that was sent, `dup` if nothing new, `old` less than that by no more than a
/// window, `ancient` by more, `future` if more than what was sent. The others carry a `dup` ACK unless it is told.
const TABLE: &str = "
kind          CLOSED LISTEN SYN-SENT             PASSIVE        SYN-RECEIVED   ESTABLISHED    FIN-WAIT-1     FIN-WAIT-2    CLOSE-WAIT CLOSING     LAST-ACK  TIME-WAIT
syn           RST    OPEN   SYN-ACK>SYN-RECEIVED ->LISTEN       CHALLENGE      CHALLENGE      CHALLENGE      CHALLENGE     CHALLENGE  CHALLENGE   CHALLENGE OPEN
syn-again     RST    OPEN   SYN-ACK>SYN-RECEIVED SYN-ACK        SYN-ACK        CHALLENGE      CHALLENGE      CHALLENGE     CHALLENGE  CHALLENGE   CHALLENGE CHALLENGE
syn-ack       RST    RST    ACK>ESTABLISHED      ->LISTEN       CHALLENGE      CHALLENGE      CHALLENGE      CHALLENGE     CHALLENGE  CHALLENGE   CHALLENGE CHALLENGE
ack-good      RST    RST    -                    ->ESTABLISHED  ->ESTABLISHED  -              ->FIN-WAIT-2   -             -          ->TIME-WAIT ->CLOSED  -
ack-dup       RST    RST    RST                  RST            RST            -              -              -             -          -           -         -
ack-old       RST    RST    RST                  RST            RST            -              -              -             -          -           -         -
ack-ancient   RST    RST    RST                  RST            RST            CHALLENGE      CHALLENGE      CHALLENGE     CHALLENGE  CHALLENGE   CHALLENGE -
ack-future    RST    RST    RST                  RST            RST            CHALLENGE      CHALLENGE      CHALLENGE     CHALLENGE  CHALLENGE   CHALLENGE CHALLENGE
ack-outside   RST    RST    -                    CHALLENGE      CHALLENGE      CHALLENGE      CHALLENGE      CHALLENGE     CHALLENGE  CHALLENGE   CHALLENGE CHALLENGE
rst           -      -      -                    ->LISTEN       ->CLOSED       ->CLOSED       ->CLOSED       ->CLOSED      ->CLOSED   ->CLOSED    ->CLOSED  ->CLOSED
rst-ack-good  -      -      ->CLOSED             ->LISTEN       ->CLOSED       ->CLOSED       ->CLOSED       ->CLOSED      ->CLOSED   ->CLOSED    ->CLOSED  ->CLOSED
rst-inside    -      -      -                    CHALLENGE      CHALLENGE      CHALLENGE      CHALLENGE      CHALLENGE     CHALLENGE  CHALLENGE   CHALLENGE CHALLENGE
rst-outside   -      -      -                    -              -              -              -              -             -          -           -         -
fin           RST    RST    RST                  RST            RST            ACK>CLOSE-WAIT ACK>CLOSING    ACK>TIME-WAIT -          -           -         -
fin-ack-good  RST    RST    -                    ACK>CLOSE-WAIT ACK>CLOSE-WAIT ACK>CLOSE-WAIT ACK>TIME-WAIT  ACK>TIME-WAIT -          ->TIME-WAIT ->CLOSED  -
fin-again     RST    RST    -                    ACK            ACK            ACK            ACK            ACK           ACK        ACK         ACK       ACK
fin-outside   RST    RST    RST                  ACK            ACK            ACK            ACK            ACK           ACK        ACK         ACK       ACK
data          RST    RST    RST                  RST            RST            ACK            ACK            ACK           -          -           -         -
data-good-ack RST    RST    -                    ACK>ESTABLISHED ACK>ESTABLISHED ACK          ACK>FIN-WAIT-2 ACK           -          ->TIME-WAIT ->CLOSED  -
data-inside   RST    RST    RST                  RST            RST            ACK            ACK            ACK           -          -           -         -
data-outside  RST    RST    RST                  ACK            ACK            ACK            ACK            ACK           ACK        ACK         ACK       ACK
data-again    RST    RST    RST                  ACK            ACK            ACK            ACK            ACK           ACK        ACK         ACK       ACK
data-no-ack   RST    -      -                    -              -              -              -              -             -          -           -         -
none          RST    -      -                    -              -              -              -              -             -          -           -         -
xmas          RST    -      -                    -              -              -              -              -             -          -           -         -
all           -      -      ->CLOSED             ->LISTEN       ->CLOSED       ->CLOSED       ->CLOSED       ->CLOSED      ->CLOSED   ->CLOSED    ->CLOSED  ->CLOSED
";

/// RCV.NXT, SND.UNA and SND.NXT; those that the connection would have where there is none.
struct At {
    rcv_nxt: u32,
    una: u32,
    nxt: u32,
}

fn segment_of(kind: &str, at: &At) -> Segment {
    let next = at.rcv_nxt;
    match kind {
        "syn" => syn(SYN, next + 10, 0),
        "syn-again" => syn(SYN, IRS, 0),
        "syn-ack" => syn(SYN | ACK, next + 10, at.nxt),
        "ack-good" => seg(ACK, next, at.nxt),
        "ack-dup" => seg(ACK, next, at.una),
        "ack-old" => seg(ACK, next, at.una - 1),
        "ack-ancient" => seg(ACK, next, at.una.wrapping_sub(u32::from(WND) + 1)),
        "ack-future" => seg(ACK, next, at.nxt + 1),
        "ack-outside" => seg(ACK, next - 1, at.nxt),
        "rst" => seg(RST, next, 0),
        "rst-ack-good" => seg(RST | ACK, next, at.nxt),
        "rst-inside" => seg(RST, next + 1, 0),
        "rst-outside" => seg(RST, next - 1, 0),
        "fin" => seg(FIN | ACK, next, at.una),
        "fin-ack-good" => seg(FIN | ACK, next, at.nxt),
        "fin-again" => seg(FIN | ACK, next - 1, at.nxt),
        "fin-outside" => seg(FIN | ACK, next + 20_000, at.una),
        "data" => data(seg(ACK, next, at.una), 100),
        "data-good-ack" => data(seg(ACK, next, at.nxt), 100),
        "data-inside" => data(seg(ACK, next + 200, at.una), 100),
        "data-outside" => data(seg(ACK, next + 20_000, at.una), 100),
        "data-again" => data(seg(ACK, next - 100, at.una), 100),
        "data-no-ack" => data(seg(PSH, next, 0), 100),
        "none" => seg(NONE, next, 0),
        "xmas" => seg(FIN | PSH | URG, next, 0),
        "all" => seg(FIN | SYN | RST | PSH | ACK | URG, next, at.nxt),
        _ => panic!("{kind} is no kind"),
    }
}

/// The answer as in the table; the segments that are sent must be as their kind asks.
fn answer_of(
    kind: &str,
    arrived: &Segment,
    at: &At,
    why: Option<ReplyWhy>,
    sent: &[SegmentOut],
) -> String {
    let Some(segment) = sent.first() else {
        return "-".to_string();
    };
    assert_eq!(sent.len(), 1, "{kind}: {sent:?}");
    assert_eq!(segment.payload_len, 0);
    if let Some(ReplyWhy::Reset(_)) = why {
        // RFC 9293 3.10.7.1: as if the two ends had agreed on it.
        let expected = if arrived.flags.contains(ACK) {
            (RST, arrived.ack.raw(), 0, 0)
        } else {
            (RST | ACK, 0, arrived.seq.raw() + arrived.seg_len(), 0)
        };
        assert_eq!(brief(segment), expected, "{kind}");
        return "RST".to_string();
    }
    if segment.flags == SYN | ACK {
        assert_eq!(segment.seq.raw(), ISS);
        return "SYN-ACK".to_string();
    }
    assert_eq!(segment.flags, ACK, "{kind}");
    assert_eq!(segment.seq.raw(), at.nxt, "{kind}");
    match why {
        Some(ReplyWhy::Challenge(_)) => {
            assert_eq!(segment.ack.raw(), at.rcv_nxt, "{kind}");
            "CHALLENGE".to_string()
        }
        Some(ReplyWhy::Ack) | None => "ACK".to_string(),
        other => panic!("{kind}: {other:?}"),
    }
}

/// What happens to `kind` in the state of a column: the answer and the state after it.
fn outcome(column: &str, kind: &str) -> (String, State, State) {
    let mut at = At {
        rcv_nxt: IRS + 1,
        una: ISS + 1,
        nxt: ISS + 1,
    };
    match column {
        "PASSIVE" => {
            at.una = ISS;
            let (answer, state) = request_outcome(kind, &at);
            (answer, State::SynReceived, state)
        }
        "TIME-WAIT" => {
            at.rcv_nxt = IRS + 2;
            at.una = ISS + 2;
            at.nxt = ISS + 2;
            let (answer, state) = time_wait_outcome(kind, &at);
            (answer, State::TimeWait, state)
        }
        _ => {
            let named = State::ALL.iter().find(|state| state.name() == column);
            let state = *named.expect("a column is named by its state");
            let mut host = Host::in_state(state);
            if !matches!(state, State::Closed | State::Listen) {
                at.una = host.tcb.snd_una.raw();
                at.nxt = host.tcb.snd_nxt.raw();
                if state != State::SynSent {
                    at.rcv_nxt = host.tcb.rcv_nxt.raw();
                }
            }
            let segment = segment_of(kind, &at);
            if state == State::Listen && listen_on_segment(&segment) == ListenVerdict::Open {
                return ("OPEN".to_string(), state, state);
            }
            let out = host.arrive(segment);
            send_what_waits(&mut host);
            let answer = answer_of(kind, &segment, &at, why(&out), &host.sent);
            assert_counted(kind, &answer, &out);
            (answer, state, host.state())
        }
    }
}

/// The ACK of a FIN may wait for ours: it is an answer all the same.
fn send_what_waits(host: &mut Host) {
    if host.timer() == Some(TimerKind::DelayedAck) {
        assert!(host.sent.is_empty());
        host.fire();
    }
}

/// Nothing is silent: what has no effect has a reason.
fn assert_counted(kind: &str, answer: &str, out: &Outbox) {
    let effect = !out.arcs.is_empty() || out.deliver.is_some() || out.drop.is_some();
    let counted = effect || out.notes().next().is_some() || answer == "RST";
    let quiet_ack = kind.starts_with("ack-") && answer == "-";
    assert!(counted || quiet_ack, "{kind}: {out:?}");
}

fn request_outcome(kind: &str, at: &At) -> (String, State) {
    let mut request = request();
    let cfg = plain();
    let now = Instant::from_us(1_000_100_000);
    let mut out = Outbox::new();
    let segment = segment_of(kind, at);
    let verdict = request.on_segment(now, &segment, &cfg, &mut out);
    if verdict == ReqVerdict::Establish {
        assert!(out.reply.is_none() && out.drop.is_none());
        let mut host = Host::closed();
        host.now = now;
        request.establish(now, &cfg, &mut host.tcb);
        let out = host.arrive(segment);
        send_what_waits(&mut host);
        assert_ne!(host.state(), State::SynReceived);
        let answer = answer_of(kind, &segment, at, why(&out), &host.sent);
        return (answer, host.state());
    }
    let sent: Vec<_> = out.reply.iter().map(|reply| reply.segment).collect();
    let answer = answer_of(kind, &segment, at, why(&out), &sent);
    assert_counted(kind, &answer, &out);
    match verdict {
        ReqVerdict::Remove => {
            assert_eq!(out.fate, Fate::Closed);
            // It was never the listener itself.
            assert_eq!(request.state(), State::Closed);
            let last = out.arcs.iter().last().unwrap();
            (answer, last.arc().to)
        }
        _ => (answer, request.state()),
    }
}

fn time_wait_outcome(kind: &str, at: &At) -> (String, State) {
    let mut waiting = time_wait();
    let before = waiting.next_deadline();
    let now = Instant::from_us(1_001_000_000);
    let mut out = Outbox::new();
    let segment = segment_of(kind, at);
    let verdict = waiting.on_segment(now, &segment, &plain(), &mut out);
    if let TwVerdict::Reopen { iss_floor } = verdict {
        assert!(iss_floor.after(raw(at.nxt)));
        assert!(out.reply.is_none());
        return ("OPEN".to_string(), State::TimeWait);
    }
    assert_eq!(
        verdict == TwVerdict::Remove,
        waiting.state() == State::Closed
    );
    // Only the peer's FIN starts 2MSL anew.
    assert_eq!(waiting.next_deadline() != before, kind == "fin-again");
    let sent: Vec<_> = out.reply.iter().map(|reply| reply.segment).collect();
    let answer = answer_of(kind, &segment, at, why(&out), &sent);
    assert_counted(kind, &answer, &out);
    (answer, waiting.state())
}

/// Checks one column of the table.
fn check(column: &str) {
    let mut lines = TABLE.trim().lines();
    let columns: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    let index = columns.iter().position(|name| *name == column).unwrap();
    let mut rows = 0;
    for line in lines {
        let cells: Vec<_> = line.split_whitespace().collect();
        assert_eq!(cells.len(), columns.len(), "{line}");
        let (answer, before, after) = outcome(column, cells[0]);
        let cell = if before == after {
            answer
        } else {
            format!("{answer}>{}", after.name())
        };
        assert_eq!(cell, cells[index], "{} in {column}", cells[0]);
        rows += 1;
    }
    assert_eq!(rows, 26);
}

macro_rules! columns {
    ($($test:ident $column:literal;)+) => {
        $(#[test]
        fn $test() {
            check($column);
        })+
    };
}

columns! {
    every_segment_in_closed "CLOSED";
    every_segment_in_listen "LISTEN";
    every_segment_in_syn_sent "SYN-SENT";
    must_11_every_segment_in_syn_received_after_a_passive_open "PASSIVE";
    must_11_every_segment_in_syn_received_after_a_simultaneous_open "SYN-RECEIVED";
    may_12_every_segment_in_established "ESTABLISHED";
    every_segment_in_fin_wait_1 "FIN-WAIT-1";
    every_segment_in_fin_wait_2 "FIN-WAIT-2";
    every_segment_in_close_wait "CLOSE-WAIT";
    every_segment_in_closing "CLOSING";
    every_segment_in_last_ack "LAST-ACK";
    every_segment_in_time_wait "TIME-WAIT";
}

#[test]
fn the_table_has_every_state() {
    let header = TABLE.trim().lines().next().unwrap();
    for state in State::ALL {
        assert!(header.split_whitespace().any(|name| name == state.name()));
    }
}

#[test]
fn an_rst_is_never_answered_by_an_rst() {
    for state in State::ALL {
        for seq in [0, IRS, IRS + 1, IRS + 2, IRS + 3, IRS + 50_000, u32::MAX] {
            for ack in [0, ISS, ISS + 1, ISS + 2, ISS + 9] {
                for flags in [RST, RST | ACK, RST | SYN, RST | FIN | ACK | URG] {
                    let mut host = Host::in_state(*state);
                    let out = host.arrive(data(seg(flags, seq, ack), 7));
                    assert!(!matches!(why(&out), Some(ReplyWhy::Reset(_))), "{state:?}");
                    assert!(host.sent.iter().all(|sent| !sent.flags.contains(RST)));
                }
            }
        }
    }
}

#[test]
fn the_reason_of_a_reset_tells_the_state() {
    let reason = |state, segment| match why(&Host::in_state(state).arrive(segment)) {
        Some(ReplyWhy::Reset(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let ack = seg(ACK, IRS + 1, ISS + 9);
    assert_eq!(reason(State::Closed, ack), ResetReason::NoConnection);
    assert_eq!(reason(State::Listen, ack), ResetReason::AckInListen);
    assert_eq!(reason(State::SynSent, ack), ResetReason::BadAckInSynSent);
    assert_eq!(
        reason(State::SynReceived, ack),
        ResetReason::BadAckInSynReceived
    );
}
