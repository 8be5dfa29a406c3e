#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The module's own life: bad parameters are refused with a word of explanation, it cannot go while somebody has a
# socket, and it comes and goes a hundred times while segments fly and connections are half-way.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"

if [ "$proto" = 6 ] || [ ! -r "${RTCPFSM_KO:-/nonexistent}" ]; then
	ktap_print_header
	ktap_skip_all 'RTCPFSM_KO names no module to load and unload'
	exit "$KSFT_SKIP"
fi
server='' client='' # set by setup_ns
cycles=0 tries=0
# How long the hundred loads may take before fewer have to do.
limit=40

loaded() { [ -d /sys/module/rust_tcpfsm ]; }
unload() { wait_until 10 rmmod rust_tcpfsm; }

# refuses ARGUMENT: insmod fails with it, and the kernel's log then has a word of the module about it.
refuses() {
	tries=$((tries + 1))
	echo "load_unload.sh: try $tries" >/dev/kmsg
	if insmod "$RTCPFSM_KO" "$1" 2>/dev/null; then
		echo "loaded with $1"
		rmmod rust_tcpfsm
		return 1
	fi
	if loaded; then echo 'half loaded'; return 1; fi
	dmesg | sed -n "/load_unload.sh: try $tries\$/,\$p" | grep "rust_tcpfsm: $1 " || { echo "not a word about $1"; false; }
}
bad_protocols() {
	local number
	for number in 6 17 1 255 0 -1 300; do
		refuses "protocol=$number" || return 1
	done
	! insmod "$RTCPFSM_KO" protocol=tcp 2>/dev/null
}
bad_sizes() {
	local size
	for size in -1 1000 2097152; do
		refuses "ehash_entries=$size" || return 1
	done
	! insmod "$RTCPFSM_KO" ehash_entries=x 2>/dev/null && ! insmod "$RTCPFSM_KO" protocol=99999999999 2>/dev/null
}
once() {
	insmod "$RTCPFSM_KO" protocol=252 || return 1
	if insmod "$RTCPFSM_KO" 2>/dev/null; then echo 'loaded twice'; return 1; fi
	unload
}
other_number() {
	insmod "$RTCPFSM_KO" protocol=252 || return 1
	! can_open 253 && can_open 252 && call_once 252 && unload
}
small_table() {
	insmod "$RTCPFSM_KO" ehash_entries=1 && call_once 253 && call_once 253 && unload
}
can_open() { [[ $(RTCPFSM_PROTO=$1 "$here/talk" <<<'listen l 127.0.0.1 0') == ok* ]]; }
# call_once PROTOCOL: a connection over loopback with that number.
call_once() {
	local serving status=0
	RTCPFSM_PROTO=$1 "$here/churn" serve 127.0.0.1 5900 &
	serving=$!
	disown
	RTCPFSM_PROTO=$1 timeout 10 "$here/churn" calls 127.0.0.1 5900 1 || status=1
	kill "$serving"
	return "$status"
}
busy() {
	insmod "$RTCPFSM_KO" || return 1
	talker holder "$server"
	tell holder listen l 0.0.0.0 5901 || return 1
	if rmmod rust_tcpfsm 2>"$work/rmmod"; then echo 'gone in spite of a socket'; return 1; fi
	grep -qi 'in use\|busy' "$work/rmmod" || return 1
	tell holder close l && unload
}

traffic_on() {
	local i
	for i in 4 6; do
		local to=10.9.0.1 from=10.9.0.77
		if [ $i = 6 ]; then to=fd09:0::1 from=fd09:0::77; fi
		# Raw segments go on through all loads and unloads.
		RTCPFSM_PROTO=253 nsenter --net="/run/netns/$client" -- "$here/churn" drizzle $to 5902 $from &
	done
	disown -a
}
# cycle: load; connections come, some half-way, some in TIME-WAIT; all sockets are closed; unload.
cycle() {
	local serving calling
	insmod "$RTCPFSM_KO" || return 1
	RTCPFSM_PROTO=253 nsenter --net="/run/netns/$server" -- "$here/churn" serve "$1" 5902 &
	serving=$!
	RTCPFSM_PROTO=253 nsenter --net="/run/netns/$client" -- timeout 20 "$here/churn" calls "$1" 5902 3 &
	calling=$!
	wait "$calling" || return 1
	kill "$serving"
	wait "$serving" 2>/dev/null || true
	unload
}
hundred() {
	local start=$SECONDS
	while [ "$cycles" -lt 100 ] && { [ $((SECONDS - start)) -lt "$limit" ] || [ "$cycles" -lt 5 ]; }; do
		if [ $((cycles % 2)) = 0 ]; then cycle 10.9.0.1 || return 1; else cycle fd09:0::1 || return 1; fi
		cycles=$((cycles + 1))
	done
}
quick() {
	local i
	for ((i = 0; i < 10; i++)); do
		insmod "$RTCPFSM_KO" || return 1
		rmmod rust_tcpfsm || return 1
	done
}
# Who reads what /proc shows keeps nothing here: it comes and goes under them.
under_readers() {
	local file readers=() status=0
	for file in rtcpfsm rtcpfsm_stat; do
		while :; do { read -rd '' _ <"/proc/net/$file"; } 2>/dev/null || :; done &
		readers+=($!)
	done
	disown -a
	quick || status=1
	kill "${readers[@]}"
	return $status
}
aliases() {
	modinfo -F alias "$RTCPFSM_KO" | grep -qx 'net-pf-2-proto-253-type-1' &&
		modinfo -F alias "$RTCPFSM_KO" | grep -qx 'net-pf-10-proto-253-type-1'
}
autoload() {
	depmod
	call_once 253 && loaded && unload
}

begin 12
if loaded; then unload; fi
trap 'cleanup; loaded || insmod "$RTCPFSM_KO"' EXIT
setup_ns server client
veth_pair server client
ip -n "$server" neigh add 10.9.0.77 lladdr 02:00:00:00:00:77 dev v0 nud permanent
ip -n "$server" neigh add fd09:0::77 lladdr 02:00:00:00:00:77 dev v0 nud permanent

check 'protocol= of other protocols and of no protocol is refused with a message' bad_protocols
check 'ehash_entries= of no power of two is refused with a message' bad_sizes
check 'it loads but once' once
check 'protocol=252 serves that number and no other' other_number
check 'a table of one bucket does' small_table
check 'unload is refused while a socket is open, and works after' busy
check 'modinfo names the aliases' aliases
if [ -e /proc/sys/kernel/modprobe ] && [ "$(readlink -f "$RTCPFSM_KO")" = "$(readlink -f "/lib/modules/$(uname -r)/rust_tcpfsm.ko")" ]; then
	check 'the first socket loads it' autoload
else
	ktap_test_skip 'the first socket loads it'
fi
check 'ten loads and unloads, one on the heels of the other' quick
check 'ten loads and unloads, while /proc is read' under_readers
traffic_on
check 'loads and unloads under traffic' hundred
ktap_print_msg "loaded and unloaded $cycles times under traffic"
check 'it loads after all that' insmod "$RTCPFSM_KO"
finish
