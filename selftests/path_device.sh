#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# SO_BINDTODEVICE: two neighbours have the same address, one on each of two devices.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"

host='' near='' far='' # set by setup_ns

# neighbour NS DEVICE METRIC: has 10.9.1.2 and fd09:1::2, and is reached by this device.
neighbour() {
	in_batch "$host" <<-END
	link add $2 type veth peer name $2 netns $1
	addr add 10.9.1.1/32 dev $2
	addr add fd09:1::1/128 dev $2 nodad
	link set $2 up
	route add 10.9.1.2/32 dev $2 src 10.9.1.1 metric $3
	route add fd09:1::2/128 dev $2 src fd09:1::1 metric $3
	END
	in_batch "$1" <<-END
	addr add 10.9.1.2/32 dev $2
	addr add fd09:1::2/128 dev $2 nodad
	link set $2 up
	route add 10.9.1.1/32 dev $2 src 10.9.1.2
	route add fd09:1::1/128 dev $2 src fd09:1::2
	END
}

# carries A B SOCKETA SOCKETB: octets pass both ways between program A's socket and B's.
carries() {
	tell "$1" send "$3" 3000 && tell "$2" recv "$4" 3000 && tell "$2" send "$4" 3000 && tell "$1" recv "$3" 3000
}
# calls DEVICE NEIGHBOUR ADDRESS PORT: a connection from a socket of that device reaches this neighbour.
calls() {
	tell host device "$1" && tell host connect "c$2$4" "$3" "$4" && tell "$2" accept "s$2$4" "l$4" && carries host "$2" "c$2$4" "s$2$4"
}
# answers ADDRESS OWN PORT: a listener of the device that the route does not lead to answers there.
answers() {
	tell host device v2 && tell host listen "h$3" "$2" "$3" && tell far connect "f$3" "$2" "$3" && tell host accept "a$3" "h$3" &&
		carries host far "a$3" "f$3"
}
# outlives ADDRESS PORT: what a closed connection of the device leaves answers by that, when the peer's FIN comes again: its
# first answer is lost.
outlives() {
	tell host device v2 && tell host connect "t$2" "$1" "$2" && tell far accept "w$2" "l$2" && tell host close "t$2" &&
		wait_until 20 listed "$host" FIN-WAIT-2 && tc -n "$host" qdisc add dev v2 root netem loss 100% &&
		tell far close "w$2" && wait_until 20 none_listed "$host" FIN-WAIT-2 && tc -n "$host" qdisc del dev v2 root &&
		wait_until 20 none_listed "$far" LAST-ACK "$2"
}
none_listed() { ! listed "$@"; }
refused() { [[ $(tell near connect "n$2" "$1" "$2") == *'Connection refused'* ]]; }

begin 10
setup_ns host near far
neighbour "$near" v1 10
neighbour "$far" v2 20
for name in host near far; do talker "$name" "${!name}"; done
for name in near far; do
	tell "$name" listen l7004 10.9.1.2 7004 >/dev/null
	tell "$name" listen l7006 fd09:1::2 7006 >/dev/null
done
check 'without a device the route decides, IPv4' calls none near 10.9.1.2 7004
check 'without a device the route decides, IPv6' calls none near fd09:1::2 7006
check 'a socket of the other device connects by that, IPv4' calls v2 far 10.9.1.2 7004
check 'a socket of the other device connects by that, IPv6' calls v2 far fd09:1::2 7006
check 'a listener of the other device answers by that, and so does its child, IPv4' answers 10.9.1.2 10.9.1.1 7014
check 'a listener of the other device answers by that, and so does its child, IPv6' answers fd09:1::2 fd09:1::1 7016
check 'who comes by the first device finds no listener, IPv4' refused 10.9.1.1 7014
check 'who comes by the first device finds no listener, IPv6' refused fd09:1::1 7016
check 'MUST-13: TIME-WAIT answers a FIN that comes again by the device of its socket, IPv4' outlives 10.9.1.2 7004
check 'MUST-13: TIME-WAIT answers a FIN that comes again by the device of its socket, IPv6' outlives fd09:1::2 7006
finish
