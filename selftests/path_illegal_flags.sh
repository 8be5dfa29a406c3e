#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Combinations of flags that mean nothing in a state.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 7
setup_ns host

prove 'RFC 9293 3.10.7.2: in LISTEN no flags, FIN, PSH, URG or all of these: dropped' <<EOF
$in_listen
< -
< F
< P len 5
< U urg 1
< FPU
> nothing 50
count drop listen-bad-flags +5
state LISTEN
EOF

prove 'RFC 9293 3.10.7.2: in LISTEN any ACK draws an RST with its number, with SYN, FIN or data, too' <<EOF
$in_listen
< A ack 100
> R seq 100
< SA ack 200
> R seq 200
< FA ack 300
> R seq 300
< PA ack 400 len 10
> R seq 400
count reset ack-in-listen +4
< SRA ack 500
< FSRPAU ack 600
> nothing 50
state LISTEN
EOF

prove 'RFC 9293 3.10.7.2: in LISTEN a SYN with FIN or data opens; what came along must come again' <<EOF
$in_listen
< SF seq 0
> SA seq 0 ack 1
< A seq 1
accept L C
state ESTABLISHED
< FA seq 1
> A seq 1 ack 2
peer 1
< S seq 0 len 20
> SA seq 0 ack 1
< A seq 1
accept L D
< PA seq 1 len 20
> A seq 1 ack 21
recv D 20
EOF

prove 'RFC 9293 3.10.7.1: no connection: without ACK the RST acknowledges all of it, with ACK it takes its number' <<EOF
< S seq 0
> RA seq 0 ack 1
< - seq 10 len 5
> RA seq 0 ack 15
< SF seq 0 len 7
> RA seq 0 ack 9
< FPU seq 50
> RA seq 0 ack 51
< FSPAU seq 3 ack 1234
> R seq 1234
count reset no-connection +5
EOF

prove 'RFC 9293 3.10.7.3: in SYN-SENT without SYN and RST: dropped; an ACK of what was never sent: RST' <<EOF
$in_syn_sent
< - seq 0
< F seq 0
< PU seq 0 len 4
< A seq 0 ack 1
< FA seq 0 ack 1
> nothing 50
count drop no-syn +5
< A seq 0 ack 0
> R seq 0
< FA seq 0 ack 2
> R seq 2
state SYN-SENT
EOF

prove 'RFC 9293 3.10.7.4: in ESTABLISHED a segment without ACK: dropped, also with FIN or data' <<EOF
$in_established
< - seq 1
< F seq 1
< P seq 1 len 10
< FPU seq 1 len 10
> nothing 50
count drop no-ack +4
state ESTABLISHED
inq C 0
< PA seq 1 len 10
> A seq 1 ack 11
recv C 10
EOF

prove 'RFC 9293 3.10.7.4: in ESTABLISHED all flags at once: the RST counts' <<EOF
$in_established
< FSRPAUEC seq 1 ack 1
state CLOSED
sockerr C ECONNRESET
EOF
finish
