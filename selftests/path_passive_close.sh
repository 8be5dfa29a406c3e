#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Passive open; the peer closes first: LISTEN, SYN-RECEIVED, ESTABLISHED, CLOSE-WAIT, LAST-ACK, CLOSED.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 8
setup_ns host

passive_close="
$in_established
column timer none
column left_ms -
< FA
> A seq 1 ack 2
state CLOSE-WAIT
poll C in,out,rdhup
recv C eof
close C
> FA seq 1 ack 2
state LAST-ACK
column timer retransmit
< A
state CLOSED
count arc closed-passive-open +1
count arc listen-rcv-syn +1
count arc syn-received-rcv-ack-of-syn +1
count arc established-rcv-fin +1
count arc close-wait-close +1
count arc last-ack-rcv-ack-of-fin +1
count gauge LISTEN +1"

prove 'RFC 9293 3.6: passive open and passive close, IPv4, every state seen' <<<"$passive_close"
prove 'RFC 9293 3.6: passive open and passive close, IPv6' --family 6 <<<"$passive_close"
prove 'RFC 9293 3.6: passive open and passive close, IPv4 on an IPv6 socket' --family mapped <<<"$passive_close"

prove 'MUST-42, MUST-41: connections on one port live beside each other and their listener' <<EOF
$in_established
peer 1
< S
> SA seq 0 ack 1
< A
accept L D
state ESTABLISHED
count arc listen-rcv-syn +2
state LISTEN
send D 3
> PA seq 1 ack 1 len 3
< A
peer 0
> nothing 20
send C 5
> PA seq 1 ack 1 len 5
< A
peer 2
< S
> SA seq 0 ack 1
EOF

prove 'RFC 9293 3.10.7.4: data in the ACK of the handshake is delivered' <<EOF
$in_syn_received
< PA len 20
> A seq 1 ack 21
accept L C
recv C 20
state ESTABLISHED
EOF

prove 'RFC 9293 3.10.7.4: a FIN in the ACK of the handshake goes by ESTABLISHED to CLOSE-WAIT' <<EOF
$in_syn_received
< FA
> A seq 1 ack 2
accept L C
state CLOSE-WAIT
recv C eof
count arc syn-received-rcv-ack-of-syn +1
count arc established-rcv-fin +1
EOF

prove 'RFC 9293 3.10.7.4: data and FIN in one segment: first the data is read, then the end' <<EOF
$in_established
< FPA len 100
> A seq 1 ack 102
state CLOSE-WAIT
recv C 100
recv C eof
EOF

prove 'RFC 9293 3.10.7.4: a FIN that comes again in CLOSE-WAIT and LAST-ACK is acknowledged again' <<EOF
$in_close_wait
< FA seq 1 ack 1
> A seq 1 ack 2
state CLOSE-WAIT
close C
> FA seq 1 ack 2
< FA seq 1 ack 1
> A seq 2 ack 2
state LAST-ACK
< A
state CLOSED
EOF
finish
