#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The peer's window is closed, or shrinks; and ours is closed.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 12
setup_ns host

probes="
$in_syn_received
< A win 0
accept L C
rto C 200..230
send C 10
column timer persist
> A seq 1 ack 1 len 1 within 1000..1150rto
< A ack 1 win 0
> A seq 1 ack 1 len 1 within 2000..2300rto
< A ack 1 win 0
> A seq 1 ack 1 len 1 within 4000..4600rto
< A ack 1 win 0
> A seq 1 ack 1 len 1 within 8000..9200rto
< A ack 1 win 1000
> PA seq 1 ack 1 len 10
< A
> nothing 100000
column timer none"

prove 'MUST-35, SHLD-29, SHLD-30: a closed window is probed, first after one timeout, then with backoff, IPv4' <<<"$probes"
prove 'MUST-35, SHLD-29, SHLD-30: a closed window is probed, first after one timeout, then with backoff, IPv6' --family 6 <<<"$probes"

answered=$(for _ in $(seq 40); do printf '> A seq 1 ack 1 len 1\n< A ack 1 win 0\n'; done)
prove 'MUST-37: as long as its probes are answered a closed window ends nothing: 40 probes, more than an hour' <<EOF
$in_syn_received
< A win 0
accept L C
send C 10
patience 200000
mark
$answered
since 3600000..6000000
state ESTABLISHED
EOF

prove 'MUST-20: probes that nobody answers: R2, ETIMEDOUT' <<EOF
sysctl retries2 4
$in_syn_received
< A win 0
accept L C
send C 10
repeat 4 > A seq 1 ack 1 len 1
> nothing 3000
sleep 4500
state CLOSED
sockerr C ETIMEDOUT
EOF

prove 'MUST-36: a window that opened unseen, for its update was lost: a probe finds out' <<EOF
$in_syn_received
< A win 100
accept L C
send C 150
> A seq 1 ack 1 len 100
< A ack 101 win 0
rto C 200..230
> A seq 101 ack 1 len 1 within 1000..1150rto
< A ack 102 win 1000
> PA seq 102 ack 1 len 49
< A
EOF

prove 'SHLD-30: a FIN waits for the window, too, and a probe carries it' <<EOF
$in_syn_received
< A win 0
accept L C
rto C 200..230
close C
state FIN-WAIT-1
> FA seq 1 ack 1 within 1000..1150rto
< A
state FIN-WAIT-2
EOF

prove 'MUST-34, SHLD-15, SHLD-16: a window that shrinks: nothing beyond it, the rest comes when it opens' <<EOF
$in_syn_received
< A win 2000
accept L C
rto C 200..230
send C 1000
> A seq 1 ack 1 len 536
> PA seq 537 ack 1 len 464
< A ack 1 win 100
> A seq 1 len 100 within 1000..1150rto
< A ack 101 win 0
> A seq 101 len 1 within 1000..2300rto
< A ack 102 win 5000
> A seq 102 len 536
< A ack 638
> PA seq 638 len 363
< A
outq C 0
EOF

# Both halves of our buffer are small, so that two segments close the window.
closed="
socket L
option L rcvbuf 2304
listen L
< S
> SA seq 0 ack 1 win 2304
< A
accept L C
< PA len 1300
> A seq 1 ack 1301 win 1004
< PA len 1004
> A seq 1 ack 2305 win 0
column rcv_wnd 0"

prove 'MUST-66: our window is closed: an exact RST still ends the connection' <<EOF
$closed
< R
state CLOSED
sockerr C ECONNRESET
EOF

prove 'MUST-66: our window is closed: an ACK and a FIN still count' <<EOF
$closed
send C 10
> PA seq 1 ack 2305 len 10 win 0
< A
outq C 0
< FA
> A seq 11 ack 2306 win 0
state CLOSE-WAIT
recv C 2304
recv C eof
EOF

prove 'RFC 9293 3.8.6.1: our window is closed: a probe is answered, its octet not taken; read, the window is told' <<EOF
$closed
< PA seq 2305 len 1
> A seq 1 ack 2305 win 0
inq C 2304
recv C 2304
> A seq 1 ack 2305
column rcv_wnd 2000..3000
< PA seq 2305 len 100
> A seq 1 ack 2405
recv C 100
EOF

prove 'SHLD-14: our window never shrinks: what was offered is taken, even if the program reads nothing' <<EOF
socket L
option L rcvbuf 2304
listen L
< S
> SA seq 0 ack 1 win 2304
< A
accept L C
< PA len 100
> A ack 101 win 2204
< PA len 1100
> A ack 1201 win 1104
< PA len 1104
> A ack 2305 win 0
recv C 2304
> A ack 2305
column rcv_wnd 2000..3000
EOF

prove 'MUST-66: our window is closed: the ACK on data that has no room counts' <<EOF
$closed
send C 10
> PA seq 1 len 10
outq C 10
< A len 1 ack 11
> A win 0
outq C 0
inq C 2304
EOF
finish
