#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The socket calls behave as Linux's: runs the sockets_* programs over loopback and over a pair of
# virtual Ethernet devices. RTCPFSM_PROTO=6 runs the same expectations over Linux's own TCP.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=sockets_run.sh
. "${0%/*}/sockets_run.sh"

host="" server="" client="" # set by setup_ns

# What is run where, and the variants left out: addresses matter to names and to opening and closing, the way over
# the wire to whatever waits for a segment. Everything everywhere would say no more and take twice the time.
loopback=(sockets_names: sockets_open: sockets_listen: sockets_data:mapped sockets_splice:mapped sockets_urgent:mapped sockets_poll:mapped sockets_close: sockets_dead:mapped sockets_messages:mapped)
veth=(sockets_open:mapped sockets_listen:mapped sockets_data:mapped+v6 sockets_splice:mapped+v6 sockets_urgent:mapped+v6 sockets_poll:mapped+v6 sockets_close:mapped+v6 sockets_dead:mapped+v6 sockets_messages:mapped+v6)

begin "$(count_all "${loopback[@]}" "${veth[@]}")"

setup_ns host
ip -n "$host" addr add ::2/128 dev lo nodad
add_void "$host"
export SOCKETS_SERVER_NS=/run/netns/$host SOCKETS_CLIENT_NS=/run/netns/$host
export SOCKETS_SERVER4=127.0.0.1 SOCKETS_CLIENT4=127.0.0.1 SOCKETS_OTHER4=127.0.0.2
export SOCKETS_SERVER6=::1 SOCKETS_CLIENT6=::1 SOCKETS_OTHER6=::2
run_all loopback "${loopback[@]}"

setup_ns server client
veth_pair server client
ip -n "$server" addr add 10.9.0.3/24 dev v0
ip -n "$server" addr add fd09:0::3/64 dev v0 nodad
add_void "$client"
export SOCKETS_SERVER_NS=/run/netns/$server SOCKETS_CLIENT_NS=/run/netns/$client
export SOCKETS_SERVER4=10.9.0.1 SOCKETS_CLIENT4=10.9.0.2 SOCKETS_OTHER4=10.9.0.3
export SOCKETS_SERVER6=fd09:0::1 SOCKETS_CLIENT6=fd09:0::2 SOCKETS_OTHER6=fd09:0::3
run_all veth "${veth[@]}"
finish
