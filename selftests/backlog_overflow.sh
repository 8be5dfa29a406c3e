#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# More connections are asked for than a listener wants: the accept queue, the requests and the TIME-WAITs stay within
# their limits, what is refused is counted, and who was served is served on.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"

server='' client='' # set by setup_ns

# counts NS STATE PORT NUMBER: are there so many?
counts() {
	count_listed "$1" "$2" "$3"
	[ "$listed_count" = "$4" ] || { echo "$listed_count in $2"; false; }
}
drops() { echo $(($(stat_of "$server" drop listen-overflow) + $(stat_of "$server" drop accept-queue-full))); }
dropped_since() { [ "$(drops)" -gt "$1" ]; }

accept_queue() {
	local before i
	before=$(drops)
	tell server listen l 10.9.0.1 6001 3 || return 1
	for ((i = 0; i < 10; i++)); do tell client open "a$i" 10.9.0.1 6001 || return 1; done
	wait_until 10 counts "$server" ESTABLISHED 6001 4 && wait_until 10 dropped_since "$before" &&
		counts "$server" ESTABLISHED 6001 4
}
served_in_the_end() {
	local i
	for ((i = 0; i < 10; i++)); do tell server accept "s$i" l || return 1; done
	for ((i = 0; i < 10; i++)); do
		tell client opened "a$i" && tell client send "a$i" 5 || return 1
	done
	for ((i = 0; i < 10; i++)); do tell server recv "s$i" 5 || return 1; done
}
requests() {
	local flooding before
	set_sysctl "$server" max_syn_backlog 8
	tell server listen r 10.9.0.1 6002 1000 || return 1
	before=$(drops)
	RTCPFSM_PROTO=$proto nsenter --net="/run/netns/$client" -- "$here/churn" flood 10.9.0.1 6002 10.9.0.77 &
	flooding=$!
	disown
	wait_until 20 dropped_since $((before + 100)) || return 1
	count_listed "$server" SYN-RECEIVED 6002
	kill "$flooding"
	echo "$listed_count requests"
	[ "$listed_count" -ge 4 ] && [ "$listed_count" -le 9 ]
}
existing_live() { tell client send a3 100 && tell server recv s3 100; }
time_waits() {
	local i
	set_sysctl "$server" max_tw_buckets 5
	# Whoever was dropped at first was accepted later: s5 need not be the other end of a5.
	for ((i = 0; i < 10; i++)); do tell server close "s$i" || return 1; done
	for ((i = 0; i < 10; i++)); do tell client eof "a$i" && tell client close "a$i" || return 1; done
	wait_until 10 counts "$server" FIN-WAIT-2 6001 0 || return 1
	count_listed "$server" TIME-WAIT
	echo "$listed_count TIME-WAITs"
	[ "$listed_count" -ge 1 ] && [ "$listed_count" -le 5 ]
}
listener_closes() { tell server close r && wait_until 10 counts "$server" SYN-RECEIVED 6002 0; }

begin 6
setup_ns server client
veth_pair server client
ip -n "$server" neigh add 10.9.0.77 lladdr 02:00:00:00:00:77 dev v0 nud permanent
# With SYN cookies no SYN is dropped (syn_flood.sh), and an ACK that finds no room does not come again.
set_sysctl "$server" syncookies 0
talker server "$server"
talker client "$client"
check 'the accept queue takes the backlog and one more, the rest is dropped and counted' accept_queue
check 'whoever was dropped is served when the queue is emptied' served_in_the_end
check 'a flood of SYNs makes no more requests than max_syn_backlog allows' requests
check 'connections that were open before the flood live on' existing_live
check 'the requests of a listener go with it' listener_closes
check 'no more TIME-WAITs than max_tw_buckets' time_waits
finish
