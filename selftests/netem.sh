#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Bad networks: much data both ways at once, half-closed in the middle, arrives octet for octet whatever is lost,
# doubled, turned round, spoilt or late, and both ends close cleanly.
# NETEM_MIB: so many MiB each way (make netem: 32). Without it, one transfer has 4, and the others 1: all at
# full size take a debug kernel more than an hour.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=badnet.sh
. "${0%/*}/badnet.sh"

cases=(
	'loss 0.1 %|delay 10ms loss 0.1%'
	'loss 1 %|delay 10ms loss 1%'
	'loss 5 %|delay 10ms loss 5%'
	'loss 20 %|delay 10ms loss 20%'
	'reorder 25 %|delay 10ms reorder 25%'
	'duplicate 5 %|delay 10ms duplicate 5%'
	'corrupt 1 %|delay 10ms corrupt 1%'
	'delay 50 ms +- 20 ms|delay 50ms 20ms'
	'rate 10 Mbit|rate 10mbit'
)
begin $((2 * ${#cases[@]}))
bad_net

# sizes MIB: what follows moves so much; what the program netem sends by its seeds 2 and 3.
sizes() {
	[ "${octets:-0}" != $(($1 << 20)) ] || return 0
	octets=$(($1 << 20))
	"$here/netem" content 2 "$octets" >"$work/from_server"
	"$here/netem" content 3 "$octets" >"$work/from_client"
}

# ended: no connection is left at either end, but for TIME-WAIT.
ended() {
	local ns line lines
	for ns in "$client" "$server"; do
		look "$ns" rtcpfsm
		for line in "${lines[@]:1}"; do
			if [[ $line != *' TIME-WAIT '* ]]; then echo "$line" && return 1; fi
		done
	done
}
# resets: of connections. An ACK that others overtook may find its connection closed: RFC 9293 wants a reset then.
resets() {
	local ns
	for ns in "$client" "$server"; do
		in_ns "$ns" cat /proc/net/rtcpfsm_stat | awk -v ns="$ns" '$1 == "reset" && $2 != "no-connection" && $3 { print ns, $0 }'
	done
}
# survives FAMILY: the server sends its second half after the client has shut down sending.
survives() {
	local before
	if [ "$proto" != 6 ]; then
		# What a failed transfer left behind must not meddle.
		wait_until 4000 ended >/dev/null || true
		before=$(resets)
	fi
	client_options=(--keep "$work/at_client")
	transfer "$1" "$octets" "$octets" --half --keep "$work/at_server" || return 1
	cat "$work/client"
	cmp "$work/at_client" "$work/from_server" && cmp "$work/at_server" "$work/from_client" || return 1
	[ "$proto" = 6 ] && return
	wait_until 300 ended || return 1
	[ "$before" = "$(resets)" ] || { echo 'a reset was sent:'; resets; return 1; }
}

for entry in "${cases[@]}"; do
	for family in 4 6; do
		mib=1
		if [ "$family${entry%|*}" = '4loss 1 %' ]; then mib=4; fi
		sizes "${NETEM_MIB:-$mib}"
		what="${entry%|*}: $((octets >> 20)) MiB both ways at once, half-closed in the middle, IPv$family"
		# shellcheck disable=SC2086  # netem's words
		impair "$family" ${entry#*|}
		start=$EPOCHSECONDS
		check "$what" survives "$family"
		echo "# $((EPOCHSECONDS - start)) s of guest time"
	done
done
finish
