#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The peer's window is closed, or shrinks; and ours is closed.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "$(dirname "$0")/paths.sh"
begin 9
setup_ns host

probes="
$in_syn_received
< A win 0
accept L C
send C 10
column timer persist
> A seq 1 ack 1 len 1 within 200..240
< A ack 1 win 0
> A seq 1 ack 1 len 1 within 400..460
< A ack 1 win 0
> A seq 1 ack 1 len 1 within 800..920
< A ack 1 win 0
> A seq 1 ack 1 len 1 within 1600..1820
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
> A seq 101 ack 1 len 1 within 200..240
< A ack 102 win 1000
> PA seq 102 ack 1 len 49
< A
EOF

prove 'SHLD-30: a FIN waits for the window, too, and a probe carries it' <<EOF
$in_syn_received
< A win 0
accept L C
close C
state FIN-WAIT-1
> FA seq 1 ack 1 within 200..240
< A
state FIN-WAIT-2
EOF

prove 'MUST-34, SHLD-15, SHLD-16: a window that shrinks: nothing beyond it, the rest comes when it opens' <<EOF
$in_syn_received
< A win 2000
accept L C
send C 1000
> A seq 1 ack 1 len 536
< A ack 1 win 100
> PA seq 1 len 100 within 0..300
EOF

prove 'MUST-66: our window is closed: an exact RST still ends the connection' <<EOF
$in_listen
option L rcvbuf 2304
EOF

prove 'MUST-66: our window is closed: a FIN and an ACK still count' <<EOF
$in_listen
EOF
finish
