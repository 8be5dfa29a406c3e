#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ICMP errors that quote a segment (RFC 9293 section 3.9.2.2).
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 29
setup_ns host

# opening ERROR TYPE CODE [DRILL OPTIONS..]: while opening.
opening() {
	local error=$1 type=$2 code=$3 clause='RFC 5461 4'
	shift 3
	# What RFC 9293 counts as hard; the others it counts as soft.
	case $type.$code in 3.[2-4] | 1.4) clause=SHLD-26 ;; esac
	prove "$clause: ICMP${*:+, IPv6}, type $type code $code in SYN-SENT: CLOSED, $error" "$@" <<-EOF
	$in_syn_sent
	< icmp $type $code seq 0
	state CLOSED
	poll C in,out,err,hup,rdhup
	sockerr C $error
	count arc syn-sent-icmp +1
	> nothing 3000
	EOF
}
opening ENETUNREACH 3 0
opening EHOSTUNREACH 3 1
opening ENOPROTOOPT 3 2
opening ECONNREFUSED 3 3
opening EHOSTDOWN 3 7
opening ENETUNREACH 3 11
opening ENETUNREACH 1 0 --family 6
opening EACCES 1 1 --family 6
opening EHOSTUNREACH 1 3 --family 6
opening EACCES 1 5 --family 6
opening EACCES 1 6 --family 6
opening ECONNREFUSED 1 4 --family 6

prove 'RFC 5461 4: ICMP in SYN-RECEIVED after a simultaneous open: CLOSED, EHOSTUNREACH' <<EOF
$in_syn_received_active
< icmp 3 1 seq 0
state CLOSED
sockerr C EHOSTUNREACH
count arc syn-received-icmp +1
EOF

prove 'MUST-54: an ICMP error that quotes a number that is not in flight is ignored' <<EOF
$in_syn_sent
< icmp 3 1 seq 1
< icmp 3 1 seq -1
< icmp 3 3 seq 100000
> nothing 100
state SYN-SENT
< SA
> A seq 1 ack 1
sockerr C 0
EOF

# RFC 792: eight octets of the header are quoted at least: the ports and the number.
quoted() {
	prove "MUST-54: an ICMP error counts that quotes eight octets of a segment${*:+, IPv6}, with less it is ignored" "$@" <<-EOF
	$in_syn_sent
	< icmp $type $code seq 0 cut 7
	< icmp $type $code seq 0 cut 0
	> nothing 100
	state SYN-SENT
	< icmp $type $code seq 0 cut 8
	state CLOSED
	EOF
	prove "MUST-54: an ICMP error counts that quotes a segment with IP options or an extension header${*:+, IPv6}" "$@" <<-EOF
	$in_syn_sent
	< icmp $type $code seq 1 options 1
	> nothing 100
	state SYN-SENT
	< icmp $type $code seq 0 options 1
	state CLOSED
	EOF
}
type=3 code=1 quoted
type=1 code=3 quoted --family 6

prove 'MUST-54: an ICMP error for another port is ignored' <<EOF
$in_syn_sent
peer 1
< icmp 3 3 seq 0
peer 0
state SYN-SENT
EOF

prove 'MUST-56: unreachable, time exceeded, parameter problem: none aborts an established connection' <<EOF
$in_established
send C 10
> PA seq 1 ack 1 len 10
< icmp 3 0 seq 1
< icmp 3 1 seq 1
< icmp 3 2 seq 1
< icmp 3 3 seq 1
< icmp 3 5 seq 1
< icmp 11 0 seq 1
< icmp 12 0 seq 1
state ESTABLISHED
< A
send C 5
> PA seq 11 ack 1 len 5
< A
< PA len 7
> A seq 16 ack 8
recv C 7
EOF

prove 'MUST-56: the same over IPv6' --family 6 <<EOF
$in_established
send C 10
> PA seq 1 ack 1 len 10
< icmp 1 0 seq 1
< icmp 1 4 seq 1
< icmp 3 0 seq 1
< icmp 4 0 seq 1
state ESTABLISHED
< A
< PA len 7
> A seq 11 ack 8
recv C 7
EOF

prove 'SHLD-25: unreachable on an established connection is a soft error: SO_ERROR tells it, the connection lives' <<EOF
$in_established
option C recverr 1
send C 10
> PA seq 1 ack 1 len 10
< icmp 3 1 seq 1
sockerr C EHOSTUNREACH
state ESTABLISHED
< A
send C 5
> PA seq 11 ack 1 len 5
EOF

# queued TYPE CODE ERROR [DRILL OPTIONS..]
queued() {
	local type=$1 code=$2 error=$3
	shift 3
	prove "SHLD-20: IP_RECVERR: the ICMP error that ends an opening stands in the error queue${*:+, IPv6}" "$@" <<-EOF
	socket C
	option C recverr 1
	connect C
	> S seq 0
	< icmp $type $code seq 1000
	errqueue C 0
	< icmp $type $code seq 0
	state CLOSED
	sockerr C $error
	errqueue C $error
	errqueue C 0
	EOF
}
queued 3 1 EHOSTUNREACH
queued 1 1 EACCES --family 6

prove 'SHLD-9: what ICMP told is why the connection ends at R2: EHOSTUNREACH, not ETIMEDOUT' <<EOF
sysctl retries1 3
sysctl retries2 5
$in_established
send C 10
> PA seq 1 ack 1 len 10
< icmp 3 1 seq 1
repeat 5 > PA seq 1 ack 1 len 10
poll C in,out,err,hup,rdhup
sockerr C EHOSTUNREACH
state CLOSED
EOF

prove 'MUST-56: a code that ICMP does not have is ignored' <<EOF
$in_syn_sent
< icmp 3 16 seq 0
> nothing 100
state SYN-SENT
EOF

prove 'MUST-55: a source quench is dropped in silence' <<EOF
$in_syn_sent
< icmp 4 0 seq 0
> nothing 100
state SYN-SENT
< SA
> A seq 1 ack 1
send C 10
> PA seq 1 ack 1 len 10
< icmp 4 0 seq 1
state ESTABLISHED
sockerr C 0
EOF

prove 'MUST-54: an ICMP error for a request that a listener made does not harm the listener' <<EOF
$in_syn_received
< icmp 3 1 seq 0
state LISTEN
peer 1
< S
> SA seq 0 ack 1
< A
accept L C
EOF

prove 'MUST-56: time exceeded and parameter problem do not end an opening' <<EOF
$in_syn_sent
< icmp 11 0 seq 0
< icmp 12 0 seq 0
state SYN-SENT
< SA
> A seq 1 ack 1
EOF
finish
