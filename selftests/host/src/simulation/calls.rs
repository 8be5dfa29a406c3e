// SPDX-License-Identifier: GPL-2.0

//! What the program at an end does with its socket, as `src/net/stream.rs` carries it out.

use super::end::{Check, End, Form};
use super::program::Ending;
use crate::fsm::{Instant, Outbox, State, UserCall};

impl End {
    /// A call of the program.
    pub(super) fn user(&mut self, now: Instant, call: UserCall) -> Check {
        let mut out = Outbox::new();
        self.update_room();
        self.tcb
            .on_user(now, call, &self.plan.cfg, &mut out)
            .map_err(|error| format!("{call:?}: {error:?}"))?;
        self.apply(now, &out, false)
    }

    /// The program runs, if its time has come.
    pub(super) fn run_program(&mut self, now: Instant) -> Check {
        if self.program.gone {
            return Ok(());
        }
        if self.program.takes_abort(now) {
            self.program.gone = true;
            self.note(|| "abort".to_string());
            return match self.form {
                Form::Block => self.user(now, UserCall::Abort),
                _ => Ok(()),
            };
        }
        if self.program.takes_read(now) {
            self.read(now)?;
        }
        if self.program.takes_write(now) {
            self.write(now)?;
            self.finish(now)?;
        }
        Ok(())
    }

    fn read(&mut self, now: Instant) -> Check {
        let len = self.program.read_size(self.unread);
        self.free(now, len);
        if len != 0 && matches!(self.form, Form::Block) {
            self.note(|| format!("read {len}"));
            self.user(now, UserCall::Read)?;
        }
        if self.unread != 0 {
            self.program.may_read(now);
        } else if self.end_received && !self.program.saw_end {
            self.note(|| "the peer's end".to_string());
            self.program.saw_end = true;
            self.program.may_write(now);
        }
        Ok(())
    }

    /// Whether the program's calls reach a connection that is open, or is about to be where it does not wait for that.
    fn is_open(&self) -> bool {
        let opening = match self.state() {
            State::SynSent => true,
            State::SynReceived => !self.program.plan.eager,
            _ => false,
        };
        matches!(self.form, Form::Block) && !opening
    }

    fn write(&mut self, now: Instant) -> Check {
        let eager = matches!(self.form, Form::Block) && self.program.plan.eager;
        if !(eager || self.is_open()) || self.tcb.may_send().is_err() {
            return Ok(());
        }
        let queued = self.tcb.send_queue_len();
        let room = self.plan.send_buffer.saturating_sub(queued);
        let len = self.program.write_size(room);
        if len != 0 {
            self.program.written += len;
            let more = self.program.says_more();
            let urgent = self.program.is_urgent();
            self.note(|| {
                let how = [("", " more"), ("", " urgent")];
                let pick = |(no, yes), is| if is { yes } else { no };
                format!("write {len}{}{}", pick(how[0], more), pick(how[1], urgent))
            });
            self.tcb.set_more(more);
            self.user(now, UserCall::Queued { len })?;
            if urgent && matches!(self.form, Form::Block) {
                self.tcb.mark_urgent();
                self.transmit(now)?;
            }
        }
        if room <= len && matches!(self.form, Form::Block) {
            // Who waits for room waits for what is corked, too.
            self.tcb.push_queued();
            self.transmit(now)?;
        }
        if self.program.written < self.program.plan.total && room > len {
            self.program.may_write(now);
        }
        Ok(())
    }

    /// Shuts down and closes when the program has come so far.
    fn finish(&mut self, now: Instant) -> Check {
        if self.program.wants_shutdown() && self.is_open() {
            self.program.shut = true;
            let call = if self.program.plan.ending == Ending::Leave {
                self.program.gone = true;
                self.held.clear();
                UserCall::Close { unread_data: false }
            } else {
                // It sleeps once more before it closes.
                self.program.may_write(now);
                UserCall::ShutdownWrite
            };
            self.note(|| format!("{call:?}"));
            return self.user(now, call);
        }
        if self.program.wants_close() {
            self.program.gone = true;
            self.held.clear();
            self.note(|| "close".to_string());
            if matches!(self.form, Form::Block) {
                return self.user(now, UserCall::Close { unread_data: false });
            }
        }
        Ok(())
    }
}
