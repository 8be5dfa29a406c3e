#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ABORT (close with linger 0, or connect to AF_UNSPEC) in every state.
# guest: virtual-time, leaks
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 13
setup_ns host

# abort STATE RST [DRILL OPTIONS..]: from STATE, by a segment that is RST ("nothing 50": by none).
abort() {
	local state=$1 rst=$2 way=in_${1//-/_}
	shift 2
	prove "RFC 9293 3.10.5: abort in ${state^^}${*:+, IPv6}: CLOSED, and the segment is: $rst" "$@" <<-EOF
	${!way}
	abort C
	> $rst
	state CLOSED
	count arc ${state%-active}-abort +1
	EOF
}

abort syn-sent 'nothing 50'
abort syn-received-active 'R seq 1'
abort established 'R seq 1'
abort established 'R seq 1' --family 6
abort fin-wait-1 'R seq 2'
abort fin-wait-2 'R seq 2'
abort close-wait 'R seq 1'
abort closing 'nothing 50'
abort last-ack 'nothing 50'

prove 'RFC 9293 3.10.5: abort in LISTEN, by connect() to AF_UNSPEC: CLOSED, without a segment' <<EOF
$in_listen
disconnect L
count arc listen-abort +1
count gauge LISTEN +0
> nothing 50
< S
> RA seq 0 ack 1
EOF

prove 'RFC 9293 3.10.5: abort in TIME-WAIT: no segment, and TIME-WAIT goes on' <<EOF
$in_time_wait
abort C
> nothing 50
state TIME-WAIT
EOF

prove 'MUST-12: abort with data that was not acknowledged: the RST takes the next number, the data is gone' <<EOF
$in_established
send C 100
> PA seq 1 ack 1 len 100
abort C
> R seq 101
count reset aborted +1
< A ack 101
> R seq 101
EOF

prove 'RFC 9293 3.10.5: connect() to AF_UNSPEC aborts, and the socket can be used again' <<EOF
$in_established_active
disconnect C
> R seq 1
state CLOSED
renumber 100000
connect C
> S seq 0
< SA
> A seq 1 ack 1
state ESTABLISHED
EOF
finish
