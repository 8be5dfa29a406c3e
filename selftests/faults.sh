# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by tests in which allocations fail: which ones. Needs a kernel with failslab.
#
#   faults_ready || skip..
#   of_module; fail_some 20            # one in fifty of what the module has called
#   fail_none; everywhere

faults=/sys/kernel/debug/failslab

# faults_ready: is there failslab? Then nothing fails yet, and what fails is not told to the log.
faults_ready() {
	[ -d $faults ] && [ -e /proc/self/fail-nth ] || return 1
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
}

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
	end=$(awk -v s="$start" '$1 > s && tolower($2) == "t" && (e == "" || $1 < e) { e = $1 } END { print e }' /proc/kallsyms)
	only_under "0x$start" "0x$end"
}

# fail_some PER_CENT: of the allocations that are hit, at random, until fail_none.
fail_some() {
	echo -1 >$faults/times
	echo 0 >$faults/space
	echo "$1" >$faults/probability
}
fail_none() { echo 0 >$faults/probability; }
