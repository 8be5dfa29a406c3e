// SPDX-License-Identifier: GPL-2.0

//! All that a seed decides before a simulation starts, and how it is made simpler, one misfortune at a time.

use super::dice::Dice;
use super::end::EndPlan;
use super::network::LinkPlan;
use super::program::{Ending, ProgramPlan};
use crate::fsm::congestion::Kind;
use crate::fsm::window::scale_for;
use crate::fsm::{Config, Duration};

/// So many retransmissions are never needed by chance: at a loss of one in four both ways, once in 10^7 runs.
const PATIENCE: u8 = 30;

/// So many records a list always takes: the module's lists hold them without an allocation (`src/net/records.rs`).
const SURE_RECORDS: u64 = 2;

/// What may come of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// All octets arrive, both ends reach CLOSED, no program sees an error.
    Everything,
    /// One end aborts: what arrives is right, and nobody sees an error but the other end.
    Abort,
    /// The network is cut for ever: who waits for an answer gives up, who does not may wait for ever.
    CutOff,
}

/// A simulation before it starts.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// Where all chance comes from.
    pub(crate) seed: u64,
    pub(crate) ends: [EndPlan; 2],
    pub(crate) programs: [ProgramPlan; 2],
    /// From the end on the left, and from the one on the right.
    pub(crate) links: [LinkPlan; 2],
    /// How many records the machines' lists take at most.
    pub(crate) records: usize,
    pub(crate) expect: Expect,
}

/// A way to make a scenario simpler: its name, and what it does.
pub(crate) type Simpler = (&'static str, fn(&mut Scenario));

/// All of them, the most helpful ones first.
pub(crate) const SIMPLER: &[Simpler] = &[
    ("late", |s| each(&mut s.links, |link| link.late = 0)),
    ("duplicate", |s| {
        each(&mut s.links, |link| link.duplicate = 0)
    }),
    ("corrupt", |s| each(&mut s.links, |link| link.corrupt = 0)),
    ("reorder", |s| each(&mut s.links, |link| link.reorder = 0)),
    ("burst", |s| {
        each(&mut s.links, |link| link.burst_every = Duration::from_us(0));
    }),
    ("rate", |s| each(&mut s.links, |link| link.rate = 0)),
    ("jitter", |s| {
        each(&mut s.links, |link| link.jitter = Duration::from_us(0));
    }),
    ("loss", |s| each(&mut s.links, |link| link.loss = 0)),
    ("loss-left", |s| s.links[0].loss = 0),
    ("loss-right", |s| s.links[1].loss = 0),
    ("refuse", |s| each(&mut s.ends, |end| end.refuse = 0)),
    ("max-run", |s| each(&mut s.ends, |end| end.max_run = 0)),
    ("keepalive", |s| {
        each(&mut s.ends, |end| end.keepalive = Duration::from_us(0));
    }),
    ("user-timeout", |s| {
        each(&mut s.ends, |end| end.user_timeout = Duration::from_us(0));
    }),
    ("ecn", |s| each(&mut s.ends, |end| end.cfg.ecn = 0)),
    ("narrow", |s| each(&mut s.links, |link| link.narrow = None)),
    ("more", |s| {
        each(&mut s.programs, |program| program.more = 0)
    }),
    ("urgent", |s| {
        each(&mut s.programs, |program| program.urgent = 0)
    }),
    ("forget", |s| each(&mut s.ends, |end| end.forget = 0)),
    ("overhead", |s| each(&mut s.ends, |end| end.overhead = 0)),
    ("busy", |s| each(&mut s.ends, |end| end.busy = 0)),
    ("records", |s| s.records = usize::MAX),
    ("deaf", |s| {
        each(&mut s.programs, |program| {
            program.deaf = Duration::from_us(0)
        });
    }),
    ("read-pause", |s| {
        each(&mut s.programs, |program| {
            program.read_pause = Duration::from_us(0)
        });
    }),
    ("write-pause", |s| {
        each(&mut s.programs, |program| {
            program.write_pause = Duration::from_us(0)
        });
    }),
    ("eager", |s| {
        each(&mut s.programs, |program| program.eager = false)
    }),
    ("timestamps", |s| {
        each(&mut s.ends, |end| end.cfg.timestamps = false)
    }),
    ("scaling", |s| {
        each(&mut s.ends, |end| end.cfg.window_scaling = false)
    }),
    ("sack", |s| each(&mut s.ends, |end| end.cfg.sack = false)),
    ("coarse-scale", |s| {
        each(&mut s.ends, |end| {
            end.wscale = scale_for(end.receive_buffer)
        });
    }),
    ("wrap", |s| each(&mut s.ends, |end| end.iss = 1_000)),
    ("small-mss", |s| {
        each(&mut s.ends, |end| (end.mss, end.path_mss) = (1_460, 1_460));
    }),
    ("small-buffers", |s| {
        each(&mut s.ends, |end| {
            (end.receive_buffer, end.send_buffer) = (65_535, 65_535);
        });
    }),
    ("data-left", |s| s.programs[0].total = 0),
    ("data-right", |s| s.programs[1].total = 0),
    ("half-left", |s| s.programs[0].total /= 2),
    ("half-right", |s| s.programs[1].total /= 2),
    ("quarter-left", |s| s.programs[0].total /= 4),
    ("quarter-right", |s| s.programs[1].total /= 4),
];

fn each<T>(both: &mut [T; 2], change: impl Fn(&mut T)) {
    both.iter_mut().for_each(change);
}

impl Scenario {
    /// The scenario of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let simultaneous = dice.happens(60);
        let mut ends = [(); 2].map(|()| end(&mut dice));
        ends[0].active = true;
        ends[1].active = simultaneous;
        // Neither takes more than the smaller path has.
        let mss = ends[0].mss.min(ends[1].mss);
        let mut programs = [(); 2].map(|()| program(&mut dice, mss));
        let mut links = network(&mut dice);
        let expect = ending(&mut dice, &mut programs, &mut links);
        if programs.iter().any(|plan| plan.ending == Ending::Leave) {
            // Whom its peer has left for a minute would learn of it by an RST.
            each(&mut ends, |end| end.keepalive = Duration::from_us(0));
        }
        if expect == Expect::CutOff {
            for end in &mut ends {
                end.cfg.syn_retries = Config::default().syn_retries;
                end.cfg.synack_retries = Config::default().synack_retries;
                end.cfg.retries2 = dice.between(3, 15) as u8;
                end.cfg.orphan_retries = 0;
                if dice.happens(200) {
                    end.user_timeout = Duration::from_us(dice.any_size(1_000, 1_000_000_000));
                }
            }
        }
        let records = match dice.happens(200) {
            true => (SURE_RECORDS + dice.below(6)) as usize,
            false => usize::MAX,
        };
        for end in &mut ends {
            end.max_run = sometimes(&mut dice, 500, 65_536);
        }
        Self {
            seed,
            ends,
            programs,
            links,
            records,
            expect,
        }
    }

    /// A path of 50 ms there and back, without faults: the left end sends so many octets, the right one reads them
    /// at once, then both close.
    #[cfg(test)]
    pub(crate) fn bulk(total: u32) -> Self {
        const BUFFER: u32 = 8 << 20;
        let end = EndPlan {
            cfg: Config::default(),
            iss: 1_000,
            ts_offset: 0,
            mss: 1_460,
            default_snd_mss: 536,
            path_mss: 1_460,
            receive_buffer: BUFFER,
            send_buffer: BUFFER,
            overhead: 0,
            wscale: scale_for(BUFFER),
            nodelay: false,
            keepalive: Duration::from_us(0),
            user_timeout: Duration::from_us(0),
            active: false,
            refuse: 0,
            max_run: 0,
            forget: 0,
            busy: 0,
            busy_for: Duration::from_us(0),
        };
        let program = ProgramPlan {
            total: 0,
            write: BUFFER,
            write_pause: Duration::from_us(0),
            read: BUFFER,
            read_pause: Duration::from_us(0),
            deaf: Duration::from_us(0),
            ending: Ending::AfterPeer,
            eager: false,
            more: 0,
            urgent: 0,
        };
        let link = LinkPlan {
            delay: Duration::from_ms(25),
            // 100 Mbit/s: no two packets are sent, nor arrive, at the same time.
            rate: 12_500_000,
            queue: u64::from(BUFFER),
            ..LinkPlan::default()
        };
        Self {
            seed: 1,
            ends: [
                EndPlan {
                    active: true,
                    ..end.clone()
                },
                end,
            ],
            programs: [
                ProgramPlan {
                    total,
                    ending: Ending::Shutdown,
                    ..program.clone()
                },
                program,
            ],
            links: [link.clone(), link],
            records: usize::MAX,
            expect: Expect::Everything,
        }
    }

    /// The scenario of a seed, in a network without chance: what happens to the first packets each way is scheduled, the others
    /// pass.
    pub(crate) fn scheduled(seed: u64, schedules: [&[u8]; 2]) -> Self {
        let mut scenario = Self::of(seed);
        for (link, schedule) in scenario.links.iter_mut().zip(schedules) {
            *link = LinkPlan {
                delay: link.delay,
                cut: link.cut,
                narrow: link.narrow,
                // The unit of what comes late is a millisecond: it matters where the path is short.
                schedule: schedule.to_vec(),
                ..LinkPlan::default()
            };
        }
        scenario
    }

    /// Applies ways to make it simpler by their names.
    ///
    /// # Errors
    ///
    /// The first name that is none.
    pub(crate) fn without<'a>(mut self, names: &[&'a str]) -> Result<Self, &'a str> {
        for name in names {
            let (_, change) = SIMPLER
                .iter()
                .find(|(known, _)| known == name)
                .ok_or(*name)?;
            change(&mut self);
        }
        Ok(self)
    }
}

/// The settings of an end.
fn end(dice: &mut Dice) -> EndPlan {
    let mss = match dice.below(10) {
        0 => dice.between(1, 100) as u16,
        1 => 536,
        2 => dice.between(100, 9_000) as u16,
        3 => 8_960,
        _ => 1_460,
    };
    let receive_buffer = match dice.below(6) {
        0 => dice.between(1, 2_000) as u32,
        1 => dice.between(2_000, 10_000) as u32,
        _ => dice.any_size(10_000, 1 << 20) as u32,
    };
    let send_buffer = match dice.below(6) {
        0 => dice.between(1, 2_000) as u32,
        _ => dice.any_size(2_000, 1 << 20) as u32,
    };
    let cfg = Config {
        syn_retries: PATIENCE,
        synack_retries: PATIENCE,
        retries2: PATIENCE,
        orphan_retries: PATIENCE,
        timestamps: dice.happens(700),
        window_scaling: dice.happens(700),
        sack: dice.happens(700),
        congestion_control: dice.pick(&[Kind::Cubic, Kind::Reno]),
        ecn: dice.below(3) as u8,
        slow_start_after_idle: dice.happens(700),
        keepalive_octet: dice.happens(300),
        ..Config::default()
    };
    let overhead = sometimes(dice, 400, 1_000);
    EndPlan {
        cfg,
        // Near the ends of both halves of the circle, where comparisons turn over.
        iss: match dice.below(3) {
            0 => u32::MAX - dice.any_size(0, 100_000) as u32,
            1 => i32::MAX as u32 - dice.any_size(0, 100_000) as u32,
            _ => dice.below(1 << 32) as u32,
        },
        ts_offset: match dice.below(2) {
            // The clock wraps soon.
            0 => u32::MAX - 1_000_000 - dice.any_size(0, 100_000) as u32,
            _ => dice.below(1 << 32) as u32,
        },
        mss,
        default_snd_mss: dice.pick(&[536, 1_220]),
        path_mss: match dice.below(5) {
            0 => dice.between(100, 1_500) as u16,
            _ => mss,
        },
        // Room for a few packets at least.
        receive_buffer: receive_buffer + 4 * overhead,
        send_buffer,
        overhead,
        // As for a buffer that may grow, and does not.
        wscale: match dice.below(4) {
            0 => dice.between(u64::from(scale_for(receive_buffer)), 14) as u8,
            _ => scale_for(receive_buffer),
        },
        nodelay: dice.happens(300),
        // Thirty of them outlast every cut that is not for ever.
        keepalive: match dice.below(5) {
            0 => Duration::from_secs(dice.between(4, 30)),
            _ => Duration::from_us(0),
        },
        user_timeout: Duration::from_us(0),
        active: false,
        refuse: sometimes(dice, 100, 50),
        max_run: 0,
        forget: sometimes(dice, 100, 200),
        busy: sometimes(dice, 250, 500),
        busy_for: Duration::from_us(dice.any_size(1, 50_000)),
    }
}

/// A number in a thousand, up to `most`; 0 unless something happens `chance` times in a thousand.
fn sometimes(dice: &mut Dice, chance: u32, most: u64) -> u32 {
    let value = dice.between(1, most) as u32;
    match dice.happens(chance) {
        true => value,
        false => 0,
    }
}

fn program(dice: &mut Dice, mss: u16) -> ProgramPlan {
    // So many segments at most that a simulation takes milliseconds.
    let most = u64::from(mss.max(48)) * 60;
    let tiny = dice.happens(150);
    let total = match dice.below(10) {
        0 => 0,
        _ if tiny => dice.any_size(1, 500),
        1 => dice.any_size(1, 4 * most),
        _ => dice.any_size(1, most),
    };
    ProgramPlan {
        total: total as u32,
        write: if tiny {
            10
        } else {
            dice.any_size(100, 100_000) as u32
        },
        write_pause: Duration::from_us(dice.any_size(0, 100_000)),
        read: if tiny {
            10
        } else {
            dice.any_size(100, 100_000) as u32
        },
        read_pause: Duration::from_us(dice.any_size(0, 100_000)),
        deaf: match dice.below(8) {
            0 => Duration::from_us(dice.any_size(0, 300_000_000)),
            _ => Duration::from_us(0),
        },
        ending: dice.pick(&[Ending::Shutdown, Ending::Shutdown, Ending::AfterPeer]),
        eager: dice.happens(200),
        more: sometimes(dice, 200, 900),
        urgent: sometimes(dice, 100, 300),
    }
}

/// Both directions of a network; most misfortunes are absent most of the time.
fn network(dice: &mut Dice) -> [LinkPlan; 2] {
    // Never nothing: which of two segments was sent first is then a question of the clock's ticks.
    let delay = Duration::from_us(dice.any_size(10, 300_000));
    let link = |dice: &mut Dice| LinkPlan {
        delay,
        jitter: match dice.below(3) {
            0 => Duration::from_us(dice.between(0, 2 * delay.as_us())),
            _ => Duration::from_us(0),
        },
        in_order: dice.happens(500),
        loss: sometimes(dice, 500, 250),
        burst_every: match dice.below(6) {
            0 => Duration::from_us(dice.between(500_000, 10_000_000)),
            _ => Duration::from_us(0),
        },
        burst: Duration::from_us(dice.any_size(1_000, 300_000)),
        reorder: sometimes(dice, 300, 300),
        reorder_by: Duration::from_us(dice.any_size(1_000, 500_000)),
        duplicate: sometimes(dice, 250, 300),
        corrupt: sometimes(dice, 200, 100),
        late: sometimes(dice, 200, 100),
        // Together with delay and jitter less than the maximum segment lifetime.
        late_by: Duration::from_us(dice.any_size(1_000, 27_000_000)),
        rate: match dice.below(4) {
            0 => dice.any_size(5_000, 10_000_000),
            _ => 0,
        },
        queue: dice.any_size(3_000, 300_000),
        mark: sometimes(dice, 300, 300),
        narrow: match dice.below(10) {
            0 => {
                let since = Duration::from_us(dice.any_size(1, 2_000_000));
                Some((since, dice.between(140, 1_480) as u16))
            }
            _ => None,
        },
        ..LinkPlan::default()
    };
    [(); 2].map(|()| link(dice))
}

/// How the programs end, and the network: in most cases both shut down, in their time or at once.
fn ending(dice: &mut Dice, programs: &mut [ProgramPlan; 2], links: &mut [LinkPlan; 2]) -> Expect {
    let [left, right] = programs;
    if left.ending == Ending::AfterPeer && right.ending == Ending::AfterPeer {
        left.ending = Ending::Shutdown;
    }
    let span = |dice: &mut Dice| Duration::from_us(dice.any_size(1, 20_000_000));
    match dice.below(20) {
        0 => {
            programs[dice.below(2) as usize].ending = Ending::Abort(span(dice));
            Expect::Abort
        }
        1 => {
            // For less than any threshold: everything goes on afterwards.
            let from = span(dice);
            let cut = (from, from + Duration::from_us(dice.between(1, 60_000_000)));
            links[0].cut = Some(cut);
            links[1].cut = Some(cut);
            Expect::Everything
        }
        2 => {
            let cut = (span(dice), Duration::from_us(u64::MAX));
            links[0].cut = Some(cut);
            links[1].cut = Some(cut);
            Expect::CutOff
        }
        3 | 4 => {
            // One sends, and leaves without waiting; the other one closes when it sees that.
            let leaver = dice.below(2) as usize;
            programs[leaver].ending = Ending::Leave;
            programs[1 - leaver].ending = Ending::AfterPeer;
            programs[1 - leaver].total = 0;
            Expect::Everything
        }
        _ => Expect::Everything,
    }
}
