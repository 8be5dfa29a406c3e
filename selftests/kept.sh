# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced after lib.sh by tests that ask what the module keeps when nobody uses it any more.
#
#   objects >"$work/before"
#   ...
#   check 'all of it ends' becomes_idle "$host"
#   check 'the slabs have no more objects than before' objects_are "$work/before"

# objects: each slab of the module, and how many objects of it are in use.
objects() {
	local shrink
	# What a CPU has at hand of free objects counts as used until it is given back.
	for shrink in /sys/kernel/slab/{RTCPFSM*,rtcpfsm*}/shrink; do
		if [ -w "$shrink" ]; then echo 1 >"$shrink"; fi
	done
	awk '$1 ~ /^(RTCPFSM|rtcpfsm)/ { print $1, $2 }' /proc/slabinfo | sort
}
# objects_are FILE: no more of any than objects() told once; a grace period may have to pass.
objects_are() {
	local i
	for ((i = 0; i < 20; i++)); do
		if objects | more_than "$1" >/dev/null; then return; fi
		sleep 1
	done
	objects | more_than "$1"
}
more_than() { awk 'NR == FNR { had[$1] = $2; next } $2 > had[$1] { print $1, $2, "instead of", had[$1] + 0; bad = 1 } END { exit bad }' "$1" -; }

# slab_kib: the memory of all slabs, in KiB.
slab_kib() {
	local shrink
	# Empty slabs, and what KASAN holds of freed memory, count as used until they are given back.
	for shrink in /sys/kernel/slab/*/shrink; do
		if [ -w "$shrink" ]; then echo 1 >"$shrink"; fi
	done
	awk '$1 == "SUnreclaim:" { print $2 }' /proc/meminfo
}

# users: how many sockets and the like hold the module.
users() {
	local name count
	while read -r name _ count _; do
		if [ "$name" = rust_tcpfsm ]; then echo "$count"; fi
	done </proc/modules
}
unused() { [ "$(users)" = 0 ]; }

# deserted NS: the table there has nothing but its header.
deserted() {
	local lines
	look "$1" rtcpfsm
	[ ${#lines[@]} = 1 ]
}

# becomes_idle NS: within 1,000 seconds nothing is left there, no socket, request or TIME-WAIT, and the module is free. Looking
# often would cost more than waiting, where time is virtual.
becomes_idle() {
	local i
	for ((i = 0; i < 500; i++)); do
		if unused && deserted "$1"; then return; fi
		sleep 2
	done
	in_ns "$1" head -n 10 /proc/net/rtcpfsm
	echo "$(users) users"
	false
}
