#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A flood of SYNs from senders that do not exist (RFC 4987): with SYN cookies a client is served all the same, and the
# host keeps nothing of the flood; without them it keeps what it was told to, and no more. Forged ACKs open nothing.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=kept.sh
. "$here/kept.sh"

# A kernel with checkers is ten to twenty times slower: a tenth of the flood must do there.
syns=100000
if [ -e /sys/kernel/debug/kmemleak ]; then syns=10000; fi
backlog=128 port=7000
host='' flooder='' client='' # set by setup_ns
begin 7
setup_ns host flooder client
veth_pair host flooder 0
veth_pair host client 1
ip -n "$host" route add 10.128.0.0/9 via 10.9.0.2
export RTCPFSM_PROTO=$proto
in_ns "$host" "$here/syn_flood" serve 10.9.0.1 $port $backlog >"$work/server" &
wait_until 10 says "$work/server" listening
ip -n "$client" route add 10.9.0.0/24 via 10.9.1.1

# While it lasts a request lives for a minute, so that a slow flood, too, finds the queue full; then they go soon.
flood() {
	local status=0
	set_sysctl "$host" synack_retries 5
	in_ns "$flooder" "$here/syn_flood" "$1" 10.9.0.1 $port "$2" || status=$?
	set_sysctl "$host" synack_retries 1
	return $status
}
served() { in_ns "$client" "$here/syn_flood" client 10.9.0.1 $port "$1" "$2"; }
# served_while: connections one after the other until the flood is over, at least three. By one program: in a kernel with checkers most of the
# time of a connection would go into starting one.
served_while() {
	local serving status=0
	nsenter --net="/run/netns/$client" -- "$here/syn_flood" client 10.9.0.1 $port 0 30 &
	serving=$!
	flood "$@" || status=1
	kill -TERM $serving 2>/dev/null || true
	wait $serving || status=1
	return $status
}
# Half open is never more than the backlog of listen() and one.
bounded() {
	count_listed "$host" SYN-RECEIVED
	echo "$listed_count are half open, of $syns"
	[ "$listed_count" -le $((backlog + 1)) ]
}
# 100,000 requests would take 20 MB; what the kernel caches of neighbours and packets is less.
slab_bounded() {
	local grown=$(($(slab_kib) - slab_before))
	echo "the slabs grew by $grown KiB"
	[ "$grown" -lt 8192 ]
}
# counted REASON AT_LEAST
counted() {
	local count
	count=$(stat_of "$host" drop "$1")
	echo "$1: $count"
	[ "$count" -ge "$2" ]
}
# What the last point found out.
figure() { ktap_print_msg "$(tail -n 1 "$work/output")"; }
gone() { ! listed "$host" SYN-RECEIVED; }

set_sysctl "$host" syncookies 1
served 3 30
slab_before=$(slab_kib)
check "syncookies=1: a client is served while $syns SYNs come" served_while syns $syns
figure
check 'syncookies=1: the flood was answered by cookies' counted syn-cookie-sent $((syns / 2))
figure
check 'syncookies=1: the queue of half-open requests is bounded' bounded
figure
check 'syncookies=1: so is what the kernel keeps' slab_bounded
figure

# Each brings back a number that is none of ours: none opens a connection, and each is answered by a RST.
forged() {
	local opened bad
	opened=$(stat_of "$host" arc syn-received-rcv-ack-of-syn)
	bad=$(stat_of "$host" drop syn-cookie-bad)
	flood acks $((syns / 10)) || return 1
	bad=$(($(stat_of "$host" drop syn-cookie-bad) - bad))
	opened=$(($(stat_of "$host" arc syn-received-rcv-ack-of-syn) - opened))
	echo "$bad refused, $opened opened"
	[ "$opened" = 0 ] && [ "$bad" -ge $((syns / 20)) ]
}
check 'forged ACKs open nothing' forged
figure

# Without cookies the flood wins: what the queue does not take is dropped, and nothing grows.
overwhelmed() {
	local sent
	sent=$(stat_of "$host" drop syn-cookie-sent)
	wait_until 60 gone || return 1
	set_sysctl "$host" syncookies 0
	flood syns $((syns / 10)) || return 1
	counted listen-overflow $((syns / 20)) && bounded && [ "$(stat_of "$host" drop syn-cookie-sent)" = "$sent" ]
}
check 'syncookies=0: the queue is bounded, and the rest of the flood dropped' overwhelmed
figure
recovers() { wait_until 60 gone && served 3 30; }
check 'syncookies=0: a client is served when the flood is over' recovers
finish
