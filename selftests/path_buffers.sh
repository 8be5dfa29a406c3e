#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The socket's buffers: a size that the program has set stays, and they bound what a peer can pin. That they grow with the
# connection is seen by make goodput: the default sizes do not reach those rates.
# guest: virtual-time, leaks
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"
begin 12
setup_ns host hungry

# burst N TIME PAUSE: so many segments of 1400 octets after PAUSE ms, each acknowledged and read at once; the peer's clock
# says TIME. The first pause is the round-trip time; the later ones are longer, so that it is over for sure.
burst() {
	local i
	echo "sleep $3"
	for ((i = 0; i < $1; i++)); do printf '< A len 1400 <nop,nop,ts %s>\n> A\nrecv C 1400\n' "$2"; done
}

reading="
< S <mss 1460,sackOK,ts 100 0,nop,wscale 7>
> SA seq 0 ack 1
< A <nop,nop,ts 101>
accept L C
option C quickack 1
$(burst 10 120 20)
$(burst 20 140 30)
$(burst 40 160 30)"

prove 'SO_RCVBUF that a program has set stays' <<EOF
socket L
listen L
option L rcvbuf 100000
$reading
buffer C rcvbuf 200000..200000
EOF

prove 'SO_SNDBUF is no less than the default of the namespace' <<EOF
$in_established
buffer C sndbuf 16384..40000
EOF

prove 'SO_SNDBUF that a program has set stays' <<EOF
socket L
option L sndbuf 10000
listen L
< S
> SA seq 0 ack 1
< A
accept L C
buffer C sndbuf 20000..20000
EOF

# Ten octets in a packet cost some eight hundred.
small=''
for ((i = 0; i < 300; i++)); do
	small+="
< PA len 10
> A"
done
prove 'a peer that sends ten octets in each packet does not fill the buffer with headers: they are merged' <<EOF
$in_established
option C quickack 1
$small
inq C 3000
buffer C rmem 1..20000
recv C 3000
buffer C rmem 0..0
EOF

behind=''
for ((i = 1; i <= 300; i++)); do
	behind+="
< PA seq $((1 + 20 * i)) len 10
> A ack 1"
done
prove 'a peer that sends ten octets in each packet behind gaps pins no more than SO_RCVBUF' <<EOF
socket L
option L rcvbuf 20000
listen L
< S <mss 1460,sackOK>
> SA seq 0 ack 1
< A
accept L C
$behind
buffer C rmem 30000..42000
close C
> FA seq 1
EOF

# Each is a packet of its own behind a gap of its own; the last of them fills the buffer to the octet.
behind_gaps=$(for ((i = 2; i <= 12; i++)); do printf '< PA seq %d len 1\n> A seq 1 ack 1\n' $((2 * i)); done)
prove 'what fills a gap is taken where what waits behind it takes all of the buffer' <<EOF
$in_established
< PA seq 2 len 1
> A seq 1 ack 1
rcvbuf C 12
$behind_gaps
< PA seq 1 len 1
> A seq 1 ack 3
inq C 2
EOF

prove 'a reader that never reads: the window closes, what is beyond is refused, and all goes on when it reads' <<EOF
socket L
option L rcvbuf 10000
listen L
< S <mss 1460>
> SA seq 0 ack 1 win 10000
< A
accept L C
option C quickack 1
< A seq 1 len 1400
> A
< A seq 1401 len 1400
> A
< A seq 2801 len 1400
> A
< A seq 4201 len 1400
> A
< A seq 5601 len 1400
> A
< A seq 7001 len 1400
> A
< A seq 8401 len 1400
> A
< PA seq 9801 len 1400
> A
< PA seq 11201 len 1400
> A
< PA seq 12601 len 1400
> A
< PA seq 14001 len 1400
> A win 0
buffer C rmem 14000..24000
EOF

# The memory of all sockets together is used up by a connection that nobody reads. CPUs count up to a mebibyte for themselves.
talker hungry "${hungry:?}"
set_sysctl "$hungry" wmem '4194304 4194304 4194304'
{
	tell hungry listen l 127.0.0.1 7000
	tell hungry connect c 127.0.0.1 7000
	tell hungry send c 2000000
} >"$work/answers" || ktap_exit_fail_msg "$(cat "$work/answers")"
read -r least some most </proc/sys/net/rtcpfsm/mem
# Time is virtual: the script below has sent its first segment long before, and waits.
(sleep 0.5 && echo 0 0 0 >/proc/sys/net/rtcpfsm/mem) &
prove 'sysctl mem: beyond the limit what waits behind a gap gives way to what is next' <<EOF
$in_established
option C quickack 1
< A seq 2801 len 1400
> A ack 1
sleep 1000
< A seq 1 len 1400
> A ack 1401
recv C 1400
< A seq 1401 len 1400
> A ack 2801
recv C 1400
inq C 0
EOF
wait $!
prove 'sysctl mem: beyond the limit a stream that is read goes on packet by packet, and nothing else is taken' <<EOF
$in_established
option C quickack 1
< A seq 1 len 1400
> A ack 1401
< A seq 1401 len 1400
> A ack 1401
< A seq 4201 len 1400
> A ack 1401
count drop receive-buffer-full +2
recv C 1400
< A seq 1401 len 1400
> A ack 2801
recv C 1400
inq C 0
EOF
echo 0 0 "$most" >/proc/sys/net/rtcpfsm/mem
prove 'sysctl mem: while memory is short no more than four segments are offered anew' <<EOF
socket L
option L rcvbuf 10000
listen L
< S <mss 1460>
> SA seq 0 ack 1 win 10000
< A
accept L C
option C quickack 1
< A len 1400
> A ack 1401
< A len 1400
> A ack 2801
< A len 1400
> A ack 4201
< A len 1400
> A ack 5601
recv C 5600
< A len 1400
> A ack 7001 win 5840
< A len 1400
> A ack 8401
EOF
echo "$least" "$some" "$most" >/proc/sys/net/rtcpfsm/mem

# probes N: data for a peer whose window is closed, and so many answered probes, from 0.2 s on at doubling distances.
probes() {
	local i
	printf '%s\n' "$in_syn_received" '< A win 0' 'accept L C' 'send C 8000'
	for ((i = 0; i < $1; i++)); do printf '> A seq 1 ack 1 len 1\n< A ack 1 win 0\n'; done
}
(sleep 2.5 && echo 0 0 0 >/proc/sys/net/rtcpfsm/mem) &
prove 'sysctl mem: beyond the limit a connection that has data to send is reset when its program closes it' <<EOF
$(probes 4)
sleep 2000
close C
> R
state CLOSED
count reset too-many-orphans +1
EOF
wait $!
echo "$least" "$some" "$most" >/proc/sys/net/rtcpfsm/mem
(sleep 9 && echo 0 0 0 >/proc/sys/net/rtcpfsm/mem) &
prove 'sysctl mem: beyond the limit probes keep no connection whose program has closed it' <<EOF
$(probes 5)
close C
> nothing 1000
> R within 2000..8000
state CLOSED
count reset too-many-orphans +1
EOF
wait $!
echo "$least" "$some" "$most" >/proc/sys/net/rtcpfsm/mem
finish
