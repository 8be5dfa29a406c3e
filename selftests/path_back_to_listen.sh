#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A request that comes to nothing: SYN-RECEIVED back to LISTEN, or away with its listener.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 7
setup_ns host

back="
$in_syn_received
< R seq 1
state CLOSED
state LISTEN
count arc syn-received-rcv-rst-passive +1
count gauge SYN-RECEIVED +0
accept L C = EAGAIN
> nothing 20
renumber 100000
< S
> SA seq 0 ack 1
< A
accept L C"

prove 'MUST-11: an RST takes a passive SYN-RECEIVED back to LISTEN, and the next SYN opens, IPv4' <<<"$back"
prove 'MUST-11: an RST takes a passive SYN-RECEIVED back to LISTEN, and the next SYN opens, IPv6' --family 6 <<<"$back"

prove 'MUST-11: a new SYN in the window takes a passive SYN-RECEIVED back to LISTEN' <<EOF
$in_syn_received
< S seq 100
state CLOSED
state LISTEN
count arc syn-received-rcv-syn-passive +1
accept L C = EAGAIN
EOF

prove 'RFC 9293 3.10.7.4: the SYN again in SYN-RECEIVED draws the SYN-ACK again, one request only' <<EOF
$in_syn_received
< S seq 0
> SA seq 0 ack 1
state SYN-RECEIVED
count arc listen-rcv-syn +1
< A seq 1
accept L C
state ESTABLISHED
EOF

prove 'RFC 9293 3.10.7.4: an ACK of what was never sent in SYN-RECEIVED draws an RST, the request stays' <<EOF
$in_syn_received
< A ack 5000
> R seq 5000
count reset bad-ack-in-syn-received +1
state SYN-RECEIVED
< A ack 1
accept L C
EOF

prove 'RFC 5961 3.2: an RST in the window of SYN-RECEIVED, not exact, draws a challenge ACK' <<EOF
$in_syn_received
< R seq 100
> A seq 1 ack 1
count challenge rst-in-window +1
state SYN-RECEIVED
< R seq 70000
> nothing 50
count drop rst-out-of-window +1
state SYN-RECEIVED
< A
accept L C
EOF

prove 'RFC 9293 3.10.4: a request goes away with its listener, and the peer is told' <<EOF
$in_syn_received
close L
> RA seq 1 ack 1
state CLOSED
count arc syn-received-listener-closed +1
count reset listener-closed +1
count gauge SYN-RECEIVED +0
count gauge LISTEN +0
< A
> R seq 1
EOF
finish
