#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# initramfs.sh: makes build/initramfs.cpio of this machine's own programs and their libraries.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# The real ones: busybox' own do less, or other things.
programs=(bash ip tc ss bridge nstat tcpdump ethtool modprobe insmod rmmod lsmod modinfo depmod sysctl
	awk cmp date dd diff find od ps pgrep pkill printf sed stdbuf stty tee timeout
	dmesg flock ipcs prlimit setpriv setsid taskset unshare strace nft)
# Of these busybox' own do all that is asked of them here, and start in half the instructions: no library is loaded.
applets=(cat cp cut env grep head ls mkdir mkfifo mktemp mv nproc nsenter readlink rm seq sleep sort stat tail touch tr uname wc xargs)
image=$build/initramfs.cpio
PATH=$PATH:/usr/sbin:/sbin
busybox=$(type -P busybox) || die 'busybox is missing: run qemu/deps.sh guest'
if [ -f "$image" ] && [ "$image" -nt "$0" ] && [ "$image" -nt "$top/qemu/init" ] && [ "$image" -nt "$busybox" ]; then exit; fi

mkdir -p "$build"
root=$(mktemp -d "$build/initramfs.XXXXXX")
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{etc,root,usr/bin,usr/sbin,usr/lib,usr/lib64}
for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$root/$dir"; done

# put FILE..: at the same path in the image, with the libraries it wants.
put() {
	local file library
	for file; do
		install -D -m 755 "$(readlink -f "$file")" "$root$file"
		while read -r library; do
			[ -e "$root$library" ] || install -D -m 755 "$(readlink -f "$library")" "$root$library"
		done < <(ldd "$file" 2>/dev/null | grep -o '/[^ ]*')
	done
}

put "$busybox"
[ "$busybox" = /usr/bin/busybox ] || [ "$busybox" = /bin/busybox ] || die "busybox is expected in /usr/bin, not $busybox"
for name in "${applets[@]}"; do
	if "$busybox" --list | grep -x "$name" >/dev/null; then ln -s busybox "$root/usr/bin/$name"; else programs+=("$name"); fi
done
for name in "${programs[@]}"; do
	file=$(type -P "$name") || continue
	# In the one place where scripts look for it, whatever link leads to it here.
	install -D -m 755 "$(readlink -f "$file")" "$root/usr/bin/$name"
	put "$file"
done
# Where kselftest's runner does not look for it: the tests write line by line anyway, and each of their programs would load its library.
if [ -e "$root/usr/bin/stdbuf" ]; then mv "$root/usr/bin/stdbuf" "$root/usr/sbin/"; fi
for library in /usr/libexec/coreutils/libstdbuf.so /usr/lib/*/coreutils/libstdbuf.so; do
	if [ -f "$library" ]; then put "$library"; fi
done
# The shell is what forks most: a static one has less to copy.
if bash=$(type -P bash-static); then install -m 755 "$(readlink -f "$bash")" "$root/usr/bin/bash"; fi
if [ -d /usr/lib/tc ]; then cp -r /usr/lib/tc "$root/usr/lib/"; fi
ln -sf bash "$root/usr/bin/sh"
for applet in $("$busybox" --list); do
	case $applet in busybox | sh | ash | init | linuxrc) continue ;; esac
	[ -e "$root/usr/bin/$applet" ] || [ -e "$root/usr/sbin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"
done
for name in modprobe insmod ip; do ln -sf "../bin/$name" "$root/usr/sbin/$name"; done
printf '%s\n' root:x:0:0:root:/root:/bin/bash nobody:x:65534:65534::/:/bin/sh tcpdump:x:100:100::/:/bin/sh >"$root/etc/passwd"
printf '%s\n' root:x:0: nogroup:x:65534: tcpdump:x:100: >"$root/etc/group"
printf '127.0.0.1 localhost guest\n::1 localhost\n' >"$root/etc/hosts"
printf 'hosts: files\n' >"$root/etc/nsswitch.conf"
printf '253 rtcpfsm RTCPFSM\n' >"$root/etc/protocols"
install -m 755 "$top/qemu/init" "$root/init"

# Not compressed: a kernel with checkers takes ten seconds to unpack it.
(cd "$root" && find . | "$busybox" cpio -o -H newc -R 0:0 2>/dev/null) >"$image.part"
mv "$image.part" "$image"
