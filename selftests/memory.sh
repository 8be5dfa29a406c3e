#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The memory of all sockets together, as /proc/net/protocols tells it: what is given back is taken off, and nothing else.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=talk.sh
. "${0%/*}/talk.sh"

host='' # set by setup_ns

# Pages of all sockets of the module.
pages() {
	local line lines field
	look "$host" protocols
	for line in "${lines[@]}"; do
		read -r -a field <<<"$line"
		if [ "${field[0]}" = RTCPFSM ]; then echo "${field[3]}"; fi
	done
}
# A connection that carries single octets, each of which is acknowledged before the next.
single_octets() {
	local port=$1 i before after
	before=$(pages)
	tell here listen "l$port" 127.0.0.1 "$port" && tell here connect "c$port" 127.0.0.1 "$port" && tell here accept "s$port" "l$port" || return 1
	for ((i = 0; i < 200; i++)); do
		tell here send "c$port" 1 && tell here recv "s$port" 1 && tell here send "s$port" 1 && tell here recv "c$port" 1 || return 1
	done >/dev/null
	after=$(pages)
	echo "$before pages before, $after after"
	[ $((after - before)) -le 16 ]
}

begin 2
setup_ns host
talker here "$host"
check 'what 400 single octets took is given back' single_octets 7000
if in_ns "$host" sh -c 'echo 1 >/proc/sys/net/core/bypass_prot_mem' 2>/dev/null; then
	check 'sysctl net.core.bypass_prot_mem: what is not counted is not counted for single octets either' single_octets 7001
else
	ktap_test_skip 'this kernel has no net.core.bypass_prot_mem'
fi
finish
