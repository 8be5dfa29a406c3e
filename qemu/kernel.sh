#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# kernel.sh FLAVOUR: builds the guest kernel (lean or debug) once, in the cache, and prints its
# directory (the KDIR of modules) on standard output. An interrupted build goes on where it stopped.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

flavour=${1:?usage: kernel.sh lean|debug}
# For the progress line: objects that make names, and minutes on two cores.
case $flavour in
lean) objects=2135 minutes='10 to 13' need_mib=1000 ;;
debug) objects=2220 minutes=16 need_mib=1500 ;;
*) die "no guest kernel is called '$flavour': lean or debug" ;;
esac

# configure DIR: tinyconfig plus the fragments, each option of which must then be set as asked.
configure() {
	local out=$1 line name lost=''
	kmake -s -C "$source" O="$out" tinyconfig >>"$out.log" 2>&1 || die "tinyconfig failed: $out.log"
	options "$flavour" >>"$out/.config"
	kmake -s -C "$source" O="$out" olddefconfig >>"$out.log" 2>&1 || die "olddefconfig failed: $out.log"
	while read -r line; do
		case $line in
		CONFIG_*) grep -qxF -- "$line" "$out/.config" || lost+=" ${line}" ;;
		*)
			name=${line#\# }
			if grep -q "^${name%% *}=" "$out/.config"; then lost+=" ${name%% *}=n"; fi
			;;
		esac
	done < <(options "$flavour")
	[ -z "$lost" ] || die "the $flavour kernel's configuration did not take:$lost"
}

# watch LOG PID: tells how far the build is while process PID lives.
watch() {
	local start=$SECONDS built share shown=-1
	while kill -0 "$2" 2>/dev/null; do
		sleep 5
		built=$(grep -cE '^ +(AS|CC|LD|AR|RUSTC|BINDGEN|HOSTCC|HOSTLD|HOSTRUSTC|GEN|OBJCOPY|OBJTOOL) ' "$1" || true)
		share=$((built * 100 / objects)); [ "$share" -le 99 ] || share=99
		if [ "$((share / 5))" != "$((shown / 5))" ] || [ -t 2 ]; then
			if [ -t 2 ]; then printf '\r' >&2; fi
			printf '  %s kernel: %2d %%, %d objects, %d:%02d min' "$flavour" "$share" "$built" \
				$(((SECONDS - start) / 60)) $(((SECONDS - start) % 60)) >&2
			if [ ! -t 2 ]; then echo >&2; fi
			shown=$share
		fi
	done
	if [ -t 2 ]; then echo >&2; fi
}

mkdir -p "$cache"
source=$(kernel_source)
[ -n "$source" ] || die 'the kernel source is missing: run qemu/deps.sh'
find_toolchain || die "tools are missing:$missing (run qemu/deps.sh)"
dir=$(kernel_dir "$flavour" "$source")
exec {lock}>"$dir.lock"
flock -n "$lock" || { say "Another build of the $flavour kernel is under way: waiting for it."; flock "$lock"; }
if [ ! -f "$dir/.complete" ]; then
	free=$(df --output=avail -m "$cache" | tail -n 1)
	used=$(du -sm "$dir" 2>/dev/null | cut -f 1 || true)
	[ $((free + ${used:-0})) -ge "$need_mib" ] ||
		die "the $flavour kernel needs $need_mib MiB in $cache, $free MiB are free"
	mkdir -p "$dir"
	configure "$dir"
	say "Building the $flavour guest kernel ${source##*/linux-} once: about $minutes minutes on two cores ($dir)."
	# make keeps the lock: if this script is killed, nobody builds beside what still runs.
	kmake -C "$source" O="$dir" -j"$(nproc)" bzImage modules >>"$dir.log" 2>&1 </dev/null &
	job=$!
	watch "$dir.log" "$job"
	wait "$job" || { tail -n 20 "$dir.log" >&2; die "the $flavour kernel did not build: $dir.log"; }
	for part in arch/x86/boot/bzImage Module.symvers rust/libkernel.rmeta; do
		[ -s "$dir/$part" ] || die "the $flavour kernel lacks $part after its build: $dir.log"
	done
	touch "$dir/.complete"
	say "The $flavour kernel is built: $dir"
fi
echo "$dir"
