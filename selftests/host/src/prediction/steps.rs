// SPDX-License-Identifier: GPL-2.0

//! What happens next in a conversation: any segment, legal or not, a call, or a pause.

use std::fmt::Write;

use super::told::{Harm, Told};
use super::{Talk, ACK, FIN, MOST_RECEIVED, MOST_SENT, NOW, PSH, RST, SYN, URG};
use crate::fsm::{State, UserCall};

impl Talk {
    /// Something happens; false if it cannot be foretold.
    pub(super) fn random_step(&mut self) -> bool {
        match self.dice.below(100) {
            0..=64 => {
                let told = self.any_segment();
                self.received + told.len <= MOST_RECEIVED && self.tell(&told)
            }
            65..=72 => self.let_timer_fire(),
            73..=80 => {
                let ms = self.dice.pick(&[1, 10, 30, 60, 150, 600, 1_200]);
                self.rest(ms)
            }
            81..=90 => {
                let len = self.dice.any_size(1, 4_000) as u32;
                let may = self.fast.held && self.fast.may_send() && self.sent + len <= MOST_SENT;
                let opening = matches!(self.fast.state(), State::SynSent | State::SynReceived);
                let done = may
                    && !opening
                    && self.program(&format!("send C {len}"), UserCall::Queued { len });
                if done {
                    self.sent += len;
                }
                done
            }
            91..=94 => self.read(),
            _ => self.close(),
        }
    }

    fn read(&mut self) -> bool {
        let count = self.fast.unread;
        if count == 0 || self.fast.unreadable || !self.fast.held || self.is_pressing(NOW) {
            return false;
        }
        self.both(&format!("recv C {count}"), |host| {
            host.unread = 0;
            // A connection that has ended takes no calls.
            host.state() == State::Closed || host.call(UserCall::Read)
        })
    }

    /// The program ends the connection, one way or another.
    fn close(&mut self) -> bool {
        let state = self.fast.state();
        let connected = !matches!(state, State::Closed | State::Listen | State::TimeWait);
        if !self.fast.held || !connected || self.is_pressing(NOW) {
            return false;
        }
        let unread_data = self.fast.unread != 0;
        match self.dice.below(3) {
            0 => {
                self.fast.may_send()
                    && state != State::SynSent
                    && self.program("shutdown C wr", UserCall::ShutdownWrite)
            }
            1 => self.both("close C", |host| {
                (host.held, host.unread) = (false, 0);
                host.call(UserCall::Close { unread_data })
            }),
            _ if unread_data => false,
            _ => self.both("abort C", |host| {
                host.held = false;
                host.call(UserCall::Abort)
            }),
        }
    }

    /// A segment, legal or not.
    fn any_segment(&mut self) -> Told {
        // Only a SYN has a listener do more than refuse.
        let opens = self.fast.listens && self.fast.state() == State::Closed;
        let flags = match self.dice.below(20) {
            _ if opens && self.dice.happens(300) => SYN,
            0..=8 => ACK,
            9..=10 => ACK | PSH,
            11 => FIN | ACK,
            12 => SYN,
            13 => SYN | ACK,
            14 => RST,
            15 => RST | ACK,
            16 => 0,
            17 => FIN,
            _ => self.dice.below(256) as u8,
        };
        let mut told = self.proper(flags);
        let status = self.fast.status();
        if !(opens && flags & SYN != 0) {
            told.seq = told.seq.wrapping_add(self.any_distance());
        }
        if self.dice.happens(400) {
            let (una, nxt) = status.map_or((0, 0), |status| (status.snd_una, status.snd_nxt));
            told.ack = match self.dice.below(7) {
                0 => una,
                1 => {
                    una.wrapping_add(self.dice.between(0, u64::from(nxt.wrapping_sub(una))) as u32)
                }
                2 => nxt.wrapping_add(1),
                3 => nxt.wrapping_add(1_000),
                4 => una.wrapping_sub(1),
                5 => una.wrapping_sub(70_000),
                _ => self.dice.below(1 << 32) as u32,
            };
        }
        if flags & ACK == 0 && self.dice.happens(700) {
            told.ack = 0;
        }
        told.wnd = self.dice.pick(&[65_535, 65_535, 65_535, 0, 1, 100, 2_000]);
        if self.dice.happens(400) {
            told.len = self.dice.any_size(1, 200) as u32;
        }
        if flags & URG != 0 || self.dice.happens(20) {
            told.urg = self.dice.pick(&[0, 1, 2, 100, 65_535]);
        }
        if self.dice.happens(100) {
            self.go_to_the_edge(&mut told);
        }
        if flags & SYN == 0 {
            self.disturb_options(&mut told);
        }
        if self.dice.happens(100) {
            told.harm = self.any_harm();
        }
        told
    }

    /// Begins or ends at the edge of the window, or one octet off.
    fn go_to_the_edge(&mut self, told: &mut Told) {
        let Some(status) = self.fast.status().filter(|_| self.fast.clamp != 0) else {
            return;
        };
        let edge = status.rcv_nxt.wrapping_add(status.rcv_wnd);
        let near = edge.wrapping_add(self.dice.pick(&[0, 1, 1u32.wrapping_neg()]));
        told.seq = match self.dice.below(3) {
            0 => near,
            1 => near.wrapping_sub(told.len),
            _ => near.wrapping_sub(told.len / 2),
        };
    }

    /// What is no segment at all.
    fn any_harm(&mut self) -> Harm {
        match self.dice.below(3) {
            0 => Harm::Checksum,
            1 => Harm::DataOffset(self.dice.below(5) as u8),
            _ => Harm::Cut(self.dice.between(1, 19) as u8),
        }
    }

    /// How far a sequence number is from the right one. Those near the end of a window are left out, see
    /// [`Talk::go_to_the_edge`].
    fn any_distance(&mut self) -> u32 {
        match self.dice.below(20) {
            0..=11 => 0,
            12 => 1,
            13 => self.dice.between(1, 300) as u32,
            14 => 1u32.wrapping_neg(),
            15 => (self.dice.between(1, 300) as u32).wrapping_neg(),
            16 => 1_000_000,
            17 => 1_000_000u32.wrapping_neg(),
            18 => 1 << 31,
            _ => self.dice.between(1 << 24, (1 << 32) - (1 << 24)) as u32,
        }
    }

    /// Timestamps that are old, missing or not agreed upon; selective acknowledgments; any octets.
    fn disturb_options(&mut self, told: &mut Told) {
        match self.dice.below(20) {
            0 if self.stamps => told.options = Default::default(),
            1 => {
                let old = self
                    .stamp
                    .wrapping_sub(self.dice.any_size(1, 1 << 31) as u32);
                told.options = self.stamp_option(old);
            }
            2 => {
                let Some(status) = self.fast.status() else {
                    return;
                };
                let span = u64::from(status.snd_nxt.wrapping_sub(status.snd_una));
                let left = status
                    .snd_una
                    .wrapping_add(self.dice.between(0, span + 10) as u32);
                let right = left.wrapping_add(self.dice.between(0, 1_500) as u32);
                let base = self.fast.base();
                let mut octets = vec![1, 1, 5, 10];
                octets.extend(base.wrapping_add(left).to_be_bytes());
                octets.extend(base.wrapping_add(right).to_be_bytes());
                told.options.0.extend(octets);
                let comma = if told.options.1.is_empty() { "" } else { "," };
                let _ = write!(told.options.1, "{comma}nop,nop,sack {left} {right}");
            }
            3 => self.append_octets(told),
            _ => {}
        }
    }

    /// Options of unknown kinds, of wrong lengths, cut off by the end of the header, or no options at all.
    fn append_octets(&mut self, told: &mut Told) {
        let room = 40 - told.options.0.len() as u64;
        let len = self.dice.between(1, room.clamp(1, 12)) as usize;
        let kinds: &[u8] = &[0, 1, 2, 3, 4, 5, 8, 19, 30, 254];
        let octets: Vec<u8> = (0..len)
            .map(|_| match self.dice.below(3) {
                0 => self.dice.below(256) as u8,
                1 => self.dice.below(12) as u8,
                _ => self.dice.pick(kinds),
            })
            .collect();
        let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let comma = if told.options.1.is_empty() { "" } else { "," };
        let _ = write!(told.options.1, "{comma}hex {hex}");
        told.options.0.extend(octets);
    }
}
