#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Network namespaces know nothing of each other: neither their tables nor their ports nor their sysctls; and a
# namespace can be deleted at any moment.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "$(dirname "$0")/talk.sh"

server='' client='' other='' # set by setup_ns
names='syn_retries synack_retries retries1 retries2 fin_timeout orphan_retries timestamps window_scaling sack rfc1337 tw_reuse
	challenge_ack_limit rmem wmem max_tw_buckets max_syn_backlog msl'

# lines NS: how many objects its table shows.
lines() { in_ns "$1" cat /proc/net/rtcpfsm | awk 'END { print NR - 1 }'; }
shows() { [ "$(lines "$1")" = "$2" ]; }

own_tables() {
	wait_until 10 listed "$server" ESTABLISHED 7000 &&
		wait_until 10 listed "$client" ESTABLISHED &&
		shows "$server" 2 && shows "$client" 1 && shows "$other" 0 &&
		! listed "$client" LISTEN
}
own_ports() {
	tell other listen l 0.0.0.0 7000 && tell other listen l6 :: 7001 &&
		wait_until 10 listed "$other" LISTEN 7000 && ! listed "$client" LISTEN
}
own_counters() {
	[ "$(stat_of "$server" gauge ESTABLISHED)" = 1 ] &&
		[ "$(stat_of "$client" gauge ESTABLISHED)" = 1 ] &&
		[ "$(stat_of "$other" gauge ESTABLISHED)" = 0 ] &&
		[ "$(stat_of "$other" gauge LISTEN)" = 2 ] &&
		[ "$(stat_of "$other" arc closed-active-open)" = 0 ]
}

value() { in_ns "$1" cat "/proc/sys/net/rtcpfsm/$2"; }
all_there() {
	local name
	for name in $names; do
		if [ -z "$(value "$server" "$name")" ]; then echo "no $name"; return 1; fi
	done
}
own_sysctls() {
	local name before
	for name in $names; do
		before=$(value "$other" "$name")
		case $name in
		rmem | wmem) set_sysctl "$server" "$name" '4096 20000 40000' ;;
		timestamps | window_scaling | sack | rfc1337) set_sysctl "$server" "$name" $((1 - before)) ;;
		*) set_sysctl "$server" "$name" $((before == 2 ? 1 : 2)) ;;
		esac
		[ "$(value "$other" "$name")" = "$before" ] || { echo "$name changed elsewhere"; return 1; }
		[ "$(value "$server" "$name")" != "$before" ] || { echo "$name did not change"; return 1; }
	done
}
# refused NAME VALUE: not taken, and what was there is still there.
refused() {
	local before
	before=$(value "$server" "$1")
	if set_sysctl "$server" "$1" "$2" 2>/dev/null; then echo "$1 took '$2'"; return 1; fi
	[ "$(value "$server" "$1")" = "$before" ] || { echo "$1 was changed by '$2'"; return 1; }
}
bad_values() {
	local name
	for name in $names; do
		refused "$name" x && refused "$name" -1000000 && refused "$name" 99999999999999999999 || return 1
	done
	for name in timestamps window_scaling sack rfc1337; do refused "$name" 2 || return 1; done
	refused tw_reuse 3 && refused syn_retries 0 && refused syn_retries 256 && refused msl 0 &&
		refused rmem '0 0 0' && refused wmem 'a b c'
}
not_for_all() {
	[ "$(id -u)" = 0 ] &&
		! setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'echo 3 >/proc/sys/net/rtcpfsm/syn_retries' 2>/dev/null
}
new_ns_has_defaults() {
	local fresh
	setup_ns fresh
	local name
	for name in syn_retries=7 synack_retries=5 retries1=3 retries2=15 fin_timeout=60 msl=30 timestamps=1 rfc1337=0; do
		if [ "$(value "$fresh" "${name%=*}")" != "${name#*=}" ]; then
			echo "$name: $(value "$fresh" "${name%=*}")"
			return 1
		fi
	done
}

# forget NS: its name goes, and lib.sh's cleanup no longer looks for it.
forget() {
	local name rest=()
	ip netns del "$1"
	for name in "${namespaces[@]}"; do [ "$name" = "$1" ] || rest+=("$name"); done
	namespaces=("${rest[@]}")
}
# gone NS: its processes go, too.
gone() {
	ip netns pids "$1" | xargs -r kill -9 2>/dev/null || true
	forget "$1"
}
# A namespace lives as long as anything of it is referred to; its end shows in the devices: the peer of a veth goes.
device_gone() { ! in_ns "$server" test -e "/sys/class/net/$1"; }

delete_with_time_waits() {
	setup_ns doomed
	veth_pair server doomed 1
	talker doomed "${doomed:?}"
	tell server listen tw 10.9.1.1 7100 && tell doomed many 20 10.9.1.1 7100 &&
		tell server accept-many 20 tw && tell doomed close-all many && tell server close-all accepted &&
		wait_until 20 listed "$doomed" TIME-WAIT && gone "$doomed" && wait_until 30 device_gone v1
}
delete_with_requests() {
	local i mac
	setup_ns doomed
	veth_pair server doomed 2
	talker doomed2 "${doomed:?}"
	tell doomed2 listen l 10.9.2.2 7200 16 || return 1
	# The SYN,ACKs get lost, so the requests stay.
	mac=$(in_ns "$doomed" cat /sys/class/net/v2/address)
	ip -n "$server" neigh replace 10.9.2.2 lladdr "$mac" dev v2 nud permanent
	tc -n "$doomed" qdisc add dev v2 root netem loss 100%
	for i in 1 2 3 4; do tell server open "r$i" 10.9.2.2 7200 || return 1; done
	wait_until 20 listed "$doomed" SYN-RECEIVED && gone "$doomed" && wait_until 30 device_gone v2 &&
		tell server close-all r
}
# A namespace whose name goes while a process in it has open sockets ends with that process.
delete_with_open_sockets() {
	local pids
	setup_ns doomed
	veth_pair server doomed 3
	talker doomed3 "${doomed:?}"
	tell server listen open 10.9.3.1 7300 && tell doomed3 many 10 10.9.3.1 7300 &&
		tell server accept-many 10 open && tell server send accepted.3 50000 || return 1
	# Nobody closes the other ends: what is left over waits in FIN-WAIT-2, and no longer than that.
	set_sysctl "$doomed" fin_timeout 1
	pids=$(ip netns pids "$doomed")
	forget "$doomed"
	tell doomed3 recv many.3 1000 || return 1
	# shellcheck disable=SC2086  # numbers
	kill -9 $pids
	wait_until 30 device_gone v3 && tell server close-all accepted
}

begin 12
setup_ns server client other
veth_pair server client
talker server "$server"
talker client "$client"
talker other "$other"
tell server listen l 10.9.0.1 7000 >/dev/null
tell client connect c 10.9.0.1 7000 >/dev/null
tell server accept s l >/dev/null

check '/proc/net/rtcpfsm shows its own namespace alone' own_tables
check 'the same port serves in another namespace' own_ports
check '/proc/net/rtcpfsm_stat counts its own namespace alone' own_counters
check 'every sysctl is there' all_there
check 'a new namespace has the defaults' new_ns_has_defaults
check 'bad values of sysctls are refused and change nothing' bad_values
check 'sysctls are not for everybody' not_for_all
check 'sysctls of one namespace do not touch another' own_sysctls
check 'a namespace with TIME-WAITs can be deleted' delete_with_time_waits
check 'a namespace with half-open requests can be deleted' delete_with_requests
check 'a namespace with open sockets goes when they do' delete_with_open_sockets
check 'the connection of the others lives on' tell client send c 10
finish
