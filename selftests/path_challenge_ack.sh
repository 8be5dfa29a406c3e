#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Blind injection (RFC 5961): SYNs, RSTs and ACKs that no true peer sends draw challenge ACKs, and not too many.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 9
setup_ns host

# syn STATE SND.NXT RCV.NXT
syn() {
	local way=in_${1//-/_}
	prove "MAY-12, RFC 5961 4.2: SYN in ${1^^}: a challenge ACK, whatever its number" <<-EOF
	${!way}
	< S seq $(($3 + 100))
	> A seq $2 ack $3
	state ${1^^}
	sleep 600
	< S seq 900000
	> A seq $2 ack $3
	count challenge syn +2
	state ${1^^}
	EOF
}
syn established 1 1
syn fin-wait-2 2 1
syn close-wait 1 2

prove 'MAY-12, RFC 5961 4.2: a SYN-ACK in ESTABLISHED draws a challenge ACK, IPv6' --family 6 <<EOF
$in_established
< SA seq 50 ack 1
> A seq 1 ack 1
count challenge syn +1
state ESTABLISHED
EOF

prove 'RFC 9293 3.10.7.4, RFC 5961 5.2: an ACK of what was never sent draws a challenge ACK, its data is not taken' <<EOF
$in_established
< PA ack 1000 len 10
> A seq 1 ack 1
count challenge unacceptable-ack +1
count drop bad-ack +1
inq C 0
EOF

prove 'MAY-12, RFC 5961 5.2: a very old ACK draws a challenge ACK, its data is not taken' <<EOF
$in_established
send C 10
> PA seq 1 ack 1 len 10
< A
< PA ack -65600 len 10
> A seq 11 ack 1
count challenge unacceptable-ack +1
count drop old-ack +1
inq C 0
< PA seq 1 ack 2 len 10
> A seq 11 ack 11
inq C 10
EOF

prove 'RFC 9293 3.10.7.4: an ACK with a number outside the window draws an ACK, limited; data outside draws one each time' <<EOF
$in_established
< A seq 900000 ack 1
> A seq 1 ack 1
< A seq 900000 ack 1
> nothing 50
count challenge out-of-window +1
count drop challenge-limited +1
< PA seq 900000 ack 1 len 10
> A seq 1 ack 1
< PA seq -10 ack 1 len 10
> A seq 1 ack 1
inq C 0
EOF

prove 'RFC 5961 7: one challenge ACK in 500 ms for each connection' <<EOF
$in_established
< R seq 101
> A seq 1 ack 1
< R seq 102
< S seq 103
< A ack 5000
> nothing 50
count drop challenge-limited +3
sleep 500
< R seq 104
> A seq 1 ack 1
count challenge rst-in-window +2
EOF

prove 'RFC 5961 7: the limit for the whole namespace' <<EOF
sysctl challenge_ack_limit 1
$in_syn_received
< A
peer 1
< S
> SA seq 0 ack 1
< A
peer 2
< S
> SA seq 0 ack 1
< A
sleep 1100
peer 0
< R seq 101
> A seq 1 ack 1
peer 1
< R seq 101
> nothing 20
count challenge rst-in-window +1
count drop challenge-limited +1
sleep 1100
peer 2
< R seq 101
> A seq 1 ack 1
EOF

finish
