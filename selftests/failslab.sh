#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# guest: virtual-time
# Allocations fail, one after the other: every one of the calls that open, accept and use connections, every one that
# the module takes part in while segments come and go, and every one of its init function. No call may answer
# anything but "no memory", no connection may hang, nothing may be left behind. Lost segments are sent again after
# seconds, which cost nothing in virtual time.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

faults=/sys/kernel/debug/failslab
if [ "$proto" = 6 ] || [ ! -d $faults ] || [ ! -e /proc/self/fail-nth ]; then
	ktap_print_header
	ktap_skip_all 'this kernel has no failslab, or the protocol is no module'
	exit "$KSFT_SKIP"
fi
host='' # set by setup_ns

# only_under START END: faults hit only what was called from code at those addresses.
only_under() {
	local dir
	for dir in $faults /sys/kernel/debug/fail_page_alloc; do
		[ -d "$dir" ] || continue
		echo 32 >"$dir/stacktrace-depth"
		echo "$1" >"$dir/require-start"
		echo "$2" >"$dir/require-end"
	done
}
everywhere() { only_under 0 0xffffffffffffffff; }

# of_module: hit only what the module has called.
of_module() {
	local size address
	read -r size address < <(awk '$1 == "rust_tcpfsm" { print $2, $6 }' /proc/modules)
	only_under "$address" "$(printf '0x%x' $((address + size)))"
}

# of_init: hit only what is called from an init function.
of_init() {
	local start end
	start=$(awk '$3 == "do_one_initcall" { print $1; exit }' /proc/kallsyms)
	end=$(awk -v s="$start" '$1 > s && tolower($2) == "t" { print $1 }' /proc/kallsyms | sort | head -n 1)
	only_under "0x$start" "0x$end"
}

# users: how many sockets and the like hold the module.
users() { awk '$1 == "rust_tcpfsm" { print $3 }' /proc/modules; }
unused() { [ "$(users)" = 0 ]; }
# only_time_wait: the namespace shows nothing but the header and TIME-WAITs.
only_time_wait() { in_ns "$host" cat /proc/net/rtcpfsm | awk 'NR > 1 && $3 != "TIME-WAIT" { print; bad = 1 } END { exit bad }'; }

try() { in_ns "$host" env RTCPFSM_PROTO="$proto" "$here/failslab" "$@"; }
# Looking often would cost more than waiting, in virtual time.
nothing_left() {
	local i
	for ((i = 0; i < 60; i++)); do
		if only_time_wait >/dev/null && unused; then return; fi
		sleep 5
	done
	only_time_wait
	echo "$(users) users"
	false
}
reload() {
	local status=0
	rmmod rust_tcpfsm || return 1
	of_init
	"$here/failslab" load "$RTCPFSM_KO" || status=$?
	everywhere
	insmod "$RTCPFSM_KO" && return "$status"
}

# how_many: what the program of the last point printed.
how_many() { ktap_print_msg "$(tail -n 1 "$work/output") allocations"; }

begin 6
setup_ns host
echo N >$faults/ignore-gfp-wait
echo 0 >$faults/probability
echo 0 >$faults/verbose
echo 1 >$faults/interval
if [ -d /sys/kernel/debug/fail_page_alloc ]; then
	echo N >/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait
	echo 0 >/sys/kernel/debug/fail_page_alloc/verbose
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
fi
everywhere
for family in 4 6; do
	check "IPv$family: each allocation of the calls of a connection fails once" try calls $family
	how_many
done
of_module
for family in 4 6; do
	check "IPv$family: each allocation under the module fails once, as segments come and go" try segments $family
	how_many
done
everywhere
check 'all these connections ended, and the module is free' nothing_left
if [ -z "${RTCPFSM_KO:-}" ]; then
	ktap_test_skip 'each allocation of the module'\''s init function fails once'
else
	check 'each allocation of the module'\''s init function fails once, and loading is undone' reload
	how_many
fi
finish
