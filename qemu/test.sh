#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# test.sh host|guest|all: the host tests, the kselftests in the guest, or both; the last line printed is
# "N passed, N failed", and the exit status tells whether none failed.
# TESTS='a.sh b.sh': these kselftests alone. FLAVOUR=lean: in the lean kernel. BUILD=DIR: all files there. TEST_SECONDS=N: so long may each
# kselftest take (600). LEAKS=all: the kernel's search for leaked memory in every guest.
#
# A test says what guest it wants in its header, "# guest:" and a list: virtual-time (one CPU, waiting costs nothing), leaks (leaked memory
# is searched for afterwards). VIRTUAL_TIME=1: the former, for all. A debug guest spends more than half its instructions on remembering
# who allocated what for that search: it is for the tests that go through all that allocates, and not for those that walk the same
# paths segment by segment. What the module's own caches hold when it goes is checked everywhere.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

what=${1:-all} flavour=${FLAVOUR:-debug}
results=$build/test
passed=0 failed=0
skips=() faults=()

# count PASSED FAILED: adds to the sums.
count() { passed=$((passed + $1)) failed=$((failed + $2)); }
# fault WHAT: a failure that no test reports by itself.
fault() { faults+=("$1"); failed=$((failed + 1)); }

host() {
	local log=$results/host.log status=0 numbers
	local runner=(cargo test --workspace --no-fail-fast)
	if cargo nextest --version >/dev/null 2>&1; then runner=(cargo nextest run --workspace --no-fail-fast); fi
	say "Host tests: ${runner[*]}"
	(cd "$top/selftests/host" && CARGO_TARGET_DIR=$build/host CARGO_TERM_COLOR=never env -u RUSTC "${runner[@]}" </dev/null) >"$log" 2>&1 || status=$?
	# nextest: "Summary [..] 3 tests run: 2 passed, 1 failed, 0 skipped"; cargo: "test result: .. 2 passed; 1 failed; .."
	numbers=$(awk '
		/^ *Summary \[/ || /^test result: / {
			seen = 1
			for (i = 1; i < NF; i++) {
				if ($(i + 1) ~ /^passed/) ok += $i
				if ($(i + 1) ~ /^(failed|timed|exec)/) bad += $i
			}
		}
		END { if (seen) print ok + 0, bad + 0 }' "$log")
	# shellcheck disable=SC2086  # two numbers
	if [ -n "$numbers" ]; then
		count $numbers
		say "Host tests: ${numbers% *} passed, ${numbers#* } failed ($log)"
	fi
	if [ "$status" != 0 ]; then
		grep -E '^(error|warning: unused)|^ *(FAIL|ABORT|TIMEOUT) |^test .* FAILED|panicked at' "$log" | sort -u | head -n 20 >&2 || true
		if [ -z "$numbers" ] || [ "${numbers#* }" = 0 ]; then fault "the host tests did not run through: $log"; fi
	elif [ -z "$numbers" ] || [ "${numbers% *}" = 0 ]; then
		fault "no host test ran: $log"
	fi
}

# The tests of the tools: unittest prints "Ran 12 tests in .." and "OK" or "FAILED (failures=1, errors=2)".
tools() {
	local script log=$results/tools.log numbers
	for script in "$top"/selftests/*_test.py; do
		[ -f "$script" ] || continue
		PYTHONDONTWRITEBYTECODE=1 python3 "$script" </dev/null >"$log" 2>&1 || true
		numbers=$(awk '
			/^Ran [0-9]+ test/ { ran = $2 }
			/^OK/ { good = 1 }
			/^FAILED \(/ { n = split($0, f, /[^0-9]+/); for (i = 1; i <= n; i++) bad += f[i] }
			END { if (ran > 0 && (good || bad)) print ran - bad, bad + 0 }' "$log")
		if [ -z "$numbers" ]; then
			cat "$log" >&2
			fault "${script##*/} did not run through: $log"
		else
			# shellcheck disable=SC2086  # two numbers
			count $numbers
			say "Tool tests: ${script##*/}: ${numbers% *} passed, ${numbers#* } failed"
			if [ "${numbers#* }" != 0 ]; then cat "$log" >&2; fi
		fi
	done
}

# What a kernel says when something is wrong. A forced allocation failure prints a trace: that alone is none.
complaints='BUG:|WARNING:|KASAN|UBSAN|ODEBUG|Oops|Kernel panic|general protection fault|rust_kernel: panicked'
complaints+='|INFO: (task|rcu|possible|trying|suspicious|inconsistent)|possible (recursive|circular|irq)|suspicious RCU|sleeping function'
complaints+='|refcount_t:|leaked reference|unregister_netdevice: waiting|ref_tracker: .*(leak|has)|Objects remaining|soft lockup'
complaints+='|self-detected stall|detected stalls|scheduling while atomic|unbalanced|list_(add|del) corruption|^(\[[^]]*\] *)?not ok '

# boot_tests GUEST SCRIPT..: one boot, these scripts in it; what came of it is for judge. A GUEST's name begins with its mode of time, and
# has the word "leaks" where leaked memory is searched for.
boot_tests() {
	local guest=$1 share=$results/$1 mode=${1%%-*} append='' niceness=0 status=0
	shift
	mkdir -p "$share/root"
	cp -rl "$results/kselftest" "$share/root/kselftest"
	cp "$ko" "$share/root/rust_tcpfsm.ko"
	cp "$top/qemu/guest-tests" "$share/job"
	printf '%s\n' "$@" >"$share/tests"
	# A guest in virtual time has one CPU, and does not notice how fast that is. The other one does, and goes first.
	if [ "$mode" = virtual ]; then touch "$share/virtual" && niceness=10; fi
	if [[ $guest == *leaks* ]]; then touch "$share/leaks"; else append=kmemleak=off; fi
	env | grep -E '^(NETEM_[A-Z]*|SOAK_[A-Z]*|STORM_[A-Z]*|CYCLES|TEST_SECONDS|RTCPFSM_PROTO)=' | sed 's/^/export /' >"$share/environment" || true
	say "Guest tests, $flavour kernel: $*"
	APPEND="$append ${APPEND:-}" TIME_LIMIT=$((300 + ${TEST_SECONDS:-600} * $#)) nice -n $niceness "$top/qemu/boot.sh" "$kdir" "$mode" "$share" </dev/null || status=$?
	echo "$status" >"$share/status"
}

# judge GUEST: what came out of that boot is counted.
judge() {
	local guest=$1 share=$results/$1 status log line
	status=$(cat "$share/status" 2>/dev/null || echo 125)
	if [ "$status" = 125 ]; then fault "the guest died or hung ($guest): $share/console.log"
	elif [ "$status" != 0 ]; then fault "the guest's test run ended with status $status: $share/console.log"; fi
	log=$share/ktap.log
	if [ -s "$log" ]; then
		while read -r line; do
			case $line in
			counts*)
				read -r _ ok bad _ <<<"$line"
				count "$ok" "$bad"
				;;
			skipped*) skips+=("${line#skipped: }") ;;
			*) say "$line" ;;
			esac
		done < <(awk -f "$top/qemu/ktap.awk" "$log")
	elif [ "$status" != 125 ]; then
		fault "no test result came out of the guest ($guest): $share/console.log"
	fi
	if [ -s "$share/problems" ]; then fault "$(cat "$share/problems") ($share/console.log)"; fi
	for log in "$share/console.log" "$share/dmesg.log"; do
		if line=$(grep -aEm 1 "$complaints" "$log" 2>/dev/null); then
			fault "the kernel complains: $line ($log)"
			break
		fi
	done
	if [ "$status" = 0 ] && [ ! -f "$share/dmesg.log" ]; then fault "the guest left no kernel log: $share/console.log"; fi
	if grep -q '^CONFIG_DEBUG_KMEMLEAK=y' "$kdir/.config" && [ -e "$share/leaks" ] && [ "$status" = 0 ]; then
		if [ ! -f "$share/kmemleak.log" ]; then fault "the search for leaked memory did not run: $share/console.log"
		elif [ -s "$share/kmemleak.log" ]; then fault "memory leaked: $share/kmemleak.log"; fi
	fi
}

# What predicted.sh compares the module with, by the machine on the host; in the host tests' own directory.
foretell() {
	(cd "$top/selftests/host" && CARGO_TARGET_DIR=$build/host env -u RUSTC cargo run --quiet --bin predict -- \
		"$results/kselftest/rust_tcpfsm/predicted" --seeds "${PREDICT_SEEDS:-220}" --first "${PREDICT_FIRST:-0}")
}

# guest_of SCRIPT: which guest it runs in. Those in virtual time that search no leaks are shared out among `lanes` guests.
lanes=$(nproc)
lanes=$((lanes < 3 ? 1 : lanes > 5 ? 4 : lanes - 1))
turn=0
guest_of() {
	local header
	header=$(head -n 20 "$results/kselftest/rust_tcpfsm/$1" | sed -n 's/^# guest: //p')
	if [ -n "${VIRTUAL_TIME:-}" ]; then header="virtual-time $header"; fi
	case $header in
	virtual-time) guest=virtual-$((turn++ % lanes + 1)) ;;
	virtual-time*) guest=virtual ;;
	*) guest=plain ;;
	esac
	if [[ $header == *leaks* || ${LEAKS:-} = all ]]; then guest+=-leaks; fi
}

# run_guest GUEST: its tests, each line with its name and the minutes and seconds since the first guest started.
run_guest() {
	local line
	# shellcheck disable=SC2086  # a list
	boot_tests "$1" ${scripts[$1]} 2>&1 |
		while IFS= read -r line; do printf '%s %d:%02d: %s\n' "$1" $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)) "$line"; done
}

guest() {
	local all name guest guests
	local -A scripts=()
	"$top/qemu/deps.sh" build guest host
	kdir=$("$top/qemu/kernel.sh" "$flavour") || { fault 'no guest kernel'; return; }
	ko=$("$top/qemu/module.sh" "$kdir" "$build/$flavour" 2>"$results/module.log") || {
		tail -n 30 "$results/module.log" >&2
		fault "the module did not build: $results/module.log"
		return
	}
	"$top/qemu/install-tests.sh" "$results/kselftest" >"$results/install.log" 2>&1 || {
		tail -n 30 "$results/install.log" >&2
		fault "the guest's tests did not build: $results/install.log"
		return
	}
	all=$(sed 's/^rust_tcpfsm://' "$results/kselftest/kselftest-list.txt")
	if grep -qwF predicted.sh <<<"${TESTS:-$all}"; then
		foretell >"$results/install.log" 2>&1 || fault "the machine foretold nothing: $results/install.log"
	fi
	for name in ${TESTS:-$all}; do
		if ! grep -qxF -- "$name" <<<"$all"; then
			fault "there is no test called $name"
			continue
		fi
		guest_of "$name"
		scripts[$guest]+=" $name"
	done
	[ ${#scripts[@]} -gt 0 ] || fault 'there is no guest test'
	ACCEL=$("$top/qemu/accel.sh")
	export ACCEL
	"$top/qemu/initramfs.sh"
	rm -rf "$results"/{plain,virtual}*
	started=$SECONDS
	mapfile -t guests < <(printf '%s\n' "${!scripts[@]}" | sort)
	# Those in plain time one after the other, for they have two CPUs; beside them those in virtual time, where there is memory for
	# all: a guest takes up to 2 GiB.
	for guest in "${guests[@]}"; do
		if [[ $guest == plain* ]]; then run_guest "$guest"; fi
	done &
	if [ "$(awk '$1 == "MemAvailable:" { print int($2 / 2097152) }' /proc/meminfo)" -lt ${#guests[@]} ]; then wait; fi
	for guest in "${guests[@]}"; do
		if [[ $guest == virtual* ]]; then run_guest "$guest" & fi
	done
	wait
	for guest in "${guests[@]}"; do judge "$guest"; done
}

mkdir -p "$results"
exec {lock}>"$results/.lock"
flock -n "$lock" || die "another test run works in $results: wait, or give BUILD=DIR"
case $what in
host) "$top/qemu/deps.sh" host; host; tools ;;
guest) guest ;;
all) "$top/qemu/deps.sh" build guest host; host; tools; guest ;;
*) die 'usage: test.sh host|guest|all' ;;
esac
for name in "${faults[@]}"; do say "failed: $name"; done
if [ ${#skips[@]} -gt 0 ]; then
	echo "${#skips[@]} skipped:"
	printf '  %s\n' "${skips[@]}"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
