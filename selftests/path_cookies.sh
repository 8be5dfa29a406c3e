#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# SYN cookies (RFC 4987 section 3.6): handshakes of which the listener keeps nothing.
# guest: virtual-time, leaks
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 19
setup_ns host

# A listener that always answers by a cookie; the peer's SYN, and our answer.
listener='
sysctl syncookies 2
socket L
listen L'
cookie="$listener
< S <mss 1360,sackOK,ts 500 0,nop,wscale 5>
> SA seq 0 ack 1 <mss 1460,sackOK,ts * 500,nop,wscale *>"
bare="$listener
< S <mss 1360,sackOK,nop,wscale 5>
> SA seq 0 ack 1 <mss 1460>"

prove 'a SYN that is answered by a cookie leaves nothing; the ACK takes both arcs' <<EOF
$cookie
> nothing 200000
state CLOSED
count arc listen-rcv-syn +0
count drop syn-cookie-sent +1
< S seq 0 <mss 1360,sackOK,ts 200500 0,nop,wscale 5>
> SA ack 1 <mss 1460,sackOK,ts * 200500,nop,wscale *>
EOF

prove 'window scale, timestamps and MSS are those of the SYN: RFC 7323' <<EOF
$cookie
< A win 1000 <nop,nop,ts 510>
accept L C
state ESTABLISHED
column snd_wnd 32000
count arc listen-rcv-syn +1
count arc syn-received-rcv-ack-of-syn +1
count drop syn-cookie-taken +1
send C 1400
> A seq 1 ack 1 len 1348 <nop,nop,ts * 510>
> PA seq 1349 ack 1 len 52 <nop,nop,ts * 510>
< PA len 7 <nop,nop,ts 520>
> A seq 1401 ack 8 <nop,nop,ts * 520>
recv C 7
EOF

prove 'the same over IPv6' --family 6 <<EOF
$listener
< S <mss 1360,sackOK,ts 500 0,nop,wscale 5>
> SA seq 0 ack 1 <mss 1440,sackOK,ts * 500,nop,wscale *>
< A win 1000 <nop,nop,ts 510>
accept L C
column snd_wnd 32000
send C 1400
> A seq 1 ack 1 len 1348
> PA seq 1349 ack 1 len 52
EOF

prove 'the same for an IPv4 peer of an IPv6 socket' --family mapped <<EOF
$cookie
< A win 1000 <nop,nop,ts 510>
accept L C
column snd_wnd 32000
EOF

prove 'ECN is agreed to where timestamps carry it: RFC 3168' <<EOF
$listener
< SEC <mss 1360,sackOK,ts 500 0>
> SAE seq 0 ack 1 <mss 1460,sackOK,ts * 500>
< A <nop,nop,ts 510>
accept L C
state ESTABLISHED
peer 1
< SEC <mss 1360>
> SA seq 0 ack 1 <mss 1460>
< A
accept L D
state ESTABLISHED
EOF

prove 'MUST-16: without timestamps only the MSS is kept, and nothing else is offered' <<EOF
$bare
< A win 60000
accept L C
column snd_wnd 60000
send C 1400
> A seq 1 ack 1 len 1360
> PA seq 1361 ack 1 len 40
EOF

prove 'MUST-16: an MSS between two that a cookie can say counts as the smaller' <<EOF
$listener
< S <mss 300>
> SA seq 0 ack 1
< A
accept L C
send C 300
> A seq 1 ack 1 len 256
> PA seq 257 ack 1 len 44
EOF

prove 'the first data brings the cookie back as well as the ACK, which is lost' <<EOF
$cookie
< PA len 10 <nop,nop,ts 510>
> A seq 1 ack 11
accept L C
recv C 10
EOF

prove 'so does a FIN' <<EOF
$bare
< FA len 3
> A seq 1 ack 5
accept L C
state CLOSE-WAIT
recv C 3
recv C eof
EOF

prove 'an ACK with another number than the cookie is answered by a RST, and opens nothing' <<EOF
$bare
< A ack 1000
> R seq 1000
< A ack 0x1000001
> R seq 0x1000001
< A seq 2 ack 2
> R seq 2
< A ack 1 <nop,nop,ts 1 1>
> R seq 1
count drop syn-cookie-bad +4
count reset ack-in-listen +4
count drop syn-cookie-taken +0
state CLOSED
< A seq 1
accept L C
EOF

prove 'a cookie of another peer is none' <<EOF
$bare
peer 1
< S
> SA seq 0 ack 1
< A ack 100000
> R seq 100000
count drop syn-cookie-bad +1
EOF

prove 'a cookie that went to another address is none' <<EOF
$bare
< A from 10.77.0.3
> R seq 1
count drop syn-cookie-bad +1
< A
accept L C
EOF

prove 'a cookie that went to another address is none, IPv6' --family 6 <<EOF
$listener
< S <mss 1360>
> SA seq 0 ack 1 <mss 1440>
< A from fd77::3
> R seq 1
count drop syn-cookie-bad +1
< A
accept L C
EOF

prove 'a cookie is good for 67 s at least and 134 s at most' <<EOF
$bare
sleep 66000
< A
accept L C
peer 1
< S
> SA seq 0 ack 1
sleep 70000
peer 2
< S
> SA seq 0 ack 1
sleep 65000
peer 1
< A seq 1
> R seq 1
count drop syn-cookie-old +1
EOF

prove 'where no cookie is out, no ACK is taken for one' <<EOF
$bare
sleep 136000
< A
> R seq 1
count drop syn-cookie-old +0
count drop syn-cookie-bad +0
count drop listen-ack +1
EOF

prove 'a full accept queue drops the ACK; the peer may try again' <<EOF
sysctl syncookies 2
socket L
listen L 0
< S
> SA seq 0 ack 1
peer 1
< S
> SA seq 0 ack 1
< A
peer 0
< A
> nothing 100
count drop accept-queue-full +1
accept L D
< PA seq 1 len 5
> A seq 1 ack 6
accept L C
recv C 5
EOF

prove 'syncookies=1: a cookie only where the queue of requests is full' <<EOF
sysctl syncookies 1
sysctl max_syn_backlog 2
socket L
listen L 10
< S
> SA seq 0 ack 1
state SYN-RECEIVED
peer 1
< S
> SA seq 0 ack 1
state SYN-RECEIVED
count drop syn-cookie-sent +0
peer 2
< S
> SA seq 0 ack 1
state CLOSED
count drop syn-cookie-sent +1
< A
accept L C
state ESTABLISHED
count drop syn-cookie-taken +1
peer 0
< A
accept L D
state ESTABLISHED
count drop syn-cookie-taken +1
EOF

prove 'syncookies=1: the backlog of listen() bounds the requests, too' <<EOF
sysctl syncookies 1
socket L
listen L 0
< S
> SA seq 0 ack 1
state SYN-RECEIVED
peer 1
< S
> SA seq 0 ack 1
state CLOSED
count drop syn-cookie-sent +1
EOF

prove 'syncookies=0: what does not fit into the queue is dropped' <<EOF
sysctl syncookies 0
sysctl max_syn_backlog 1
socket L
listen L 10
< S
> SA seq 0 ack 1
peer 1
< S
> nothing 500
count drop listen-overflow +1
count drop syn-cookie-sent +0
EOF
finish
