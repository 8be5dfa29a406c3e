#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Who may share a port, and which listener a connection goes to, as in Linux's TCP: runs sockets_ports over loopback; then VRFs,
# also with overlapping networks.
# RTCPFSM_PROTO=6 runs the same expectations over Linux's own TCP.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=sockets_run.sh
. "${0%/*}/sockets_run.sh"
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"

host='' peer='' plain='' red='' blue='' # set by setup_ns
programs=(sockets_ports:)

# add_vrf: the host has 10.9.1.1 and fd09:1::1 at a device of a VRF, behind which the peer has .2 and ::2.
add_vrf() {
	in_batch "$host" <<-END
	link add vrf0 type vrf table 100
	link set vrf0 up
	link add v1 type veth peer name v1 netns $peer
	link set v1 master vrf0
	addr add 10.9.1.1/24 dev v1
	addr add fd09:1::1/64 dev v1 nodad
	link set v1 up
	END
	in_batch "$peer" <<-END
	addr add 10.9.1.2/24 dev v1
	addr add fd09:1::2/64 dev v1 nodad
	link set v1 up
	END
}
# serves DEVICE NAME ADDRESS WILDCARD PORT: a listener of that device gets the peer's connection, and octets pass both ways.
serves() {
	tell host device "$1" && tell host listen "l$2" "$4" "$5" && tell peer connect "c$2" "$3" "$5" && tell host accept "s$2" "l$2" &&
		tell host send "s$2" 3000 && tell peer recv "c$2" 3000 && tell peer send "c$2" 3000 && tell host recv "s$2" 3000
}
refused() {
	tell host device none && tell host listen "l$1" "$3" "$4" && [[ $(tell peer connect "c$1" "$2" "$4") == *'Connection refused'* ]]
}
accept_from_vrfs() {
	if [ "$proto" = 6 ]; then
		in_ns "$host" sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_l3mdev_accept'
	else
		set_sysctl "$host" l3mdev_accept 1
	fi
}
# overlap NS DEVICE [VRF TABLE]: the host has 10.9.2.1 and fd09:2::1 at this device, of that VRF; behind it NS has .2 and ::2.
overlap() {
	if [ $# -gt 2 ]; then in_batch "$host" <<<"link add $3 type vrf table $4"$'\n'"link set $3 up"; fi
	in_batch "$host" <<-END
	link add $2 type veth peer name $2 netns $1
	${3:+link set $2 master $3}
	addr add 10.9.2.1/24 dev $2
	addr add fd09:2::1/64 dev $2 nodad
	link set $2 up
	END
	in_batch "$1" <<-END
	addr add 10.9.2.2/24 dev $2
	addr add fd09:2::2/64 dev $2 nodad
	link set $2 up
	END
}
# opens DEVICE NS ADDRESS WILDCARD PORT: a listener of that device gets the connection of NS, from that port, too.
opens() {
	tell host device "$1" && tell host listen "l$2$5" "$4" "$5" && tell "$2" open "c$5" "$3" "$5" "$5" && tell "$2" opened "c$5" &&
		tell host accept "s$2$5" "l$2$5" && tell host close "l$2$5"
}
# carries NS PORT: octets pass both ways.
carries() {
	tell host send "s$1$2" 3000 && tell "$1" recv "c$2" 3000 && tell "$1" send "c$2" 3000 && tell host recv "s$1$2" 3000
}
# side_by_side DEVICE NS DEVICE NS ADDRESS WILDCARD PORT: connections with the same ends and ports do not meet.
side_by_side() {
	opens "$1" "$2" "${@:5}" && opens "$3" "$4" "${@:5}" && carries "$2" "$7" && carries "$4" "$7"
}

begin $(($(count_all "${programs[@]}") + 10))
setup_ns host peer plain red blue
add_void "$host"
export SOCKETS_SERVER_NS=/run/netns/$host SOCKETS_CLIENT_NS=/run/netns/$host
run_all loopback "${programs[@]}"
add_vrf
for name in host peer; do talker "$name" "${!name}"; done
check 'a listener of no device takes nothing from a VRF, IPv4' refused a4 10.9.1.1 0.0.0.0 7000
check 'a listener of no device takes nothing from a VRF, IPv6' refused a6 fd09:1::1 :: 7001
check 'a listener of the VRF does, IPv4' serves vrf0 b4 10.9.1.1 0.0.0.0 7002
check 'a listener of the VRF does, IPv6' serves vrf0 b6 fd09:1::1 :: 7003
overlap "$plain" v2
overlap "$red" v3 vrf1 101
overlap "$blue" v4 vrf2 102
for name in plain red blue; do talker "$name" "${!name}"; done
check 'the same ends in a VRF and in none are two connections, IPv4' side_by_side none plain vrf1 red 10.9.2.1 0.0.0.0 7010
check 'the same ends in a VRF and in none are two connections, IPv6' side_by_side none plain vrf1 red fd09:2::1 :: 7011
check 'the same ends in two VRFs are two connections, IPv4' side_by_side vrf1 red vrf2 blue 10.9.2.1 0.0.0.0 7012
check 'the same ends in two VRFs are two connections, IPv6' side_by_side vrf1 red vrf2 blue fd09:2::1 :: 7013
accept_from_vrfs
check 'with l3mdev_accept a listener of no device does, and its connection answers there, IPv4' serves none c4 10.9.1.1 0.0.0.0 7004
check 'with l3mdev_accept a listener of no device does, and its connection answers there, IPv6' serves none c6 fd09:1::1 :: 7005
finish
