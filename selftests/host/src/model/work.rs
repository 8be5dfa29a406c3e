// SPDX-License-Identifier: GPL-2.0

//! What one input does to an end: the calls of the program, the timers, and what the host does by itself.

use super::claims::{Claim, Fault};
use super::end::{iss_of, End, Form, Input, Packet, Step, Tcb, NOW};
use super::setup::{Broken, Setup};
use crate::fsm::abstraction::some_time_after;
use crate::fsm::timers::TimerKind;
use crate::fsm::{IcmpError, IcmpKind, Outbox, ReqTimer, UserCall};

/// A host unreachable error of ICMP.
const HOST_UNREACHABLE: IcmpKind = IcmpKind::Unreachable(1);

/// An end with what the input does so far.
pub(super) struct Work<'a> {
    pub(super) setup: &'a Setup,
    pub(super) side: usize,
    pub(super) step: Step,
    /// The packet that arrived.
    pub(super) packet: Option<&'a Packet>,
    draws: bool,
}

impl End {
    /// What an input does, without its effect on anything but this end.
    pub(super) fn step(
        &self,
        setup: &Setup,
        side: usize,
        input: Input,
        packet: Option<&Packet>,
        draws: bool,
    ) -> Step {
        let mut work = Work {
            setup,
            side,
            step: Step {
                end: self.clone(),
                sent: Vec::new(),
                arcs: 0,
                fault: None,
                notes: Vec::new(),
            },
            packet,
            draws,
        };
        work.run(input);
        // Every timer but that of an ACK takes longer than the pause between two challenge ACKs (RFC 5961 section 7).
        let passed = match input {
            Input::Timer(kind) => kind != TimerKind::DelayedAck,
            _ => setup.broken == Broken::ChallengesAll,
        };
        match &mut work.step.end.form {
            Form::Closed => {}
            Form::Request(request) => request.forget_time(NOW, passed),
            Form::Block(tcb) => tcb.forget_time(NOW, passed),
            Form::TimeWait(waiting) => waiting.forget_time(NOW),
        }
        if !work.step.end.is_waiting(setup) {
            work.fail(Claim::Waits, "nothing will ever happen here");
        }
        work.step
    }
}

impl Work<'_> {
    pub(super) fn fail(&mut self, claim: Claim, text: &'static str) {
        self.step.fault = self.step.fault.or(Some(Fault { claim, text }));
    }

    pub(super) fn check(&mut self, holds: Result<(), &'static str>) {
        if let Err(text) = holds {
            self.fail(Claim::Invariants, text);
        }
    }

    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        if self.draws {
            self.step.notes.push(text());
        }
    }

    fn run(&mut self, input: Input) {
        if !matches!(input, Input::Packet(_)) {
            self.note(|| input.words());
        }
        match input {
            Input::Packet(_) => {
                if let Some(packet) = self.packet {
                    self.arrive(packet);
                }
            }
            Input::Listen => {
                let mut tcb = Tcb::new();
                self.listener_call(&mut tcb, UserCall::Listen);
                self.step.end.listener = Some(Box::new(tcb));
            }
            Input::CloseListener => self.close_listener(),
            Input::Connect => self.connect(),
            Input::Write => {
                self.step.end.written += 1;
                self.step.end.writes_left -= 1;
                self.user(UserCall::Queued { len: 1 }, false);
            }
            Input::Read => {
                self.step.end.unread = 0;
                self.user(UserCall::Read, false);
            }
            Input::Shutdown => self.user(UserCall::ShutdownWrite, true),
            Input::Close => {
                let unread_data = self.step.end.unread != 0;
                self.step.end.here = false;
                self.step.end.held.clear();
                self.user(UserCall::Close { unread_data }, true);
            }
            Input::Abort => self.user(UserCall::Abort, true),
            Input::Timer(kind) => self.expire(kind),
            Input::Unreachable => self.unreachable(),
            Input::Evict => {
                let mut out = Outbox::new();
                if let Form::TimeWait(waiting) = &mut self.step.end.form {
                    waiting.evict(&mut out);
                }
                self.count(&out);
                self.step.end.forget();
            }
            Input::Restart => {
                self.step.end.restarts_left -= 1;
                let listened = self.step.end.listener.take().is_some();
                self.step.end.forget();
                if listened {
                    self.run(Input::Listen);
                }
            }
        }
    }

    fn listener_call(&mut self, tcb: &mut Tcb, call: UserCall) {
        let mut out = Outbox::new();
        let done = tcb.on_user(NOW, call, &self.setup.cfg, &mut out);
        debug_assert!(done.is_ok());
        self.count(&out);
    }

    fn close_listener(&mut self) {
        if let Some(mut tcb) = self.step.end.listener.take() {
            // Both end a listener, by arcs of their own.
            let call = match self.step.end.attempts % 2 {
                0 => UserCall::Close { unread_data: false },
                _ => UserCall::Abort,
            };
            self.listener_call(&mut tcb, call);
        }
        let mut out = Outbox::new();
        if let Form::Request(request) = &mut self.step.end.form {
            request.on_listener_closed(&mut out);
            self.count(&out);
            self.reply(&out);
            self.step.end.forget();
        }
    }

    fn connect(&mut self) {
        // A listener may connect (RFC 9293 3.10.1); another socket may as well.
        let tcb = self.step.end.listener.take();
        let mut tcb = tcb.unwrap_or_else(|| Box::new(Tcb::new()));
        let mut settings = *tcb.settings();
        settings.acks = self.setup.acks;
        settings.nodelay = self.setup.nodelay;
        tcb.apply_settings(settings, &self.setup.cfg);
        let end = &mut self.step.end;
        end.form = Form::Block(tcb);
        end.here = true;
        let params = end.next_attempt(self.setup, self.side);
        self.user(UserCall::Connect(params), false);
    }

    /// A call of the program; `ends` if it may end the connection without the program being told more.
    fn user(&mut self, call: UserCall, ends: bool) {
        let space = self.step.end.space(self.setup);
        let mut out = Outbox::new();
        if let Form::Block(tcb) = &mut self.step.end.form {
            tcb.set_receive_space(space);
            let done = tcb.on_user(NOW, call, &self.setup.cfg, &mut out);
            debug_assert!(done.is_ok(), "{call:?}");
            self.apply(&out, ends);
        }
    }

    fn expire(&mut self, kind: TimerKind) {
        if self.setup.broken == Broken::DeafToTimers {
            return;
        }
        let mut out = Outbox::new();
        let cfg = &self.setup.cfg;
        match &mut self.step.end.form {
            Form::Closed => {}
            Form::Request(request) => {
                match request.on_timer(some_time_after(NOW), cfg, &mut out) {
                    ReqTimer::Resend => {
                        let syn_ack = request.syn_ack(NOW);
                        self.send(&syn_ack);
                    }
                    ReqTimer::GiveUp => self.step.end.forget(),
                    ReqTimer::NotYet => {}
                }
                self.count(&out);
            }
            Form::Block(tcb) => {
                tcb.make_due(kind, NOW);
                tcb.on_timer(NOW, cfg, &mut out);
                self.apply(&out, false);
            }
            Form::TimeWait(waiting) => {
                if waiting.on_timer(some_time_after(NOW), &mut out) {
                    self.step.end.forget();
                }
                self.count(&out);
            }
        }
    }

    fn unreachable(&mut self) {
        let mut out = Outbox::new();
        match &mut self.step.end.form {
            Form::Request(request) => {
                let iss = iss_of(self.side, self.step.end.ours);
                if request.on_icmp(iss, true, &mut out) {
                    self.step.end.forget();
                }
                self.count(&out);
            }
            Form::Block(tcb) => {
                let [_, _, una, _, _] = tcb.numbers();
                let icmp = IcmpError {
                    kind: HOST_UNREACHABLE,
                    quoted_seq: una,
                };
                tcb.on_icmp(NOW, icmp, &mut out);
                self.apply(&out, false);
            }
            _ => {}
        }
    }
}
