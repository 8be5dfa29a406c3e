// SPDX-License-Identifier: GPL-2.0
//! Socket options of the level SOL_TCP, as Linux's TCP has them: values, ranges and errors.
//!
//! Locks: see [`super`].

use super::pernet::Reading;
use super::request::default_mss;
use super::{effects, Locked};
use crate::src::fsm;
use crate::src::fsm::ack::MAX_ACK_DELAY;
use crate::src::fsm::congestion::Kind;
use crate::src::fsm::recovery::Phase;
use crate::src::fsm::{AckMode, BadValue, Config, Duration, Linger2, Settings, State};
use crate::src::kapi::options::{loss, negotiated, Info, IntOption};
use kernel::prelude::*;

/// setsockopt().
///
/// # Errors
///
/// `EINVAL`: the option does not take this value.
pub(crate) fn set(sk: &mut Locked<'_>, option: IntOption, value: i32) -> Result {
    let mut settings = *sk.tcb.settings();
    let on = value != 0;
    change(
        &mut settings,
        option,
        value,
        sk.tcb.state() == State::Closed,
    )
    .map_err(|BadValue| EINVAL)?;
    // RFC 9293 3.7.4, MUST-17: what Nagle's algorithm or a cork held back goes out at once.
    commit(sk, settings, on && option == IntOption::NoDelay);
    if option == IntOption::NotSentLowat {
        sk.wake_writers();
    }
    Ok(())
}

fn change(
    settings: &mut Settings,
    option: IntOption,
    value: i32,
    closed: bool,
) -> Result<(), BadValue> {
    let on = value != 0;
    match option {
        IntOption::NoDelay => settings.nodelay = on,
        IntOption::Cork => settings.cork = on,
        IntOption::MaxSeg => return settings.set_max_seg(value),
        IntOption::KeepIdle => return settings.set_keepalive_time(value),
        IntOption::KeepIntvl => return settings.set_keepalive_intvl(value),
        IntOption::KeepCnt => return settings.set_keepalive_probes(value),
        IntOption::SynCnt => return settings.set_syn_retries(value),
        IntOption::UserTimeout => return settings.set_user_timeout(value),
        IntOption::WindowClamp => return settings.set_window_clamp(value, closed),
        IntOption::Linger2 => settings.set_linger2(value),
        IntOption::DeferAccept => settings.set_defer_accept(value),
        IntOption::NotSentLowat => settings.set_notsent_lowat(value),
        IntOption::QuickAck => {
            settings.acks = if on { AckMode::Quick } else { AckMode::Delayed };
        }
    }
    Ok(())
}

/// The settings count from now on: for the machine, and for the children of a listener.
fn commit(sk: &mut Locked<'_>, settings: Settings, push: bool) {
    sk.sk().shared().set_settings(settings);
    sk.room_told = None;
    effects::run(sk, |tcb, _, config, _| {
        tcb.apply_settings(settings, config);
        if push {
            tcb.push_queued();
        }
    });
}

/// getsockopt().
pub(crate) fn get(sk: &Locked<'_>, option: IntOption) -> i32 {
    let settings = sk.tcb.settings();
    let mut reading = Reading::new();
    let config = sk.sk().per_net().config(&mut reading);
    match option {
        IntOption::NoDelay => i32::from(settings.nodelay),
        IntOption::Cork => i32::from(settings.cork),
        IntOption::MaxSeg => i32::from(max_seg(sk, settings)),
        IntOption::KeepIdle => secs(settings.keepalive_time(config)),
        IntOption::KeepIntvl => secs(settings.keepalive_intvl(config)),
        IntOption::KeepCnt => i32::from(settings.keepalive_probes(config)),
        IntOption::SynCnt => i32::from(settings.syn_retries(config)),
        IntOption::UserTimeout => settings.user_timeout_ms() as i32,
        IntOption::WindowClamp => settings.window_clamp() as i32,
        IntOption::Linger2 => linger2(settings, config),
        IntOption::DeferAccept => settings.defer_accept_secs() as i32,
        IntOption::NotSentLowat => settings.own_notsent_lowat() as i32,
        IntOption::QuickAck => i32::from(settings.acks != AckMode::Delayed),
    }
}

/// TCP_MAXSEG: what was set, as long as there is no connection; else what the segments carry now.
fn max_seg(sk: &Locked<'_>, settings: &Settings) -> u16 {
    match (sk.tcb.state(), settings.max_seg()) {
        (State::Closed | State::Listen, 0) => default_mss(true),
        (State::Closed | State::Listen, set) => set,
        _ => sk.tcb.effective_mss(),
    }
}

/// TCP_LINGER2: -1 for none at all.
fn linger2(settings: &Settings, config: &Config) -> i32 {
    match settings.linger2 {
        Linger2::Never => -1,
        _ => settings.fin_timeout(config).map_or(-1, secs),
    }
}

fn secs(duration: Duration) -> i32 {
    (duration.as_us() / 1_000_000).min(i32::MAX as u64) as i32
}

/// SO_KEEPALIVE.
pub(crate) fn set_keepalive(sk: &mut Locked<'_>, on: bool) {
    let mut settings = *sk.tcb.settings();
    settings.keepalive = on;
    commit(sk, settings, false);
}

/// SO_RCVLOWAT, as in Linux's TCP: at most half of what the receive buffer may be, which grows for it unless a program has set
/// its size. Else a mark above the buffer would never be reached.
pub(crate) fn set_low_water(sk: &mut Locked<'_>, octets: u32) {
    let fixed = sk.receive_buffer_is_set();
    let most = if fixed {
        sk.sk().rcvbuf()
    } else {
        sk.sk().per_net().config(&mut Reading::new()).rmem.max
    };
    let mark = octets.min(most / 2);
    sk.set_receive_low_water(mark);
    if sk.is_done() || super::socket::is_readable(sk.sk(), sk.sk().rcv_queued(), mark) {
        sk.wake_readers();
    }
    if !fixed {
        let size = sk.tcb.memory_for(u64::from(mark));
        sk.grow_receive_buffer(size.min(most));
        effects::tell_room(sk);
    }
}

/// TCP_CONGESTION.
///
/// # Errors
///
/// `ENOENT`: there is no algorithm of this name.
pub(crate) fn set_congestion_control(sk: &mut Locked<'_>, name: &[u8]) -> Result {
    let mut settings = *sk.tcb.settings();
    settings.congestion = Some(Kind::from_name(name).ok_or(ENOENT)?);
    commit(sk, settings, false);
    Ok(())
}

/// The name of the congestion control.
pub(crate) fn congestion_control(sk: &Locked<'_>) -> &'static str {
    match (sk.tcb.state(), sk.tcb.settings().congestion) {
        (State::Closed | State::Listen, None) => sk
            .sk()
            .per_net()
            .config(&mut Reading::new())
            .congestion_control
            .name(),
        (State::Closed | State::Listen, Some(kind)) => kind.name(),
        _ => sk.tcb.congestion_control().name(),
    }
}

/// TCP_INFO.
pub(crate) fn info(sk: &mut Locked<'_>, info: &mut Info) {
    info.tcpi_state = super::kernel_state(sk.tcb.state()) as u8;
    // Nothing is paced.
    info.tcpi_pacing_rate = u64::MAX;
    info.tcpi_max_pacing_rate = u64::MAX;
    let told = sk.tcb.info(super::now());
    let mss = u32::from(told.snd_mss.max(1));
    info.tcpi_reordering = DUP_THRESH;
    info.tcpi_snd_cwnd = segments(told.cwnd, mss);
    if sk.tcb.state() == State::Listen {
        // As Linux: how many wait for accept(), and how many may.
        info.tcpi_unacked = sk.sk().shared().waiting();
        info.tcpi_sacked = sk.sk().shared().limit();
        return;
    }
    sender(info, &told, mss);
    receiver(info, &told);
    effects::update_path(sk);
    info.tcpi_pmtu = sk.path_mtu;
}

/// RFC 5681 3.2: as many duplicate acknowledgments mean a loss.
const DUP_THRESH: u32 = 3;

/// What Linux shows as the threshold before the first loss (TCP_INFINITE_SSTHRESH).
const NO_SSTHRESH: u32 = 0x7fff_ffff;

/// What Linux takes for the peer's segment size at first (TCP_MSS_DEFAULT).
const FIRST_RCV_MSS: u32 = 536;

/// Octets as segments: Linux counts in these.
fn segments(octets: u32, mss: u32) -> u32 {
    octets.div_ceil(mss)
}

fn ms(duration: Duration) -> u32 {
    (duration.as_us() / 1_000).min(u64::from(u32::MAX)) as u32
}

fn sender(info: &mut Info, told: &fsm::info::Info, mss: u32) {
    let traffic = &told.traffic;
    info.tcpi_ca_state = match told.phase {
        Phase::Open if told.sacked != 0 => loss::DISORDER,
        Phase::Open => loss::OPEN,
        Phase::Reduction => loss::CWR,
        Phase::Fast => loss::RECOVERY,
        Phase::Timeout => loss::LOSS,
    };
    if told.probing {
        info.tcpi_probes = told.retries;
    } else {
        info.tcpi_retransmits = told.retries;
        info.tcpi_probes = told.keepalives;
    }
    info.tcpi_backoff = told.retries;
    info.tcpi_rto = told.rto.as_us().min(u64::from(u32::MAX)) as u32;
    info.tcpi_rtt = told.srtt_us;
    info.tcpi_rttvar = told.rttvar_us;
    info.tcpi_min_rtt = match told.min_rtt_us {
        0 => u32::MAX,
        us => us,
    };
    info.tcpi_snd_mss = mss;
    info.tcpi_unacked = segments(told.unacked, mss);
    info.tcpi_sacked = segments(told.sacked, mss);
    info.tcpi_lost = segments(told.lost, mss);
    info.tcpi_retrans = segments(told.resent, mss);
    info.tcpi_snd_ssthresh = told
        .ssthresh
        .map_or(NO_SSTHRESH, |octets| segments(octets, mss));
    info.tcpi_snd_wnd = told.snd_wnd;
    info.tcpi_notsent_bytes = told.unsent;
    info.tcpi_last_data_sent = ms(told.since_data_sent);
    info.tcpi_last_ack_recv = ms(told.since_ack);
    info.tcpi_total_retrans = traffic.segs_retrans;
    info.tcpi_total_rto = traffic.timeouts;
    info.tcpi_bytes_acked = traffic.bytes_acked;
    info.tcpi_bytes_sent = traffic.bytes_sent;
    info.tcpi_bytes_retrans = traffic.bytes_retrans;
    info.tcpi_segs_out = traffic.segs_out;
    info.tcpi_data_segs_out = traffic.data_segs_out;
    info.tcpi_reord_seen = u32::from(told.reordering_seen);
}

fn receiver(info: &mut Info, told: &fsm::info::Info) {
    let traffic = &told.traffic;
    let option = |on: bool, bit: u32| if on { bit as u8 } else { 0 };
    info.tcpi_options = option(told.timestamps, negotiated::TIMESTAMPS)
        | option(told.sack, negotiated::SACK)
        | option(told.ecn, negotiated::ECN)
        | option(told.scales.is_some(), negotiated::WSCALE);
    if let Some((snd, rcv)) = told.scales {
        info.set_tcpi_snd_wscale(snd);
        info.set_tcpi_rcv_wscale(rcv);
    }
    info.tcpi_advmss = u32::from(told.adv_mss);
    info.tcpi_rcv_mss = u32::from(traffic.largest_in).max(FIRST_RCV_MSS);
    info.tcpi_ato = MAX_ACK_DELAY.as_us() as u32;
    info.tcpi_rcv_rtt = told.rcv_rtt_us;
    info.tcpi_rcv_wnd = told.rcv_wnd;
    info.tcpi_rcv_ssthresh = told.rcv_wnd;
    info.tcpi_rcv_space = told.rcv_buf;
    info.tcpi_last_data_recv = ms(told.since_data_received);
    info.tcpi_bytes_received = traffic.bytes_received;
    info.tcpi_segs_in = traffic.segs_in;
    info.tcpi_data_segs_in = traffic.data_segs_in;
}
