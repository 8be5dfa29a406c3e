#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The life of TCP connections between two network namespaces, as /proc/net/rtcpfsm shows it step by step. The
# link between them is cut for a moment wherever a state would otherwise be gone before anybody could look.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"

# shellcheck disable=SC2034  # set by setup_ns, used by their names
server='' client=''
failed=0

# cut SIDE, mend SIDE: what that side sends is lost from now on, or no longer.
cut() { tc -n "${!1}" qdisc add dev v0 root netem loss 100%; }
mend() { tc -n "${!1}" qdisc del dev v0 root; }

# show: the tables of both sides.
show() {
	local side header=1
	for side in client server; do
		in_ns "${!side}" cat /proc/net/rtcpfsm | awk -v side="$side" -v header="$header" '
			NR == 1 { if (header) printf "    %-7s %s\n", "", $0; next }
			{ printf "    %-7s %s\n", side, $0 }'
		header=
	done
}

# gone NS STATE: nothing is in STATE there.
gone() { ! listed "$@"; }

# step COMMENT [SIDE STATE]..: waits until each SIDE has a connection in STATE ("-STATE": none), and shows it all.
step() {
	local verdict='' side state
	printf '\n## %s\n' "$1"
	shift
	while [ $# -gt 0 ]; do
		side=$1 state=$2
		shift 2
		if [[ $state == -* ]]; then
			wait_until 20 gone "${!side}" "${state#-}" >/dev/null || verdict+=" $side ${state#-}"
		else
			wait_until 20 listed "${!side}" "$state" >/dev/null || verdict+=" $side $state"
		fi
	done
	show
	if [ -n "$verdict" ]; then
		echo "    FAILED: not so:$verdict"
		failed=$((failed + 1))
	fi
}

# order SIDE COMMAND..: has the program of that side do something.
order() {
	local reply
	if ! reply=$(tell "$@"); then
		echo "    FAILED: $*: $reply"
		failed=$((failed + 1))
	fi
}

# What `make run` says of a module that did not load is clearer than what would follow.
if [ "$proto" != 6 ] && [ ! -e /proc/net/rtcpfsm ]; then
	echo 'rust_tcpfsm is not loaded: insmod rust_tcpfsm.ko'
	exit 2
fi
trap cleanup EXIT
work=$(mktemp -d)
setup_ns server client
veth_pair server client
for side in server client; do
	for address in 1 2; do
		# Known neighbours: cutting the link shall cut connections, not the search for an address.
		other=$([ "$side" = server ] && echo client || echo server)
		mac=$(ip -n "${!other}" -o link show dev v0 | grep -o 'link/ether [^ ]*')
		ip -n "${!side}" neigh replace "10.9.0.$address" lladdr "${mac#* }" dev v0 nud permanent
		ip -n "${!side}" neigh replace "fd09:0::$address" lladdr "${mac#* }" dev v0 nud permanent
	done
	set_sysctl "${!side}" msl 2
	talker "$side" "${!side}"
done
echo "# Two network namespaces, client (10.9.0.2, fd09::2) and server (10.9.0.1, fd09::1), joined by a cable."
echo '# socket(AF_INET or AF_INET6, SOCK_STREAM, 253) in both; MSL is set to 2 s so that TIME-WAIT takes 4 s.'

order server listen l 10.9.0.1 80
step 'IPv4. The server has called listen(): it waits for anybody.' server LISTEN

cut client
order client open c 10.9.0.1 80
step 'The client has called connect(), but the cable is cut: its SYN is lost, and sent again by a timer.' client SYN-SENT
cut server
mend client
step 'The SYN got through. The server answers SYN,ACK, which is lost on the way back.' client SYN-SENT server SYN-RECEIVED
mend server
order client opened c
order server accept s l
step 'The cable is whole: the handshake ends, both sides are open.' client ESTABLISHED server ESTABLISHED

cut client
order client send c 3000
step 'The client has written 3000 octets into a cut cable: they stay in its send queue (snd_q) until acknowledged.' client ESTABLISHED
mend client
order server recv s 1000
step 'They arrived. The server has read 1000 of them; the others wait in its receive queue (rcv_q).' server ESTABLISHED
order server recv s 2000

cut client
order client shutdown c
step 'The client has nothing more to say: shutdown(). Its FIN is lost.' client FIN-WAIT-1
mend client
step 'The FIN arrived and was acknowledged. The server may still send.' client FIN-WAIT-2 server CLOSE-WAIT
order server send s 500
order client recv c 500
order server eof s
cut server
order server close s
step 'The server used that for 500 octets, and calls close(). Now its FIN is lost.' client FIN-WAIT-2 server LAST-ACK
mend server
order client eof c
order client close c
step 'The last FIN arrived. Who closed first keeps the names for 2 x MSL; the server has forgotten.' \
	client TIME-WAIT server -LAST-ACK
step 'Four seconds later.' client -TIME-WAIT

cut client
cut server
order client open c fd09:0::1 2000 1000
order server open s fd09:0::2 1000 2000
step 'IPv6. Both call connect() at once, each to where the other sits.' client SYN-SENT server SYN-SENT
mend client
step 'SYN meets SYN: a connection without a listener.' server SYN-RECEIVED
mend server
order client opened c
order server opened s
step 'It is as open as any other.' client ESTABLISHED server ESTABLISHED
order client close c
order server close s
order server listen l6 fd09:0::1 80
order client connect c fd09:0::1 80
order server accept s l6
cut client
cut server
order client shutdown c
order server shutdown s
mend client
step 'Another one, whose sides close at once. The client'\''s FIN arrived; the server waits for the ACK of its own.' \
	client FIN-WAIT-1 server CLOSING
mend server
order client close c
order server close s
step 'Both were first, so both wait.' client TIME-WAIT server TIME-WAIT

order client connect c fd09:0::1 80
order server accept s l6
order server reset s
order client error c
step 'A connection may also die at once: the server reset one, and nothing is left of it.' client -ESTABLISHED server -ESTABLISHED
order client close c
order server close l
order server close l6
step 'All is over.' client -TIME-WAIT server -TIME-WAIT server -LISTEN

printf '\n## The arcs of the state machine that were taken (from /proc/net/rtcpfsm_stat)\n'
for side in client server; do
	in_ns "${!side}" cat /proc/net/rtcpfsm_stat
done | awk '
	$1 == "arc" && $3 > 0 { if (!($2 in count)) order[++n] = $2; count[$2] += $3; from[$2] = $4; to[$2] = $5 }
	END { for (i = 1; i <= n; i++) printf "    %4d x  %-13s -> %-13s %s\n", count[order[i]], from[order[i]], to[order[i]], order[i] }'
echo
if [ "$failed" -gt 0 ]; then
	echo "VERDICT: $failed steps did not go as they should."
	exit 1
fi
echo 'VERDICT: every step went as RFC 9293 says.'
