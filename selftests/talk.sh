# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by scripts that hold sockets open: programs (talk.c) that do as they are told.
#
#   talker peer "$client"                      # a program called peer in the namespace $client
#   tell peer connect c 10.9.0.1 7000          # prints its answer; fails if it says "error"

declare -A talk_to=() talk_from=()

# talker NAME NS: a program in namespace NS that tell() speaks to. $work is a directory of the caller's.
talker() {
	# shellcheck disable=SC2154  # and its caller sets work
	local fd pipe=$work/talk.$1
	mkfifo "$pipe.in" "$pipe.out"
	# shellcheck disable=SC2154  # lib.sh sets proto and here
	RTCPFSM_PROTO=$proto nsenter --net="/run/netns/$2" -- "$here/talk" <"$pipe.in" >"$pipe.out" &
	disown # nobody wants to hear that cleanup() killed it
	exec {fd}>"$pipe.in"
	talk_to[$1]=$fd
	exec {fd}<"$pipe.out"
	talk_from[$1]=$fd
}

# tell NAME COMMAND..
tell() {
	local name=$1 reply=''
	shift
	echo "$*" >&"${talk_to[$name]}"
	read -r -t 60 reply <&"${talk_from[$name]}" || reply='error no answer'
	echo "$reply"
	[[ $reply == ok* ]]
}
