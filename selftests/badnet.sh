# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by tests that send much over a network as bad as they like, in place of lib.sh:
#
#   bad_net                                  $client and $server, a router between them
#   impair 1 delay 10ms loss 1%              what the router does from now on, both ways, by that seed
#   transfer 4 1048576 1048576 --half        the program netem at both ends (options are the server's)
#
# The router delays and loses, not the sender's own queue: a sender gets no hint of it, and a packet is lost behind
# the place where tcpdump sees it sent. Native TCP's segments are one to a packet, so that both protocols lose alike: netem
# would drop a super-packet of 64 KiB at once. Switching off TSO and GSO would not do, for TCP makes them for any device.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
server='' client='' router=''

# bad_net: 10.9.0.1 and fd09:0::1 the client, 10.9.1.1 and fd09:1::1 the server.
bad_net() {
	local ns net
	setup_ns client router server
	veth_pair client router 0
	veth_pair server router 1
	in_ns "$router" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
	net=0
	for ns in "$client" "$server"; do
		in_batch "$ns" <<-END
		link set v$net gso_max_segs 1
		route add default via 10.9.$net.2
		route add default via fd09:$net::2
		END
		net=1
	done
	in_batch "$router" <<-END
	link set v0 gso_max_segs 1
	link set v1 gso_max_segs 1
	END
}

# impair SEED NETEM-ARGUMENT..: both directions, each with a seed of its own made from SEED.
impair() {
	local seed=$1 dev
	shift
	for dev in v0 v1; do
		# Changed, it would keep what is not named.
		tc -n "$router" qdisc del dev "$dev" root 2>/dev/null || true
		tc -n "$router" qdisc add dev "$dev" root netem limit 100000 "$@"
		in_ns "$router" "$here/netem" seed "$dev" "$((seed * 2 + ${dev#v}))"
	done
}

# transfer FAMILY DOWN UP [OPTION..]: the server sends DOWN octets and the client UP, by the program netem; its OPTIONs
# are the server's. $work/client and $work/server have what both said.
transfer() {
	local address=10.9.1.1 down=$2 up=$3 serving status=0
	# A port of its own: what an earlier one that failed left behind is not in the way.
	transfer_port=$((transfer_port + 1))
	if [ "$1" = 6 ]; then address=fd09:1::1; fi
	shift 3
	: >"$work/server"
	RTCPFSM_PROTO=$proto nsenter --net="/run/netns/$server" -- "$here/netem" serve "$address" "$transfer_port" "$down" "$up" "$@" >"$work/server" 2>&1 &
	serving=$!
	if ! wait_until "$transfer_patience" says "$work/server" listening; then
		cat "$work/server"
		kill "$serving" 2>/dev/null
		return 1
	fi
	RTCPFSM_PROTO=$proto in_ns "$client" "$here/netem" call "$address" "$transfer_port" "$up" "$down" "${client_options[@]}" >"$work/client" 2>&1 || {
		status=1
		# The other end's view, before it notices.
		in_ns "$server" cat /proc/net/rtcpfsm 2>/dev/null
		kill "$serving" 2>/dev/null
	}
	wait "$serving" || status=1
	if [ "$status" != 0 ]; then cat "$work/client" "$work/server"; fi
	return "$status"
}
transfer_port=7000
# Seconds for the server to begin.
transfer_patience=10
# What the client's end is given by transfer().
client_options=()
