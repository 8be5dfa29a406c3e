#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mutants.sh: breaks the machine in src/fsm in many small ways, one after the other, by cargo-mutants, and sees whether its
# tests notice: at least 95 per cent of those that can be built. FILES='seq window': these files alone. The lists of what
# was caught and missed stay in BUILD/mutants.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# The state, sequence and timer code.
least=95
files=${FILES:-seq window time_wait timers arcs challenge rtt user syn_sent listen acks arrives}
"$top/qemu/deps.sh" host mutants
mutants=$cache/cargo-mutants-$mutants_version/bin/cargo-mutants
results=$build/mutants

# A package of the machine and its own tests alone: it builds in a second or two, and what is broken in it is a copy.
package=$results/package
mkdir -p "$package/src"
rsync -a --delete "$top/src/fsm" "$package/src/"
cp "$top/selftests/host/src/records.rs" "$package/src/"
cp "$top/selftests/host/Cargo.lock" "$package/"
sed -n '/^\/\//p; /^#\[cfg_attr/,/^mod fsm;/p; /^mod records;/p' "$top/selftests/host/src/lib.rs" |
	sed '/^#\[path = /d' >"$package/src/lib.rs"
sed '/^\[\[bin\]\]/,/^$/d; /^\[features\]/,/^$/d; /^\[dependencies\]/,/^$/d' "$top/selftests/host/Cargo.toml" >"$package/Cargo.toml"

# mutate FILE SECONDS OPTION..: cargo-mutants in the package, so many seconds for the tests of each mutant, which is many times what they
# take; that mutants are missed is no failure here.
mutate() {
	local file=$1 seconds=$2 status=0
	shift 2
	(cd "$package" && CARGO_TARGET_DIR=$results/cargo env -u RUSTC "$mutants" mutants --in-place --test-tool cargo --no-shuffle \
		--colors never --timeout "$seconds" --build-timeout 120 --file "src/fsm/$file.rs" --output "$results/$file" "$@" </dev/null) \
		>>"$results/$file.log" 2>&1 || status=$?
	# 2: some were missed; 3: some ran into the timeout.
	case $status in
	0 | 2 | 3) ;;
	*) tail -n 20 "$results/$file.log" >&2; die "cargo-mutants ended with status $status: $results/$file.log" ;;
	esac
}

# lines NAME: how many mutants of the current file are in that list of cargo-mutants.
lines() { { cat "$results/$file/mutants.out/$1.txt" "$results/$file/mutants.out/previously_$1.txt" 2>/dev/null || true; } | sort -u | wc -l; }

all_viable=0 all_caught=0
for file in $files; do
	[ -f "$top/src/fsm/$file.rs" ] || die "there is no src/fsm/$file.rs"
	rm -rf "${results:?}/$file" "$results/$file.log"
	say "mutants: $file"
	# The random tests take ten times as long as all the others: they see only what those have missed.
	mutate "$file" 20 -- --lib -- --skip tests::random
	if [ "$(lines missed)" != 0 ]; then mutate "$file" 30 --iterate -- --lib; fi
	missed=$(wc -l <"$results/$file/mutants.out/missed.txt")
	caught=$(($(lines caught) + $(lines timeout)))
	all_viable=$((all_viable + caught + missed)) all_caught=$((all_caught + caught))
	say "  $caught of $((caught + missed)) caught"
	sed 's/^/  missed: /' "$results/$file/mutants.out/missed.txt" >&2
done
[ "$all_viable" != 0 ] || die 'no mutant could be built'
score=$((1000 * all_caught / all_viable))
say "mutants: $all_caught of $all_viable caught, $((score / 10)).$((score % 10)) %"
[ "$score" -ge $((10 * least)) ] || die "mutants: fewer than $least % were caught"
