#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# RST in every state: exact, in the window but not exact, out of the window.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 30
setup_ns host

# exact STATE ERROR [DRILL OPTIONS..]: the next number; a reader of the socket gets ERROR (-: is not asked).
exact() {
	local state=$1 error=$2 way=in_${1//-/_} seen=''
	shift 2
	if [ "$error" != - ]; then seen="sockerr C $error"; fi
	prove "RFC 9293 3.10.7.4, MUST-12: exact RST in ${state^^}${*:+, IPv6}: CLOSED, $error" "$@" <<-EOF
	${!way}
	< R
	state CLOSED
	count arc ${state%-active}-rcv-rst +1
	$seen
	> nothing 20
	EOF
}

exact established ECONNRESET
exact established ECONNRESET --family 6
exact syn-received-active ECONNREFUSED
exact fin-wait-1 ECONNRESET
exact fin-wait-2 ECONNRESET
exact close-wait EPIPE
exact closing -
exact last-ack -
exact time-wait -

# inexact STATE SND.NXT RCV.NXT: in the window.
inexact() {
	local state=$1 way=in_${1//-/_}
	prove "MAY-12, RFC 5961 3.2: RST in the window of ${state^^}, not exact: a challenge ACK; the exact one then ends it" <<-EOF
	${!way}
	< R seq $(($3 + 100))
	> A seq $2 ack $3
	count challenge rst-in-window +1
	state ${state^^}
	< R seq $3
	state CLOSED
	EOF
}

# outside STATE RCV.NXT: below and above the window.
outside() {
	local state=$1 way=in_${1//-/_}
	prove "RFC 9293 3.10.7.4: RST out of the window of ${state^^}: dropped in silence" <<-EOF
	${!way}
	< R seq $(($2 - 1))
	< R seq $(($2 + 1000000))
	> nothing 50
	count drop rst-out-of-window +2
	state ${state^^}
	EOF
}

while read -r state snd rcv; do
	inexact "$state" "$snd" "$rcv"
	outside "$state" "$rcv"
done <<EOF
established 1 1
fin-wait-1 2 1
fin-wait-2 2 1
close-wait 1 2
closing 2 2
last-ack 2 2
time-wait 2 2
EOF

prove 'RFC 9293 3.10.7.2: RST in LISTEN, with and without ACK: ignored, the listener goes on' <<EOF
$in_listen
< R seq 0
< RA seq 0 ack 5
> nothing 50
count drop listen-rst +2
state LISTEN
< S
> SA seq 0 ack 1
EOF

prove 'RFC 9293 3.10.7.3: RST in SYN-SENT that acknowledges our SYN: ECONNREFUSED' <<EOF
$in_syn_sent
< RA seq 0 ack 1
state CLOSED
poll C in,out,err,hup,rdhup
sockerr C ECONNREFUSED
sockerr C 0
count arc syn-sent-rcv-rst +1
EOF

prove 'RFC 9293 3.10.7.3: RST in SYN-SENT without ACK, or for what was never sent: ignored' <<EOF
$in_syn_sent
< R seq 0
< RA seq 0 ack 0
< RA seq 0 ack 2
> nothing 50
count drop rst-in-syn-sent +3
state SYN-SENT
< SA
> A seq 1 ack 1
EOF

prove 'RFC 9293 3.10.7.1: RST for no connection at all: dropped, no RST answers an RST' <<EOF
< R seq 1
< RA seq 1 ack 1
> nothing 50
count drop closed-rst +2
EOF

prove 'SHLD-2: an RST that carries data is an RST' <<EOF
$in_established
< R len 10
state CLOSED
sockerr C ECONNRESET
recv C eof
EOF

prove 'MUST-12: after an RST a reader gets ECONNRESET once, a writer EPIPE, and poll() tells' <<EOF
$in_established
poll C out
< R
poll C in,out,err,hup,rdhup
recv C 1 = ECONNRESET
recv C eof
send C 1 = EPIPE
EOF

prove 'MUST-12: a reset connection that waited for accept() is handed out and tells ECONNRESET' <<EOF
$in_syn_received
< A
poll L in
< R
accept L C
recv C 1 = ECONNRESET
EOF
finish
