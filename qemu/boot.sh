#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# boot.sh KDIR MODE SHARE: boots that kernel with the directory SHARE as /share, where it runs the bash
# script SHARE/job, its output to standard output, and exits with its status; 125 if the guest died. What is in
# SHARE/root is in the guest's root directory, too. APPEND: more words for the kernel's command line.
# MODE: plain; virtual (one CPU, one instruction is one nanosecond, sleeping costs nothing); shell (a
# plain one with the terminal as input). TIME_LIMIT: the seconds after which a guest counts as hung. MEMORY: the guest's, as
# QEMU wants it. PLUGIN: a plugin of QEMU's emulator with its arguments.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

kdir=${1:?} mode=${2:?} share=${3:?} limit=${TIME_LIMIT:-3600}
type -P qemu-system-x86_64 >/dev/null || die 'no qemu-system-x86_64: run qemu/deps.sh guest'
image=$kdir/arch/x86/boot/bzImage
[ -f "$image" ] || die "no kernel image in $kdir"
"$top/qemu/initramfs.sh"
# KASAN's shadow and what it keeps of freed memory ask for more.
memory=1G
debug=''
if grep -q '^CONFIG_KASAN=y' "$kdir/.config"; then memory=2G debug=' kasan_multi_shot'; fi
memory=${MEMORY:-$memory}
console=$share/console.log
# A second archive behind the first adds its files.
initrd=$build/initramfs.cpio
if [ -d "$share/root" ]; then
	initrd=$share/initramfs.cpio
	{
		cat "$build/initramfs.cpio"
		cd "$share/root" && find . | busybox cpio -o -H newc -R 0:0 2>/dev/null
	} >"$initrd"
fi
append='console=ttyS0 panic=-1 oops=panic loglevel=6 log_buf_len=8M random.trust_cpu=on tsc=reliable'
# ACPI's interrupt routing, which nothing here needs, takes the debug kernel 25 s to interpret.
# On a loaded host the kernel's check of its timer may see no tick, and panics.
# 256 old terminals take seconds, too.
append+=" acpi=noirq pty.legacy_count=0 no_timer_check$debug ${APPEND:-}"
[ -t 0 ] || [ "$mode" != shell ] || die 'a shell needs a terminal'

# run ACCEL: becomes QEMU for one boot.
run() {
	local machine=(-accel "$1") channel=file,id=job,path=/dev/stdout,append=on
	case $mode in
	virtual)
		machine=(-accel tcg -icount 'shift=0,sleep=off' -smp 1 -cpu 'qemu64,+rdrand,+ssse3,+sse4.1,+sse4.2,+popcnt'
			-rtc 'base=2026-01-01T00:00:00,clock=vm' -seed 42)
		append+=' nokaslr norandmaps'
		;;
	*) if [ "$1" = kvm ]; then machine+=(-smp 2 -cpu host); else machine+=(-smp 2 -cpu 'max,la57=off'); fi ;;
	esac
	if [ -n "${PLUGIN:-}" ]; then machine+=(-plugin "$PLUGIN"); fi
	if [ "$mode" = shell ]; then channel=stdio,id=job,signal=off; fi
	rm -f "$share"/{rc,booted,dmesg.log,console.log}
	exec qemu-system-x86_64 "${machine[@]}" -m "$memory" -no-reboot -nodefaults -display none \
		-serial "file:$console" -chardev "$channel" -serial chardev:job \
		-kernel "$image" -initrd "$initrd" -append "$append" \
		-fsdev "local,id=f,path=$share,security_model=none,multidevs=remap" -device virtio-9p-pci,fsdev=f,mount_tag=share
}

# attempt ACCEL: run() under the time limit; 1 if under KVM the guest did not even start to work within a minute.
attempt() {
	local start=$SECONDS guest
	if [ "$mode" = shell ]; then
		(run "$1") || true
		[ "$1" != kvm ] || [ -e "$share/booted" ]
		return
	fi
	run "$1" </dev/null >&"$out" &
	guest=$!
	# shellcheck disable=SC2064  # this very process
	trap "kill -9 $guest 2>/dev/null || true" EXIT
	while kill -0 "$guest" 2>/dev/null; do
		if [ $((SECONDS - start)) -ge "$limit" ]; then
			say "The guest hangs: stopped after $limit s."
			kill -9 "$guest" 2>/dev/null || true
		elif [ "$1" = kvm ] && [ $((SECONDS - start)) -ge 60 ] && [ ! -e "$share/booted" ]; then
			kill -9 "$guest" 2>/dev/null || true
		fi
		sleep 0.2
	done
	wait "$guest" 2>/dev/null || true
	trap - EXIT
	[ "$1" != kvm ] || [ -e "$share/booted" ]
}

# QEMU opens its standard output by name, which would cut a file and fails for a socket: give it a pipe.
exec {out}> >(exec cat)
copier=$!
accel=$("$top/qemu/accel.sh")
attempt "$accel" || { say 'KVM does not run the guest; emulating instead.'; attempt tcg; }
exec {out}>&-
wait "$copier" || true
if [ ! -f "$share/rc" ]; then
	say "The guest died; its console: $console"
	grep -aE 'Kernel panic|BUG:|Oops:|RIP:' "$console" 2>/dev/null | head -n 5 >&2 || true
	exit 125
fi
exit "$(cat "$share/rc")"
