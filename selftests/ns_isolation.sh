#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Network namespaces know nothing of each other: neither their tables nor their ports nor their sysctls; and a
# namespace can be deleted at any moment.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"

server='' client='' other='' # set by setup_ns
names=(syn_retries synack_retries retries1 retries2 fin_timeout orphan_retries timestamps window_scaling sack rfc1337 tw_reuse
	challenge_ack_limit rmem wmem max_tw_buckets max_syn_backlog msl syncookies ecn keepalive_time keepalive_intvl keepalive_probes
	notsent_lowat slow_start_after_idle max_orphans keepalive_octet congestion_control l3mdev_accept)

# shows NS N: its table shows so many objects.
shows() {
	local lines
	look "$1" rtcpfsm
	[ $((${#lines[@]} - 1)) = "$2" ]
}

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

# Entering a namespace is dear in a debug kernel: each of these does it but once.
# values NS: "name value" of every setting there.
values() {
	# shellcheck disable=SC2016  # the inner shell's
	in_ns "$1" bash -c 'cd /proc/sys/net/rtcpfsm; for n; do read -r v <"$n"; echo "$n $v"; done' - "${names[@]}"
}
value() { values "$1" | sed -n "s/^$2 //p"; }
all_there() { [ "$(values "$server" | grep -c ' .')" = "${#names[@]}" ]; }
own_sysctls() {
	local before after
	before=$(values "$other")
	# shellcheck disable=SC2016  # the inner shell's
	in_ns "$server" bash -c '
		cd /proc/sys/net/rtcpfsm
		for n; do
			read -r v <"$n"
			case $n in
			congestion_control) new=reno ;;
			rmem | wmem) new="4096 20000 40000" ;;
			timestamps | window_scaling | sack | rfc1337 | slow_start_after_idle | keepalive_octet | l3mdev_accept) new=$((1 - v)) ;;
			*) if [ "$v" = 2 ]; then new=1; else new=2; fi ;;
			esac
			echo "$new" >"$n" || exit 1
			read -r now <"$n"
			if [ "$(echo $now)" != "$new" ]; then echo "$n is $now, not $new"; exit 1; fi
		done' - "${names[@]}" || return 1
	after=$(values "$other")
	[ "$before" = "$after" ] || diff <(echo "$before") <(echo "$after")
}
bad_values() {
	# shellcheck disable=SC2016  # the inner shell's
	in_ns "$server" bash -c '
		cd /proc/sys/net/rtcpfsm
		# refused NAME VALUE: not taken, and what was there is still there.
		refused() {
			local before after
			read -r before <"$1"
			if { echo "$2" >"$1"; } 2>/dev/null; then echo "$1 took $2"; exit 1; fi
			read -r after <"$1"
			if [ "$before" != "$after" ]; then echo "$1 was changed by $2"; exit 1; fi
		}
		for n; do
			refused "$n" x
			refused "$n" -1000000
			refused "$n" 99999999999999999999
		done
		for n in timestamps window_scaling sack rfc1337 slow_start_after_idle keepalive_octet; do refused $n 2; done
		for n in tw_reuse ecn syncookies; do refused $n 3; done
		refused keepalive_probes 128
		refused notsent_lowat 4294967296
		refused syn_retries 0
		refused syn_retries 256
		refused msl 0
		refused rmem "0 0 0"
		refused rmem "4096 2303 4096"
		refused wmem "a b c"' - "${names[@]}"
}
not_for_all() {
	[ "$(id -u)" = 0 ] &&
		! setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'echo 3 >/proc/sys/net/rtcpfsm/syn_retries' 2>/dev/null
}
new_ns_has_defaults() {
	local fresh
	setup_ns fresh
	local wanted='syn_retries 7 synack_retries 5 retries1 3 retries2 15 fin_timeout 60 msl 30 timestamps 1 rfc1337 0 syncookies 1 ecn 2
		keepalive_time 7200 keepalive_intvl 75 keepalive_probes 9 notsent_lowat 4294967295 congestion_control cubic slow_start_after_idle 1'
	diff <(xargs -n 2 <<<"$wanted" | sort) <(values "$fresh" | grep -xFf <(xargs -n 2 <<<"$wanted") | sort)
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
	kill_in "$1"
	forget "$1"
}
# A namespace lives as long as anything of it is referred to; its end shows in the devices: the peer of a veth goes.
device_gone() { ! ip -n "$server" link show dev "$1" >/dev/null 2>&1; }

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
	mac=$(ip -n "$doomed" -o link show dev v2 | grep -o 'link/ether [^ ]*')
	ip -n "$server" neigh replace 10.9.2.2 lladdr "${mac#* }" dev v2 nud permanent
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
	wait_until 30 device_gone v3 || return 1
	# Nobody answers their FINs: an orphan that keeps trying would keep the module, too.
	set_sysctl "$server" orphan_retries 1
	tell server close-all accepted && wait_until 10 no_orphans
}
no_orphans() { ! listed "$server" LAST-ACK; }

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
