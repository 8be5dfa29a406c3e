# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the scripts beside it: where things are, and which toolchain builds the kernel.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rust_tcpfsm
# shellcheck disable=SC2034  # for the scripts that source this one
build=$(realpath -m "${BUILD:-$top/build}")
bindgen_version=0.72.1
# Breaks the machine in small ways, to see whether its tests notice.
# shellcheck disable=SC2034
mutants_version=27.1.0
# Runs fuzz targets under libFuzzer.
# shellcheck disable=SC2034
fuzz_version=0.13.2
# Supported kernels, newest first: the version in the name of Debian's source package.
# shellcheck disable=SC2034
kernel_series=(7.3 7.2)

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# at_least HAVE WANT: is version HAVE the same as WANT or newer?
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# The standard library's source that belongs to rustc $1, or nothing.
rust_lib_src() {
	local lib
	lib=$("$1" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library
	if [ -f "$lib/core/src/lib.rs" ]; then readlink -f "$lib"; fi
}

# find_toolchain: sets rustc, rust_src, llvm (make's LLVM=) and bindgen; false with `missing` set when
# one of them is not there. The system's rustc goes first: rustup's has its sources but seldom.
find_toolchain() {
	local candidate version
	rustc='' rust_src='' llvm='' missing=''
	for candidate in ${RUSTC:+"$RUSTC"} /usr/bin/rustc "$(type -P rustc || true)"; do
		[ -x "$candidate" ] || continue
		version=$("$candidate" --version 2>/dev/null | cut -d ' ' -f 2) || continue
		at_least "${version:-0}" 1.85.0 || continue
		rust_src=$(rust_lib_src "$candidate")
		if [ -n "$rust_src" ]; then rustc=$candidate; break; fi
	done
	[ -n "$rustc" ] || missing+=' rustc>=1.85-with-rust-src'
	# The one that rustc was built with goes first: the kernel's inline functions then become inline in Rust, too.
	for version in $(llvm_of_rustc) 22 21 20 19 18 17; do
		if type -P "clang-$version" "ld.lld-$version" "llvm-ar-$version" >/dev/null; then
			[ "$(type -P "clang-$version" "ld.lld-$version" "llvm-ar-$version" | wc -l)" = 3 ] || continue
			llvm=-$version; break
		fi
	done
	if [ -z "$llvm" ] && [ "$(type -P clang ld.lld llvm-ar | wc -l)" = 3 ]; then
		if [ "$(clang_major clang)" -ge 17 ]; then llvm=1; fi
	fi
	[ -n "$llvm" ] || missing+=' clang+lld+llvm>=17'
	bindgen=${BINDGEN:-$cache/bindgen-$bindgen_version/bin/bindgen}
	[ -x "$bindgen" ] || missing+=" bindgen-$bindgen_version"
	[ -z "$missing" ]
}

# The major version of clang $1, and that of the LLVM which rustc was built with (or nothing).
clang_major() { "$1" -dumpversion | cut -d . -f 1; }
llvm_of_rustc() { if [ -n "$rustc" ]; then "$rustc" --version --verbose | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p'; fi; }

clang_name() { if [ "$llvm" = 1 ]; then echo clang; else echo "clang$llvm"; fi; }

# kmake ARGS..: make for a kernel tree or a module, with the toolchain that find_toolchain found.
kmake() {
	local libclang=/usr/lib/llvm$llvm/lib
	# bindgen would take the newest one that is here.
	if [ -d "$libclang" ]; then local -x LIBCLANG_PATH=$libclang; fi
	PATH=$(dirname "$rustc"):$PATH make LLVM="$llvm" BINDGEN="$bindgen" RUST_LIB_SRC="$rust_src" "$@"
}

# The fragments that make up the configuration of flavour $1.
fragments() {
	echo "$top/qemu/lean.config"
	if [ "$1" = debug ]; then echo "$top/qemu/debug.config"; fi
}

# options FLAVOUR: its fragments' settings, one a line, the last one of each option; and what this toolchain makes possible.
options() {
	{
		fragments "$1" | xargs cat
		if [ "$(clang_major "$(clang_name)")" = "$(llvm_of_rustc)" ] && grep -qs '^config RUST_INLINE_HELPERS' "$(kernel_source)/lib/Kconfig.debug"; then
			echo CONFIG_RUST_INLINE_HELPERS=y
		fi
	} | awk '
		/^CONFIG_/                 { split($0, f, "=");  name = f[1] }
		/^# CONFIG_.* is not set$/ { name = $2 }
		!/^CONFIG_/ && !/^# CONFIG_.* is not set$/ { next }
		{ value[name] = $0 }
		END { for (n in value) print value[n] }' | LC_ALL=C sort
}

# The unpacked kernel source in the cache (newest supported first), or nothing.
kernel_source() {
	local series dir
	for series in "${kernel_series[@]}"; do
		for dir in "$cache/linux-$series".*; do
			if [ -f "$dir/.unpacked" ]; then echo "$dir"; return; fi
		done
	done
}

# kernel_dir FLAVOUR SOURCE: where that kernel is built; another version, setting or tool, another place.
kernel_dir() {
	local key
	key=$({
		options "$1"
		"$rustc" --version --verbose
		"$(clang_name)" --version | head -n 1
		"$bindgen" --version
	} | sha256sum | cut -c 1-12)
	echo "$cache/$1-${2##*/linux-}-$key"
}
