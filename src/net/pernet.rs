// SPDX-License-Identifier: GPL-2.0
//! What each network namespace has: settings, counters, the challenge budget, its limits; and its files in /proc.

use super::{instance, Rtcpfsm};
use crate::src::fsm::challenge::HostBudget;
use crate::src::fsm::config::BufferSizes;
use crate::src::fsm::congestion::Kind;
use crate::src::fsm::settings::{MAX_KEEPALIVE_PROBES, MAX_KEEPALIVE_SECS};
use crate::src::fsm::{ChallengeReason, Config, DropReason, Duration, Instant, Reply, ReplyWhy};
use crate::src::kapi::lock::{lock_class, BhLock};
use crate::src::kapi::netns::{Net, PerNamespace, Slot};
use crate::src::kapi::proc::Entry;
use crate::src::kapi::published::Published;
use crate::src::kapi::random;
use crate::src::kapi::sysctl::{Setting, Settings};
use crate::src::observe::counters::Counters;
use crate::src::observe::proc::{Connections, Statistics};
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::rcu;

/// The files of `net.rtcpfsm.`, in the order of [`at`]. They are named as Linux's TCP names them, less `tcp_`.
static SETTINGS: [Setting; 28] = [
    setting(c"syn_retries", 1, 1, 127),
    setting(c"synack_retries", 1, 1, 127),
    setting(c"retries1", 1, 0, 255),
    setting(c"retries2", 1, 0, 255),
    setting(c"orphan_retries", 1, 0, 255),
    setting(c"fin_timeout", 1, 1, 86_400),
    setting(c"msl", 1, 1, 3_600),
    setting(c"timestamps", 1, 0, 1),
    setting(c"window_scaling", 1, 0, 1),
    setting(c"sack", 1, 0, 1),
    setting(c"rfc1337", 1, 0, 1),
    setting(c"tw_reuse", 1, 0, 2),
    setting(c"challenge_ack_limit", 1, 0, i32::MAX),
    setting(c"max_tw_buckets", 1, 0, i32::MAX),
    setting(c"max_syn_backlog", 1, 0, i32::MAX),
    setting(c"rmem", 3, BufferSizes::LEAST_RECEIVE, i32::MAX),
    setting(c"wmem", 3, 1, i32::MAX),
    setting(c"syncookies", 1, 0, 2),
    setting(c"ecn", 1, 0, 2),
    setting(c"keepalive_time", 1, 1, MAX_KEEPALIVE_SECS),
    setting(c"keepalive_intvl", 1, 1, MAX_KEEPALIVE_SECS),
    setting(c"keepalive_probes", 1, 1, MAX_KEEPALIVE_PROBES),
    Setting::unsigned(c"notsent_lowat"),
    setting(c"slow_start_after_idle", 1, 0, 1),
    setting(c"max_orphans", 1, 0, i32::MAX),
    setting(c"keepalive_octet", 1, 0, 1),
    Setting::words(c"congestion_control", &CONGESTION_CONTROLS),
    setting(c"l3mdev_accept", 1, 0, 1),
];

/// The names of what [`Kind::ALL`] has, in its order.
static CONGESTION_CONTROLS: [&str; 2] = [Kind::ALL[0].name(), Kind::ALL[1].name()];

/// Where each integer stands.
mod at {
    pub(super) const SYN_RETRIES: usize = 0;
    pub(super) const SYNACK_RETRIES: usize = 1;
    pub(super) const RETRIES1: usize = 2;
    pub(super) const RETRIES2: usize = 3;
    pub(super) const ORPHAN_RETRIES: usize = 4;
    pub(super) const FIN_TIMEOUT: usize = 5;
    pub(super) const MSL: usize = 6;
    pub(super) const TIMESTAMPS: usize = 7;
    pub(super) const WINDOW_SCALING: usize = 8;
    pub(super) const SACK: usize = 9;
    pub(super) const RFC1337: usize = 10;
    pub(super) const TW_REUSE: usize = 11;
    pub(super) const CHALLENGE_ACK_LIMIT: usize = 12;
    pub(super) const MAX_TW_BUCKETS: usize = 13;
    pub(super) const MAX_SYN_BACKLOG: usize = 14;
    pub(super) const RMEM: usize = 15;
    pub(super) const WMEM: usize = 18;
    pub(super) const SYNCOOKIES: usize = 21;
    pub(super) const ECN: usize = 22;
    pub(super) const KEEPALIVE_TIME: usize = 23;
    pub(super) const KEEPALIVE_INTVL: usize = 24;
    pub(super) const KEEPALIVE_PROBES: usize = 25;
    pub(super) const NOTSENT_LOWAT: usize = 26;
    pub(super) const SLOW_START_AFTER_IDLE: usize = 27;
    pub(super) const MAX_ORPHANS: usize = 28;
    pub(super) const KEEPALIVE_OCTET: usize = 29;
    pub(super) const CONGESTION_CONTROL: usize = 30;
    pub(super) const L3MDEV_ACCEPT: usize = 31;
    pub(super) const COUNT: usize = 32;
}

const fn setting(name: &'static CStr, values: usize, min: i32, max: i32) -> Setting {
    Setting::integers(name, values, min, max)
}

/// The settings with which a namespace starts.
fn initial() -> [i32; at::COUNT] {
    let config = Config::default();
    let mut values = [0; at::COUNT];
    let sizes = |sizes: BufferSizes| [sizes.min as i32, sizes.default as i32, sizes.max as i32];
    values[at::SYN_RETRIES] = i32::from(config.syn_retries);
    values[at::SYNACK_RETRIES] = i32::from(config.synack_retries);
    values[at::RETRIES1] = i32::from(config.retries1);
    values[at::RETRIES2] = i32::from(config.retries2);
    values[at::ORPHAN_RETRIES] = i32::from(config.orphan_retries);
    values[at::FIN_TIMEOUT] = (config.fin_timeout.as_us() / 1_000_000) as i32;
    values[at::MSL] = (config.msl.as_us() / 1_000_000) as i32;
    values[at::TIMESTAMPS] = i32::from(config.timestamps);
    values[at::WINDOW_SCALING] = i32::from(config.window_scaling);
    values[at::SACK] = i32::from(config.sack);
    values[at::RFC1337] = i32::from(config.rfc1337);
    values[at::TW_REUSE] = i32::from(config.tw_reuse);
    values[at::CHALLENGE_ACK_LIMIT] = config.challenge_ack_limit as i32;
    values[at::MAX_TW_BUCKETS] = config.max_tw_buckets as i32;
    values[at::MAX_SYN_BACKLOG] = config.max_syn_backlog as i32;
    for (value, size) in values[at::RMEM..at::WMEM]
        .iter_mut()
        .zip(sizes(config.rmem))
    {
        *value = size;
    }
    for (value, size) in values[at::WMEM..].iter_mut().zip(sizes(config.wmem)) {
        *value = size;
    }
    values[at::SYNCOOKIES] = i32::from(config.syncookies);
    values[at::ECN] = i32::from(config.ecn);
    values[at::KEEPALIVE_TIME] = (config.keepalive_time.as_us() / 1_000_000) as i32;
    values[at::KEEPALIVE_INTVL] = (config.keepalive_intvl.as_us() / 1_000_000) as i32;
    values[at::KEEPALIVE_PROBES] = i32::from(config.keepalive_probes);
    values[at::NOTSENT_LOWAT] = config.notsent_lowat as i32;
    values[at::SLOW_START_AFTER_IDLE] = i32::from(config.slow_start_after_idle);
    values[at::MAX_ORPHANS] = config.max_orphans as i32;
    values[at::KEEPALIVE_OCTET] = i32::from(config.keepalive_octet);
    // The first of the words is the default.
    values[at::CONGESTION_CONTROL] = 0;
    values[at::L3MDEV_ACCEPT] = 0;
    values
}

/// What a namespace has. Fields are dropped in this order: first the ways in, then what they lead to.
#[pin_data]
pub(crate) struct PerNet {
    settings: Settings<{ at::COUNT }>,
    /// What the settings come to.
    config: Published<Config>,
    counters: Counters,
    challenges: BhLock<HostBudget>,
    time_waits: Atomic<u32>,
    orphans: Atomic<u32>,
}

static SLOT: Slot = Slot::new();

impl PerNamespace for PerNet {
    fn new(net: &Net) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            counters: Counters::new()?,
            settings: Settings::new(net, c"net/rtcpfsm", &SETTINGS, initial())?,
            config: Published::new(lock_class!(c"rtcpfsm config")),
            challenges: BhLock::new(HostBudget::new(), lock_class!(c"rtcpfsm challenges")),
            time_waits: Atomic::new(0),
            orphans: Atomic::new(0),
        }? Error)
    }

    fn before_exit(net: &Net) {
        instance().tables.purge(net);
    }

    fn slot() -> &'static Slot {
        &SLOT
    }
}

/// The files of a namespace in /proc. They show what [`PerNet`] has and may be read at any time, also while the module comes or
/// goes: their registration is younger than that of `PerNet`, so that they come after it and go before it.
#[pin_data]
pub(crate) struct Files {
    _connections: Entry<Connections<Rtcpfsm>>,
    _statistics: Entry<Statistics<Rtcpfsm>>,
}

static FILES: Slot = Slot::new();

impl PerNamespace for Files {
    fn new(net: &Net) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _connections: Entry::new(net, c"rtcpfsm")?,
            _statistics: Entry::new(net, c"rtcpfsm_stat")?,
        }? Error)
    }

    fn before_exit(_net: &Net) {}

    fn slot() -> &'static Slot {
        &FILES
    }
}

/// While this is there, what [`PerNet::config`] gave stays. Nobody may sleep meanwhile.
pub(crate) struct Reading {
    rcu: rcu::Guard,
    /// The settings, while they are published nowhere.
    own: Option<Config>,
}

impl Reading {
    /// Begins to read.
    #[inline]
    pub(crate) fn new() -> Self {
        Reading {
            rcu: rcu::read_lock(),
            own: None,
        }
    }
}

impl PerNet {
    /// That of a namespace.
    #[inline]
    pub(crate) fn of(net: &Net) -> &Self {
        <Self as PerNamespace>::of(net)
    }

    /// The settings as they are now.
    #[inline]
    pub(crate) fn config<'a>(&'a self, reading: &'a mut Reading) -> &'a Config {
        let changes = self.settings.changes();
        match self.config.get(changes, &reading.rcu) {
            Some(config) => config,
            None => reading.own.insert(self.new_config(changes)),
        }
    }

    /// Makes the settings after those `changes`, for now and for whoever comes next.
    #[cold]
    fn new_config(&self, changes: u32) -> Config {
        let config = self.read_config();
        self.config.offer(changes, config);
        config
    }

    fn read_config(&self) -> Config {
        let get = |at| self.settings.get(at);
        let small = |at| get(at).clamp(0, 255) as u8;
        let seconds = |at| Duration::from_secs(get(at).max(0) as u64);
        let sizes = |at| BufferSizes {
            min: get(at).max(0) as u32,
            default: get(at + 1).max(0) as u32,
            max: get(at + 2).max(0) as u32,
        };
        Config {
            syn_retries: small(at::SYN_RETRIES),
            synack_retries: small(at::SYNACK_RETRIES),
            retries1: small(at::RETRIES1),
            retries2: small(at::RETRIES2),
            orphan_retries: small(at::ORPHAN_RETRIES),
            fin_timeout: seconds(at::FIN_TIMEOUT),
            msl: seconds(at::MSL),
            timestamps: get(at::TIMESTAMPS) != 0,
            window_scaling: get(at::WINDOW_SCALING) != 0,
            sack: get(at::SACK) != 0,
            rfc1337: get(at::RFC1337) != 0,
            tw_reuse: small(at::TW_REUSE),
            challenge_ack_limit: get(at::CHALLENGE_ACK_LIMIT).max(0) as u32,
            rmem: sizes(at::RMEM),
            wmem: sizes(at::WMEM),
            max_tw_buckets: get(at::MAX_TW_BUCKETS).max(0) as u32,
            max_syn_backlog: get(at::MAX_SYN_BACKLOG).max(0) as u32,
            syncookies: small(at::SYNCOOKIES),
            ecn: small(at::ECN),
            keepalive_time: seconds(at::KEEPALIVE_TIME),
            keepalive_intvl: seconds(at::KEEPALIVE_INTVL),
            keepalive_probes: small(at::KEEPALIVE_PROBES),
            notsent_lowat: get(at::NOTSENT_LOWAT) as u32,
            slow_start_after_idle: get(at::SLOW_START_AFTER_IDLE) != 0,
            max_orphans: get(at::MAX_ORPHANS).max(0) as u32,
            keepalive_octet: get(at::KEEPALIVE_OCTET) != 0,
            congestion_control: Kind::ALL
                .get(get(at::CONGESTION_CONTROL) as usize)
                .copied()
                .unwrap_or_default(),
        }
    }

    /// May what is bound to no device take what came by a device of a VRF?
    pub(crate) fn unbound_take_from_vrfs(&self) -> bool {
        self.settings.get(at::L3MDEV_ACCEPT) != 0
    }

    /// The counts of everything that happens here.
    #[inline]
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// May this reply be sent? All may but challenge ACKs beyond the budget (RFC 5961 7), which are counted either way.
    pub(crate) fn allows(&self, reply: &Reply, now: Instant, config: &Config) -> bool {
        match reply.why {
            ReplyWhy::Challenge(reason) => self.allow_challenge(now, config, reason),
            _ => true,
        }
    }

    fn allow_challenge(&self, now: Instant, config: &Config, reason: ChallengeReason) -> bool {
        let allowed =
            self.challenges
                .lock()
                .allow(now, config.challenge_ack_limit, random::random_u32);
        if allowed {
            self.counters.challenge(reason);
        } else {
            self.counters.drop(DropReason::ChallengeLimited);
        }
        allowed
    }

    /// Takes a place for a TIME-WAIT, if fewer than `max` are there.
    pub(crate) fn time_wait_begins(&self, max: u32) -> bool {
        if self.time_waits.fetch_add(1, Relaxed) < max {
            return true;
        }
        self.time_waits.fetch_add(u32::MAX, Relaxed);
        false
    }

    /// Are there any? Each is counted before it stands in a table, and until it stands in none.
    pub(crate) fn has_time_waits(&self) -> bool {
        self.time_waits.load(Relaxed) != 0
    }

    /// Gives that place back.
    pub(crate) fn time_wait_ends(&self) {
        self.time_waits.fetch_add(u32::MAX, Relaxed);
    }

    /// A connection went on without a process; returns how many there are now.
    pub(crate) fn orphan_born(&self) -> u32 {
        self.orphans.fetch_add(1, Relaxed).saturating_add(1)
    }

    /// Such a connection has ended.
    pub(crate) fn orphan_gone(&self) {
        self.orphans.fetch_add(u32::MAX, Relaxed);
    }
}
