#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Random system calls of many threads on shared sockets, first as they are, then with allocations that fail: nothing but errors
# that programs may see, no octet that nobody sent, no call that hangs, and at the end nothing is left.
# STORM_STEPS: of each of twelve threads. STORM_SEED: one seed, to see a storm again.
# guest: leaks
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=kept.sh
. "$here/kept.sh"
# shellcheck source-path=SCRIPTDIR source=faults.sh
. "$here/faults.sh"

if [ "$proto" = 6 ]; then
	ktap_print_header
	ktap_skip_all 'the storm is for the module'
	exit "$KSFT_SKIP"
fi
# A kernel with checkers is ten to twenty times slower.
steps=${STORM_STEPS:-10000}
if [ -z "${STORM_STEPS:-}" ] && [ -e /sys/kernel/debug/kmemleak ]; then steps=600; fi
seed=${STORM_SEED:-$(($(date +%s%N) % 1000000))}
host='' # set by setup_ns

storm() { in_ns "$host" env RTCPFSM_PROTO="$proto" "$here/storm" "$@"; }
told() { ktap_print_msg "$(tr '\n' ' ' <"$work/output")"; }
with_faults() {
	local status=0
	of_module
	fail_some 5
	storm $((seed + 1)) "$steps" || status=$?
	fail_none
	everywhere
	return $status
}
reload() { wait_until 10 rmmod rust_tcpfsm && insmod "$RTCPFSM_KO"; }

begin 5
setup_ns host
# Connections that nobody has any more end soon.
set_sysctl "$host" msl 1
set_sysctl "$host" fin_timeout 1
set_sysctl "$host" orphan_retries 3
objects >"$work/before"
check 'a storm of calls' storm "$seed" "$steps"
told
if faults_ready; then
	check 'a storm while one in twenty of the allocations under the module fails' with_faults
	told
else
	ktap_test_skip 'this kernel has no failslab'
fi
check 'all that the storms left ends, and the module is free' becomes_idle "$host"
check 'the slabs of the module have no more objects than before' objects_are "$work/before"
if [ -n "${RTCPFSM_KO:-}" ]; then
	check 'it can be unloaded, and loaded again' reload
else
	ktap_test_skip 'RTCPFSM_KO names no module to load'
fi
finish
