# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by the tests: KTAP output, network namespaces, what /proc shows.
#
#   . "${0%/*}/lib.sh"
#   begin 2                          # two test points will follow
#   setup_ns server client           # $server and $client name namespaces, loopback up
#   veth_pair server client          # 10.9.0.1 and .2, fd09::1 and ::2
#   check 'MUST-42: two connections share a port' my_function
#   check 'the listener is shown' wait_until 5 listed "$server" LISTEN 7000
#   finish
#
# RTCPFSM_PROTO is the IP protocol under test: 253, or 6 to put the host's own TCP to
# the same test (what only the module has is then left out).

# kselftest's runner makes output come by lines with a library of coreutils, which would be loaded into each program of each test.
unset LD_PRELOAD _STDBUF_I _STDBUF_O _STDBUF_E

proto=${RTCPFSM_PROTO:-253}
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
namespaces=()

# The kernel's KTAP functions: beside an installed test, in the tree KSFT_DIR, or in the cached source.
for helpers in "$here/../kselftest" "${KSFT_DIR:-/nonexistent}/kselftest" \
	"${XDG_CACHE_HOME:-${HOME:-/root}/.cache}"/rust_tcpfsm/linux-*/tools/testing/selftests/kselftest; do
	if [ -r "$helpers/ktap_helpers.sh" ]; then break; fi
done
# shellcheck disable=SC1091
. "$helpers/ktap_helpers.sh"

# begin N: the KTAP header, the plan of N test points, and the cleaning up.
begin() {
	ktap_print_header
	ktap_set_plan "$1"
	trap cleanup EXIT
	if [ "$proto" != 6 ] && [ ! -e /proc/net/rtcpfsm ]; then
		ktap_exit_fail_msg 'rust_tcpfsm is not loaded'
	fi
	work=$(mktemp -d)
}

# finish: the totals; exits 0 only when every planned point passed.
finish() { ktap_finished; }

# Programs of a dead namespace hold it: they go first.
cleanup() {
	local ns
	for ns in "${namespaces[@]}"; do
		ip netns pids "$ns" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
		ip netns del "$ns" 2>/dev/null || true
	done
	namespaces=()
	if [ -n "${work:-}" ]; then rm -rf "$work"; fi
}

# setup_ns NAME..: a namespace each, loopback up; the variable NAME holds its real name.
setup_ns() {
	local name ns
	for name; do
		ns=$name-$$
		ip netns add "$ns"
		namespaces+=("$ns")
		ip -n "$ns" link set lo up
		printf -v "$name" %s "$ns"
	done
}

# veth_pair A B [NET]: joins the namespaces of setup_ns by a link: 10.9.NET.1 and fd09:NET::1 in
# A, .2 and ::2 in B, devices vNET at both ends. NET is 0 if left out.
veth_pair() {
	local a=${!1} b=${!2} net=${3:-0}
	ip link add "v$net" netns "$a" type veth peer name "v$net" netns "$b"
	ip -n "$a" addr add "10.9.$net.1/24" dev "v$net"
	ip -n "$b" addr add "10.9.$net.2/24" dev "v$net"
	ip -n "$a" addr add "fd09:$net::1/64" dev "v$net" nodad
	ip -n "$b" addr add "fd09:$net::2/64" dev "v$net" nodad
	ip -n "$a" link set "v$net" up
	ip -n "$b" link set "v$net" up
}

# in_ns NS COMMAND..: runs it there (NS is a real name, as setup_ns gave it).
# Not by `ip netns exec`, whose mounts take a second in a debug kernel: /sys stays that of the caller's namespace.
in_ns() { nsenter --net="/run/netns/$1" -- "${@:2}"; }

# stat_of NS KIND NAME: one counter of /proc/net/rtcpfsm_stat there, 0 if it has none.
stat_of() {
	# shellcheck disable=SC2016  # awk's variables
	in_ns "$1" awk -v k="$2" -v n="$3" '$1 == k && $2 == n { sum += $3 } END { print sum + 0 }' /proc/net/rtcpfsm_stat
}

# listed NS STATE [PORT]: does /proc/net/rtcpfsm there show an object in STATE (at that local port)?
listed() {
	# shellcheck disable=SC2016  # awk's variables
	in_ns "$1" awk -v s="$2" -v p="${3:-}" 'NR > 1 && $3 == s && (p == "" || $1 ~ ":" p "$") { found = 1 } END { exit !found }' \
		/proc/net/rtcpfsm
}

# set_sysctl NS NAME VALUE: net.rtcpfsm.NAME there.
set_sysctl() { in_ns "$1" sh -c "echo '$3' >/proc/sys/net/rtcpfsm/$2"; }

# nap SECONDS: sleeps, without another process: nothing is ever written there.
nap() { read -rt "$1" -u "$nothing" || true; }
exec {nothing}<> <(:)

# wait_until SECONDS COMMAND..: runs it again and again until it succeeds; fails after SECONDS.
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "not within time: $*"
			return 1
		fi
		nap 0.05
	done
}

# check WHAT COMMAND..: a test point; what the command printed is shown if it fails.
check() {
	local what=$1
	shift
	if "$@" >"$work/output" 2>&1; then
		ktap_test_pass "$what"
	else
		ktap_test_fail "$what"
		sed 's/^/# /' "$work/output"
	fi
}
