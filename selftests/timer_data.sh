#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Nobody answers: retransmission of data, the thresholds R1 and R2, and the end of it.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 9
setup_ns host

# The timeout is 200 ms above a round trip here: the answers come at once, but for the lost ones. What is sent again comes when its
# time is up, and at most 15 % later: the timers of the kernel may be late by an eighth.
data_timeout="
$in_established
rto C 200..230
send C 100
> PA seq 1 ack 1 len 100
mark
> PA seq 1 ack 1 len 100 within 1000..1150rto
column retrans 1
$(backoff 2000..2300rto 9 '> PA seq 1 len 100')
repeat 5 > PA seq 1 len 100 within 120000..135020
column retrans 15
since 804000..920000
> nothing 119000
state ESTABLISHED
sleep 17000
state CLOSED
poll C in,out,err,hup,rdhup
sockerr C ETIMEDOUT
count arc established-timeout +1
> nothing 300000"

prove 'MUST-20, SHLD-11: data under total loss: 15 retransmissions with backoff to 120 s, then R2: ETIMEDOUT, IPv4' <<<"$data_timeout"
prove 'MUST-20, SHLD-11: data under total loss: 15 retransmissions with backoff to 120 s, then R2: ETIMEDOUT, IPv6' --family 6 <<<"$data_timeout"

prove 'sysctl retries2: 3 retransmissions, then ETIMEDOUT for reader and writer' <<EOF
sysctl retries2 3
$in_established
send C 10
> PA seq 1 ack 1 len 10
repeat 3 > PA seq 1 ack 1 len 10
> nothing 1500
state ESTABLISHED
sleep 400
state CLOSED
recv C 1 = ETIMEDOUT
send C 1 = EPIPE
EOF

prove 'MUST-19: a late ACK ends the backoff; the next data starts with the timeout of before' <<EOF
$in_established
send C 10
> PA seq 1 ack 1 len 10
repeat 4 > PA seq 1 ack 1 len 10
column retrans 4
< A
column retrans 0
column timer none
> nothing 100000
EOF

prove 'MUST-19: all that was lost goes out again, in order, a segment at first and more with each ACK' <<EOF
$in_established
rto C 200..230
send C 2144
> A seq 1 len 536
> A seq 537 len 536
> A seq 1073 len 536
> PA seq 1609 len 536
> A seq 1 len 536 within 1000..1150rto
> nothing 100
< A ack 537
> A seq 537 len 536
> A seq 1073 len 536
< A ack 1609
> PA seq 1609 len 536
< A ack 2145
> nothing 10000
outq C 0
EOF

prove 'SHLD-9, SHLD-10: from the third retransmission on, R1, SO_ERROR tells ETIMEDOUT; the connection lives on' <<EOF
$in_established
send C 10
> PA seq 1 ack 1 len 10
repeat 2 > PA seq 1 ack 1 len 10
sockerr C 0
> PA seq 1 ack 1 len 10
sockerr C ETIMEDOUT
sockerr C 0
poll C out
state ESTABLISHED
< A
< PA len 10
> A seq 11 ack 11
recv C 10
EOF

prove 'MUST-20: data under total loss in CLOSE-WAIT: R2, CLOSED' <<EOF
sysctl retries2 2
$in_close_wait
send C 10
> PA seq 1 ack 2 len 10
repeat 2 > PA seq 1 ack 2 len 10
sleep 1000
state CLOSED
count arc close-wait-timeout +1
sockerr C ETIMEDOUT
EOF

prove 'SHLD-31: a lost segment in the middle: what came behind it draws ACKs of the gap, and the gap filled, all is there' <<EOF
$in_established
< PA seq 11 len 10
> A seq 1 ack 1
< PA seq 21 len 10
> A seq 1 ack 1
inq C 0
< PA seq 1 len 10
> A seq 1 ack 31
recv C 30
EOF

prove 'RFC 9293 3.10.7.4: segments that overlap: every octet once, in order' <<EOF
$in_established
< PA seq 1 len 10
> A ack 11
< PA seq 6 len 10
> A ack 16
< PA seq 1 len 30
> A ack 31
< PA seq 1 len 30
> A ack 31
< PA seq 11 len 5
> A ack 31
recv C 30
inq C 0
EOF
finish
