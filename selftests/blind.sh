#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Attacks: an attacker who sees nothing of a connection guesses its numbers all over the space (RFC 5961), forges ICMP (RFC 5927),
# and thousands of peers wear the host out. The connection lives, and what the host keeps is bounded: each point says by how much.
# A point makes 65,536 guesses and has 1,000 peers; in a kernel with checkers, where each takes 50 times as long, 1,024 and 100.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=kept.sh
. "$here/kept.sh"

guesses=65536 peers=1000 port=7000
if [ -e /sys/kernel/debug/kmemleak ]; then guesses=1024 peers=100; fi
host='' # set by setup_ns
begin 22
setup_ns host

# attack FAMILY COMMAND..: at a port of its own, so that none meets another's leftovers.
attack() {
	port=$((port + 1))
	in_ns "$host" "$here/blind" --proto "$proto" --port $port --family "$@"
}
# attacked WHAT COMMAND..: a test point whose first line is a figure.
attacked() {
	check "$@"
	ktap_print_msg "$(head -n 1 "$work/output")"
}
# gauge_at_most STATE MOST
gauge_at_most() {
	local now
	now=$(stat_of "$host" gauge "$1")
	echo "$now in $1, at most $2 wanted"
	[ "$now" -le "$2" ]
}

for family in 4 6; do
	attacked "RFC 5961 3.2, IPv$family: RSTs all over the numbers do not end a connection" attack $family rst "$guesses"
	attacked "RFC 5961 4.2, IPv$family: SYNs all over the numbers do not, challenge ACKs are limited" attack $family syn "$guesses"
	attacked "RFC 5961 5.2, IPv$family: data with guessed numbers is not taken" attack $family data "$guesses"
	attacked "RFC 5961 5.2, IPv$family: guessed acknowledgments free nothing" attack $family ack "$guesses"
	attacked "RFC 5927 4.1, IPv$family: forged hard errors do not end it, whatever they quote" attack $family icmp "$guesses"
	attacked "RFC 5927 7, IPv$family: forged path MTUs do not shrink its segments" attack $family mtu "$guesses"
done

objects >"$work/before"
limit=$((peers / 5))
set_sysctl "$host" max_tw_buckets $limit
time_wait() { attack 4 time-wait "$peers" && gauge_at_most TIME-WAIT $limit >&2; }
attacked "TIME-WAIT: $peers connections leave at most $limit of them" time_wait
attacked "accept queue: a backlog of $((peers / 10)) holds though nobody accepts, and an honest client is served after" attack 4 accept "$peers" $((peers / 10))
attacked 'RFC 9293 3.8.6: with peers that open no window, or never acknowledge, send buffers hold' attack 4 windows "$peers"
orphans_end() {
	set_sysctl "$host" max_orphans $((peers / 10))
	attack 4 windows "$peers" || return 1
	gauge_at_most FIN-WAIT-1 $((peers / 10 + 1)) >&2 || return 1
}
attacked "orphans: of $peers closed connections at most $((peers / 10)) are kept" orphans_end
for kind in segments octets holes; do
	attacked "never read, $kind: the receive buffer bounds the memory" attack 4 unread "$peers" $kind
done
attacked 'RFC 2018 5: selective acknowledgments of single octets do not make the scoreboard grow' attack 4 sacks 20
check 'all of it ends by itself, with nobody left to answer' becomes_idle "$host"
check 'the slabs of the module have no more objects than before' objects_are "$work/before"
finish
