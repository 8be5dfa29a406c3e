#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# run.sh demo|shell: a lean guest with the module loaded, which shows selftests/demo.sh (SCRIPT= another one), or
# a prompt. BUILD=DIR: all files there.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

what=${1:?usage: run.sh demo|shell} script=${SCRIPT:-demo.sh} flavour=${FLAVOUR:-lean}
[ "$what" = shell ] || [ -f "$top/selftests/$script" ] || die "there is no selftests/$script"
share=$build/$what
mkdir -p "$share"
exec {lock}>"$share/.lock"
flock -n "$lock" || die "another guest works in $share: wait, or give BUILD=DIR"
"$top/qemu/deps.sh" build guest
kdir=$("$top/qemu/kernel.sh" "$flavour")
say 'Building the module.'
ko=$("$top/qemu/module.sh" "$kdir" "$build/$flavour" 2>"$share/build.log") || { cat "$share/build.log" >&2; exit 1; }
"$top/qemu/install-tests.sh" "$share/root/kselftest" >"$share/build.log" 2>&1 || { cat "$share/build.log" >&2; exit 1; }
cp "$ko" "$share/root/rust_tcpfsm.ko"
{
	echo 'cd /kselftest/rust_tcpfsm || exit 2'
	# shellcheck disable=SC2016  # the guest's variable
	echo 'echo "# insmod rust_tcpfsm.ko"; insmod "$RTCPFSM_KO" || exit 2'
	if [ "$what" = shell ]; then
		size=$(stty size 2>/dev/null || echo '24 80')
		cat <<-END
			stty sane rows ${size% *} cols ${size#* }
			cat <<-'TEXT'
			rust_tcpfsm is loaded: cat /proc/net/rtcpfsm, /proc/net/rtcpfsm_stat; sysctl net.rtcpfsm
			Here are the selftests and their programs; ip, tc, ss and tcpdump are at hand. "exit" ends the guest.
			TEXT
			PS1='guest:\\w# ' bash --norc -i
			exit 0
		END
	else
		echo "bash ./$script"
	fi
} >"$share/job"
say "Booting the guest."
status=0
TIME_LIMIT=${TIME_LIMIT:-900} "$top/qemu/boot.sh" "$kdir" "$([ "$what" = shell ] && echo shell || echo plain)" "$share" || status=$?
[ "$what" != shell ] || exit "$status"
if [ "$status" = 0 ]; then
	echo "$script ran through in the guest."
else
	echo "$script failed in the guest (status $status); its console: $share/console.log"
fi
exit "$status"
