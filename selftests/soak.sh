#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Everything at once for a while: transfers over a bad network, a storm of calls, a flood of SYNs and a client that wants to be served,
# connections that are reset, raw segments of every kind, namespaces that come and go, readers of /proc and writers of sysctls. Then
# everything ends, nothing is left, and the module can be unloaded.
# SOAK_MINUTES: so long (make soak: 30); without it, 20 seconds.
# guest: leaks
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=badnet.sh
. "${0%/*}/badnet.sh"
# shellcheck source-path=SCRIPTDIR source=kept.sh
. "$here/kept.sh"

if [ "$proto" = 6 ]; then
	ktap_print_header
	ktap_skip_all 'the soak is for the module'
	exit "$KSFT_SKIP"
fi
seconds=20
if [ -n "${SOAK_MINUTES:-}" ]; then seconds=$((60 * SOAK_MINUTES)); fi
stormy='' flooder='' target='' # set by setup_ns
# With everything else going on, a program takes long to start.
transfer_patience=120
export RTCPFSM_PROTO=$proto

over() { [ "$SECONDS" -ge "$end" ]; }
# done_once NAME [COUNT]: one more of it; failed_once NAME: one that failed, with what it said.
done_once() { echo "${2:-1}" >>"$work/done.$1"; }
failed_once() {
	echo 1 >>"$work/failed.$1"
	{ echo "$1:"; cat "$work/$1.out"; } >>"$work/complaints" 2>/dev/null
}
# sum NAME: of what done_once counted.
sum() {
	touch "$work/done.$1"
	awk '{ n += $1 } END { print n + 0 }' "$work/done.$1"
}

transfers() {
	local i=0 families=(4 6) networks=('delay 5ms loss 1%' 'delay 10ms reorder 25%' 'delay 2ms duplicate 5%' 'delay 3ms corrupt 1%' 'delay 5ms 2ms loss 5%')
	until over; do
		# shellcheck disable=SC2086  # netem's words
		impair $i ${networks[i % ${#networks[@]}]}
		if transfer "${families[i % 2]}" 262144 262144 --half >"$work/transfer.out" 2>&1; then done_once transfer; else failed_once transfer; fi
		i=$((i + 1))
	done
}
storms() {
	local seed
	seed=$(date +%s)
	until over; do
		if in_ns "$stormy" "$here/storm" "$seed" 300 2 4 >"$work/storm.out" 2>&1; then
			done_once storm "$(awk '$2 == "calls," { print $1 }' "$work/storm.out")"
		else
			failed_once storm
		fi
		seed=$((seed + 1))
	done
}
floods() {
	until over; do
		in_ns "$flooder" "$here/syn_flood" syns 10.9.7.1 7000 2000 >"$work/flood.out" 2>&1 && done_once flood 2000
		in_ns "$flooder" "$here/syn_flood" acks 10.9.7.1 7000 500 >"$work/flood.out" 2>&1 && done_once flood 500
	done
}
served() {
	until over; do
		if in_ns "$flooder" "$here/syn_flood" client 10.9.7.1 7000 1 60 >"$work/served.out" 2>&1; then done_once served; else failed_once served; fi
	done
}
resets() {
	until over; do
		if in_ns "$flooder" timeout 60 "$here/churn" calls fd09:7::1 7100 10 >"$work/resets.out" 2>&1; then done_once reset 10; else failed_once reset; fi
	done
}
readers() {
	local ns
	until over; do
		for ns in "$client" "$server" "$stormy" "$target"; do
			in_ns "$ns" cat /proc/net/rtcpfsm /proc/net/rtcpfsm_stat >/dev/null && done_once read
		done
		sleep 0.1
	done
}
# The settings of others than the transfers' may also become absurd. Those of the target that a SYN agrees to stay: a handshake by cookie
# is reset if they have changed before its ACK comes.
writers() {
	local i=0 all=(congestion_control slow_start_after_idle timestamps sack window_scaling ecn)
	local values=('cubic reno' '0 1' '0 1' '0 1' '0 1' '0 1 2') some=() ns name
	until over; do
		for ns in "$client" "$server" "$stormy" "$target"; do
			name=$((RANDOM % ${#all[@]}))
			if [ "$ns" = "$target" ]; then name=$((RANDOM % 2)); fi
			read -r -a some <<<"${values[name]}"
			set_sysctl "$ns" "${all[name]}" "${some[RANDOM % ${#some[@]}]}" && done_once write
		done
		set_sysctl "$stormy" max_tw_buckets $((RANDOM % 50))
		set_sysctl "$stormy" max_orphans $((RANDOM % 50))
		set_sysctl "$stormy" max_syn_backlog $((RANDOM % 50))
		set_sysctl "$stormy" challenge_ack_limit $((RANDOM % 50))
		set_sysctl "$stormy" rmem "$((4096 + RANDOM)) $((40000 + RANDOM)) $((100000 + RANDOM))"
		set_sysctl "$stormy" syncookies $((RANDOM % 3))
		i=$((i + 1))
		sleep 0.2
	done
}
spaces() {
	local i=0 ns
	until over; do
		ns=soak-$$-$i
		ip netns add "$ns" && ip -n "$ns" link set lo up
		if in_ns "$ns" "$here/storm" $i 100 1 3 >"$work/space.out" 2>&1; then done_once space; else failed_once space; fi
		ip netns del "$ns"
		i=$((i + 1))
	done
}

# A line a minute tells those who wait that it lives.
watch() {
	local next=$((SECONDS + 60))
	until over; do
		sleep 1
		if [ "$SECONDS" -ge $next ]; then
			next=$((next + 60))
			ktap_print_msg "$((end - SECONDS)) s left: $(figures)"
		fi
	done
}
figures() {
	echo "$(sum transfer) transfers, $(sum storm) random calls, $(sum space) namespaces, $(sum flood) hostile SYNs and ACKs," \
		"$(sum served) clients served under them, $(sum reset) connections a fourth of them reset, $(sum read) reads, $(sum write) settings," \
		"SUnreclaim $(awk '$1 == "SUnreclaim:" { print $2 }' /proc/meminfo) KiB"
}
# each_worked: something of each kind was done, and nothing failed.
each_worked() {
	local name bad=0
	for name in transfer storm flood served reset read write space; do
		if [ "$(sum $name)" = 0 ]; then echo "$name: nothing was done"; bad=1; fi
	done
	if [ -e "$work/complaints" ]; then cat "$work/complaints"; bad=1; fi
	return $bad
}
reload() { wait_until 10 rmmod rust_tcpfsm && insmod "$RTCPFSM_KO"; }
all_idle() {
	local ns
	for ns in "$client" "$server" "$stormy" "$target" "$flooder"; do becomes_idle "$ns" || return 1; done
}

begin 5
objects >"$work/before"
bad_net
setup_ns stormy flooder target
veth_pair target flooder 7
ip -n "$target" route add 10.128.0.0/9 via 10.9.7.2
for ns in "$client" "$server" "$stormy" "$target" "$flooder"; do
	set_sysctl "$ns" msl 1
	set_sysctl "$ns" fin_timeout 2
	set_sysctl "$ns" orphan_retries 3
	set_sysctl "$ns" synack_retries 2
done
# Not by in_ns, whose shells would tell that they were killed.
nsenter --net="/run/netns/$target" -- "$here/syn_flood" serve 10.9.7.1 7000 64 >"$work/serve.out" &
nsenter --net="/run/netns/$target" -- "$here/churn" serve fd09:7::1 7100 &
nsenter --net="/run/netns/$flooder" -- "$here/churn" flood fd09:7::1 7100 fd09:7::2 &
disown -a
wait_until 10 says "$work/serve.out" listening
end=$((SECONDS + seconds))
jobs=()
for part in transfers storms floods served resets readers writers spaces; do
	$part &
	jobs+=($!)
done
watch
wait "${jobs[@]}" || true
check "everything at once for $seconds s: nothing failed" each_worked
ktap_print_msg "$(figures)"
kill_in "$flooder" "$target"
check 'all of it ends, and the module is free' all_idle
check 'the slabs of the module have no more objects than before' objects_are "$work/before"
# The directory of this test stays.
namespaces_go() (
	work=''
	cleanup
)
check 'the namespaces go' namespaces_go
if [ -n "${RTCPFSM_KO:-}" ]; then
	check 'it can be unloaded, and loaded again' reload
else
	ktap_test_skip 'RTCPFSM_KO names no module to load'
fi
finish
