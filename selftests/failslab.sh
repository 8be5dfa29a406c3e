#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# guest: virtual-time, leaks
# Allocations fail, one after the other: every one of the calls that open, accept and use connections, every one that
# the module takes part in while segments come and go, and every one of its init function. No call may answer
# anything but "no memory", no connection may hang, nothing may be left behind. Lost segments are sent again after
# seconds, which cost nothing in virtual time.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=kept.sh
. "$here/kept.sh"
# shellcheck source-path=SCRIPTDIR source=faults.sh
. "$here/faults.sh"

if [ "$proto" = 6 ] || ! faults_ready; then
	ktap_print_header
	ktap_skip_all 'this kernel has no failslab, or the protocol is no module'
	exit "$KSFT_SKIP"
fi
host='' # set by setup_ns

# only_time_wait: the namespace shows nothing but the header and TIME-WAITs.
only_time_wait() {
	local line lines bad=0
	look "$host" rtcpfsm
	for line in "${lines[@]:1}"; do
		if [[ $line != *' TIME-WAIT '* ]]; then echo "$line" && bad=1; fi
	done
	return $bad
}

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
	wait_until 10 rmmod rust_tcpfsm || return 1
	of_init
	"$here/failslab" load "$RTCPFSM_KO" || status=$?
	everywhere
	insmod "$RTCPFSM_KO" && return "$status"
}

# how_many: what the program of the last point printed.
how_many() { ktap_print_msg "$(tail -n 1 "$work/output") allocations"; }

begin 6
setup_ns host
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
