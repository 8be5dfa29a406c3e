#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The module is loaded and unloaded over and over while segments keep coming, every other time with allocations that fail in its
# init function and in the connection that is then tried: it loads or it does not, it always goes, and nothing stays behind.
# CYCLES: so many times (make cycles: 1,000).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=faults.sh
. "$here/faults.sh"
# shellcheck source-path=SCRIPTDIR source=kept.sh
. "$here/kept.sh"

if [ "$proto" = 6 ] || [ ! -r "${RTCPFSM_KO:-/nonexistent}" ]; then
	ktap_print_header
	ktap_skip_all 'RTCPFSM_KO names no module to load and unload'
	exit "$KSFT_SKIP"
fi
cycles=${CYCLES:-20}
# Under emulation a load and an unload take ten seconds in a debug kernel.
if [ -z "${CYCLES:-}" ] && [ -e /sys/kernel/debug/kmemleak ]; then cycles=8; fi
host='' # set by setup_ns
refused=0 loads=0 calls=0

loaded() { [ -d /sys/module/rust_tcpfsm ]; }

# call_once ADDRESS: a connection; where allocations fail it may fail, too.
call_once() {
	local serving status=0
	# Not by in_ns: its shell would be killed in place of the program.
	nsenter --net="/run/netns/$host" -- "$here/churn" serve "$1" 5900 &
	serving=$!
	in_ns "$host" timeout 10 "$here/churn" calls "$1" 5900 1 || status=1
	kill $serving
	wait $serving 2>/dev/null || true
	return $status
}
# cycle N: odd ones have faults.
cycle() {
	local address=127.0.0.1 faulty=0 status=0
	if [ $(($1 / 2 % 2)) = 1 ]; then address=::1; fi
	if [ $(($1 % 2)) = 1 ] && [ "$have_faults" = 1 ]; then faulty=1; fi
	if [ $faulty = 1 ]; then
		of_init
		# From one in a hundred to one in three.
		fail_some $((1 + $1 % 33))
	fi
	insmod "$RTCPFSM_KO" 2>"$work/insmod" || status=1
	if [ $faulty = 1 ]; then
		fail_none
		everywhere
	fi
	if [ $status = 1 ]; then
		refused=$((refused + 1))
		if [ $faulty = 0 ] || ! grep -qi 'cannot allocate\|no buffer' "$work/insmod"; then
			cat "$work/insmod"
			return 1
		fi
		if loaded; then echo 'half loaded'; return 1; fi
		return 0
	fi
	loads=$((loads + 1))
	# Each eighth has a connection as well; a connection takes far longer than a load.
	if [ $(($1 % 8)) -lt 2 ]; then
		if [ $faulty = 1 ]; then
			of_module
			fail_some 5
		fi
		if call_once $address; then calls=$((calls + 1)); elif [ $faulty = 0 ]; then status=1; fi
		if [ $faulty = 1 ]; then
			fail_none
			everywhere
		fi
	fi
	wait_until 20 rmmod rust_tcpfsm 2>"$work/rmmod" || { cat "$work/rmmod"; return 1; }
	return $status
}
all_cycles() {
	local i
	for ((i = 0; i < cycles; i++)); do
		cycle $i || { echo "in cycle $i"; return 1; }
	done
}
# What a load leaves would show a thousandfold. The kernel keeps some itself: names, empty slabs, remembered routes.
nothing_grew() {
	local i grown=0 most=$((2048 + 2 * cycles))
	for ((i = 0; i < 20; i++)); do
		grown=$(($(slab_kib) - slab_before))
		if [ $grown -le $most ]; then break; fi
		sleep 1
	done
	echo "the slabs grew by $grown KiB in $cycles cycles"
	[ $grown -le $most ] && ! compgen -G '/sys/kernel/slab/*rtcpfsm*' && ! compgen -G '/sys/kernel/slab/RTCPFSM*'
}

begin 3
have_faults=0
if faults_ready; then have_faults=1; fi
if loaded; then wait_until 10 rmmod rust_tcpfsm 2>/dev/null; fi
trap 'cleanup; loaded || insmod "$RTCPFSM_KO"' EXIT
setup_ns host
for to in 127.0.0.1 ::1; do
	# Raw segments to the port go on through all loads and unloads.
	nsenter --net="/run/netns/$host" -- "$here/churn" drizzle $to 5900 $to &
done
disown -a
# The first ones fill the kernel's own caches.
for ((warm = 0; warm < 4; warm++)); do cycle $warm; done
loads=0 refused=0 calls=0
slab_before=$(slab_kib)
start=$SECONDS
what="$cycles loads and unloads under traffic"
if [ $have_faults = 1 ]; then what+=", every other with failing allocations"; fi
check "$what" all_cycles
ktap_print_msg "$loads loads and unloads, $refused loads that found no memory, $calls connections, $((SECONDS - start)) s"
check 'nothing is left of them' nothing_grew
ktap_print_msg "$(head -n 1 "$work/output")"
check 'it loads after all that' insmod "$RTCPFSM_KO"
finish
