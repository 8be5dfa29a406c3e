#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The Diffserv field and the time to live that programs set reach the wire (RFC 9293 3.9.1).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 8
setup_ns host

fields="
socket L
option L tos 0x28
option L ttl 77
listen L
< S
> SA seq 0 ack 1 tos 0x28 ttl 77
< S seq 0
> SA seq 0 ack 1 tos 0x28 ttl 77
< A
accept L C
send C 10
> PA seq 1 len 10 tos 0x28 ttl 77
< A
option C tos 0x48
option C ttl 33
send C 10
> PA seq 11 len 10 tos 0x48 ttl 33
< A
abort C
> R tos 0x48 ttl 33"

prove 'MUST-48, SHLD-21, SHLD-22, MUST-49: of a listener on, and changed later, IPv4' <<<"$fields"
prove 'MUST-48, SHLD-21, SHLD-22, MUST-49: of a listener on, and changed later, IPv6' --family 6 <<<"$fields"

active='
socket C
option C tos 0x20
option C ttl 9
connect C
> S seq 0 tos 0x20 ttl 9
< SA
> A seq 1 ack 1 tos 0x20 ttl 9'
prove 'MUST-48, MUST-49: of an active open, from the SYN on, IPv4' <<<"$active"
prove 'MUST-48, MUST-49: of an active open, from the SYN on, IPv6' --family 6 <<<"$active"

waiting='
socket L
option L tos 0x28
listen L
< S
> SA
< A
accept L C
close C
> FA
< A
< FA
> A tos 0x28
state TIME-WAIT
< FA seq 1
> A tos 0x28'
prove 'MUST-48: of a connection in TIME-WAIT, IPv4' <<<"$waiting"
prove 'MUST-48: of a connection in TIME-WAIT, IPv6' --family 6 <<<"$waiting"

# 0x2a: 0x28 and ECT(0), which is not for an RST.
reset='
socket L
option L tos 0x48
listen L
< A seq 5 ack 9 tos 0x2a
> R seq 9 tos 0x28 ttl 64
close L
< S seq 7 tos 0x2a
> RA seq 0 ack 8 tos 0x28 ttl 64'
prove 'SHLD-22: an RST for no connection has the Diffserv field of what it answers, as in Linux, IPv4' <<<"$reset"
prove 'SHLD-22: an RST for no connection has the Diffserv field of what it answers, as in Linux, IPv6' --family 6 <<<"$reset"
finish
