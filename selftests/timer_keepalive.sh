#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An idle peer is asked whether it is there, and one that does not answer is given up, when the program says so: keep-alives
# (RFC 9293 3.8.4), the user timeout (RFC 9293 3.8.3, RFC 5482), and what else programs set for the life of a connection.
# guest: virtual-time
#
# The kernel's timers fire up to an eighth late, never early: so do the times here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 22
setup_ns host

two_hours="
$in_established
option C keepalive 1
patience 20000
column timer keep-alive
> A seq 0 ack 1 len 0 within 7200000..8100000
< A
> nothing 7000000
< PA len 10
> A seq 1 ack 11
recv C 10
> A seq 0 ack 11 within 7200000..8100000
< A
state ESTABLISHED"

prove 'MAY-5, MUST-26, MUST-28, SHLD-12: after two hours without a segment a keep-alive, without data, IPv4' <<<"$two_hours"
prove 'MAY-5, MUST-26, MUST-28, SHLD-12: after two hours without a segment a keep-alive, without data, IPv6' --family 6 <<<"$two_hours"

prove 'MUST-25: without SO_KEEPALIVE nothing is sent for a day' <<EOF
$in_established
> nothing 86400000
state ESTABLISHED
column timer none
EOF

prove 'MUST-24: SO_KEEPALIVE can be turned off again' <<EOF
$in_established
option C keepalive 1
option C keepidle 10
> A seq 0 ack 1 within 9990..11300
< A
option C keepalive 0
> nothing 1000000
column timer none
EOF

prove 'MUST-27, MUST-29: TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT; only silence to all of them ends the connection' <<EOF
$in_established
option C keepidle 30
option C keepintvl 5
option C keepcnt 3
option C keepalive 1
> A seq 0 ack 1 within 29990..33800
> A seq 0 ack 1 within 4990..5700
> A seq 0 ack 1 within 4990..5700
state ESTABLISHED
< A
> A seq 0 ack 1 within 29990..33800
> A seq 0 ack 1 within 4990..5700
> A seq 0 ack 1 within 4990..5700
> R seq 1 within 4990..5700
state CLOSED
sockerr C ETIMEDOUT
count reset keep-alive-timeout +1
EOF

prove 'MUST-27: the sysctls count where the program has set nothing' <<EOF
sysctl keepalive_time 20
sysctl keepalive_intvl 3
sysctl keepalive_probes 2
$in_established
option C keepalive 1
> A seq 0 ack 1 within 19990..22600
> A seq 0 ack 1 within 2990..3400
> R seq 1 within 2990..3400
sockerr C ETIMEDOUT
EOF

prove 'MAY-6: a keep-alive with an octet, for peers that answer nothing else' <<EOF
sysctl keepalive_octet 1
$in_established
option C keepidle 10
option C keepalive 1
> A seq 0 ack 1 junk 1 within 9990..11300
< A
send C 5
> PA seq 1 ack 1 len 5
< A
> A seq 5 ack 1 junk 1 within 9990..11300
< A
EOF

prove 'RFC 9293 3.8.4: keep-alives of the peer, with an octet and without, are answered; the octet is no data' <<EOF
$in_established
< A seq 0
> A seq 1 ack 1
sleep 1000
< A seq 0 len 1
> A seq 1 ack 1
inq C 0
EOF

prove 'MUST-26: none while data is outstanding; data and ACKs put them off' <<EOF
sysctl retries2 8
$in_established
option C keepidle 2
option C keepalive 1
sleep 1500
send C 10
> PA seq 1 ack 1 len 10
column timer retransmit..tail-probe
< A
> A seq 10 ack 1 within 1990..2300
< A
EOF

prove 'MUST-24: the children of a listener have what it has set' <<EOF
socket L
option L keepalive 1
option L keepidle 7
listen L
< S
> SA seq 0 ack 1
< A
accept L C
> A seq 0 ack 1 within 6900..7900
< A
EOF

prove 'RFC 9293 3.8.4: keep-alives end a connection in FIN-WAIT-2 and CLOSE-WAIT, too' <<EOF
$in_fin_wait_2
option C keepidle 10
option C keepcnt 1
option C keepintvl 5
option C keepalive 1
> A seq 1 ack 1 within 9900..11300
> R seq 2 within 4990..5700
state CLOSED
EOF

prove 'MUST-21: TCP_USER_TIMEOUT ends a connection whose data is not acknowledged, ETIMEDOUT' <<EOF
$in_established
option C usertimeout 10000
mark
send C 10
> PA seq 1 len 10
repeat 5 > PA seq 1 len 10
since 6000..7200
> nothing 2700
state ESTABLISHED
sleep 2000
state CLOSED
sockerr C ETIMEDOUT
EOF

prove 'MUST-21: a long one keeps a connection that R2 would end' <<EOF
sysctl retries2 3
$in_established
option C usertimeout 3600000
patience 200000
send C 10
> PA seq 1 len 10
repeat 12 > PA seq 1 len 10
state ESTABLISHED
< A
outq C 0
EOF

prove 'MUST-21: keep-alives go by the user timeout, not by their count' <<EOF
$in_established
option C keepidle 10
option C keepintvl 10
option C keepcnt 1
option C usertimeout 25000
option C keepalive 1
patience 20000
mark
repeat 2 > A seq 0 ack 1
> R seq 1
since 29000..34000
sockerr C ETIMEDOUT
EOF

prove 'MUST-21: a window that stays closed ends the connection after the user timeout' <<EOF
$in_syn_received
< A win 0
accept L C
option C usertimeout 4000
rto C 200..230
send C 10
> A seq 1 len 1 within 1000..1150rto
< A ack 1 win 0
> A seq 1 len 1 within 2000..2300rto
< A ack 1 win 0
> A seq 1 len 1 within 4000..4600rto
< A ack 1 win 0
> A seq 1 len 1 within 8000..9200rto
< A ack 1 win 0
> nothing 100
sleep 1200
state CLOSED
sockerr C ETIMEDOUT
EOF

prove 'MUST-23: TCP_SYNCNT is the R2 of our SYN' <<EOF
socket C
option C syncnt 2
connect C
> S seq 0
> S seq 0 within 990..1100
> S seq 0 within 1990..2200
> nothing 3900
sleep 300
state CLOSED
sockerr C ETIMEDOUT
EOF

prove 'TCP_LINGER2: how long an orphan waits in FIN-WAIT-2' <<EOF
$in_established
option C linger2 5
close C
> FA seq 1 ack 1
< A
> nothing 4900
state FIN-WAIT-2
sleep 800
state CLOSED
EOF

prove 'TCP_LINGER2 below 0: no FIN-WAIT-2, an RST' <<EOF
$in_established
option C linger2 -1
close C
> FA seq 1 ack 1
< A
> R seq 2
state CLOSED
count reset no-fin-wait-2 +1
EOF

prove 'TCP_DEFER_ACCEPT: an ACK alone opens nothing; when the time is up one more SYN-ACK asks, and its answer does' <<EOF
socket L
option L deferaccept 6
listen L
< S
> SA seq 0 ack 1
< A
> nothing 6000
accept L C = EAGAIN
> SA seq 0 ack 1
< A
accept L C
state ESTABLISHED
count drop deferred +1
EOF

prove 'TCP_DEFER_ACCEPT: data opens at once' <<EOF
socket L
option L deferaccept 6
listen L
< S
> SA seq 0 ack 1
< A
< PA len 10
> A seq 1 ack 11
accept L C
inq C 10
EOF

prove 'TCP_CORK: full segments alone, for 200 ms at most' <<EOF
$in_established
option C cork 1
send C 100
> nothing 190
> PA seq 1 len 100 within 195..230
< A
send C 600
> A seq 101 len 536
< A
> PA seq 637 len 64 within 195..230
< A
send C 10
> nothing 50
option C cork 0
> PA seq 701 len 10
< A
more C 5
> nothing 100
send C 5
> PA seq 711 len 10
EOF

prove 'max_orphans: one connection too many without a program is reset' <<EOF
sysctl max_orphans 0
$in_established
close C
> FA seq 1 ack 1
> R seq 2
state CLOSED
count reset too-many-orphans +1
EOF
finish
