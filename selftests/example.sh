#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The program that the README shows does what the README says.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"

echoes() {
	local output
	# shellcheck disable=SC2154  # setup_ns host sets it
	output=$(in_ns "$host" "$here/example" "$proto") && echo "$output" && [ "$output" = 'echoed: hello' ]
}

begin 1
setup_ns host
check 'the example of the README: hello goes to a server and back' echoes
finish
