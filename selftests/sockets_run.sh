# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154  # proto and here are lib.sh's
#
# Sourced by tests that run the sockets_* programs: their tests become those of the script.
# RTCPFSM_PROTO=6 runs the same expectations over Linux's own TCP.

if [ "$proto" = 6 ]; then
	export SOCKETS_REFERENCE=only
	prefix=tcp_
else
	prefix=
fi

# tests_in PROGRAM: how many tests it has for each variant.
tests_in() {
	{ "$here/$1" -l 2>&1 || true; } | awk '!/^# FIXTURE/ && length($0) > 47 && !/^---/ { n++ } END { print n + 0 }'
}

# add_void NS: a device in NS whose addresses 198.51.100.2 and 2001:db8:1::2 swallow everything.
add_void() {
	in_batch "$1" <<-END
	link add void0 type veth peer name void1
	addr add 198.51.100.1/24 dev void0
	addr add 2001:db8:1::1/64 dev void0 nodad
	link set void0 up
	link set void1 up
	neigh add 198.51.100.2 lladdr 02:00:00:00:00:99 dev void0 nud permanent
	neigh add 2001:db8:1::2 lladdr 02:00:00:00:00:99 dev void0 nud permanent
	END
	export SOCKETS_VOID4=198.51.100.2 SOCKETS_VOID6=2001:db8:1::2
}

# describe WHERE NAME: sets text: "v6.must_43_bind_x" over WHERE as a test's description, requirement ids in front.
# Without a subshell: a fork is dear in a debug kernel.
describe() {
	local variant=${2%%.*} ids=''
	text=${2#*.}
	while [[ $text =~ ^(must|shld|may|rec)_([0-9]+)_(.*)$ ]]; do
		ids+=${ids:+, }${BASH_REMATCH[1]^^}-${BASH_REMATCH[2]}
		text=${BASH_REMATCH[3]}
	done
	text="${ids:+$ids: }$1 ${variant#tcp_}: ${text//_/ }"
}

# run WHERE PROGRAM ARGS..: each of the program's tests becomes one of this script's.
run() {
	local where=$1 program=$2 line name text
	shift 2
	while read -r line; do
		case $line in
		'ok '* | 'not ok '*)
			name=${line#*ok * ip.}
			describe "$where" "${name%% *}"
			case $line in
			*'# SKIP'*) ktap_test_skip "$text" ;;
			ok*) ktap_test_pass "$text" ;;
			*) ktap_test_fail "$text" ;;
			esac
			;;
		'# '*'sockets_'*:* | '# '*'Test '*) printf '%s\n' "$line" ;;
		esac
	done < <("$here/$program" "$@" 2>&1 || true)
}

# run_all WHERE PROGRAM:LEFT-OUT..
run_all() {
	local where=$1 entry variant without
	shift
	for entry; do
		without=()
		for variant in $(tr + ' ' <<<"${entry#*:}"); do without+=(-V "$prefix$variant"); done
		run "$where" "${entry%%:*}" "${without[@]}"
	done
}

# count_all PROGRAM:LEFT-OUT..: how many tests run_all will run.
count_all() {
	local entry left total=0
	for entry; do
		left=$((3 - $(tr + '\n' <<<"${entry#*:}" | grep -c . || true)))
		total=$((total + left * $(tests_in "${entry%%:*}")))
	done
	echo "$total"
}
