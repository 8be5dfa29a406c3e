#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Data that nobody can read any more: the peer is told by an RST (RFC 9293 section 3.6.1, RFC 2525 section 2.17).
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 9
setup_ns host

after_close="
$in_fin_wait_1
close C
< PA ack 1 len 10
> R seq 1
state CLOSED
count reset data-after-close +1
count arc fin-wait-1-data-after-close +1"

prove 'SHLD-3: data after close() in FIN-WAIT-1 draws an RST, IPv4' <<<"$after_close"
prove 'SHLD-3: data after close() in FIN-WAIT-1 draws an RST, IPv6' --family 6 <<<"$after_close"

prove 'SHLD-3: data after close() in FIN-WAIT-2 draws an RST' <<EOF
$in_fin_wait_2
close C
< PA len 10
> R seq 2
state CLOSED
count reset data-after-close +1
count arc fin-wait-2-data-after-close +1
EOF

prove 'SHLD-3: after close() a FIN without data ends in order, an ACK draws no RST' <<EOF
$in_fin_wait_2
close C
< A
> nothing 50
< FA
> A seq 2 ack 2
state TIME-WAIT
EOF

unread="
$in_established
< PA len 10
> A seq 1 ack 11
inq C 10
close C
> R seq 1
state CLOSED
count reset unread-data-at-close +1
count arc established-abort +1"

prove 'SHLD-3: close() with data unread in ESTABLISHED: an RST instead of a FIN, IPv4' <<<"$unread"
prove 'SHLD-3: close() with data unread in ESTABLISHED: an RST instead of a FIN, IPv6' --family 6 <<<"$unread"

prove 'SHLD-3: close() with data unread in CLOSE-WAIT: an RST' <<EOF
$in_established
< FPA len 10
> A seq 1 ack 12
close C
> R seq 1
state CLOSED
count reset unread-data-at-close +1
EOF

prove 'SHLD-3: close() with data unread in FIN-WAIT-2: an RST' <<EOF
$in_fin_wait_2
< PA len 10
> A seq 2 ack 11
close C
> R seq 2
state CLOSED
count reset unread-data-at-close +1
EOF

prove 'MAY-1: data that was read before close() is no reason for an RST' <<EOF
$in_established
< PA len 10
> A seq 1 ack 11
recv C 10
close C
> FA seq 1 ack 11
< A
state FIN-WAIT-2
EOF
finish
