#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a program does not want to hear: filters (SO_ATTACH_FILTER), and segments from far away (IP_MINTTL, RFC 5082).
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 10
setup_ns host

prove 'a filter on a listener drops a SYN; without it the same SYN opens' <<EOF
$in_listen
filter L 0
< S
> nothing 100
state LISTEN
count drop policy +1
filter L -1
< S seq 0
> SA seq 0 ack 1
< A
accept L C
EOF

prove 'a filter on a listener drops the ACK of its SYN-ACK: there is no connection yet' <<EOF
$in_syn_received
filter L 0
< A
> nothing 100
state SYN-RECEIVED
filter L -1
< A
accept L C
state ESTABLISHED
EOF

prove 'a child has the filter of its listener' <<EOF
$in_listen
filter L 20
< S
> SA seq 0 ack 1
< A
accept L C
filter L -1
< PA len 10
> nothing 100
inq C 0
filter C -1
< PA seq 1 len 10
> A seq 1 ack 11
recv C 10
EOF

# near TYPE CODE [DRILL OPTIONS..]: the ICMP error is of that type and code.
near() {
	local type=$1 code=$2
	shift 2
	prove "RFC 5082 3: a listener with a minimum of hops drops what comes from farther${*:+, IPv6}" "$@" <<-EOF
	$in_listen
	option L minttl 255
	< S ttl 254
	> nothing 100
	state LISTEN
	count drop policy +1
	< S seq 0 ttl 255
	> SA seq 0 ack 1
	< A ttl 254
	> nothing 100
	state SYN-RECEIVED
	< A ttl 255
	accept L C
	EOF
	prove "RFC 5082 3: a connection with a minimum of hops drops what comes from farther${*:+, IPv6}" "$@" <<-EOF
	$in_established
	option C minttl 200
	< PA len 10 ttl 199
	< RA ttl 64
	> nothing 100
	inq C 0
	state ESTABLISHED
	< PA seq 1 len 10 ttl 200
	> A seq 1 ack 11
	recv C 10
	EOF
	prove "RFC 5082 3: an ICMP error from farther does not count${*:+, IPv6}" "$@" <<-EOF
	socket C
	option C minttl 255
	connect C
	> S seq 0
	< icmp $type $code seq 0 ttl 254
	> nothing 100
	state SYN-SENT
	< icmp $type $code seq 0 ttl 255
	state CLOSED
	EOF
}
near 3 3
near 1 4 --family 6

prove 'a filter that cuts data off delivers what is left, and no FIN' <<EOF
$in_established
filter C 25
< FPA len 10
> A seq 1 ack 6
inq C 5
state ESTABLISHED
filter C -1
< FPA seq 6 len 5
> A seq 1 ack 12
inq C 10
state CLOSE-WAIT
EOF
finish
