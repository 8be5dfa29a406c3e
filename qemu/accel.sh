#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# accel.sh: prints kvm where that runs guest code at speed, else tcg. A /dev/kvm that opens proves
# nothing (nested, it can crawl), so a small ROM is timed. ACCEL=kvm or ACCEL=tcg overrides.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

case ${ACCEL:-} in
'') ;;
kvm | tcg) echo "$ACCEL"; exit ;;
*) die "ACCEL is kvm or tcg, not '$ACCEL'" ;;
esac
if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then echo tcg; exit; fi
mkdir -p "$build"
rom=$build/accel.rom
[ "$rom" -nt "$top/qemu/accel.S" ] || {
	gcc -c -o "$rom.o" "$top/qemu/accel.S" &&
		ld -Ttext=0x7000 --oformat binary -o "$rom.part" "$rom.o" && mv "$rom.part" "$rom"
} 2>/dev/null || { echo tcg; exit; }
status=0
timeout -k 1 2 qemu-system-x86_64 -machine microvm -accel "${PROBE_ACCEL:-kvm}" -nodefaults -display none -bios "$rom" \
	-device isa-debug-exit,iobase=0xf4,iosize=4 </dev/null >/dev/null 2>&1 || status=$?
if [ "$status" = 33 ]; then echo kvm; else echo tcg; fi
