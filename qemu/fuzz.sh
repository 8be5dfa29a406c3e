#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# fuzz.sh: each fuzz target for MINUTES (1), by cargo-fuzz and a nightly compiler. What it learns stays in
# BUILD/fuzz/TARGET for the next time; an input that fails is in BUILD/fuzz/artifacts/TARGET.
# TARGETS='machine network': these alone.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

minutes=${MINUTES:-1}
targets=${TARGETS:-segment machine network}
[[ $minutes =~ ^[1-9][0-9]*$ ]] || die "MINUTES is a number, not '$minutes'"
"$top/qemu/deps.sh" fuzz
PATH=$cache/cargo-fuzz-$fuzz_version/bin:$PATH
cargo +nightly --version >/dev/null 2>&1 || die 'a nightly compiler is missing: rustup toolchain install nightly'

cd "$top/selftests/host"
failed=''
for target in $targets; do
	corpus=$build/fuzz/$target artifacts=$build/fuzz/artifacts/$target
	mkdir -p "$corpus" "$artifacts"
	say "fuzz: $target for $minutes min"
	CARGO_TARGET_DIR=$build/fuzz/cargo env -u RUSTC cargo +nightly fuzz run --sanitizer none "$target" \
		"$corpus" "fuzz/seeds/$target" -- "-max_total_time=$((60 * minutes))" -max_len=4096 -timeout=60 -print_final_stats=1 \
		"-artifact_prefix=$artifacts/" </dev/null || failed+=" $target"
done
[ -z "$failed" ] || die "fuzz:$failed"
