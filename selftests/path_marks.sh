#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# SO_MARK and SO_PRIORITY are those of the packets, too, that no connection's socket sends: what has another is lost.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"

host='' peer='' # set by setup_ns
taken=4294967295 # what a filter of tc returns for a packet that it takes

# marked_only DEVICE: of the host's packets by this device none leaves that has not the mark 5. Neighbour discovery has none.
marked_only() {
	local mark='32 0 0 4294963220,21 0 1 5,6 0 0 0,6 0 0'
	tc -n "$host" qdisc add dev "$1" clsact
	tc -n "$host" filter add dev "$1" egress protocol ip prio 1 bpf bytecode "4,$mark $taken" action drop
	tc -n "$host" filter add dev "$1" egress protocol ipv6 prio 2 bpf bytecode "6,48 0 0 20,21 0 2 $proto,$mark $taken" action drop
}
# opens ADDRESS PORT
opens() {
	tell peer connect "p$2" "$1" "$2" && tell host accept "h$2" "l$2" && tell peer send "p$2" 3000 && tell host recv "h$2" 3000
}
lose() { tc -n "$host" qdisc add dev v1 root netem loss 100%; }
mend() { tc -n "$host" qdisc del dev v1 root; }
none_listed() { ! listed "$@"; }
# outlives PORT: what a closed connection of the host leaves answers when the peer's FIN comes again: its first answer is lost.
outlives() {
	tell host close "h$1" && wait_until 20 listed "$host" FIN-WAIT-2 && lose && tell peer close "p$1" &&
		wait_until 20 none_listed "$host" FIN-WAIT-2 && mend && wait_until 20 none_listed "$peer" LAST-ACK
}
# forgotten ADDRESS PORT: the listener does not know the connection any more, whose RST is lost, and says so.
forgotten() {
	opens "$1" "$2" && lose && tell host reset "h$2" && mend && tell peer send "p$2" 10 &&
		[[ $(tell peer error "p$2") == *'Connection reset'* ]]
}
calls_itself() { tell host connect "c$2" "$1" "$2" && tell host accept "a$2" "l$2" && tell host close "c$2" && tell host close "a$2"; }
# refused ADDRESS: the RST for a marked segment has its mark.
refused() { [[ $(tell host connect none "$1" 9) == *'Connection refused'* ]]; }

begin 12
setup_ns host peer
# The neighbours know each other: what asks for them may be lost, too.
in_batch "$host" <<-END
	link add v1 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02 netns $peer
	addr add 10.9.1.1/24 dev v1
	addr add fd09:1::1/64 dev v1 nodad
	link set v1 up
	neigh add 10.9.1.2 lladdr 02:00:00:00:00:02 dev v1
	neigh add fd09:1::2 lladdr 02:00:00:00:00:02 dev v1
END
in_batch "$peer" <<-END
	addr add 10.9.1.2/24 dev v1
	addr add fd09:1::2/64 dev v1 nodad
	link set v1 up
	neigh add 10.9.1.1 lladdr 02:00:00:00:00:01 dev v1
	neigh add fd09:1::1 lladdr 02:00:00:00:00:01 dev v1
END
marked_only v1
marked_only lo
for name in host peer; do talker "$name" "${!name}"; done
tell host mark 5 >/dev/null
tell host priority 5 >/dev/null
tell host listen l7004 10.9.1.1 7004 >/dev/null
tell host listen l7006 fd09:1::1 7006 >/dev/null
check 'a SYN-ACK has the mark of its listener, IPv4' opens 10.9.1.1 7004
check 'a SYN-ACK has the mark of its listener, IPv6' opens fd09:1::1 7006
check 'MUST-13: TIME-WAIT answers with the mark of its socket, IPv4' outlives 7004
check 'MUST-13: TIME-WAIT answers with the mark of its socket, IPv6' outlives 7006
check 'an RST of a listener has its mark, IPv4' forgotten 10.9.1.1 7004
check 'an RST of a listener has its mark, IPv6' forgotten fd09:1::1 7006
in_ns "$host" sh -c 'echo 1 >/proc/sys/net/ipv4/fwmark_reflect; echo 1 >/proc/sys/net/ipv6/fwmark_reflect'
check 'fwmark_reflect: an RST has the mark of what it answers, IPv4' refused 127.0.0.1
check 'fwmark_reflect: an RST has the mark of what it answers, IPv6' refused ::1
tc -n "$host" qdisc add dev v1 root handle 1: prio bands 2 priomap 1 1 1 1 1 0 1 1 1 1 1 1 1 1 1 1
tc -n "$host" qdisc add dev v1 parent 1:2 netem loss 100%
check 'a SYN-ACK has the priority of its listener, IPv4' opens 10.9.1.1 7004
check 'a SYN-ACK has the priority of its listener, IPv6' opens fd09:1::1 7006
# So that the connections can end.
mend
# By this device pass packets of sockets alone, and nobody has to ask for a neighbour.
tell host owned lo >/dev/null
check 'a SYN-ACK is of its listener, IPv4' calls_itself 10.9.1.1 7004
check 'a SYN-ACK is of its listener, IPv6' calls_itself fd09:1::1 7006
finish
