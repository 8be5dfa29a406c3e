// SPDX-License-Identifier: GPL-2.0
//! rust_tcpfsm: an IP protocol of its own number whose connections are those of TCP (RFC 9293), for the ordinary socket calls.
//!
//! The protocol itself is in [`src::fsm`], pure and without `unsafe`; [`src::net`] puts it into the kernel; [`src::observe`]
//! shows it; [`src::kapi`] holds what is unsafe.

use crate::src::kapi::global::Published;
use crate::src::kapi::random::SipKey;
use crate::src::kapi::small::Cache;
use crate::src::kapi::{ip, memory, netns, offload, proto};
use crate::src::net::pernet::{Files, PerNet};
use crate::src::net::request::Request;
use crate::src::net::tables::Tables;
use crate::src::net::time_wait::Waiting;
use crate::src::net::{instance_cell, Instance, Rtcpfsm};
use kernel::prelude::*;

mod src {
    pub(crate) mod ffi;
    pub(crate) mod fsm;
    pub(crate) mod kapi;
    pub(crate) mod net;
    pub(crate) mod observe;
}

module! {
    type: RustTcpfsm,
    name: "rust_tcpfsm",
    authors: ["The rust_tcpfsm developers"],
    description: "TCP's connection state machine (RFC 9293) as an IP protocol of its own",
    license: "GPL",
    alias: ["net-pf-2-proto-253-type-1", "net-pf-10-proto-253-type-1"],
    params: {
        protocol: i32 {
            default: 253,
            description: "IP protocol number, 1 to 254 (253: RFC 3692)",
        },
        ehash_entries: i32 {
            default: 0,
            description: "buckets of the table of connections, a power of two up to 2^20 (0: by the size of memory)",
        },
    },
}

/// The loaded module. Fields are made from the last to the first and dropped from the first to the last: first the ways in by
/// which work could come, last what the work is done with.
struct RustTcpfsm {
    _sockets: proto::Registration<Rtcpfsm>,
    _packets: ip::Registration<Rtcpfsm>,
    _runs: offload::Registration<Rtcpfsm>,
    _files: netns::Registration<Files>,
    _namespaces: netns::Registration<PerNet>,
    _instance: Published<Instance>,
    _time_waits: Cache<Waiting>,
    _requests: Cache<Request>,
}

/// Numbers whose handlers the kernel has built in, or may load at any time: taking them would break the host.
const TAKEN: &[(i32, &str)] = &[
    (1, "ICMP"),
    (2, "IGMP"),
    (6, "TCP"),
    (17, "UDP"),
    (58, "ICMPv6"),
    (255, "raw sockets"),
];

impl kernel::Module for RustTcpfsm {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let protocol = protocol_number(module_parameters::protocol.value())?;
        let bits = bucket_bits(module_parameters::ehash_entries.value())?;
        let _requests = Cache::new(c"rtcpfsm_request")?;
        let _time_waits = Cache::new(c"rtcpfsm_time_wait")?;
        let instance = Instance {
            protocol,
            tables: Tables::new(bits)?,
            secret: SipKey::random(),
            cookie_secret: SipKey::random(),
        };
        let _instance = Published::new(instance, instance_cell())?;
        let _namespaces = netns::Registration::new()?;
        let _files = netns::Registration::new()?;
        let tell = |error: &Error| {
            if *error == EBUSY {
                pr_err!(
                    "IP protocol {} is in use; choose another with protocol=\n",
                    protocol
                );
            }
        };
        let _runs = offload::Registration::new(protocol).inspect_err(tell)?;
        let _packets = ip::Registration::new(protocol).inspect_err(tell)?;
        let _sockets =
            proto::Registration::new(protocol, memory::default_limits(), [4096, 16384, 4 << 20])?;
        pr_info!(
            "IP protocol {}, {} buckets for connections\n",
            protocol,
            1u32 << bits
        );
        Ok(RustTcpfsm {
            _sockets,
            _packets,
            _runs,
            _files,
            _namespaces,
            _instance,
            _time_waits,
            _requests,
        })
    }
}

fn protocol_number(number: i32) -> Result<u8> {
    if let Some((_, name)) = TAKEN.iter().find(|(taken, _)| *taken == number) {
        pr_err!(
            "protocol={} is the number of {}; choose a free one, such as 253\n",
            number,
            *name
        );
        return Err(EINVAL);
    }
    match u8::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        _ => {
            pr_err!(
                "protocol={} is no IP protocol number; give one from 1 to 254\n",
                number
            );
            Err(EINVAL)
        }
    }
}

/// As the kernel's own TCP: one bucket for each 128 KiB of memory, within bounds.
fn bucket_bits(entries: i32) -> Result<u32> {
    const MAX_BITS: u32 = 20;
    match u32::try_from(entries) {
        Ok(0) => {
            let wanted = (memory::total_bytes() >> 17).clamp(256, 1 << 19);
            Ok(wanted.next_power_of_two().trailing_zeros())
        }
        Ok(entries) if entries.is_power_of_two() && entries <= 1 << MAX_BITS => {
            Ok(entries.trailing_zeros())
        }
        _ => {
            pr_err!(
                "ehash_entries={} is no power of two from 1 to {}\n",
                entries,
                1 << MAX_BITS
            );
            Err(EINVAL)
        }
    }
}
