#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# One direction is closed, data still flows in the other.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 5
setup_ns host

prove 'RFC 9293 3.6: this side has closed, the peer sends on in FIN-WAIT-1 and FIN-WAIT-2' <<EOF
$in_fin_wait_1
< PA ack 1 len 100
> A seq 2 ack 101
state FIN-WAIT-1
recv C 100
< PA len 200
> A seq 2 ack 301
state FIN-WAIT-2
recv C 200
send C 1 = EPIPE
< FPA len 50
> A seq 2 ack 352
recv C 50
recv C eof
state TIME-WAIT
EOF

prove 'RFC 9293 3.6: the peer has closed, this side sends on in CLOSE-WAIT, then closes' <<EOF
$in_close_wait
recv C eof
send C 300
> PA seq 1 ack 2 len 300
< A
state CLOSE-WAIT
send C 200
> PA seq 301 ack 2 len 200
shutdown C wr
> FA seq 501 ack 2
state LAST-ACK
< A ack 501
state LAST-ACK
< A
state CLOSED
EOF

prove 'RFC 9293 3.6: a half-closed connection may stay so, also in FIN-WAIT-2 without any timer' <<EOF
$in_fin_wait_2
column timer none
column left_ms -
poll C out
> nothing 300
state FIN-WAIT-2
< PA len 1
> A seq 2 ack 2
recv C 1
EOF

prove 'RFC 9293 3.10.7.4: data after the FIN of the peer is not taken' <<EOF
$in_close_wait
< PA len 10
state CLOSE-WAIT
recv C eof
count drop after-close +1
EOF

prove 'RFC 9293 3.6: half-close over IPv6' --family 6 <<EOF
$in_fin_wait_2
< PA len 100
> A seq 2 ack 101
recv C 100
< FA
> A seq 2 ack 102
state TIME-WAIT
EOF
finish
