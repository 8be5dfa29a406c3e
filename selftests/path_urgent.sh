#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Urgent data on the wire: the pointer that is sent, and what an arriving one means (RFC 9293 3.8.5).
# guest: virtual-time, leaks
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 10
setup_ns host

pointer="
$in_established
urgent C 3
> UPA seq 1 ack 1 len 3 urg 3
< A
send C 2
> PA seq 4 ack 1 len 2
< A"
prove 'MUST-30, MUST-62: the urgent pointer names the octet after the last urgent one, IPv4' <<<"$pointer"
prove 'MUST-30, MUST-62: the urgent pointer names the octet after the last urgent one, IPv6' --family 6 <<<"$pointer"

prove 'urgent data waits for no acknowledgment: Nagle does not hold it back' <<EOF
$in_established
send C 10
> PA seq 1 ack 1 len 10
send C 5
> nothing 50
urgent C 1
> UPA seq 11 ack 1 len 6 urg 6
EOF

prove 'a retransmission has the pointer, too; what is behind it has none' <<EOF
$in_established
option C nodelay 1
urgent C 3
> UPA seq 1 ack 1 len 3 urg 3
send C 4
> PA seq 4 ack 1 len 4
< A ack 2
> UPA seq 2 ack 1 len 6 urg 2
< A
EOF

prove 'a closed window does not keep urgent data secret: an ACK tells, and each probe' <<EOF
$in_established
send C 5
> PA seq 1 ack 1 len 5
< A win 0
urgent C 3
> UA seq 6 ack 1 urg 3
> UA seq 6 ack 1 len 1 urg 3
< A ack 6 win 1000
> UPA seq 6 ack 1 len 3 urg 3
< A
EOF

arrival="
$in_established
< UPA seq 1 len 3 urg 3
> A seq 1 ack 4
poll C in,out,pri
inq C 2
oob C 3
poll C in,out
recv C 2
oob C = EINVAL
inq C 0
< PA seq 4 len 2
> A seq 1 ack 6
poll C in,out"
prove 'MUST-32, MUST-33: urgent data that arrives is told, and how much comes before it, IPv4' <<<"$arrival"
prove 'MUST-32, MUST-33: urgent data that arrives is told, and how much comes before it, IPv6' --family 6 <<<"$arrival"

prove 'MUST-32: urgent data is announced before it arrives' <<EOF
$in_established
oob C = EINVAL
< UA urg 5
oob C = EAGAIN
poll C out
< PA seq 1 len 5
> A seq 1 ack 6
poll C in,out,pri
oob C 5
EOF

prove 'what is urgent and comes early is read when the gap before it is filled' <<EOF
$in_established
< UPA seq 11 len 5 urg 5
> A seq 1 ack 1
oob C = EAGAIN
< PA seq 1 len 10
> A seq 1 ack 16
inq C 14
oob C 15
EOF

prove 'RFC 9293 3.1: the urgent pointer of a SYN-ACK counts from the number of its SYN' <<EOF
socket C
connect C
> S seq 0
< SUA seq 0 ack 1 len 3 urg 4
> A seq 1 ack 4
oob C 3
EOF
finish
