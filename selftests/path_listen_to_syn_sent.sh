#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# connect() on a listening socket: LISTEN to SYN-SENT, which Linux's TCP refuses with EISCONN.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 4
setup_ns host

listen_connect="
$in_listen
connect L
> S seq 0
state SYN-SENT
count arc listen-active-open +1
count gauge LISTEN +0
< SA
> A seq 1 ack 1
state ESTABLISHED
poll L out
send L 10
> PA seq 1 ack 1 len 10
< FA
> A seq 11 ack 2
recv L eof"

prove 'RFC 9293 3.10.1: a listener turns into an active opener, IPv4' <<<"$listen_connect"
prove 'RFC 9293 3.10.1: a listener turns into an active opener, IPv6' --family 6 <<<"$listen_connect"

prove 'RFC 9293 3.10.1: after that nobody listens any more: a SYN of another peer draws an RST' <<EOF
$in_listen
connect L
> S seq 0
peer 1
< S
> RA seq 0 ack 1
count reset no-connection +1
EOF

prove 'connect() on a listener with a pending connection is refused: EISCONN' <<EOF
$in_syn_received
< A
poll L in
connect L = EISCONN
state LISTEN
accept L C
state ESTABLISHED
EOF
finish
