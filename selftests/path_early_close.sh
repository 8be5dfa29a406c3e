#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# CLOSE before the connection is established: in LISTEN, SYN-SENT and SYN-RECEIVED.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 7
setup_ns host

prove 'RFC 9293 3.10.4: close in LISTEN: CLOSED, and a SYN then draws an RST' <<EOF
$in_listen
close L
state CLOSED
count arc listen-close +1
count gauge LISTEN +0
< S
> RA seq 0 ack 1
count reset no-connection +1
EOF

prove 'RFC 9293 3.10.5: shutdown() of a listener is its ABORT' <<EOF
$in_listen
shutdown L rd
count arc listen-abort +1
count gauge LISTEN +0
< S
> RA seq 0 ack 1
EOF

prove 'RFC 9293 3.10.4: close in SYN-SENT: CLOSED at once, without a segment' <<EOF
$in_syn_sent
close C
state CLOSED
count arc syn-sent-close +1
> nothing 20
< SA
> R seq 1
EOF

early="
$in_syn_received_active
shutdown C wr
state FIN-WAIT-1
> FA seq 1 ack 1
count arc syn-received-close +1
< A
state FIN-WAIT-2
< FA
> A seq 2 ack 2
state TIME-WAIT"

prove 'RFC 9293 3.10.4: close in SYN-RECEIVED: FIN-WAIT-1, and the connection ends in order, IPv4' <<<"$early"
prove 'RFC 9293 3.10.4: close in SYN-RECEIVED: FIN-WAIT-1, and the connection ends in order, IPv6' --family 6 <<<"$early"

prove 'RFC 9293 3.10.7.4: after close in SYN-RECEIVED the ACK of the SYN is no ACK of the FIN' <<EOF
$in_syn_received_active
shutdown C wr
> FA seq 1 ack 1
< A ack 1
state FIN-WAIT-1
> nothing 20
state FIN-WAIT-1
count arc fin-wait-1-rcv-ack-of-fin +0
< A ack 2
state FIN-WAIT-2
EOF

prove 'RFC 9293 3.10.4: close before accept(): the peer of a connection that nobody took gets an RST' <<EOF
$in_syn_received
< A
poll L in
state ESTABLISHED
close L
> R seq 1
state CLOSED
count reset listener-closed +1
EOF
finish
