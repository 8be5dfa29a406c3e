#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A router with a narrow way behind it: bulk data gets through without being fragmented, and the sender learns at once
# how large segments may be (RFC 1191, RFC 8201). ICMP errors come while the sending process owns the socket, or not.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"

mtu=1300 octets=$((2 << 20))
client='' router='' server='' # set by setup_ns
begin 8
setup_ns client router server
veth_pair client router 0
veth_pair router server 1
in_ns "$router" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
ip -n "$client" route add 10.9.1.0/24 via 10.9.0.2
ip -n "$client" route add fd09:1::/64 via fd09:0::2
ip -n "$server" route add 10.9.0.0/24 via 10.9.1.1
ip -n "$server" route add fd09:0::/64 via fd09:1::1
# Only towards the server: both ends still offer an MSS for 1500 octets.
ip -n "$router" link set v1 mtu $mtu

# too_big FAMILY, fragments FAMILY: how many packets the router could not forward, or cut up.
too_big() {
	if [ "$1" = 4 ]; then ip_counter FragFails; else ip6_counter Icmp6OutPktTooBigs; fi
}
fragments() {
	if [ "$1" = 4 ]; then ip_counter FragCreates; else ip6_counter Ip6FragCreates; fi
}
# Of the two lines that start so, the first has the names, the second the numbers.
ip_counter() {
	in_ns "$router" cat /proc/net/snmp |
		awk -v want="$1" '$1 == "Ip:" { if (at) print $at; else for (i = 2; i <= NF; i++) if ($i == want) at = i }'
}
ip6_counter() { in_ns "$router" cat /proc/net/snmp6 | awk -v want="$1" '$1 == want { print $2 }'; }
# transfer FAMILY [OPTION..]: from the client to the server.
transfer() {
	local address=10.9.1.2 port=$((7000 + RANDOM % 1000)) pid
	if [ "$1" = 6 ]; then address=fd09:1::2; fi
	: >"$work/server"
	RTCPFSM_PROTO=$proto in_ns "$server" "$here/netem" serve "$address" "$port" 0 "$octets" >"$work/server" 2>&1 &
	pid=$!
	wait_until 10 says "$work/server" listening || return 1
	RTCPFSM_PROTO=$proto in_ns "$client" "$here/netem" call "$address" "$port" "$octets" 0 "${@:2}" || return 1
	wait $pid || { cat "$work/server"; return 1; }
}
# gets_through FAMILY [OPTION..]: the data arrives; of all segments few were too large.
gets_through() {
	local before
	before=$(too_big "$1")
	transfer "$@" || return 1
	refused=$(($(too_big "$1") - before))
	echo "$refused packets were too large for the router"
	[ "$refused" -le 64 ] && [ "$(fragments "$1")" = 0 ]
}
# learns FAMILY: the first transfer meets the narrow way.
learns() { gets_through "$@" && [ "$refused" -ge 1 ]; }
# knows FAMILY: the next connection knows it from the beginning.
knows() { gets_through "$@" && [ "$refused" = 0 ]; }
# narrows_later FAMILY: the way becomes narrow in the middle of a transfer that takes a second.
narrows_later() {
	local result=0 pid
	ip -n "$router" link set v1 mtu 1500
	(sleep 0.4; ip -n "$router" link set v1 mtu $mtu) &
	pid=$!
	learns "$1" --write 20000 --pause 10 || result=1
	wait $pid
	return $result
}
forget() { ip -n "$client" route flush cache && ip -n "$client" -6 route flush cache; }

for family in 4 6; do
	check "SHLD-6: bulk data gets through a narrow way, IPv$family" learns $family
	check "SHLD-6: the next connection knows it from the beginning, IPv$family" knows $family
	forget
	check "SHLD-6: a process that writes little by little, and owns the socket most of the time, IPv$family" learns $family --write 3000 --nodelay
	forget
	check "SHLD-6: a way that becomes narrow while data flows, IPv$family" narrows_later $family
done
finish
