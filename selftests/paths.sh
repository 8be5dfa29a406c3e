# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034  # the ways into the states are for the scripts that source this
#
# Sourced by the path_*.sh scripts: test points that are drill scripts (their language: drill.c), and the ways
# into each state as lines of that language. Socket C is then the connection, L the listener.
#
#   . "${0%/*}/paths.sh"
#   begin 1
#   setup_ns host
#   prove 'MUST-41: a listener takes no notice of a RST' <<-SCRIPT
#   $in_listen
#   < R
#   > nothing 50
#   SCRIPT
#   finish

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

drill_program=${RTCPFSM_DRILL:-$here/drill}

# prove WHAT [DRILL OPTIONS..] <SCRIPT: a test point; the script runs in the namespace of `setup_ns host`.
# Each has ports of its own, so that none meets another's leftovers.
points=0
prove() {
	local what=$1
	shift
	points=$((points + 1))
	# shellcheck disable=SC2154  # setup_ns host sets it
	check "$what" "$drill_program" --netns "$host" --proto "$proto" \
		--port $((7000 + points)) --peer-port $((20000 + 16 * points)) "$@"
}

# backoff A..B[rto] COUNT LINE: the line COUNT times, as it is retransmitted: the first comes within that time, each next one within
# twice the time of the one before.
backoff() {
	local range=${1%rto} unit='' i
	if [ "$range" != "$1" ]; then unit=rto; fi
	for ((i = 0; i < $2; i++)); do
		echo "$3 within $((${range%..*} << i))..$((${range#*..} << i))$unit"
	done
}

in_listen='
socket L
listen L
state LISTEN'

in_syn_sent='
socket C
connect C
> S seq 0
state SYN-SENT'

# From LISTEN: a request, no socket yet.
in_syn_received='
socket L
listen L
< S
> SA seq 0 ack 1
state SYN-RECEIVED'

# From SYN-SENT: both opened at once.
in_syn_received_active="
$in_syn_sent
< S
> SA seq 0 ack 1
state SYN-RECEIVED"

in_established="
$in_syn_received
< A
accept L C
state ESTABLISHED"

in_established_active="
$in_syn_sent
< SA
> A seq 1 ack 1
state ESTABLISHED"

in_fin_wait_1="
$in_established
shutdown C wr
> FA seq 1 ack 1
state FIN-WAIT-1"

in_fin_wait_2="
$in_fin_wait_1
< A
state FIN-WAIT-2"

in_closing="
$in_fin_wait_1
< FA ack 1
> A seq 2 ack 2
state CLOSING"

in_close_wait="
$in_established
< FA
> A seq 1 ack 2
state CLOSE-WAIT"

in_last_ack="
$in_close_wait
shutdown C wr
> FA seq 1 ack 2
state LAST-ACK"

in_time_wait="
$in_fin_wait_2
< FA
> A seq 2 ack 2
state TIME-WAIT"

# A listener that is there already goes on to an established connection.
in_established_on_listener='
< S
> SA seq 0 ack 1
< A
accept L C
state ESTABLISHED'
