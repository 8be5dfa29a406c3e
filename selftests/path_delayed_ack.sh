#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# When data is acknowledged: at once at the start, then together, and never later than 40 ms.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 10
setup_ns host

# The first sixteen ACKs go out at once.
quick=''
for ((i = 1; i <= 16; i++)); do
	quick+="
< PA len 1
> A ack $((i + 1)) within 0..10"
done
in_calm="
$in_established
$quick
recv C 16"

prove 'SHLD-18, MUST-40: a small segment is acknowledged after 40 ms, IPv4' <<EOF
$in_calm
< PA len 10
column timer ack
> A seq 1 ack 27 within 35..60
column timer none
EOF

prove 'SHLD-18, MUST-40: a small segment is acknowledged after 40 ms, IPv6' --family 6 <<EOF
$in_calm
< PA len 10
> A seq 1 ack 27 within 35..60
EOF

prove 'SHLD-19: every second full-sized segment is acknowledged at once' <<EOF
$in_calm
< A len 1000
> A ack 1017 within 35..60
< A len 1000
< A len 1000
> A ack 3017 within 0..10
< A len 1000
< PA len 1000
> A ack 5017 within 0..10
> nothing 100
recv C 5000
EOF

prove 'MUST-58: an answer takes the ACK along' <<EOF
$in_calm
< PA len 10
send C 20
> PA seq 1 ack 27 len 20 within 0..10
> nothing 100
EOF

prove 'MAY-13: out of order, twice, and into the gap: at once' <<EOF
$in_calm
< PA seq 37 len 10
> A ack 17 within 0..10
< PA seq 37 len 10
> A ack 17 within 0..10
< PA seq 17 len 10
> A ack 27 within 0..10
< PA seq 27 len 10
> A ack 47 within 0..10
recv C 30
EOF

prove 'SHLD-18, MUST-40: the ACK of a FIN waits for ours, and no longer than that of data' <<EOF
$in_calm
< PA len 10
< FA
> A ack 28 within 35..60
state CLOSE-WAIT
EOF

prove 'RFC 9293 3.6: a FIN that is answered by a close takes one segment, three in all' <<EOF
$in_established
< FA
recv C eof
close C
> FA seq 1 ack 2 within 0..10
state LAST-ACK
> nothing 60
< A
state CLOSED
EOF

prove 'RFC 5681 4.2: after a pause ACKs are quick again' <<EOF
$in_calm
< PA len 10
> A ack 27 within 35..60
sleep 2000
< PA len 10
> A ack 37 within 0..10
EOF

always=''
for ((i = 1; i <= 20; i++)); do
	always+="
< PA len 1
> A ack $((i + 21)) within 0..10"
done
prove 'TCP_QUICKACK: on, ACKs do not wait; off, they do from the start' <<EOF
$in_established
option C quickack 0
< PA len 10
> A ack 11 within 35..60
< PA len 10
option C quickack 1
> A ack 21 within 0..10
$always
EOF

prove 'MUST-36: a probe of our closed window is answered at once' <<EOF
socket L
option L rcvbuf 2304
listen L
< S
> SA seq 0 ack 1 win 2304
< A
accept L C
option C quickack 0
< PA len 1300
> A ack 1301
< PA len 1004
> A ack 2305 win 0
< PA seq 2305 len 1
> A seq 1 ack 2305 win 0 within 0..10
EOF
finish
