#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The module does what the machine on the host says that it will do: random legal and illegal segments, calls and pauses, from each of
# the states on, and every segment that must come back, foretold by selftests/host/src/prediction as scripts of drill. A script
# that does not hold is shown. The scripts are those of PREDICT_SEEDS seeds, 220 if unset (make differential: 10,000), from
# PREDICT_FIRST on.
# guest: virtual-time
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"

scripts=$here/predicted
if [ "$proto" = 6 ] || [ ! -d "$scripts" ]; then
	ktap_print_header
	ktap_skip_all 'no scripts were foretold, or the protocol is no module'
	exit "$KSFT_SKIP"
fi
states=(CLOSED LISTEN SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT)
number=0

# The scripts by the state that they start in: each is looked at once.
declare -A starting=()
for file in "$scripts"/*.drill; do
	read -r -a words <"$file"
	starting[${words[7]}]+=" $file"
done

# foretold STATE: every script that starts there. Their first lines: # --family F seed S starts in STATE injects N expects M
foretold() {
	local file family seed bad=0 injects=0 expects=0 count=0 words
	for file in ${starting[$1]:-}; do
		read -r -a words <"$file"
		family=${words[2]} seed=${words[4]}
		injects=$((injects + words[9])) expects=$((expects + words[11])) count=$((count + 1)) number=$((number + 1))
		"$drill_program" --netns "$host" --proto "$proto" --family "$family" --port $((7000 + number % 10000)) \
			--peer-port $((20000 + 16 * (number % 2500))) "$file" && continue
		bad=$((bad + 1))
		echo "seed $seed:"
		cat -n "$file"
	done
	echo "$count scripts, $injects segments to the module, $expects from it, $bad failed" >&2
	[ $bad = 0 ] && [ $count -gt 0 ]
}

begin ${#states[@]}
setup_ns host
for state in "${states[@]}"; do
	check "from $state on the module answers as the machine foretells" foretold "$state"
	ktap_print_msg "$(tail -n 1 "$work/output")"
done
finish
