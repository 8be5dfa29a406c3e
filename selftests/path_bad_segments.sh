#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Segments that are none: wrong checksum, cut off, absurd data offset; and senders and receivers that cannot be.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 9
setup_ns host

bad="
$in_listen
< S badsum
> nothing 20
count drop bad-checksum +1
< S
> SA seq 0 ack 1
< A badsum
state SYN-RECEIVED
< A
accept L C
< PA len 100 badsum
< R badsum
< FA badsum
> nothing 20
count drop bad-checksum +5
state ESTABLISHED
inq C 0
< PA len 101
> A seq 1 ack 102
recv C 101"

prove 'MUST-3: a segment with a wrong checksum does nothing in LISTEN, SYN-RECEIVED and ESTABLISHED, IPv4' <<<"$bad"
prove 'MUST-3: a segment with a wrong checksum does nothing in LISTEN, SYN-RECEIVED and ESTABLISHED, IPv6' --family 6 <<<"$bad"

prove 'MUST-3: with no socket at all, too, a wrong checksum draws no RST' <<EOF
< S badsum
< A ack 5 badsum
> nothing 50
count reset no-connection +0
count drop bad-checksum +2
EOF

truncated="
$in_listen
< S trunc 0
< S trunc 1
< S trunc 12
< S trunc 19
> nothing 20
count drop truncated +4
$in_established_on_listener
< PA len 100 trunc 19
< R trunc 4
> nothing 20
count drop truncated +6
state ESTABLISHED
inq C 0"

prove 'RFC 9293 3.1: a segment shorter than its header does nothing, IPv4' <<<"$truncated"
prove 'RFC 9293 3.1: a segment shorter than its header does nothing, IPv6' --family 6 <<<"$truncated"

prove 'RFC 9293 3.1: a data offset below 5 words, or beyond the end of the segment, does nothing' <<EOF
$in_listen
< S doff 0
< S doff 4
< S doff 6
< S doff 15
< S <mss 1460> doff 7
> nothing 20
count drop bad-data-offset +5
$in_established_on_listener
< PA len 16 doff 15
< PA len 16 doff 1
< R doff 0
> nothing 20
count drop bad-data-offset +8
state ESTABLISHED
inq C 0
EOF

prove 'RFC 9293 3.1: a data offset that takes data for options: the octets left are the data' <<EOF
$in_established
< PA len 44 doff 15
> A seq 1 ack 5
inq C 4
EOF

prove 'MUST-57: a SYN to a broadcast or multicast address is silently dropped' <<EOF
socket L
bind L 0.0.0.0
listen L
< S to 255.255.255.255
< S to 224.0.0.1
> nothing 50
count drop multicast-or-broadcast +2
count arc listen-rcv-syn +0
< S
> SA seq 0 ack 1
EOF

prove 'MUST-63: a SYN from an address that is no single host is dropped' <<EOF
$in_listen
< S from 224.0.0.1
< S from 255.255.255.255
< S from 127.0.0.1
> nothing 50
count arc listen-rcv-syn +0
EOF
finish
