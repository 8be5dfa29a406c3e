#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Data on the wire, as tcpdump sees it at either end: nothing is sent that a careful sender or receiver would not send.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=badnet.sh
. "${0%/*}/badnet.sh"

begin 12
bad_net

# capture SIDE DEVICE: tcpdump there, its file $work/SIDE.pcap.
capture() {
	: >"$work/$1.tcpdump"
	nsenter --net="/run/netns/${!1}" -- tcpdump -Z root -U -B 32768 -s 160 -i "$2" -w "$work/$1.pcap" 2>"$work/$1.tcpdump" &
	tcpdumps+=($!)
	wait_until 10 says "$work/$1.tcpdump" "listening on"
}
# settled FILE: it does not grow. The kernel hands packets over each second at the latest.
settled() {
	local before
	before=$(stat -c %s "$1")
	sleep 2.5
	[ "$before" = "$(stat -c %s "$1")" ]
}
# watched TRANSFER-ARGUMENT..: that transfer, seen at both ends.
watched() {
	local side
	tcpdumps=()
	capture client v0 && capture server v1 || return 1
	transfer "$@" || { kill "${tcpdumps[@]}"; return 1; }
	cat "$work/client"
	for side in client server; do wait_until 60 settled "$work/$side.pcap" || return 1; done
	kill -INT "${tcpdumps[@]}"
	wait "${tcpdumps[@]}" || return 1
	for side in client server; do
		grep -q '^0 packets dropped by kernel' "$work/$side.tcpdump" || { cat "$work/$side.tcpdump"; return 1; }
	done
}
# sane SIDE FAMILY CHECK..: of what is captured there.
sane() {
	local address=10.9.0.1
	case $1$2 in client6) address=fd09:0::1 ;; server4) address=10.9.1.1 ;; server6) address=fd09:1::1 ;; esac
	"$here/wire_sanity" "$work/$1.pcap" "$address" "$proto" "${@:3}"
}
tiny() {
	sane server 4 nagle >"$work/tiny" || true
	cat "$work/tiny"
	grep -q '^nagle: [0-9]* violations' "$work/tiny"
}

mib=$((1 << 20))
# So slow that each segment comes by itself, in a kernel with checkers too: those that wait together are acknowledged together (MUST-59).
impair 1 delay 10ms rate 8mbit
check 'a bulk transfer without loss is seen at both ends' watched 4 $((4 * mib)) 0
check 'MUST-58: one ACK for two segments, none later than 40 ms' sane client 4 ratio prompt
check 'SHLD-14: the window does not shrink, no ACK goes back' sane client 4 window ackback
check 'nothing is sent twice for no reason, nor in segments above the MSS' sane server 4 acked sacked mss

impair 2 delay 10ms loss 1% reorder 5%
check 'a transfer both ways over loss and reordering is seen at both ends, IPv4' watched 4 $((4 * mib)) $((4 * mib)) --half
check 'nothing that was acknowledged is sent again, nothing above the MSS; no window shrinks, no ACK goes back: server' \
	sane server 4 acked sacked mss window ackback
check 'the same: client' sane client 4 acked sacked mss window ackback
impair 3 delay 10ms loss 5%
check 'a transfer both ways over loss is seen at both ends, IPv6' watched 6 $((1 * mib)) $((1 * mib)) --half
check 'the same: server, IPv6' sane server 6 acked sacked mss window ackback

impair 4 delay 10ms
check 'many small writes are seen' watched 4 20000 0 --write 100 --pause 1
check 'SHLD-7: of the small segments that Nagle leaves, one at a time is under way' sane server 4 nagle mss
watched 4 20000 0 --write 100 --pause 1 --nodelay >"$work/output" || ktap_exit_fail_msg 'the last transfer failed'
check 'MUST-17: with TCP_NODELAY they go out as they are written' tiny
finish
