#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The kernel's own tracepoint sock:inet_sock_set_state sees the states of our sockets go by, in order.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"

tracing=/sys/kernel/tracing
[ -d $tracing/events ] || mount -t tracefs trace $tracing 2>/dev/null || true
event=$tracing/events/sock/inet_sock_set_state
if [ ! -d $event ]; then
	ktap_print_header
	ktap_skip_all 'this kernel has no sock:inet_sock_set_state'
	exit "$KSFT_SKIP"
fi
server='' client='' # set by setup_ns

trace_off() {
	echo 0 >$event/enable
	echo 0 >$event/filter
	: >$tracing/trace
}

# states SPORT: the states that sockets of that local port went through, in order, as FROM>TO words. The
# tracepoint names none for a socket that has no port yet.
states() {
	sed -nE "s/.* sport=$1 dport=.* oldstate=TCP_([A-Z0-9_]+) newstate=TCP_([A-Z0-9_]+).*/\1>\2/p" $tracing/trace | xargs
}

# traced SPORT WORD..: these transitions, in this order, others between them or not.
traced() {
	local port=$1 seen rest word
	shift
	seen=" $(states "$port") "
	rest=$seen
	for word; do
		if [[ $rest != *" $word "* ]]; then
			echo "no $word in its place in:$seen"
			return 1
		fi
		rest=" ${rest#*" $word "}"
	done
}
soon() { wait_until 20 traced "$@"; }

begin 8
setup_ns server client
veth_pair server client
trap 'trace_off; cleanup' EXIT
trace_off
echo "protocol == $proto" >$event/filter
echo 1 >$event/enable
talker server "$server"
talker client "$client"

for family in 4 6; do
	if [ $family = 4 ]; then address=10.9.0.1 port=4000; else address=fd09:0::1 port=6000; fi
	tell server listen l $address $port >/dev/null
	check "IPv$family: a listener" soon $port 'CLOSE>LISTEN'
	opened=$(tell client connect c $address $port)
	tell server accept s l >/dev/null
	tell client shutdown c >/dev/null
	tell server eof s >/dev/null
	# The ACK of the FIN waits up to 40 ms for the server's own, which would lead to TIME-WAIT at once.
	wait_until 20 listed "$client" FIN-WAIT-2 || true
	tell server close s >/dev/null
	tell client eof c >/dev/null
	tell client close c >/dev/null
	check "IPv$family: who closed first, to the end of its socket" \
		soon "${opened#ok }" 'SYN_SENT>ESTABLISHED' 'ESTABLISHED>FIN_WAIT1' 'FIN_WAIT1>FIN_WAIT2'
	check "IPv$family: who closed last" \
		soon $port 'ESTABLISHED>CLOSE_WAIT' 'CLOSE_WAIT>LAST_ACK' 'LAST_ACK>CLOSE'
	tell server close l >/dev/null
	check "IPv$family: the listener's end" soon $port 'CLOSE>LISTEN' 'LISTEN>CLOSE'
done
finish
