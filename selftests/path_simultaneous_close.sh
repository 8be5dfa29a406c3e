#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Both sides close at the same time: FIN-WAIT-1, CLOSING, TIME-WAIT.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 5
setup_ns host

simultaneous="
$in_closing
column timer retransmit
count arc fin-wait-1-rcv-fin +1
< A
state TIME-WAIT
count arc closing-rcv-ack-of-fin +1
recv C eof
> nothing 20"

prove 'RFC 9293 3.6: simultaneous close by CLOSING, IPv4' <<<"$simultaneous"
prove 'RFC 9293 3.6: simultaneous close by CLOSING, IPv6' --family 6 <<<"$simultaneous"

prove 'RFC 9293 3.6: simultaneous close of an orphan' <<EOF
$in_established
close C
> FA seq 1 ack 1
< FA ack 1
> A seq 2 ack 2
state CLOSING
column inode 0
< A
state TIME-WAIT
EOF

prove 'RFC 9293 3.10.7.4: in CLOSING a FIN again is acknowledged again, an ACK of less changes nothing' <<EOF
$in_closing
< FA seq 1 ack 1
> A seq 2 ack 2
< A seq 2 ack 1
state CLOSING
< A seq 2 ack 2
state TIME-WAIT
EOF

prove 'RFC 9293 3.6: simultaneous close with data on its way in both directions' <<EOF
$in_established
send C 50
> PA seq 1 ack 1 len 50
shutdown C wr
> FA seq 51 ack 1
< FPA ack 1 len 20
> A seq 52 ack 22
state CLOSING
recv C 20
recv C eof
< A ack 51
state CLOSING
< A
state TIME-WAIT
EOF
finish
