#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Goodput of native TCP and of the module through the same bad networks, by the same seeds: a server sends, a client
# receives and checks, and the time runs from the client's open connection to the peer's end.
#
# Run by qemu/goodput.sh in virtual time. A line to standard output for each transfer:
#   goodput CASE-NUMBER PROTOCOL SEED OCTETS SECONDS NAME
# GOODPUT_CASES: a regular expression; the cases alone whose names match. GOODPUT_PROTOCOLS: "6 253". GOODPUT_SEEDS: at
# most so many.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=badnet.sh
. "${0%/*}/badnet.sh"

trap cleanup EXIT
work=$(mktemp -d)
cases=() # NAME|KIB|SEEDS|NETEM-ARGUMENTS
# What a loss costs depends on where it hits: the more it rules the time, the more seeds. A delay is that of each way.
for ms in 10 50 100; do
	cases+=("no loss, delay $ms ms|32768|1|delay ${ms}ms")
	cases+=("loss 0.1 %, delay $ms ms|16384|7|delay ${ms}ms loss 0.1%")
	cases+=("loss 1 %, delay $ms ms|8192|7|delay ${ms}ms loss 1%")
	cases+=("loss 5 %, delay $ms ms|4096|7|delay ${ms}ms loss 5%")
	cases+=("loss 20 %, delay $ms ms|1024|11|delay ${ms}ms loss 20%")
done
cases+=('reorder 25 %, delay 10 ms|8192|3|delay 10ms reorder 25%')
cases+=('duplicate 5 %, delay 10 ms|8192|3|delay 10ms duplicate 5%')
cases+=('corrupt 1 %, delay 10 ms|8192|7|delay 10ms corrupt 1%')
cases+=('delay 50 ms +- 20 ms|8192|3|delay 50ms 20ms')
# The router's queue holds 100 packets, 120 ms of this rate.
cases+=('rate 10 Mbit, delay 10 ms|8192|1|limit 100 rate 10mbit delay 10ms')

# Two octets go the other way, one at once: the server's end opens for sure, should all ACKs of the handshake be lost.
client_options=(--half)
bad_net
for ns in "$client" "$server"; do
	# The same room for both: the defaults of the module. And native TCP must not know from the last transfer how far it can go.
	set_sysctl "$ns" rmem '4096 131072 6291456'
	set_sysctl "$ns" wmem '4096 16384 4194304'
	in_ns "$ns" sh -c 'cd /proc/sys/net/ipv4
		cat ../rtcpfsm/rmem >tcp_rmem; cat ../rtcpfsm/wmem >tcp_wmem; echo cubic >tcp_congestion_control; echo 1 >tcp_no_metrics_save'
done
number=0
for entry in "${cases[@]}"; do
	IFS='|' read -r name kib seeds netem <<<"$entry"
	number=$((number + 1))
	if [ "$seeds" -gt "${GOODPUT_SEEDS:-$seeds}" ]; then seeds=$GOODPUT_SEEDS; fi
	[[ $name =~ ${GOODPUT_CASES:-.} ]] || continue
	for ((seed = 1; seed <= seeds; seed++)); do
		for proto in ${GOODPUT_PROTOCOLS:-6 253}; do
			# shellcheck disable=SC2086  # netem's words
			impair "$seed" $netem
			seconds=0
			if transfer 4 $((kib << 10)) 2 >"$work/log" 2>&1; then seconds=$(awk '{ print $6 }' "$work/client")
			else sed 's/^/# /' "$work/log"; fi
			echo "goodput $number $proto $seed $((kib << 10)) $seconds $name"
		done
	done
done
