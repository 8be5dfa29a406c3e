#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# module.sh KDIR OUT [MAKE ARGS..]: builds rust_tcpfsm.ko for that built kernel tree in the directory OUT
# and prints its path on standard output.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

kdir=$(realpath -m "${1:?}") out=$(realpath -m "${2:?}")
shift 2
hint="build a kernel with 'make kernels', or see Documentation/rust/quick-start.rst there"
[ -f "$kdir/.config" ] || die "KDIR=$kdir is no configured kernel tree (no .config); $hint"
grep -q '^CONFIG_RUST=y' "$kdir/.config" || die "KDIR=$kdir was configured without CONFIG_RUST=y; $hint"
if [ ! -s "$kdir/Module.symvers" ] || [ ! -s "$kdir/rust/libkernel.rmeta" ]; then
	die "KDIR=$kdir is not built (Module.symvers or rust/libkernel.rmeta is missing): run make there first"
fi

find_toolchain || die "no toolchain that can build Rust for the kernel:$missing; run: qemu/deps.sh build"
# Rust's metadata is good for the very compiler that wrote it.
built_by=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="\(.*\)"/\1/p' "$kdir/.config")
ours=$("$rustc" --version)
[ "$built_by" = "$ours" ] || die "KDIR=$kdir was built by '$built_by', but $rustc is '$ours'; give the right one by RUSTC="
if ! grep -q '^CONFIG_CC_IS_CLANG=y' "$kdir/.config"; then
	llvm=
else
	major=$(sed -n 's/^CONFIG_CLANG_VERSION=\([0-9]*\)[0-9]\{4\}$/\1/p' "$kdir/.config")
	if type -P "clang-$major" >/dev/null; then llvm=-$major; fi
fi

mkdir -p "$out"
exec {lock}>"$out/.lock"
flock "$lock"
kmake -C "$kdir" M="$top" MO="$out" -j"$(nproc)" "$@" modules >&2 || die "rust_tcpfsm.ko did not build for $kdir"
echo "$out/rust_tcpfsm.ko"
