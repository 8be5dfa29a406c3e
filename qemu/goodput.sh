#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# goodput.sh: native TCP and the module one after the other through the same bad networks (selftests/goodput.sh), in
# one guest in virtual time. Prints a table and leaves build/goodput.json; fails if the module reaches less than nine
# tenths of native TCP anywhere. GOODPUT_CASES='regular expression': these cases alone.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

share=$build/goodput flavour=${FLAVOUR:-lean} least=0.9
mkdir -p "$share"
exec {lock}>"$share/.lock"
flock -n "$lock" || die "another guest works in $share: wait, or give BUILD=DIR"
"$top/qemu/deps.sh" build guest
kdir=$("$top/qemu/kernel.sh" "$flavour")
ko=$("$top/qemu/module.sh" "$kdir" "$build/$flavour" 2>"$share/build.log") || { cat "$share/build.log" >&2; exit 1; }
"$top/qemu/install-tests.sh" "$share/root/kselftest" >"$share/build.log" 2>&1 || { cat "$share/build.log" >&2; exit 1; }
cp "$ko" "$share/root/rust_tcpfsm.ko"
{
	echo 'cd /kselftest/rust_tcpfsm || exit 2'
	# shellcheck disable=SC2016  # the guest's variable
	echo 'insmod "$RTCPFSM_KO" || exit 2'
	env | grep '^GOODPUT_[A-Z]*=' | sed -E "s/^([A-Z_]*)=(.*)/export \1='\2'/" || true
	echo './goodput.sh | tee /share/lines'
} >"$share/job"
rm -f "$share/lines"
say "Measuring goodput: about five minutes, a line for each transfer in $share/lines."
status=0
TIME_LIMIT=${TIME_LIMIT:-5400} "$top/qemu/boot.sh" "$kdir" virtual "$share" >"$share/output" || status=$?
[ "$status" = 0 ] || die "the measurement failed in the guest (status $status): $share/output, $share/console.log"

# The median of the transfers of each case and protocol; a transfer that failed has moved nothing.
awk -v least="$least" -v json="$build/goodput.json" '
function median(key,   n, i, j, t) {
	n = count[key]
	if (!n) return 0
	for (i = 1; i <= n; i++) sorted[i] = speed[key, i]
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && sorted[j - 1] > sorted[j]; j--) { t = sorted[j]; sorted[j] = sorted[j - 1]; sorted[j - 1] = t }
	return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}
function thousands(x,   text, out) {
	text = sprintf("%.0f", x)
	for (out = ""; length(text) > 3; text = substr(text, 1, length(text) - 3)) out = "," substr(text, length(text) - 2) out
	return text out
}
$1 == "goodput" {
	key = $2 SUBSEP ($3 == 6 ? "native" : "module")
	speed[key, ++count[key]] = $6 > 0 ? $5 / $6 : 0
	number = $2
	if (number in name) next
	order[++cases] = number
	sub(/^goodput [0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9.]+ /, "")
	name[number] = $0
}
END {
	print "| Network | Native TCP, octets/s | Module, octets/s | Ratio |\n|---|--:|--:|--:|"
	printf "[" >json
	for (i = 1; i <= cases; i++) {
		native = median(order[i] SUBSEP "native")
		module = median(order[i] SUBSEP "module")
		ratio = native > 0 ? module / native : 0
		if (ratio < least) bad++
		printf "| %s | %s | %s | %.2f%s |\n", name[order[i]], thousands(native), thousands(module), ratio, (ratio < least ? " (!)" : "")
		printf "%s\n  {\"case\": \"%s\", \"native_bytes_per_s\": %.0f, \"module_bytes_per_s\": %.0f, \"ratio\": %.3f}",
			(i > 1 ? "," : ""), name[order[i]], native, module, ratio >json
	}
	print "\n]" >json
	if (!cases) { print "nothing was measured" >"/dev/stderr"; exit 1 }
	if (bad) { printf "%d of %d below %s of native TCP\n", bad, cases, least >"/dev/stderr"; exit 1 }
}' "$share/lines"
