#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# TIME-WAIT: how long it lasts, what it answers, and what opens the connection anew.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 19
setup_ns host

time_wait="
$in_time_wait
close C
sleep 58000
state TIME-WAIT
< FA seq 1
> A seq 2 ack 2
column left_ms 59000..60000
sleep 58000
state TIME-WAIT
sleep 10000
state CLOSED
count arc time-wait-two-msl +1
< FA seq 1 ack 2
> R seq 2
count reset ack-in-listen +1"

prove 'MUST-13: TIME-WAIT: a FIN that comes again is acknowledged and starts 2 MSL again; after that it draws an RST, IPv4' <<<"$time_wait"
prove 'MUST-13: TIME-WAIT: a FIN that comes again is acknowledged and starts 2 MSL again; after that it draws an RST, IPv6' --family 6 <<<"$time_wait"

prove 'MUST-13: TIME-WAIT lasts 2 MSL: no less than 60 s with the MSL of 30 s' <<EOF
$in_time_wait
sleep 59800
state TIME-WAIT
sleep 9000
state CLOSED
EOF

prove 'sysctl msl: TIME-WAIT lasts twice as long' <<EOF
sysctl msl 120
$in_time_wait
column left_ms 239000..240000
sleep 239000
state TIME-WAIT
sleep 40000
state CLOSED
EOF

prove 'RFC 9293 3.10.7.4: a FIN with another number, or an ACK, does not start 2 MSL again' <<EOF
$in_time_wait
sleep 30000
< A
< FA seq 0
> A seq 2 ack 2
column left_ms 29000..30100
EOF

prove 'MAY-2: a SYN beyond the last number opens anew, from TIME-WAIT to SYN-RECEIVED' <<EOF
$in_time_wait
close C
renumber 100000
< S
> SA seq 0 ack 1
state SYN-RECEIVED
count arc time-wait-rcv-syn +1
count arc listen-rcv-syn +1
< A
accept L D
state ESTABLISHED
< PA len 10
> A ack 11
recv D 10
EOF

prove 'MAY-2: the same over IPv6' --family 6 <<EOF
$in_time_wait
renumber 100000
< S
> SA seq 0 ack 1
count arc time-wait-rcv-syn +1
< A
accept L D
state ESTABLISHED
EOF

prove 'RFC 6191 2: it opens anew even where the queue of requests is full, and no cookie is sent' <<EOF
sysctl max_syn_backlog 1
$in_time_wait
close C
peer 1
< S
> SA seq 0 ack 1
state SYN-RECEIVED
peer 0
renumber 100000
< S
> SA seq 0 ack 1
state SYN-RECEIVED
count drop syn-cookie-sent +0
count drop listen-overflow +0
< A
accept L D
state ESTABLISHED
EOF

prove 'RFC 6191 2: a SYN that is not beyond the last number is stale: a challenge ACK, TIME-WAIT goes on' <<EOF
$in_time_wait
< S seq 1
> A seq 2 ack 2
< S seq -100000
> A seq 2 ack 2
state TIME-WAIT
count drop stale-syn +2
count challenge syn +2
EOF

prove 'RFC 9293 3.10.7.4: without a listener no SYN opens anew: an ACK, and TIME-WAIT is as it was' <<EOF
$in_time_wait
close L
< S seq 100000
> A seq 2 ack 2
state TIME-WAIT
column left_ms 1..60000
count drop stale-syn +1
count arc time-wait-rcv-syn +0
count gauge TIME-WAIT +1
EOF

ts_time_wait='
socket L
listen L
< S <mss 1460,sackOK,ts 1000 0,nop,wscale 7>
> SA <mss 1460,sackOK,ts * 1000,nop,wscale *>
< A <nop,nop,ts 1001>
accept L C
shutdown C wr
> FA seq 1 ack 1 <nop,nop,ts * 1001>
< FA <nop,nop,ts 1002>
> A seq 2 ack 2 <nop,nop,ts * 1002>
state TIME-WAIT'

prove 'SHLD-4: with timestamps a later one opens anew, even if the number is an earlier one' <<EOF
$ts_time_wait
renumber -50000
< S <mss 1460,sackOK,ts 2000 0,nop,wscale 7>
> SA seq 0 ack 1 <mss 1460,sackOK,ts * 2000,nop,wscale *>
count arc time-wait-rcv-syn +1
EOF

prove 'SHLD-4: an earlier timestamp opens nothing, even if the number is a later one' <<EOF
$ts_time_wait
< S seq 100000 <mss 1460,sackOK,ts 500 0,nop,wscale 7>
> A seq 2 ack 2 <nop,nop,ts * 1002>
state TIME-WAIT
count drop stale-syn +1
EOF

prove 'SHLD-4: the same timestamp opens anew only with a later number' <<EOF
$ts_time_wait
< S seq 1 <mss 1460,sackOK,ts 1002 0,nop,wscale 7>
> A seq 2 ack 2
state TIME-WAIT
renumber 100000
< S <mss 1460,sackOK,ts 1002 0,nop,wscale 7>
> SA seq 0 ack 1
count arc time-wait-rcv-syn +1
EOF

prove 'RFC 7323 5.3: a segment with an earlier timestamp in TIME-WAIT draws an ACK and changes nothing' <<EOF
$ts_time_wait
sleep 10000
< FA seq 1 ack 2 <nop,nop,ts 900>
> A seq 2 ack 2 <nop,nop,ts * 1002>
column left_ms 1..50100
count drop paws-rejected +1
EOF

prove 'RFC 9293 3.10.7.4: an exact RST ends TIME-WAIT' <<EOF
$in_time_wait
< R
state CLOSED
count arc time-wait-rcv-rst +1
EOF

prove 'RFC 1337 3: with sysctl rfc1337 an RST does not end TIME-WAIT' <<EOF
sysctl rfc1337 1
$in_time_wait
< R
> nothing 100
state TIME-WAIT
count drop rst-in-time-wait +1
count arc time-wait-rcv-rst +0
EOF

prove 'RFC 9293 3.10.7.4: data in TIME-WAIT is dropped, an ACK of what was never sent is challenged' <<EOF
$in_time_wait
< PA len 10
> nothing 50
count drop after-close +1
< A seq 2 ack 50
> A seq 2 ack 2
count challenge unacceptable-ack +1
state TIME-WAIT
EOF

prove 'sysctl max_tw_buckets: where there is no room for one more, the connection is closed, and counted' <<EOF
sysctl max_tw_buckets 0
$in_fin_wait_2
< FA
> A seq 2 ack 2
state CLOSED
recv C eof
count drop time-wait-full +1
count arc fin-wait-2-rcv-fin +1
count arc time-wait-evict +1
EOF

prove 'MUST-13: TIME-WAIT after an active open keeps the port: the same connect() is refused' <<EOF
socket C
option C reuseaddr 1
connect C
> S seq 0
< SA
> A seq 1 ack 1
close C
> FA seq 1 ack 1
< FA
> A seq 2 ack 2
state TIME-WAIT
socket D
bind D = EADDRINUSE
option D reuseaddr 1
bind D
connect D = EADDRNOTAVAIL
EOF
finish
