#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Both sides open at the same time: SYN-SENT, SYN-RECEIVED, ESTABLISHED.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 7
setup_ns host

simultaneous="
$in_syn_received_active
column timer retransmit
count arc syn-sent-rcv-syn +1
< SA seq 0 ack 1
state ESTABLISHED
count arc syn-received-rcv-ack-of-syn +1
poll C out
send C 10
> PA seq 1 ack 1 len 10
< A
< PA len 10
> A seq 11 ack 11
recv C 10"

prove 'MUST-10: simultaneous open, the peer repeats its SYN with the ACK, IPv4' <<<"$simultaneous"
prove 'MUST-10: simultaneous open, the peer repeats its SYN with the ACK, IPv6' --family 6 <<<"$simultaneous"

prove 'MUST-10: simultaneous open, a plain ACK completes it' <<EOF
$in_syn_received_active
< A
state ESTABLISHED
poll C out
EOF

prove 'MUST-10: simultaneous open with all options: they are agreed upon' <<EOF
socket C
connect C
> S seq 0 <mss 1460,sackOK,ts * 0,nop,wscale *>
< S <mss 1000,sackOK,ts 500,nop,wscale 3>
> SA seq 0 ack 1 <mss 1460,sackOK,ts * 500,nop,wscale *>
< A <nop,nop,ts 501>
state ESTABLISHED
send C 988
> PA seq 1 ack 1 len 988 <nop,nop,ts * 501>
EOF

prove 'MUST-10: the SYN again in SYN-RECEIVED draws the SYN-ACK again' <<EOF
$in_syn_received_active
< S seq 0
> SA seq 0 ack 1
state SYN-RECEIVED
< A
state ESTABLISHED
EOF

prove 'RFC 9293 3.10.7.4: a bad ACK in SYN-RECEIVED draws an RST and the opening goes on' <<EOF
$in_syn_received_active
< A ack 7000
> R seq 7000
count reset bad-ack-in-syn-received +1
state SYN-RECEIVED
< A ack 1
state ESTABLISHED
EOF

prove 'RFC 9293 3.10.7.4: data and FIN may come with the SYN-ACK of a simultaneous open' <<EOF
$in_syn_received_active
< SPFA seq 0 ack 1 len 10
> A seq 1 ack 12
state CLOSE-WAIT
recv C 10
recv C eof
EOF
finish
