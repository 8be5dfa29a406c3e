#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# guest: virtual-time
# connect() where the only port is that of a connection in TIME-WAIT: net.rtcpfsm.tw_reuse.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"

host='' peer='' # set by setup_ns

time_wait() { wait_until 10 listed "$host" TIME-WAIT 40000; }
# called NAME ADDRESS: a connection to there, closed by this side first.
called() {
	tell all connect "c$1" "$2" 7000 && tell there accept "s$1" "l$2" && tell all close "c$1" &&
		tell there close "s$1" && time_wait
}
refused() { [[ $(tell all open "$1" "$2" 7000) == *'Cannot assign requested address'* ]]; }
evicted() { [ "$(stat_of "$host" arc time-wait-evict)" = "$1" ]; }

over() { ! in_ns "$host" grep TIME-WAIT /proc/net/rtcpfsm; }
# Its port is free again when the last TIME-WAIT is over: after a minute, and what the kernel rounds timers up by. Looking often would cost more than waiting, in virtual time.
fresh() { sleep 66 && over && called "$1" "$2"; }

not_at_once() { called 1 127.0.0.1 && refused x1 127.0.0.1; }
after_a_second() { sleep 2 && called 2 127.0.0.1 && evicted 1; }
after_a_second_v6() { fresh 3 ::1 && sleep 2 && called 4 ::1 && evicted 2; }
never() { set_sysctl "$host" tw_reuse 0 && sleep 2 && refused x2 ::1; }
not_elsewhere() { set_sysctl "$host" tw_reuse 2 && fresh 5 10.9.0.2 && sleep 2 && refused x3 10.9.0.2; }
everywhere() { set_sysctl "$host" tw_reuse 1 && called 6 10.9.0.2 && evicted 3; }

# Three times seven connections, which the server closes first, from the seven ports of eight that are free.
all_free_ports() {
	local to n
	for to in 127.0.0.1 127.0.0.2 127.0.0.3; do
		for n in {1..7}; do
			tell all connect "p$to$n" "$to" 7001 && tell all accept "q$to$n" any && tell all close "q$to$n" &&
				tell all close "p$to$n" || return
		done
	done
	[ "$(stat_of "$host" arc time-wait-rcv-syn)" = 0 ]
}

begin 7
setup_ns host peer
veth_pair host peer
talker all "$host"
in_ns "$host" sh -c 'echo 40000 40000 >/proc/sys/net/ipv4/ip_local_port_range'
talker far "$peer"
# there: who plays the other end, at first a socket of the same host.
talk_to[there]=${talk_to[all]} talk_from[there]=${talk_from[all]}
tell all listen l127.0.0.1 127.0.0.1 7000 >/dev/null
tell all listen l::1 ::1 7000 >/dev/null
check 'the port of a connection that has just entered TIME-WAIT is not taken' not_at_once
check 'MAY-2, SHLD-4: after a second timestamps let connect() take it over, on this host (RFC 6191)' after_a_second
check 'MAY-2, SHLD-4: the same over IPv6' after_a_second_v6
check 'tw_reuse=0: never' never
talk_to[there]=${talk_to[far]} talk_from[there]=${talk_from[far]}
tell there listen l10.9.0.2 10.9.0.2 7000 >/dev/null
check 'tw_reuse=2: not to other hosts' not_elsewhere
check 'tw_reuse=1: to all hosts' everywhere
in_ns "$host" sh -c 'echo 40000 40007 >/proc/sys/net/ipv4/ip_local_port_range'
tell all listen taken 0.0.0.0 40003 >/dev/null
tell all listen any 0.0.0.0 7001 >/dev/null
check 'successive connections take each free port once, before they come to one whose other end is in TIME-WAIT' all_free_ports
finish
