#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rules of routing (ip rule) see the ports of every segment: the only way from the host to its peer is that of one port.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"

host='' peer='' # set by setup_ns

# opens ADDRESS PORT: a connection to the host opens, and carries octets both ways.
opens() {
	tell peer connect "p$2" "$1" "$2" && tell host accept "h$2" "l$2" && tell peer send "p$2" 3000 && tell host recv "h$2" 3000 &&
		tell host send "h$2" 3000 && tell peer recv "p$2" 3000
}
# outlives PORT: what a closed connection of the host leaves answers when the peer's FIN comes again: its first answer is lost.
outlives() {
	tell host close "h$1" && wait_until 20 listed "$host" FIN-WAIT-2 && tc -n "$host" qdisc add dev v1 root netem loss 100% &&
		tell peer close "p$1" && wait_until 20 none_listed "$host" FIN-WAIT-2 && tc -n "$host" qdisc del dev v1 root &&
		wait_until 20 none_listed "$peer" LAST-ACK
}
none_listed() { ! listed "$@"; }
# refuses ADDRESS PORT: there is no listener any more, and an RST tells so.
refuses() { tell host close "l$2" && [[ $(tell peer connect "n$2" "$1" "$2") == *'Connection refused'* ]]; }

begin 8
setup_ns host peer
in_batch "$host" <<-END
	link add v1 type veth peer name v1 netns $peer
	addr add 10.9.1.1/32 dev v1
	addr add fd09:1::1/128 dev v1 nodad
	link set v1 up
	route add 10.9.1.2/32 dev v1 src 10.9.1.1 table 100
	route add fd09:1::2/128 dev v1 src fd09:1::1 table 100
	rule add ipproto $proto sport 7004 lookup 100
END
ip -n "$host" -6 rule add ipproto "$proto" sport 7006 lookup 100
in_batch "$peer" <<-END
	addr add 10.9.1.2/32 dev v1
	addr add fd09:1::2/128 dev v1 nodad
	link set v1 up
	route add 10.9.1.1/32 dev v1 src 10.9.1.2
	route add fd09:1::1/128 dev v1 src fd09:1::2
END
for name in host peer; do talker "$name" "${!name}"; done
tell host listen l7004 10.9.1.1 7004 >/dev/null
tell host listen l7006 fd09:1::1 7006 >/dev/null
check 'a SYN-ACK goes the way of its ports, and so does the connection, IPv4' opens 10.9.1.1 7004
check 'a SYN-ACK goes the way of its ports, and so does the connection, IPv6' opens fd09:1::1 7006
check 'MUST-13: TIME-WAIT answers by the way of its ports, IPv4' outlives 7004
check 'MUST-13: TIME-WAIT answers by the way of its ports, IPv6' outlives 7006
set_sysctl "$host" syncookies 2
check 'a SYN cookie goes the way of its ports, and so does the connection, IPv4' opens 10.9.1.1 7004
check 'a SYN cookie goes the way of its ports, and so does the connection, IPv6' opens fd09:1::1 7006
check 'an RST for no connection goes the way of its ports, IPv4' refuses 10.9.1.1 7004
check 'an RST for no connection goes the way of its ports, IPv6' refuses fd09:1::1 7006
finish
