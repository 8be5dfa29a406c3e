#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Who may share a port, and which listener a connection goes to, as in Linux's TCP: runs sockets_ports over loopback.
# RTCPFSM_PROTO=6 runs the same expectations over Linux's own TCP.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=sockets_run.sh
. "${0%/*}/sockets_run.sh"

host="" # set by setup_ns
programs=(sockets_ports:)
begin "$(count_all "${programs[@]}")"
setup_ns host
add_void "$host"
export SOCKETS_SERVER_NS=/run/netns/$host SOCKETS_CLIENT_NS=/run/netns/$host
run_all loopback "${programs[@]}"
finish
