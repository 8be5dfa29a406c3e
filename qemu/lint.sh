#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lint.sh: rustfmt and clippy over the module as the kernel has them, clippy over the host crates, shellcheck
# over all scripts. Says all it finds before it fails. FLAVOUR=debug: by the debug kernel's configuration.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

"$top/qemu/deps.sh" build lint
find_toolchain
kdir=$("$top/qemu/kernel.sh" "${FLAVOUR:-lean}")
source=$(kernel_source)
cd "$top"
failed=''

# step NAME COMMAND..
step() {
	local name=$1
	shift
	if "$@"; then say "lint: $name: clean"; else say "lint: $name: FAILED"; failed+=" $name"; fi
}

rust_files() { find . -name '*.rs' -not -name '*generated*' -not -path './build/*' -not -path '*/target/*' -not -path './.git/*' -print0; }
shell_files() {
	find . -type f -not -path './build/*' -not -path '*/target/*' -not -path './.git/*' -not -name '*.rs' -print0 |
		xargs -0 awk 'FNR == 1 { if (/^#!.*(bash|[ \/]sh)/ || FILENAME ~ /\.sh$/) printf "%s%c", FILENAME, 0; nextfile }'
}

formatted() {
	rust_files | xargs -0 -r "$(dirname "$rustc")/rustfmt" --edition 2021 --config-path "$source/.rustfmt.toml" --check
}

clippy_module() {
	local log=$build/clippy.log
	mkdir -p "$build"
	# clippy's findings are warnings, which make reports but does not fail by; a file already checked is silent.
	rm -rf "$build/clippy"
	"$top/qemu/module.sh" "$kdir" "$build/clippy" CLIPPY=1 >"$log" 2>&1 || { cat "$log" >&2; return 1; }
	# kbuild too has warnings: of a compiler or pahole unlike the kernel's.
	if grep -vE '^warning: .* differs? from the one used' "$log" | grep -qE '^(warning|error)'; then
		cat "$log" >&2
		return 1
	fi
}

clippy_host() {
	local log=$build/clippy-host.log
	(cd selftests/host && CARGO_TARGET_DIR=$build/host env -u RUSTC cargo clippy --workspace --all-targets --quiet -- -D warnings) >"$log" 2>&1 ||
		{ cat "$log" >&2; return 1; }
}

step rustfmt formatted
step clippy clippy_module
if [ -f selftests/host/Cargo.toml ]; then step clippy-host clippy_host; fi
step shellcheck bash -c "$(declare -f shell_files); shell_files | xargs -0 -r shellcheck -x -P SCRIPTDIR"
[ -z "$failed" ] || die "lint:$failed"
