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

proto=${RTCPFSM_PROTO:-253}
# A fork or the start of a program takes a debug kernel ten million instructions or more: below, the shell does itself what it can.
cd "${BASH_SOURCE[0]%/*}" && here=$PWD && cd "$OLDPWD" || exit
# The kselftest runner's line buffering is for the output of this shell, which has none: each program would load it.
unset LD_PRELOAD
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

# kill_in NS..: kills every program in these namespaces.
kill_in() {
	local ns process
	for process in /proc/[1-9]*; do
		for ns; do
			if [ "$process/ns/net" -ef "/run/netns/$ns" ]; then kill -9 "${process#/proc/}" 2>/dev/null || true; fi
		done
	done
}

# Programs of a dead namespace hold it: they go first.
cleanup() {
	local lines
	if [ ${#namespaces[@]} -gt 0 ]; then
		kill_in "${namespaces[@]}"
		printf -v lines 'netns del %s\n' "${namespaces[@]}"
		ip -force -batch - <<<"$lines" 2>/dev/null || true
	fi
	namespaces=()
	if [ -n "${work:-}" ]; then rm -rf "$work"; fi
}

# setup_ns NAME..: a namespace each, loopback up; the variable NAME holds its real name.
setup_ns() {
	local name lines
	for name; do
		printf -v "$name" %s "$name-$$"
		namespaces+=("$name-$$")
	done
	printf -v lines "netns add %s-$$\n" "$@"
	ip -batch - <<<"$lines"
	for name; do ip -n "$name-$$" link set lo up; done
}

# in_batch NS <LINES: each is what `ip` could be told, in one process.
in_batch() { ip -n "$1" -batch -; }

# veth_pair A B [NET]: joins the namespaces of setup_ns by a link: 10.9.NET.1 and fd09:NET::1 in
# A, .2 and ::2 in B, devices vNET at both ends. NET is 0 if left out.
veth_pair() {
	local a=${!1} b=${!2} net=${3:-0}
	in_batch "$a" <<-END
	link add v$net type veth peer name v$net netns $b
	addr add 10.9.$net.1/24 dev v$net
	addr add fd09:$net::1/64 dev v$net nodad
	link set v$net up
	END
	in_batch "$b" <<-END
	addr add 10.9.$net.2/24 dev v$net
	addr add fd09:$net::2/64 dev v$net nodad
	link set v$net up
	END
}

# in_ns NS COMMAND..: runs it there (NS is a real name, as setup_ns gave it).
# Not by `ip netns exec`, whose mounts take a second in a debug kernel: /sys stays that of the caller's namespace.
in_ns() { nsenter --net="/run/netns/$1" -- "${@:2}"; }

# look NS FILE: the array `lines` is that file of /proc/net there.
look() { mapfile -t lines < <(exec nsenter --net="/run/netns/$1" -- cat "/proc/net/$2"); }

# stat_of NS KIND NAME: one counter of /proc/net/rtcpfsm_stat there, 0 if it has none.
stat_of() {
	local line lines sum=0
	look "$1" rtcpfsm_stat
	for line in "${lines[@]}"; do
		if [[ $line =~ ^"$2"\ +"$3"\ +([0-9]+) ]]; then sum=$((sum + BASH_REMATCH[1])); fi
	done
	echo $sum
}

# count_listed NS STATE [PORT]: `listed_count` is how many objects in STATE (at that local port) /proc/net/rtcpfsm there shows.
count_listed() {
	local line lines
	look "$1" rtcpfsm
	listed_count=0
	for line in "${lines[@]:1}"; do
		if [[ $line =~ ^\ *[^\ ]+:([0-9]+)\ +[^\ ]+\ +"$2"\  && ( -z ${3:-} || ${BASH_REMATCH[1]} = "${3:-}" ) ]]; then
			listed_count=$((listed_count + 1))
		fi
	done
}
# listed NS STATE [PORT]: does it show one?
listed() {
	count_listed "$@"
	[ "$listed_count" != 0 ]
}

# says FILE WORDS: are they in that file?
says() {
	local text=''
	{ read -r -d '' text <"$1"; } 2>/dev/null || true
	[[ $text == *"$2"* ]]
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
