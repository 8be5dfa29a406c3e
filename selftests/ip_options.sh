#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# IP options: those of a program go into its packets, and those that arrive do no harm.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"

host='' # set by setup_ns
options() { in_ns "$host" "$here/ip_options" "$proto" "$1"; }

# A source route is refused before anything is sent.
refused() { ! options "$1" 2>"$work/error" && grep -q 'IP_OPTIONS: Operation not supported' "$work/error"; }

begin 9
setup_ns host
check 'MUST-50: the IP option router alert is ignored' options router-alert
check 'MUST-50: an IP option that nobody knows is ignored' options unknown
check 'MAY-10: a program may ask for IP timestamps in its packets' options timestamp
check 'MAY-11: a program may ask for IP record route in its packets' options record-route
for kind in loose strict; do
	what="a $kind source route is refused, not half obeyed"
	if [ "$proto" = 6 ]; then ktap_test_skip "$what"; else check "$what" refused "$kind-route"; fi
done
# Full segments: 5000 octets were less than one.
ip -n "$host" link set lo mtu 1500
check 'MUST-16: IP options make room for themselves in full segments: router alert' options router-alert
check 'MUST-16: IP options make room for themselves in full segments: record route' options record-route
check 'MUST-16: IP options make room for themselves in full segments: timestamp' options timestamp
finish
