#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# /proc/net/rtcpfsm: its columns, hundreds of connections over many pages, read while others come and go; and
# /proc/net/rtcpfsm_stat, whose gauges count the same objects.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"

host='' # set by setup_ns
many=300

table() { in_ns "$host" cat /proc/net/rtcpfsm; }

header() {
	[ "$(table | head -n 1 | xargs)" = 'local remote state timer left_ms retrans snd_q rcv_q snd_una snd_nxt snd_wnd rcv_nxt rcv_wnd in_state_ms uid inode' ]
}

# columns: each line has its 16 columns, each of the right shape.
columns() {
	table | awk '
		function wrong(what) { print what ": " $0; bad = 1 }
		BEGIN {
			split("LISTEN SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT", s, " ")
			for (i in s) state[s[i]] = 1
			name = "^([0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+|\\[[0-9a-f:.]+\\]):[0-9]+$"
		}
		NR == 1 { next }
		NF != 16 { wrong("not 16 columns") }
		$1 !~ name || $2 !~ name { wrong("no address") }
		!($3 in state) { wrong("no state") }
		$4 !~ /^[a-z0-9-]+$/ { wrong("no timer") }
		($4 == "none") != ($5 == "-") || ($5 != "-" && $5 !~ /^[0-9]+$/) { wrong("no time left") }
		{ for (i = 6; i <= 16; i++) if ($i !~ /^[0-9]+$/) wrong("no number in column " i) }
		END { if (NR < 100) { print "only " NR " lines"; bad = 1 } exit bad }'
}

# each_once: both ends of each of the many connections, each in exactly one line; the listener too.
each_once() {
	table | awk -v many="$many" '
		$3 == "LISTEN" && $1 == "127.0.0.1:5000" { listener++ }
		$3 != "ESTABLISHED" { next }
		$1 == "127.0.0.1:5000" { server[$2]++ }
		$2 == "127.0.0.1:5000" { client[$1]++ }
		END {
			for (port in client) { n++; if (client[port] != 1 || server[port] != 1) { print port, client[port], server[port]; bad = 1 } }
			if (n != many) { print n " of " many " connections"; bad = 1 }
			if (listener != 1) { print "listener " listener + 0; bad = 1 }
			exit bad
		}'
}
# Parts of any size make the same table as one big read.
small_reads() {
	in_ns "$host" dd if=/proc/net/rtcpfsm bs=100 2>/dev/null | awk 'NF != 16 { print; bad = 1 } END { exit bad || NR < 2 * '$many' }'
}
while_others_come_and_go() {
	local i
	for ((i = 0; i < 5; i++)); do
		each_once || return 1
		columns || return 1
	done
}

# by_state: "STATE count" for each state in the table; gauges: the same of the gauges.
by_state() { table | awk 'NR > 1 { n[$3]++ } END { for (s in n) print s, n[s] }' | sort; }
gauges() { in_ns "$host" cat /proc/net/rtcpfsm_stat | awk '$1 == "gauge" && $3 != 0 { print $2, $3 }' | sort; }
gauges_agree() { diff <(by_state) <(gauges); }
# stat_lines: every line of rtcpfsm_stat is of one of the four kinds, and each kind is there.
stat_lines() {
	in_ns "$host" cat /proc/net/rtcpfsm_stat | awk '
		function wrong() { print; bad = 1 }
		{ kind[$1]++ }
		$2 !~ /^[A-Za-z0-9-]+$/ || $3 !~ /^[0-9]+$/ { wrong() }
		$1 == "arc" && ($4 !~ /^[A-Z0-9-]+$/ || $5 !~ /^[A-Z0-9-]+$/) { wrong() }
		$1 !~ /^(arc|drop|reset|challenge|gauge)$/ { wrong() }
		END { exit bad || kind["arc"] < 30 || kind["drop"] < 10 || !kind["reset"] || !kind["challenge"] || kind["gauge"] != 10 }'
}
mapped() {
	tell all listen m :: 5600 && tell all connect mc ::ffff:127.0.0.1 5600 && tell all accept ms m &&
		table | awk '$1 == "[::ffff:127.0.0.1]:5600" && $2 ~ /^\[::ffff:127\.0\.0\.1\]:[0-9]+$/ { n++ } END { exit n != 1 }'
}
v6_shape() {
	tell all listen v6 ::1 5700 && tell all connect v6c ::1 5700 && tell all accept v6s v6 &&
		table | awk '$1 == "[::1]:5700" && $3 == "LISTEN" { l++ } $1 == "[::1]:5700" && $2 ~ /^\[::1\]:[0-9]+$/ { e++ } END { exit l != 1 || e != 1 }'
}
queues() {
	tell all send many.7 1234 && wait_until 10 shown 1234
}
shown() { table | awk -v n="$1" '$3 == "ESTABLISHED" && $1 == "127.0.0.1:5000" && $8 == n { c++ } END { exit c != 1 }'; }
accept_queue() {
	tell all listen q 127.0.0.1 5800 5 && tell all connect q1 127.0.0.1 5800 && tell all connect q2 127.0.0.1 5800 &&
		table | awk '$3 == "LISTEN" && $1 == "127.0.0.1:5800" && $7 == 5 && $8 == 2 { n++ } END { exit n != 1 }'
}
# owners: the inodes in the table are those of the descriptors of the one program here.
owners() {
	local pid
	pid=$(ip netns pids "$host" | head -n 1)
	diff <(table | awk 'NR > 1 && $16 { print $16 }' | sort) \
		<(find "/proc/$pid/fd" -printf '%l\n' | sed -n 's/^socket:\[\([0-9]*\)\]$/\1/p' | sort)
}
numbers_are_relative() {
	table | awk '$1 == "127.0.0.1:5000" && $8 == 1234 && $12 == 1235 && $9 == 1 && $10 == 1 { n++ } END { exit n != 1 }'
}
ends() {
	tell all close-all many && tell all close-all accepted && wait_until 20 gone_but_time_wait && no_owner
}
gone_but_time_wait() {
	table | awk '$1 == "127.0.0.1:5000" && $3 != "LISTEN" || $2 == "127.0.0.1:5000" && $3 != "TIME-WAIT" { bad = 1 } END { exit bad }'
}
no_owner() { table | awk '$3 == "TIME-WAIT" { n++; if ($16 != 0 || $4 != "time-wait") bad = 1 } END { exit bad || !n }'; }

begin 15
setup_ns host
# No TIME-WAIT shall end between two looks.
set_sysctl "$host" msl 3600
set_sysctl "$host" max_tw_buckets 500
talker all "$host"
check 'the header names the columns' header
tell all listen l 127.0.0.1 5000 1000 >/dev/null
tell all many "$many" 127.0.0.1 5000 >/dev/null
tell all accept-many "$many" l >/dev/null
check 'every line has 16 columns of the right shape' columns
check "both ends of $many connections are shown, each exactly once" each_once
check 'small reads give the same table' small_reads
check 'the gauges count what the table shows' gauges_agree
check 'the lines of rtcpfsm_stat have their shape' stat_lines
check 'a v4-mapped connection shows as [::ffff:a.b.c.d]:port' mapped
check 'an IPv6 connection shows as [address]:port' v6_shape
check 'octets that nobody read show in rcv_q' queues
check 'sequence numbers are relative to the first' numbers_are_relative
check 'a listener shows its backlog and its accept queue' accept_queue
check 'inodes are those of the descriptors that processes hold' owners
RTCPFSM_PROTO=$proto nsenter --net="/run/netns/$host" -- "$here/churn" serve 127.0.0.1 5001 &
RTCPFSM_PROTO=$proto nsenter --net="/run/netns/$host" -- "$here/churn" calls 127.0.0.1 5001 &
calls=$!
disown -a
check 'every connection that lasts is shown exactly once while others come and go' while_others_come_and_go
kill "$calls"
check 'closed connections leave the table but for TIME-WAITs without an owner' ends
check 'the gauges count what the table shows, TIME-WAITs too' wait_until 10 gauges_agree
finish
