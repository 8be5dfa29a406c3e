#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The path MTU as ICMP tells it (RFC 1191, RFC 8201), and who is believed (RFC 5927).
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 12
setup_ns host

# A connection whose peer takes all that an Ethernet carries.
open='
socket L
listen L
< S <mss 9000>
> SA seq 0 ack 1
< A
accept L C'
in_flight="$open
send C 2920
> A seq 1 len 1460
> PA seq 1461 len 1460"
in_flight6="$open
send C 2880
> A seq 1 len 1440
> PA seq 1441 len 1440"
# Nothing was believed: what follows is as large as before, and the retransmission, too.
as_before='
> nothing 50
< A
send C 1460
> PA seq 2921 len 1460
< A'

prove 'SHLD-6, RFC 1191 6.4: what was too large goes out again at once, in smaller segments, and so does what follows' <<EOF
$in_flight
mark
< icmp 3 4 seq 1 mtu 1000
> A seq 1 len 960 within 0..50
> A seq 961 len 960 within 0..50
> A seq 1921 len 960 within 0..50
> PA seq 2881 len 40 within 0..50
< A
send C 2000
> A seq 2921 len 960
> A seq 3881 len 960
> PA seq 4841 len 80
< A
EOF

prove 'SHLD-6, RFC 8201: the same over IPv6' --family 6 <<EOF
$in_flight6
< icmp 2 0 seq 1 mtu 1300
> A seq 1 len 1240 within 0..50
> A seq 1241 len 1240 within 0..50
> PA seq 2481 len 400 within 0..50
< A
send C 1440
> A seq 2881 len 1240
> PA seq 4121 len 200
< A
EOF

prove 'SHLD-6: the same for an IPv4 peer of an IPv6 socket' --family mapped <<EOF
$in_flight
< icmp 3 4 seq 1461 mtu 1000
> A seq 1 len 960 within 0..50
> A seq 961 len 960 within 0..50
> A seq 1921 len 960 within 0..50
> PA seq 2881 len 40 within 0..50
< A
EOF

prove 'RFC 1191 6.4: what was not too large is not sent again' <<EOF
$open
option C nodelay 1
send C 100
> PA seq 1 len 100
sleep 5
send C 1460
> PA seq 101 len 1460
sleep 5
send C 200
> PA seq 1561 len 200
< icmp 3 4 seq 101 mtu 1000
> A seq 101 len 960 within 0..50
> A seq 1061 len 500 within 0..50
> nothing 50
< A
EOF

prove 'MUST-16: timestamps make room for themselves in smaller segments, too' <<EOF
socket L
listen L
< S <mss 1460,sackOK,ts 1 0>
> SA seq 0 ack 1
< A <nop,nop,ts 2>
accept L C
send C 1448
> PA seq 1 len 1448
< icmp 3 4 seq 1 mtu 1000
> A seq 1 len 948
> PA seq 949 len 500
< A <nop,nop,ts 3>
EOF

prove 'MUST-54: a path MTU told of what is not in flight is not believed' <<EOF
$in_flight
< icmp 3 4 seq 0 mtu 600
< icmp 3 4 seq 2921 mtu 600
< icmp 3 4 seq 100000 mtu 600
< icmp 3 4 seq -100000 mtu 600
count drop icmp-not-in-flight +4
$as_before
EOF

prove 'a path MTU that is not smaller changes nothing' <<EOF
$in_flight
< icmp 3 4 seq 1 mtu 1500
< icmp 3 4 seq 1 mtu 9000
< icmp 3 4 seq 1 mtu 65535
$as_before
EOF

prove 'no path MTU is taken to be less than net.ipv4.route.min_pmtu' <<EOF
$in_flight
< icmp 3 4 seq 1 mtu 68
> A seq 1 len 512
> A seq 513 len 512
> A seq 1025 len 512
> A seq 1537 len 512
> A seq 2049 len 512
> PA seq 2561 len 360
< A
EOF

prove 'RFC 1191 5: a router that tells no path MTU is answered by the least' <<EOF
$in_flight
< icmp 3 4 seq 1
> A seq 1 len 512
> A seq 513 len 512
> A seq 1025 len 512
> A seq 1537 len 512
> A seq 2049 len 512
> PA seq 2561 len 360
< A
EOF

prove 'RFC 8201 4: no path MTU of IPv6 is less than 1280' --family 6 <<EOF
$in_flight6
< icmp 2 0 seq 1 mtu 1279
< icmp 2 0 seq 1 mtu 0
> nothing 50
< A
send C 1440
> PA seq 2881 len 1440
< icmp 2 0 seq 2881 mtu 1280
> A seq 2881 len 1220
> PA seq 4101 len 220
< A
EOF

# IP_PMTUDISC_DONT 0, IP_PMTUDISC_INTERFACE 4, IP_PMTUDISC_OMIT 5.
prove 'IP_MTU_DISCOVER: who does not discover takes no word of it' <<EOF
$in_flight
option C mtudisc 0
< icmp 3 4 seq 1 mtu 1000
option C mtudisc 4
< icmp 3 4 seq 1 mtu 1000
option C mtudisc 5
< icmp 3 4 seq 1 mtu 1000
$as_before
option C mtudisc 1
send C 1460
> PA seq 4381 len 1460
< icmp 3 4 seq 4381 mtu 1000
> A seq 4381 len 960
> PA seq 5341 len 500
< A
EOF

prove 'IPV6_MTU_DISCOVER: who looks at the interface alone takes no word of it' --family 6 <<EOF
$in_flight6
option C mtudisc 4
< icmp 2 0 seq 1 mtu 1300
> nothing 50
< A
send C 1440
> PA seq 2881 len 1440
< A
EOF
finish
