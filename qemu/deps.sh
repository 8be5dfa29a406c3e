#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# deps.sh build|guest|lint|host|mutants..: sees to it that the tools for these tasks are there: packages by
# apt-get as root, bindgen in the cache. Does nothing where all is there.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

packages=() lacking=()

# want PACKAGE PROBE..: PACKAGE is needed unless each PROBE is a command, or a file where it has a slash.
want() {
	local package=$1 probe
	shift
	for probe in "$@"; do
		case $probe in
		*/*) compgen -G "$probe" >/dev/null && continue ;;
		*) PATH=$PATH:/usr/sbin:/sbin type -P "$probe" >/dev/null && continue ;;
		esac
		packages+=("$package") lacking+=("$probe")
		return
	done
}

# rust_packages: the Debian packages of a rustc that is new enough: rustc-web where there is one.
rust_packages() {
	if apt-cache show rustc-web >/dev/null 2>&1; then
		printf '%s\n' rustc-web rust-web-src
	else
		printf '%s\n' rustc rust-src
	fi
}

# llvm_of_rustc_package: the major version of LLVM that the package of rustc brings, or nothing.
llvm_of_rustc_package() {
	apt-cache depends --recurse --no-{recommends,suggests,conflicts,breaks,replaces,enhances} "$(rust_packages | head -n 1)" 2>/dev/null |
		awk '/^libllvm[0-9]+$/ && !found++ { sub(/libllvm/, ""); print }'
}

build_tools() {
	local version major
	want make make
	want gcc gcc
	want libc6-dev '/usr/lib/*/libc.a' /usr/include/stdio.h
	want flex flex
	want bison bison
	want bc bc
	want kmod depmod
	want xz-utils xz
	want libelf-dev /usr/include/gelf.h
	want libssl-dev /usr/include/openssl/opensslv.h
	find_toolchain || true
	case $missing in *rustc*)
		mapfile -t -O "${#packages[@]}" packages < <(rust_packages)
		lacking+=('rustc >= 1.85 with its rust-src')
		;;
	esac
	# One version of clang, lld, llvm and libclang: the one that is here, else rustc's LLVM, 19, or the distribution's.
	version=$llvm
	if [ -z "$llvm" ]; then
		for major in $(llvm_of_rustc_package) 19; do
			if apt-cache show "clang-$major" >/dev/null 2>&1; then version=-$major; break; fi
		done
	fi
	if [ "$version" = 1 ]; then version=; fi
	if [ -z "$llvm" ]; then
		packages+=("clang$version" "lld$version" "llvm$version") lacking+=('clang, lld and llvm >= 17')
	fi
	if type -P apt-get >/dev/null; then want "libclang$version-dev" "/usr/lib*/llvm${version:-*}/lib*/libclang*.so*"; fi
	case $missing in *bindgen*) cargo_tool ;; esac
}

cargo_tool() {
	local name=cargo
	if apt-cache show cargo-web >/dev/null 2>&1; then name=cargo-web; fi
	want "$name" cargo
	want ca-certificates /etc/ssl/certs/ca-certificates.crt
}

guest_tools() {
	want qemu-system-x86 qemu-system-x86_64
	want busybox-static busybox
	want iproute2 ip tc ss
	want tcpdump tcpdump
	want ethtool ethtool
	want procps sysctl
	want rsync rsync
	want kmod depmod modprobe
	# The guest does without, only slower.
	if apt-cache show bash-static >/dev/null 2>&1; then want bash-static bash-static; fi
}

lint_tools() {
	want shellcheck shellcheck
	find_toolchain || true
	local name
	for name in clippy-driver rustfmt; do
		if [ ! -x "$(dirname "${rustc:-/usr/bin/rustc}")/$name" ]; then
			case $(rust_packages | head -n 1)/$name in
			rustc-web/clippy*) packages+=(rust-web-clippy) ;;
			rustc-web/rustfmt) packages+=(rustfmt-web) ;;
			*/clippy*) packages+=(rust-clippy) ;;
			*) packages+=(rustfmt) ;;
			esac
			lacking+=("$name")
		fi
	done
	host_tools
}

host_tools() {
	cargo_tool
	want gcc gcc
	want python3 python3
}

mutants_tools() {
	cargo_tool
	want rsync rsync
}

fuzz_tools() {
	cargo_tool
	want g++ g++
}

collect() {
	packages=() lacking=()
	local task
	for task in "$@"; do "${task}_tools"; done
}

[ $# -gt 0 ] || set -- build guest
collect "$@"
if [ ${#packages[@]} -gt 0 ]; then
	mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
	command="apt-get install --no-install-recommends ${packages[*]}"
	type -P apt-get >/dev/null || die "not found: ${lacking[*]}; install them (on Debian: $command)"
	[ "$(id -u)" = 0 ] || die "not found: ${lacking[*]}; not root, so run: sudo $command"
	say "Installing: ${packages[*]}"
	export DEBIAN_FRONTEND=noninteractive
	mkdir -p "$cache"
	apt-get -qq update </dev/null >"$cache/apt.log" 2>&1 || say 'apt-get update failed; going on with the lists that are here.'
	# With fresh lists the names may be others: a machine without lists knows no rustc-web.
	collect "$@"
	apt-get -qq install -y --no-install-recommends "${packages[@]}" </dev/null >>"$cache/apt.log" 2>&1 ||
		{ tail -n 5 "$cache/apt.log" >&2; die "packages did not install: $command"; }
	collect "$@"
	[ ${#packages[@]} = 0 ] || die "still not found after the installation: ${lacking[*]}"
fi

# install_crate CRATE VERSION PROGRAM: a program of crates.io, in the cache as PROGRAM-VERSION/bin/PROGRAM.
install_crate() {
	local part=$cache/$3.part place=$cache/$3-$2
	[ ! -x "$place/bin/$3" ] || return 0
	say "Building $3 $2 (one to three minutes)."
	mkdir -p "$cache"
	cargo install --quiet "$1" --version "$2" --locked --root "$part" </dev/null >&2 || die "cargo install $1 --version $2 failed"
	rm -rf "$place"
	mv "$part" "$place"
}

for task in "$@"; do
	case $task in
	mutants) install_crate cargo-mutants "$mutants_version" cargo-mutants ;;
	fuzz) install_crate cargo-fuzz "$fuzz_version" cargo-fuzz ;;
	esac
	[ "$task" = build ] || continue
	if [ ! -x "$bindgen" ]; then
		[ -z "${BINDGEN:-}" ] || die "BINDGEN=$BINDGEN is no program"
		install_crate bindgen-cli "$bindgen_version" bindgen
	fi
	find_toolchain || die "no toolchain that can build Rust for the kernel:$missing; install it by: apt-get install $(rust_packages | xargs) and clang, lld, llvm and libclang-dev of version 17 or newer"
	"$(dirname "$0")/source.sh"
done
