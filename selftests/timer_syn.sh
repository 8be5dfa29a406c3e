#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Nobody answers: retransmission of SYN and SYN-ACK, and the end of it.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 8
setup_ns host

# Timers are late by up to an eighth of their time: that is how coarse the kernel's timer wheel is.
syn_timeout="
$in_syn_sent
mark
> S seq 0 within 1000..1130
column retrans 1
> S seq 0 within 2000..2260
$(backoff 4000..4500 5 '> S seq 0')
column retrans 7
column timer retransmit
since 127000..143000
> nothing 119500
state SYN-SENT
sleep 17000
state CLOSED
poll C in,out,err,hup,rdhup
sockerr C ETIMEDOUT
count arc syn-sent-timeout +1
> nothing 200000"

prove 'MUST-22, MUST-23: SYN under total loss: 7 retransmissions, each after twice the time, ETIMEDOUT after more than 3 minutes, IPv4' <<<"$syn_timeout"
prove 'MUST-22, MUST-23: SYN under total loss: 7 retransmissions, each after twice the time, ETIMEDOUT after more than 3 minutes, IPv6' --family 6 <<<"$syn_timeout"

prove 'sysctl syn_retries: 2 retransmissions, ETIMEDOUT after 7 s' <<EOF
sysctl syn_retries 2
$in_syn_sent
> S seq 0 within 1000..1130
> S seq 0 within 2000..2260
> nothing 3900
state SYN-SENT
sleep 700
state CLOSED
sockerr C ETIMEDOUT
EOF

prove 'MUST-22: a lost SYN comes again and the late answer establishes' <<EOF
$in_syn_sent
> S seq 0 within 1000..1130
> S seq 0 within 2000..2260
< SA
> A seq 1 ack 1
state ESTABLISHED
column retrans 0
> nothing 100000
EOF

syn_ack_timeout="
$in_syn_received
mark
column timer synack
> SA seq 0 ack 1 within 1000..1130
column retrans 1
> SA seq 0 ack 1 within 2000..2260
$(backoff 4000..4500 3 '> SA seq 0 ack 1')
since 31000..35000
> nothing 31500
state SYN-RECEIVED
sleep 5000
state CLOSED
state LISTEN
count arc syn-received-timeout +1
accept L C = EAGAIN
> nothing 200000"

prove 'MUST-22: SYN-ACK under total loss: 5 retransmissions, then the request goes after 63 s, IPv4' <<<"$syn_ack_timeout"
prove 'MUST-22: SYN-ACK under total loss: 5 retransmissions, then the request goes after 63 s, IPv6' --family 6 <<<"$syn_ack_timeout"

prove 'sysctl synack_retries: 1 retransmission, and the request goes after 3 s' <<EOF
sysctl synack_retries 1
$in_syn_received
> SA seq 0 ack 1 within 1000..1130
> nothing 1900
state SYN-RECEIVED
sleep 400
state CLOSED
EOF

prove 'MUST-22: after a simultaneous open the SYN-ACK comes again, and ETIMEDOUT ends it' <<EOF
sysctl syn_retries 3
$in_syn_received_active
> SA seq 0 ack 1 within 1000..1130
> SA seq 0 ack 1 within 2000..2260
> SA seq 0 ack 1 within 4000..4500
> nothing 7900
sleep 1200
state CLOSED
sockerr C ETIMEDOUT
count arc syn-received-timeout +1
EOF
finish
