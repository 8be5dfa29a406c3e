#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Options: the layout of ours, and what a peer may send.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 18
setup_ns host

prove 'MUST-14, SHLD-5: our SYN has MSS, SACK-permitted, timestamps, NOP and window scale, in this order' <<EOF
socket C
connect C
> S seq 0 ack 0 <mss 1460,sackOK,ts * 0,nop,wscale *>
< SA <mss 1460,sackOK,ts 7000,nop,wscale 7>
> A seq 1 ack 1 <nop,nop,ts * 7000>
EOF

prove 'MUST-67: over IPv6 the MSS is the 1500 octets of the link less 60' --family 6 <<EOF
socket C
connect C
> S seq 0 ack 0 <mss 1440,sackOK,ts * 0,nop,wscale *>
EOF

prove 'MUST-67: on a link of 9000 octets the MSS is 8960' --mtu 9000 <<EOF
socket C
connect C
> S seq 0 <mss 8960,sackOK,ts * 0,nop,wscale *>
EOF

prove 'MUST-14: our SYN-ACK answers the options of the SYN in the same order' <<EOF
$in_listen
< S <mss 1460,sackOK,ts 100 0,nop,wscale 7>
> SA seq 0 ack 1 <mss 1460,sackOK,ts * 100,nop,wscale *>
EOF

prove 'RFC 7323 1.3, RFC 2018 2: our SYN-ACK offers nothing that the SYN did not' <<EOF
$in_listen
< S <mss 1460>
> SA seq 0 ack 1 <mss 1460>
peer 1
< S <mss 1460,nop,wscale 2>
> SA seq 0 ack 1 <mss 1460,nop,wscale *>
peer 2
< S <sackOK>
> SA seq 0 ack 1 <mss 1460,nop,nop,sackOK>
EOF

prove 'sysctls timestamps, sack, window_scaling: off, their options are gone from the SYN' <<EOF
sysctl timestamps 0
sysctl sack 0
sysctl window_scaling 0
socket C
connect C
> S seq 0 <mss 1460>
EOF

prove 'MUST-65: no MSS option in a segment without SYN' <<EOF
$in_established
< PA len 5
> A seq 1 ack 6 <>
send C 5
> PA seq 1 len 5 <>
EOF

prove 'MUST-15: without an MSS option segments carry 536 octets at most, IPv4' <<EOF
$in_established
send C 600
> A seq 1 ack 1 len 536
< A
> PA seq 537 len 64
EOF

prove 'MUST-15: without an MSS option segments carry 1220 octets at most, IPv6' --family 6 <<EOF
$in_established
send C 1300
> A seq 1 ack 1 len 1220
< A
> PA seq 1221 len 80
EOF

prove 'MUST-16: the MSS option of the peer counts, less the octets of our options' <<EOF
$in_listen
< S <mss 1000,nop,nop,ts 1 0>
> SA
< A <nop,nop,ts 2>
accept L C
send C 1000
> A seq 1 len 988 <nop,nop,ts * 2>
< A <nop,nop,ts 3>
> PA seq 989 len 12
EOF

prove 'MUST-64, MUST-4: options at odd places, among NOPs, before an end of list' <<EOF
$in_listen
< S <nop,mss 700,nop,nop,nop,wscale 1,eol,hex 0204ffff>
> SA seq 0 ack 1 <mss 1460,nop,wscale *>
< A
accept L C
send C 800
> A seq 1 len 700
< A
> PA seq 701 len 100
EOF

prove 'MUST-6: an option that nobody knows is skipped by its length' <<EOF
$in_listen
< S <hex fd06aabbccdd,mss 900,hex fe02>
> SA seq 0 ack 1 <mss 1460>
< A
accept L C
send C 1800
> A seq 1 len 900
> PA seq 901 len 900
EOF

# absurd WHAT OPTIONS MSS: a SYN with OPTIONS opens; MSS is what stood before the bad one.
absurd="
$in_listen"
n=0
while read -r options; do
	absurd+="
	peer $n
	< S <$options>
	> SA seq 0 ack 1 <mss 1460>"
	n=$((n + 1))
done <<EOF
hex 0200
hex 0201
hex 02ff05b4
nop,nop,nop,hex 02
hex 0203aa,nop
hex 0802,nop,nop
hex fd000000000000000000000000000000000000000000000000000000000000000000000000000000
hex ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff
EOF

prove 'MUST-7: option lengths of 0, 1, one too many and 255: what stood before counts, the segment is taken, and counted' <<EOF
$absurd
count drop bad-option +8
count arc listen-rcv-syn +8
EOF

prove 'MUST-7: after a bad option the ones before it still hold' <<EOF
$in_listen
< S <mss 800,hex 03000000>
> SA seq 0 ack 1 <mss 1460>
< A <hex 0505,eol>
accept L C
< PA len 10 <hex 08ff0000>
> A seq 1 ack 11
recv C 10
send C 1600
> A seq 1 len 800
> PA seq 801 len 800
count drop bad-option +3
EOF

prove 'MUST-5: an option may come in any segment; an MSS after the SYN changes nothing' <<EOF
$in_established
< PA len 10 <mss 100>
> A seq 1 ack 11
send C 536
> PA seq 1 len 536
EOF

prove 'RFC 7323 2.3: a window scale of 15 or more counts as 14; an MSS of 0 does no harm' <<EOF
$in_listen
< S win 1 <mss 1460,nop,wscale 255>
> SA seq 0 ack 1
< A win 1
accept L C
column snd_wnd 16384
peer 1
< S <mss 0>
> SA seq 0 ack 1
< A
accept L D
send D 1
> PA seq 1 len 1
EOF

prove 'RFC 7323 3.2: a segment without the timestamp that was agreed upon is dropped in silence' <<EOF
$in_listen
< S <mss 536,ts 1000>
> SA seq 0 ack 1
< A <nop,nop,ts 1001>
accept L C
< PA len 10
> nothing 300
inq C 0
count drop missing-timestamp +1
< PA seq 1 len 10 <nop,nop,ts 1002>
> A seq 1 ack 11
EOF

prove 'RFC 7323 5.3: a timestamp from before the last one draws an ACK, and the segment is dropped' <<EOF
$in_listen
< S <mss 536,ts 1000>
> SA seq 0 ack 1
< A <nop,nop,ts 1001>
accept L C
< A <nop,nop,ts 900>
> A seq 1 ack 1
< PA len 10 <nop,nop,ts 900>
> A seq 1 ack 1
inq C 0
count drop paws-rejected +2
EOF
finish
