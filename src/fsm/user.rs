// SPDX-License-Identifier: GPL-2.0

//! The user's calls: OPEN, SEND, RECEIVE, CLOSE, ABORT (RFC 9293 sections 3.10.1 to 3.10.6).

use super::arcs::{Event, State};
use super::config::Config;
use super::ecn::Ecn;
use super::outbox::{Outbox, ReplyWhy};
use super::reasons::ResetReason;
use super::records::RecordList;
use super::tcb::{OpenParams, Tcb, MAX_QUEUED};
use super::time::Instant;
use super::timers::TimerKind;

/// A call of the program that holds the socket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum UserCall {
    /// Passive OPEN.
    Listen,
    /// Active OPEN; from LISTEN, too.
    Connect(OpenParams),
    /// SEND: `len` octets were appended to the send queue. Ask [`Tcb::may_send`] before.
    #[allow(dead_code, reason = "the module calls `on_queued`, which is shorter")]
    Queued {
        /// How many octets.
        len: u32,
    },
    /// RECEIVE: octets were taken from the receive queue; tell [`Tcb::set_receive_space`] before.
    Read,
    /// CLOSE of the send side: nothing more will be queued, data may still arrive.
    ShutdownWrite,
    /// The socket goes away: CLOSE, and nobody will read what arrives.
    Close {
        /// The receive queue holds data that nobody read: the peer is told by an RST (SHLD-3, RFC 2525 2.17).
        unread_data: bool,
    },
    /// ABORT: the connection ends at once, by an RST.
    Abort,
    /// ABORT of a connection that its listener never handed out.
    ListenerClosed,
    /// ABORT of a connection that has lost its program, as too many have.
    OrphanLimit,
}

/// Why a call was refused. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserError {
    /// There is no connection.
    NotConnected,
    /// There is one already.
    AlreadyConnected,
    /// The send side is closed.
    Closing,
    /// More than a send queue can hold.
    TooMuch,
}

impl<L: RecordList> Tcb<L> {
    /// Handles a call of the program.
    ///
    /// # Errors
    ///
    /// Those of the RFC for a call that the state does not allow; `out` is untouched then.
    pub(crate) fn on_user(
        &mut self,
        now: Instant,
        call: UserCall,
        cfg: &Config,
        out: &mut Outbox,
    ) -> Result<(), UserError> {
        match call {
            UserCall::Listen => self.on_listen(now, out),
            UserCall::Connect(params) => self.on_connect(now, &params, cfg, out),
            UserCall::Queued { len } => self.on_queued(len),
            UserCall::Read => {
                self.on_read();
                Ok(())
            }
            UserCall::ShutdownWrite => self.on_close(now, out),
            UserCall::Close { unread_data } => self.on_user_gone(now, unread_data, cfg, out),
            UserCall::Abort => self.on_abort(now, ResetReason::Aborted, out),
            UserCall::OrphanLimit => self.on_abort(now, ResetReason::TooManyOrphans, out),
            UserCall::ListenerClosed => self.on_abort(now, ResetReason::ListenerClosed, out),
        }
    }

    // RFC 9293 3.10.1: passive OPEN.
    fn on_listen(&mut self, now: Instant, out: &mut Outbox) -> Result<(), UserError> {
        match self.state() {
            State::Closed => {
                self.forget();
                self.take(now, Event::PassiveOpen, out);
                Ok(())
            }
            // Listening once more changes nothing.
            State::Listen => Ok(()),
            _ => Err(UserError::AlreadyConnected),
        }
    }

    // RFC 9293 3.10.1: active OPEN, from CLOSED or LISTEN. The SYN comes from next_segment.
    fn on_connect(
        &mut self,
        now: Instant,
        params: &OpenParams,
        cfg: &Config,
        out: &mut Outbox,
    ) -> Result<(), UserError> {
        if !matches!(self.state(), State::Closed | State::Listen) {
            return Err(UserError::AlreadyConnected);
        }
        let mut params = *params;
        params.mss = self.settings.cap_mss(params.mss);
        params.rcv_space = self.settings.clamp_window(params.rcv_space);
        let (machine, settings) = (self.machine(), self.settings);
        self.open(machine, now, &params);
        self.congestion.set_kind(cfg.congestion_control);
        self.ts_on = cfg.timestamps;
        self.ws_on = cfg.window_scaling;
        self.sack_on = cfg.sack;
        self.apply_settings(settings, cfg);
        self.heard(now);
        self.rcv_adv = self.rcv_nxt + params.rcv_space.min(u32::from(u16::MAX));
        self.syn_due = true;
        self.ecn = Ecn::opening(cfg);
        self.take(now, Event::ActiveOpen, out);
        Ok(())
    }

    /// Whether octets may be queued (RFC 9293 section 3.10.2). In SYN-SENT and SYN-RECEIVED they wait.
    ///
    /// # Errors
    ///
    /// [`UserError::NotConnected`] without a connection, [`UserError::Closing`] once the send side is closed.
    #[inline]
    pub(crate) fn may_send(&self) -> Result<(), UserError> {
        match self.state() {
            State::Closed | State::Listen => Err(UserError::NotConnected),
            _ if self.fin_queued => Err(UserError::Closing),
            _ => Ok(()),
        }
    }

    /// RFC 9293 3.10.2, SEND: as [`UserCall::Queued`].
    ///
    /// # Errors
    ///
    /// As [`on_user`](Self::on_user).
    #[inline]
    pub(crate) fn on_queued(&mut self, len: u32) -> Result<(), UserError> {
        self.may_send()?;
        // Both are at most 2^30 before the check of the sum.
        if len > MAX_QUEUED || self.send_queue_len().saturating_add(len) > MAX_QUEUED {
            return Err(UserError::TooMuch);
        }
        self.write_end = self.write_end + len;
        Ok(())
    }

    // RFC 9293 3.10.3: RECEIVE; 3.8.6.2.2: a window update goes out when the window has grown by enough.
    fn on_read(&mut self) {
        if self.has_something_to_tell() {
            self.ack_due = true;
        }
    }

    /// Whether [`UserCall::Read`] has any effect. Tell the machine of the room first.
    #[inline]
    pub(crate) fn has_something_to_tell(&self) -> bool {
        self.reader_owes_ack() || self.has_room_to_tell()
    }

    fn has_room_to_tell(&self) -> bool {
        let open = matches!(
            self.state(),
            State::Established | State::FinWait1 | State::FinWait2
        );
        // Not for each read: only when the peer could be short of room.
        let offered = self.rcv_wnd();
        let enough = offered.saturating_mul(2);
        if !open || self.window_space() < enough && self.rcv_buf >> self.rcv_wscale != 0 {
            return false;
        }
        let possible = self.new_window();
        possible > offered && possible >= enough
    }

    // RFC 9293 3.10.4: CLOSE.
    fn on_close(&mut self, now: Instant, out: &mut Outbox) -> Result<(), UserError> {
        match self.state() {
            State::Closed => return Err(UserError::NotConnected),
            State::Listen | State::SynSent => {
                self.end(now, Event::Close, None, out);
            }
            State::SynReceived => {
                // Data goes first: the FIN then waits until the connection is established.
                self.fin_queued = true;
                if self.send_queue_len() == 0 {
                    self.take(now, Event::Close, out);
                }
            }
            State::Established | State::CloseWait => {
                self.fin_queued = true;
                self.take(now, Event::Close, out);
            }
            // A second CLOSE does nothing: there is one FIN only.
            State::FinWait1
            | State::FinWait2
            | State::Closing
            | State::LastAck
            | State::TimeWait => {}
        }
        Ok(())
    }

    /// The program reads no more; with a CLOSE that is the end for the peer's new data, too.
    pub(crate) fn stop_reading(&mut self) {
        self.reads_no_more = true;
    }

    fn on_user_gone(
        &mut self,
        now: Instant,
        unread_data: bool,
        cfg: &Config,
        out: &mut Outbox,
    ) -> Result<(), UserError> {
        // RFC 9293 3.6.1, SHLD-3: data is lost, the peer shall know.
        if unread_data && self.sends_rst_on_abort(true) {
            self.user_gone = true;
            self.abort(now, ResetReason::UnreadDataAtClose, true, out);
            return Ok(());
        }
        self.on_close(now, out)?;
        self.user_gone = true;
        // Nobody will read it.
        self.forget_held_from(self.rcv_nxt);
        self.watch_orphan(now, cfg, out);
        Ok(())
    }

    /// Starts the timer of an orphan in FIN-WAIT-2, which otherwise nobody would ever end.
    pub(super) fn watch_orphan(&mut self, now: Instant, cfg: &Config, out: &mut Outbox) {
        if !self.user_gone || self.state() != State::FinWait2 {
            return;
        }
        match self.settings.fin_timeout(cfg) {
            Some(time) => self.arm(TimerKind::FinWait2, now + time),
            // What the program wanted to say is acknowledged.
            None => self.abort(now, ResetReason::NoFinWait2, true, out),
        }
    }

    // RFC 9293 3.10.5: ABORT.
    fn on_abort(
        &mut self,
        now: Instant,
        why: ResetReason,
        out: &mut Outbox,
    ) -> Result<(), UserError> {
        match self.state() {
            State::Closed => Err(UserError::NotConnected),
            // It has become a TimeWait, which is evicted, not aborted.
            State::TimeWait => Ok(()),
            _ => {
                let with_rst = self.sends_rst_on_abort(false);
                self.abort(now, why, with_rst, out);
                Ok(())
            }
        }
    }

    /// Whether an end without a FIN is to be told to the peer.
    fn sends_rst_on_abort(&self, data_lost: bool) -> bool {
        match self.state() {
            State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait => true,
            // RFC 9293 3.10.5: both have closed, no RST; unless data is lost (RFC 2525 2.17).
            State::Closing | State::LastAck => data_lost,
            State::Closed | State::Listen | State::SynSent | State::TimeWait => false,
        }
    }

    fn abort(&mut self, now: Instant, why: ResetReason, with_rst: bool, out: &mut Outbox) {
        if with_rst {
            out.reply(self.abort_rst(), ReplyWhy::Reset(why));
        }
        self.end(now, Event::Abort, None, out);
    }
}
