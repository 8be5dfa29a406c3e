#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs of segments that leave the machine as one packet, and are cut on their way: what is on the wire is as if each
# segment had been sent alone.
# guest: virtual-time, leaks
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
# shellcheck source-path=SCRIPTDIR source=badnet.sh
. "${0%/*}/badnet.sh"

begin 21
setup_ns host

# drill's TUN device takes no large packets: each is cut before it. drill looks at the checksums.
open='
socket L
listen L
< S <mss 1460>
> SA seq 0 ack 1
< A
accept L C'
cut='
send C 8000
> A seq 1 ack 1 len 1460
> A seq 1461 ack 1 len 1460
> A seq 2921 ack 1 len 1460
> A seq 4381 ack 1 len 1460
> A seq 5841 ack 1 len 1460
> PA seq 7301 ack 1 len 700
< A
shutdown C wr
> FA seq 8001 ack 1'
prove 'MUST-2, MUST-16: a run is cut into full segments, numbers and checksums are theirs, IPv4' <<<"$open$cut"
prove 'MUST-2, MUST-16: the same, IPv6' --family 6 <<<"$open$(sed 's/1460/1440/g; s/seq 1461/seq 1441/; s/seq 2921/seq 2881/; s/seq 4381/seq 4321/; s/seq 5841/seq 5761/; s/seq 7301 ack 1 len 700/seq 7201 ack 1 len 800/' <<<"$cut")"
prove 'the options of a run stand in each of its segments' <<'EOF'
socket L
listen L
< S <mss 1460,sackOK,ts 100 0>
> SA seq 0 ack 1
< A <nop,nop,ts 101>
accept L C
send C 2896
> A seq 1 len 1448 <nop,nop,ts * 101>
> PA seq 1449 len 1448 <nop,nop,ts * 101>
< A <nop,nop,ts 102>
EOF
prove 'MUST-61: PSH and FIN stand in the last segment of a run alone' <<EOF
$open
< A win 0
send C 4380
shutdown C wr
< A win 65535
> A seq 1 ack 1 len 1460
> A seq 1461 ack 1 len 1460
> FPA seq 2921 ack 1 len 1460
< A
EOF
prove 'RFC 3168 6.1.2: CWR stands in the first segment of a run alone' <<'EOF'
socket L
listen L
< SEC seq 0 <mss 1460>
> SAE seq 0 ack 1
< A
accept L C
send C 4380
> A seq 1 len 1460 tos 2
> A seq 1461 len 1460 tos 2
> PA seq 2921 len 1460 tos 2
< AE
send C 2920
> AC seq 4381 len 1460 tos 2
> PA seq 5841 len 1460 tos 2
< A
EOF
prove 'RFC 5681 3.2: a part of a run is sent again' <<EOF
$open
send C 7300
> A seq 1 len 1460
> A seq 1461 len 1460
> A seq 2921 len 1460
> A seq 4381 len 1460
> PA seq 5841 len 1460
< A ack 1461
repeat 3 < A ack 1461
> A seq 1461 len 1460
< A ack 7301
EOF
prove 'RFC 1191 6.4: a run that was too large goes out again in smaller segments' <<EOF
$open
send C 5840
> A seq 1 len 1460
> A seq 1461 len 1460
> A seq 2921 len 1460
> PA seq 4381 len 1460
< icmp 3 4 seq 1 mtu 1500
< icmp 3 4 seq 1461 mtu 1240
> A seq 1 len 1200
> A seq 1201 len 1200
> A seq 2401 len 1200
> A seq 3601 len 1200
> PA seq 4801 len 1040
< A
EOF

# packets NS DEVICE rx|tx: how many there were.
packets() {
	local line lines field at=10
	if [ "$3" = rx ]; then at=2; fi
	look "$1" dev
	for line in "${lines[@]}"; do
		read -r -a field <<<"$line"
		if [ "${field[0]}" = "$2:" ]; then echo "${field[at]}"; fi
	done
}
octets=$((2 << 20))
# So many segments of the largest kind that the links carry, IPv4 or IPv6 with timestamps.
segments=$((octets / 1448))
# moved FAMILY: the server sends so much to the client and back, octet for octet; the packets that the server sent: $sent.
# The numbers of packets that came into the router from the server and left it for the client: $came and $left.
moved() {
	came=$(packets "$router" v1 rx) left=$(packets "$router" v0 tx)
	transfer "$1" "$octets" "$octets" --half || return 1
	came=$(($(packets "$router" v1 rx) - came)) left=$(($(packets "$router" v0 tx) - left))
	echo "$came packets came to the router, $left left it; $segments segments"
}
# sound: no checksum was ever wrong.
sound() { [ "$(stat_of "$client" drop bad-checksum)" = 0 ] && [ "$(stat_of "$server" drop bad-checksum)" = 0 ]; }
# large FAMILY: so large packets come through that they are less than a quarter of the segments.
large() { moved "$1" && [ "$came" -lt $((segments / 4)) ] && [ "$left" -lt $((segments / 4)) ]; }
# cut_by_router FAMILY: they come large, and leave as segments.
cut_by_router() { moved "$1" && [ "$came" -lt $((segments / 4)) ] && [ "$left" -ge "$segments" ]; }
# cut_by_sender FAMILY: nothing large comes to the router.
cut_by_sender() { moved "$1" && [ "$came" -ge "$segments" ]; }
# cut_and_summed: nothing large comes to the router, and each segment has its checksum: behind it there may be a card that does not know
# that one is still to be computed.
cut_and_summed() {
	local pid result=0
	: >"$work/sums"
	in_ns "$router" "$here/sums" v1 "$proto" >"$work/sums" 2>&1 &
	pid=$!
	wait_until 10 says "$work/sums" listening && cut_by_sender 4 || result=1
	# Not the wrapper of it.
	pkill -TERM -x sums && wait $pid || result=1
	cat "$work/sums"
	says "$work/sums" ' 0 wrong' && ! says "$work/sums" $'
0 right' && return $result
}
# offload NS DEVICE FEATURE on|off ..
offload() { in_ns "$1" ethtool -K "${@:2}" >"$work/output"; }

bad_net
for ns in "$client" "$router" "$server"; do
	for dev in v0 v1; do
		if ip -n "$ns" link show "$dev" >"$work/output" 2>&1; then ip -n "$ns" link set "$dev" gso_max_segs 65535; fi
	done
done
check 'what passes only devices of the kernel stays large, IPv4' large 4
check 'the same, IPv6' large 6
# As a network card has it.
offload "$router" v0 tx-sctp-segmentation off
check 'a device that can cut TCP, but not all, gets segments, IPv4' cut_by_router 4
check 'the same, IPv6' cut_by_router 6
offload "$router" v0 tx off
check 'a device that computes no checksums gets segments with theirs, IPv4' cut_by_router 4
check 'the same, IPv6' cut_by_router 6
offload "$router" v0 tx on sg on tso on tx-sctp-segmentation on
offload "$server" v1 tx-sctp-segmentation off
check 'MUST-2: a device of the sender that can cut TCP, but not all, gets segments with their checksums, IPv4' cut_and_summed
offload "$server" v1 tx off
check 'a device of the sender that can nothing gets segments, IPv6' cut_by_sender 6
offload "$server" v1 tx on sg on tso on tx-sctp-segmentation on
ip -n "$server" link set v1 gso_max_segs 1
check 'a device whose packets have one segment (gso_max_segs) gets no large ones' cut_by_sender 4
ip -n "$server" link set v1 gso_max_segs 65535
check 'MUST-2: no checksum of all these was wrong' sound

for entry in 'lost|loss 2%' 'spoilt|corrupt 2%' 'late|delay 10ms reorder 25%' 'cut by the line|rate 20mbit limit 40'; do
	# shellcheck disable=SC2086  # netem's words
	impair 1 ${entry#*|}
	check "large packets that are ${entry%|*} come through" moved 4
done
finish
