#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Segments out of order: held, told by SACK and D-SACK, read in order, within the receive buffer.
# guest: virtual-time, leaks
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 14
setup_ns host

in_sack='
socket L
listen L
< S <mss 1460,sackOK>
> SA seq 0 ack 1 <mss 1460,nop,nop,sackOK>
< A
accept L C
state ESTABLISHED'

in_order="
$in_established
< PA seq 11 len 10
> A seq 1 ack 1
< PA seq 31 len 10
> A seq 1 ack 1
inq C 0
< PA seq 1 len 10
> A seq 1 ack 21
inq C 20
< PA seq 21 len 10
> A seq 1 ack 41
recv C 40
inq C 0
count drop out-of-order +2"
prove 'SHLD-31, MAY-13: what comes behind a gap draws an ACK at once, and is read when the gap is filled, IPv4' <<<"$in_order"
prove 'SHLD-31, MAY-13: what comes behind a gap draws an ACK at once, and is read when the gap is filled, IPv6' --family 6 <<<"$in_order"

prove 'RFC 2018 4: the first block is the range that changed last, the others repeat the last ones' <<EOF
$in_sack
< PA seq 11 len 10
> A ack 1 <nop,nop,sack 11 21>
< PA seq 31 len 10
> A ack 1 <nop,nop,sack 31 41 11 21>
< PA seq 51 len 10
> A ack 1 <nop,nop,sack 51 61 31 41 11 21>
< PA seq 71 len 10
> A ack 1 <nop,nop,sack 71 81 51 61 31 41 11 21>
< PA seq 91 len 10
> A ack 1 <nop,nop,sack 91 101 71 81 51 61 31 41>
< PA seq 41 len 10
> A ack 1 <nop,nop,sack 31 61 91 101 71 81>
< PA seq 1 len 10
> A ack 21 <nop,nop,sack 31 61 91 101 71 81>
< PA seq 21 len 10
> A ack 61 <nop,nop,sack 91 101 71 81>
< PA seq 61 len 10
> A ack 81 <nop,nop,sack 91 101>
< PA seq 81 len 10
> A ack 101 <>
recv C 100
EOF

prove 'RFC 2018 3: beside timestamps there is room for three blocks' <<EOF
socket L
listen L
< S <mss 1460,sackOK,ts 100 0>
> SA seq 0 ack 1 <mss 1460,sackOK,ts * 100>
< A <nop,nop,ts 101>
accept L C
< PA seq 11 len 10 <nop,nop,ts 102>
> A ack 1 <nop,nop,ts * 101,nop,nop,sack 11 21>
< PA seq 31 len 10 <nop,nop,ts 103>
> A ack 1 <nop,nop,ts * 101,nop,nop,sack 31 41 11 21>
< PA seq 51 len 10 <nop,nop,ts 104>
> A ack 1 <nop,nop,ts * 101,nop,nop,sack 51 61 31 41 11 21>
< PA seq 71 len 10 <nop,nop,ts 105>
> A ack 1 <nop,nop,ts * 101,nop,nop,sack 71 81 51 61 31 41>
EOF

prove 'RFC 2883 4: what came twice is told first, and once' <<EOF
$in_sack
< PA seq 1 len 100
> A ack 101 <>
< PA seq 1 len 100
> A ack 101 <nop,nop,sack 1 101>
< PA seq 201 len 100
> A ack 101 <nop,nop,sack 201 301>
< PA seq 51 len 20
> A ack 101 <nop,nop,sack 51 71 201 301>
< PA seq 221 len 10
> A ack 101 <nop,nop,sack 221 231 201 301>
< PA seq 401 len 100
> A ack 101 <nop,nop,sack 401 501 201 301>
< PA seq 251 len 150
> A ack 101 <nop,nop,sack 251 301 201 501>
< PA seq 91 len 110
> A ack 501 <nop,nop,sack 91 101>
recv C 500
EOF

prove 'RFC 2018 2: without SACK-permitted no ACK has blocks' <<EOF
$in_established
< PA seq 11 len 10
> A ack 1 <>
< PA seq 11 len 10
> A ack 1 <>
EOF

prove 'RFC 9293 3.10.7.4: any overlap: every octet is read once, in order' <<EOF
$in_established
< PA seq 101 len 100
> A ack 1
< PA seq 301 len 100
> A ack 1
< PA seq 151 len 100
> A ack 1
< PA seq 281 len 70
> A ack 1
< PA seq 91 len 320
> A ack 1
< PA seq 501 len 1
> A ack 1
< PA seq 503 len 1
> A ack 1
< PA seq 500 len 5
> A ack 1
< PA seq 1 len 120
> A ack 411
recv C 410
< PA seq 400 len 200
> A ack 600
recv C 189
inq C 0
EOF

prove 'SHLD-31: a FIN behind a gap is taken when the gap is filled' <<EOF
$in_established
< FA seq 21 len 10
> A ack 1
< PA seq 11 len 10
> A ack 1
state ESTABLISHED
< PA seq 1 len 10
> A ack 32
state CLOSE-WAIT
recv C 30
recv C eof
EOF

prove 'RFC 2018 3: a FIN behind a gap, which takes a number, is told by SACK, alone and with the text before it' <<EOF
$in_sack
< FA seq 31
> A ack 1 <nop,nop,sack 31 32>
< PA seq 11 len 10
> A ack 1 <nop,nop,sack 11 21 31 32>
< PA seq 21 len 10
> A ack 1 <nop,nop,sack 11 32>
< PA seq 1 len 10
> A ack 32 <>
state CLOSE-WAIT
EOF

prove 'close() with data behind a gap: what would fill it is refused by an RST' <<EOF
$in_established
< PA seq 11 len 10
> A ack 1
close C
> FA seq 1 ack 1
< PA seq 1 len 10
> R
state CLOSED
EOF

prove 'data behind a gap is no unread data: an abort and a FIN end the connection as ever' <<EOF
$in_established
< PA seq 11 len 10
> A ack 1
abort C
> R
state CLOSED
peer 1
< S
> SA seq 0 ack 1
< A
accept L D
< PA seq 11 len 10
> A ack 1
shutdown D wr
> FA seq 1 ack 1
< A ack 2
< PA seq 1 len 10
> A ack 21
state FIN-WAIT-2
recv D 20
EOF

# Packets of ten octets cost far more memory than they have octets: a few fill the buffer.
rising='' falling=''
for ((i = 1; i <= 60; i++)); do
	rising+="
< PA seq $((1 + 20 * i)) len 10
> A ack 1"
	falling+="
< PA seq $((1 + 20 * (61 - i))) len 10
> A ack 1"
done
prove 'a flood behind a gap fills no more than SO_RCVBUF: the rest is refused, what is in order is taken' <<EOF
socket L
option L rcvbuf 2304
listen L
< S <mss 1460,sackOK>
> SA seq 0 ack 1
< A
accept L C
$rising
count drop out-of-order +1..8
count drop receive-buffer-full +52..59
< PA seq 1 len 20
> A ack 31
recv C 30
< PA seq 31 len 1170
> A ack 1201
recv C 1170
> A ack 1201
column rcv_wnd 2000..3000
EOF

prove 'RFC 2018 8: what is farther behind the gap gives way to what is nearer' <<EOF
socket L
option L rcvbuf 2304
listen L
< S <mss 1460,sackOK>
> SA seq 0 ack 1
< A
accept L C
$falling
count drop receive-buffer-full +0
< PA seq 1 len 20
> A ack 31
< PA seq 31 len 10
> A ack 51
recv C 50
EOF

prove 'SHLD-31: beyond the window nothing is held' <<EOF
socket L
option L rcvbuf 8192
listen L
< S
> SA seq 0 ack 1 win 8192
< A
accept L C
< PA seq 8001 len 500
> A ack 1
< A seq 1 len 1400
> A
< A seq 1401 len 1400
> A
< A seq 2801 len 1400
> A
< A seq 4201 len 1400
> A
< A seq 5601 len 1400
> A
< A seq 7001 len 1000
> A ack 8193
inq C 8192
EOF
finish
