#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Old SYNs and peers that have forgotten: nothing opens that no peer wants (RFC 9293 section 3.5.1).
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 7
setup_ns host

stale="
$in_listen
isn 90000
< S
> SA seq 0 ack 1
< R seq 1
state CLOSED
state LISTEN
isn 100000
< S
> SA seq 0 ack 1
< A
accept L C
state ESTABLISHED
accept L D = EAGAIN"

prove 'RFC 9293 3.5.1: an old duplicate SYN before the true one opens nothing, the true one does, IPv4' <<<"$stale"
prove 'RFC 9293 3.5.1: an old duplicate SYN before the true one opens nothing, the true one does, IPv6' --family 6 <<<"$stale"

prove 'RFC 9293 3.5.1: an old SYN comes and nobody ever answers: no socket, no accept()' <<EOF
$in_listen
< S
> SA seq 0 ack 1
accept L C = EAGAIN
poll L -
state SYN-RECEIVED
column inode 0
EOF

prove 'RFC 9293 3.10.7.4: the SYN once more after the opening opens nothing: a challenge ACK' <<EOF
$in_established
< S seq 0
> A seq 1 ack 1
state ESTABLISHED
accept L D = EAGAIN
count arc listen-rcv-syn +1
count challenge syn +1
EOF

prove 'RFC 9293 3.5.1: the peer has restarted and opens: a challenge ACK, its RST ends the old connection, its SYN opens' <<EOF
$in_established
< S seq 500000
> A seq 1 ack 1
< R seq 1
state CLOSED
recv C 1 = ECONNRESET
renumber 500000
< S
> SA seq 0 ack 1
< A
accept L D
state ESTABLISHED
EOF

prove 'RFC 9293 3.5.1: this side has lost the connection: the segments of the peer draw RSTs' <<EOF
$in_established
abort C
> R seq 1
< PA ack 1 len 10
> R seq 1
close L
< PA ack 77 len 10
> R seq 77
count reset ack-in-listen +1
count reset no-connection +1
EOF

prove 'RFC 9293 3.10.7.3: an old SYN-ACK in SYN-SENT, for a SYN of another life, draws an RST and the opening goes on' <<EOF
$in_syn_sent
< SA seq -100 ack -5000
> R seq -5000
count reset bad-ack-in-syn-sent +1
state SYN-SENT
< SA
> A seq 1 ack 1
state ESTABLISHED
EOF
finish
