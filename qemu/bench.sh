#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# bench.sh: the module beside native TCP and beside the floor, UDP (selftests/bench.sh), in a lean guest: mode A counts
# instructions in virtual time, mode B measures time on two CPUs, KVM's where it works. Prints tables, and leaves build/bench/bench.json,
# bench.svg and report.md. Under emulation mode A takes a processor three minutes, and a million connections some five more.
# BENCH='names': some workloads alone; MODES='A B'; REPEATS=5 of each in mode B.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

share=$build/bench
all='short_conn short_conn_req rr_1b rr_1k bulk_lo bulk_veth bulk_veth_8 slab_idle slab_time_wait slab_half_open'
all+=' lookup_1k lookup_100k flood_goodput proc_read_100k lookup_1m'
names=${BENCH:-$all}
memory=4G
# A machine for a million connections has 12 GiB, and tables of such a size; they use 5 of it. Without those, and room for
# the host, they are left out.
if [[ " $names " == *' lookup_1m '* ]]; then
	if [ "$(awk '$1 == "MemAvailable:" { print int($2 / 1024 / 1024) }' /proc/meminfo)" -ge 7 ]; then memory=12G
	else
		say 'lookup_1m is left out: it wants 7 GiB of free memory.'
		names=${names//lookup_1m/}
	fi
fi
mkdir -p "$share"
exec {lock}>"$share/.lock"
flock -n "$lock" || die "another guest works in $share: wait, or give BUILD=DIR"
"$top/qemu/deps.sh" build guest host
kdir=$("$top/qemu/kernel.sh" lean)
ko=$("$top/qemu/module.sh" "$kdir" "$build/lean" 2>"$share/build.log") || { cat "$share/build.log" >&2; exit 1; }
"$top/qemu/install-tests.sh" "$share/root/kselftest" >"$share/build.log" 2>&1 || { cat "$share/build.log" >&2; exit 1; }
cp "$ko" "$share/root/rust_tcpfsm.ko"
gcc -O2 -Wall -shared -fPIC -o "$share/insnprof.so" "$top/qemu/insnprof.c"

# guest A|B
guest() {
	local mode=virtual what=instructions status=0 symbols=''
	if [ "$1" = B ]; then
		mode=plain what=time
	else
		# The functions are where they are in this mode alone.
		export PLUGIN=$share/insnprof.so,out=$share/profile
		symbols='cat /proc/kallsyms >/share/kallsyms'
		rm -f "$share"/profile.*
	fi
	cat >"$share/job" <<-END
		cd /kselftest/rust_tcpfsm || exit 2
		insmod "\$RTCPFSM_KO" || exit 2
		$symbols
		export BENCH_MODE=$what BENCH='$names' REPEATS='${REPEATS:-}'
		./bench.sh | tee /share/lines.$1
	END
	rm -f "$share/lines.$1"
	MEMORY=$memory TIME_LIMIT=${TIME_LIMIT:-7200} "$top/qemu/boot.sh" "$kdir" "$mode" "$share" >"$share/output" || status=$?
	unset PLUGIN
	[ "$status" = 0 ] || { tail -n 5 "$share/output" >&2; die "mode $1 failed in the guest (status $status): $share/output, $share/console.log"; }
}

for mode in ${MODES:-A B}; do
	say "Measuring, mode $mode: a line for each run in $share/lines.$mode."
	guest "$mode"
done
"$top/qemu/bench_report.py" "$share" "$(basename "$kdir" | cut -d - -f 2)"
