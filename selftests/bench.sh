#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Native TCP, the module and the floor, one workload after the other, by the program bench: its lines to standard output,
# and before each of them `run NAME PROTOCOL`. The floor is UDP with as many packets as native TCP had, of their mean size: what a
# packet costs is linear in its size, nearly.
#
# Run by qemu/bench.sh in a guest. BENCH: the names. BENCH_MODE: instructions (each once, in virtual time, where
# counts repeat) or time (REPEATS of each, the protocols taking turns).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"

trap cleanup EXIT
mode=${BENCH_MODE:-instructions} port=4000 server='' client=''

# count_of NAME: operations, octets, connections that are there or milliseconds: enough that the first and the last one do not
# matter, few enough for an emulated guest.
count_of() {
	case $1 in
	short_conn*) echo 2000 ;;
	rr_*) echo 5000 ;;
	bulk_*) echo $((64 << 20)) ;;
	slab_*) echo 8192 ;;
	*_1k) echo 1000 ;;
	*_100k) echo 100000 ;;
	*_1m) echo 1000000 ;;
	flood_*) echo 500 ;;
	esac
}

# measure NAME PROTOCOL [SIZE [COUNT]]
measure() {
	local address=127.0.0.1 net=- cookies count=${4:-$(count_of "$1")} what=$1
	case $1 in
	*_veth*) address=10.9.0.1 net=/run/netns/$server ;;
	# An address of its own that is no loopback: answers to strangers must find a way.
	slab_half_open | flood_* | lookup_* | proc_*) address=10.9.0.2 ;;
	esac
	cookies=1
	if [ "$1" = slab_half_open ]; then cookies=0; fi
	in_ns "$client" sh -c "cd /proc/sys/net; echo $cookies >ipv4/tcp_syncookies; echo $cookies >rtcpfsm/syncookies"
	if [ "$2" = 17 ]; then
		what=floor
		case $1 in lookup_*) what=wire_floor ;; esac
	fi
	# Some workloads have as many listeners.
	port=$((port + 64))
	# What was there before is gone then: the TIME-WAITs of earlier workloads, which would end while these are counted.
	case $1 in slab_*) sleep 150 ;; esac
	echo "run $1 $2"
	in_ns "$client" "$here/bench" "$what" "$2" "$count" "$address" "$port" "$net" "${3:-0}"
}

setup_ns server client
veth_pair server client
for ns in "$server" "$client"; do
	in_ns "$ns" sh -c 'cd /proc/sys/net
		cat rtcpfsm/rmem >ipv4/tcp_rmem; cat rtcpfsm/wmem >ipv4/tcp_wmem; echo cubic >ipv4/tcp_congestion_control
		echo 1 >ipv4/tcp_no_metrics_save
		echo 100000 >ipv4/tcp_max_syn_backlog; echo 100000 >rtcpfsm/max_syn_backlog; echo 100000 >core/somaxconn
		echo "1024 65535" >ipv4/ip_local_port_range'
done
# The answers to SYNs of senders that do not exist go to a router that does not, either.
ip -n "$client" link add void type dummy
ip -n "$client" link set void up
ip -n "$client" route add 10.128.0.0/9 via 10.254.0.1 dev void onlink
# Peers that are only packets: a program is their wire. They stand behind a router, as each neighbour has an entry in a table.
ip -n "$client" tuntap add dev wire mode tun
ip -n "$client" link set wire up
ip -n "$client" route add 10.64.0.0/10 via 10.254.0.2 dev wire onlink

for name in $BENCH; do
	case $mode in
	time)
		case $name in slab_* | lookup_* | flood_* | proc_*) continue ;; esac
		repeats=${REPEATS:-5}
		;;
	*) repeats=1 ;;
	esac
	for ((repeat = 0; repeat < repeats; repeat++)); do
		native=$(measure "$name" 6)
		echo "$native"
		measure "$name" 253
		case $name in slab_* | flood_* | proc_*) continue ;; esac
		read -r packets octets < <(awk '$1 == "bench" { print $6, $7 }' <<<"$native")
		if [ "$packets" -gt 0 ]; then measure "$name" 17 "$((octets / packets))" "$packets"; fi
	done
done
