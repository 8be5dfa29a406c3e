#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Nobody answers: retransmission of the FIN, with and without a program that waits, and FIN-WAIT-2 of an orphan.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 11
setup_ns host

# What is sent again comes when its time is up, and at most 15 % later: the timers of the kernel may be late by an eighth.
orphan="
$in_established
rto C 200..230
close C
> FA seq 1 ack 1
$(backoff 1000..1150rto 8 '> FA seq 1 ack 1')
> nothing 256000rto
state FIN-WAIT-1
sleep 40000rto
state CLOSED
count arc fin-wait-1-timeout +1
> nothing 300000"

prove 'MUST-20: FIN of an orphan under total loss: 8 retransmissions with backoff, then CLOSED, IPv4' <<<"$orphan"
prove 'MUST-20: FIN of an orphan under total loss: 8 retransmissions with backoff, then CLOSED, IPv6' --family 6 <<<"$orphan"

prove 'sysctl orphan_retries: 2 retransmissions of an orphan, then CLOSED' <<EOF
sysctl orphan_retries 2
$in_established
rto C 200..230
close C
> FA seq 1 ack 1
repeat 2 > FA seq 1 ack 1
> nothing 4000rto
sleep 700rto
state CLOSED
EOF

prove 'MUST-20: FIN of a socket still in use under total loss: R2 is retries2, ETIMEDOUT' <<EOF
sysctl retries2 5
$in_fin_wait_1
repeat 5 > FA seq 1 ack 1
> nothing 6000
state FIN-WAIT-1
sleep 2000
state CLOSED
sockerr C ETIMEDOUT
count arc fin-wait-1-timeout +1
EOF

prove 'MUST-20: the FIN in CLOSING under total loss: again and again, then CLOSED' <<EOF
sysctl retries2 2
$in_closing
repeat 2 > FA seq 1 ack 2
sleep 1000
state CLOSED
count arc closing-timeout +1
EOF

prove 'MUST-20: the FIN in LAST-ACK under total loss: again and again, then CLOSED' <<EOF
sysctl orphan_retries 2
$in_close_wait
close C
> FA seq 1 ack 2
repeat 2 > FA seq 1 ack 2
sleep 1000
state CLOSED
count arc last-ack-timeout +1
EOF

prove 'RFC 9293 3.10.7.4: a lost FIN goes out again and the late ACK leads to FIN-WAIT-2' <<EOF
$in_fin_wait_1
repeat 3 > FA seq 1 ack 1
< A
state FIN-WAIT-2
> nothing 200000
state FIN-WAIT-2
EOF

fin_wait_2="
$in_fin_wait_2
close C
column timer fin-wait-2
column left_ms 59000..60000
sleep 59500
state FIN-WAIT-2
sleep 9000
state CLOSED
count arc fin-wait-2-orphan-timeout +1
< FA
> R seq 2"

prove 'FIN-WAIT-2 of an orphan ends after fin_timeout, 60 s; a FIN after that draws an RST, IPv4' <<<"$fin_wait_2"
prove 'FIN-WAIT-2 of an orphan ends after fin_timeout, 60 s; a FIN after that draws an RST, IPv6' --family 6 <<<"$fin_wait_2"

prove 'sysctl fin_timeout: FIN-WAIT-2 of an orphan that closed before the ACK of its FIN ends after 5 s' <<EOF
sysctl fin_timeout 5
$in_established
close C
> FA seq 1 ack 1
< A
state FIN-WAIT-2
sleep 4900
state FIN-WAIT-2
sleep 1000
state CLOSED
count arc fin-wait-2-orphan-timeout +1
EOF

prove 'FIN-WAIT-2 of a socket still in use lasts as long as it likes: an hour' <<EOF
$in_fin_wait_2
> nothing 3600000
state FIN-WAIT-2
< FPA len 10
> A seq 2 ack 12
recv C 10
recv C eof
EOF
finish
