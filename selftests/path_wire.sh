#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What the segments on the wire have in common, and what the program is told of soft errors.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 6
setup_ns host

# drill looks at the checksum of each segment that a line expects.
each_kind="
$in_established_active
send C 500
> PA seq 1 ack 1 len 500
< A
send C 1
> PA seq 501 ack 1 len 1
< A
shutdown C wr
> FA seq 502 ack 1
< A
< FA
> A seq 503 ack 2
peer 1
< S
> RA seq 0 ack 1"
prove 'MUST-2: the checksum of SYN, ACK, data of even and odd length, FIN and RST is right, IPv4' <<<"$each_kind"
prove 'MUST-2: the checksum of SYN, ACK, data of even and odd length, FIN and RST is right, IPv6' --family 6 <<<"$each_kind"

prove 'SHLD-27: what three writes queued behind an unacknowledged segment goes in one segment with one PSH' <<EOF
$in_established
send C 10
> PA seq 1 ack 1 len 10
send C 20
send C 30
send C 40
> nothing 50
< A
> PA seq 11 ack 1 len 90
EOF

prove 'MUST-47: a soft error is told once by SO_ERROR, and disturbs nobody who does not ask' <<EOF
$in_established
send C 10
> PA seq 1 ack 1 len 10
< icmp 3 1 seq 1
> nothing 50
poll C out
sockerr C EHOSTUNREACH
sockerr C 0
< A
send C 5
> PA seq 11 ack 1 len 5
state ESTABLISHED
EOF

prove 'SHLD-20: who set IP_RECVERR is told of a soft error at once, and the connection lives' <<EOF
$in_established
option C recverr 1
send C 10
> PA seq 1 ack 1 len 10
< icmp 3 1 seq 1
poll C out,err
sockerr C EHOSTUNREACH
poll C out
< A
option C recverr 0
send C 5
> PA seq 11 ack 1 len 5
< icmp 3 1 seq 11
poll C out
state ESTABLISHED
EOF

prove 'MUST-17: with TCP_NODELAY a small segment does not wait for the ACK of another' <<EOF
$in_established
send C 10
> PA seq 1 ack 1 len 10
send C 20
> nothing 50
option C nodelay 1
> PA seq 11 ack 1 len 20
send C 30
> PA seq 31 ack 1 len 30
option C nodelay 0
send C 40
> nothing 50
< A
> PA seq 61 ack 1 len 40
EOF
finish
