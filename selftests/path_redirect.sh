#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ICMP redirects: the way to the server is by another router of the same network than the one that the client's route names.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"

client='' first='' second='' server='' net='' # set by setup_ns

# at_switch NS HOST: a device of NS in the network 10.9.0.0/24, with that number; IPv6 redirects name link-local addresses.
at_switch() {
	in_batch "$net" <<-END
	link add v$2 type veth peer name v0 netns $1
	link set v$2 master switch up
	END
	in_batch "$1" <<-END
	link set v0 addrgenmode none
	addr add 10.9.0.$2/24 dev v0
	addr add fd09:0::$2/64 dev v0 nodad
	addr add fe80::$2/64 dev v0 nodad
	link set v0 up
	END
}
forwards() { in_ns "$1" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'; }
# by ADDRESS: the first hop of the client's way to the server, which a redirect has told.
by() {
	local way
	way=$(ip -n "$client" route get "${server_at[$1]}")
	echo "$way"
	[[ $way == *"via ${second_at[$1]} "* ]]
}
declare -A server_at=([4]=10.9.1.2 [6]=fd09:1::2) second_at=([4]=10.9.0.3 [6]=fe80::3)

# redirected FAMILY: the client acknowledges data until a router's word has come and counts. It does so while no call of the program's
# owns the socket, since what comes meanwhile is not waited for, and a router says it a few times only.
redirected() {
	local port=700$1
	tell server listen "l$1" "${server_at[$1]}" "$port" && tell client connect "c$1" "${server_at[$1]}" "$port" &&
		tell server accept "s$1" "l$1" && wait_until 20 exchange "$1"
}
# acknowledged: the server has nothing that the client has not acknowledged.
acknowledged() {
	local lines line names fields i
	look "$server" rtcpfsm
	read -r -a names <<<"${lines[0]}"
	for line in "${lines[@]:1}"; do
		if [[ $line != *ESTABLISHED* ]]; then continue; fi
		read -r -a fields <<<"$line"
		for i in "${!names[@]}"; do
			if [ "${names[i]}" = snd_q ] && [ "${fields[i]}" != 0 ]; then return 1; fi
		done
	done
}
exchange() {
	tell server send "s$1" 5000 >/dev/null && wait_until 20 acknowledged && tell client recv "c$1" 5000 >/dev/null && by "$1"
}

begin 2
setup_ns client first second server net
ip -n "$net" link add switch type bridge mcast_snooping 0
ip -n "$net" link set switch up
at_switch "$client" 1
at_switch "$first" 2
at_switch "$second" 3
forwards "$first"
forwards "$second"
ip -n "$second" link add v1 type veth peer name v0 netns "$server"
in_batch "$second" <<END
addr add 10.9.1.1/24 dev v1
addr add fd09:1::1/64 dev v1 nodad
link set v1 up
END
in_batch "$server" <<END
addr add 10.9.1.2/24 dev v0
addr add fd09:1::2/64 dev v0 nodad
link set v0 up
route add 10.9.0.0/24 via 10.9.1.1
route add fd09:0::/64 via fd09:1::1
END
in_batch "$client" <<END
route add 10.9.1.0/24 via 10.9.0.2
route add fd09:1::/64 via fe80::2 dev v0
END
in_batch "$first" <<END
route add 10.9.1.0/24 via 10.9.0.3
route add fd09:1::/64 via fe80::3 dev v0
END
talker client "$client"
talker server "$server"
check 'RFC 1122 3.2.2.2: a connection takes the better first hop that a router tells of, IPv4' redirected 4
check 'RFC 4861 8.3: the same over IPv6' redirected 6
finish
