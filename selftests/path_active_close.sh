#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Active open; this side closes first: SYN-SENT, ESTABLISHED, FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 8
setup_ns host

active_close="
$in_syn_sent
column timer retransmit
poll C -
< SA
> A seq 1 ack 1
state ESTABLISHED
poll C out
sockerr C 0
send C 100
> PA seq 1 ack 1 len 100
column snd_q 100
column snd_una 1
column snd_nxt 101
< A
column snd_q 0
column snd_una 101
close C
> FA seq 101 ack 1
state FIN-WAIT-1
column inode 0
< A
state FIN-WAIT-2
column timer fin-wait-2
< FA
> A seq 102 ack 2
state TIME-WAIT
column timer time-wait
column left_ms 30000..60000
> nothing 20
count arc closed-active-open +1
count arc syn-sent-rcv-syn-ack +1
count arc established-close +1
count arc fin-wait-1-rcv-ack-of-fin +1
count arc fin-wait-2-rcv-fin +1
count gauge TIME-WAIT +1"

prove 'MUST-13: active open and active close end in TIME-WAIT, IPv4, every state seen' <<<"$active_close"
prove 'MUST-13: active open and active close end in TIME-WAIT, IPv6' --family 6 <<<"$active_close"
prove 'MUST-13: active open and active close end in TIME-WAIT, IPv4 on an IPv6 socket' --family mapped <<<"$active_close"

prove 'RFC 9293 3.10.7.4: FIN and the ACK of ours in one segment: FIN-WAIT-1 straight to TIME-WAIT' <<EOF
$in_fin_wait_1
< FA
> A seq 2 ack 2
state TIME-WAIT
count arc fin-wait-1-rcv-fin-ack-of-fin +1
count arc fin-wait-1-rcv-ack-of-fin +0
count arc fin-wait-1-rcv-fin +0
recv C eof
EOF

prove 'RFC 9293 3.10.7.4: data, FIN and the ACK of ours in one segment: the data is delivered' <<EOF
$in_fin_wait_1
< FPA len 30
> A seq 2 ack 32
state TIME-WAIT
recv C 30
recv C eof
EOF

prove 'RFC 9293 3.10.4: data queued before CLOSE goes first, the FIN with its last segment' <<EOF
$in_syn_received
< A win 100
accept L C
send C 150
> A seq 1 ack 1 len 100
close C
state FIN-WAIT-1
> nothing 20
< A win 1000
> FPA seq 101 ack 1 len 50
< A
state FIN-WAIT-2
EOF

prove 'RFC 9293 3.10.7.3: a SYN-ACK with data: the connection is established and the data read' <<EOF
$in_syn_sent
< SPA len 10
> A seq 1 ack 11
state ESTABLISHED
recv C 10
EOF

prove 'RFC 9293 3.10.7.4: a SYN-ACK that comes again draws an ACK and changes nothing' <<EOF
$in_established_active
< SA seq 0 ack 1
> A seq 1 ack 1
state ESTABLISHED
send C 4
> PA seq 1 ack 1 len 4
EOF
finish
