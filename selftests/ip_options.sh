#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# IP options: those of a program go into its packets, and those that arrive do no harm.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

host='' # set by setup_ns
options() { in_ns "$host" "$here/ip_options" "$proto" "$1"; }

begin 4
setup_ns host
check 'MUST-50: the IP option router alert is ignored' options router-alert
check 'MUST-50: an IP option that nobody knows is ignored' options unknown
check 'MAY-10: a program may ask for IP timestamps in its packets' options timestamp
check 'MAY-11: a program may ask for IP record route in its packets' options record-route
finish
