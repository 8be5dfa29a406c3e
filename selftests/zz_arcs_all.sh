#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A walk along every arc of the machine, in one namespace: /proc/net/rtcpfsm_stat then counts each at least once.
# guest: virtual-time, leaks
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=paths.sh
. "${0%/*}/paths.sh"
begin 42
setup_ns host

# The counter of an arc is its name: a line for the end of a script.
took() { printf 'count arc %s +1\n' "$@"; }

prove 'passive open, passive close, close of the listener' <<EOF
$in_last_ack
< A
state CLOSED
close L
$(took closed-passive-open listen-rcv-syn syn-received-rcv-ack-of-syn established-rcv-fin \
	close-wait-close last-ack-rcv-ack-of-fin listen-close)
EOF

prove 'active open, active close, the end of TIME-WAIT' <<EOF
$in_established_active
close C
> FA seq 1 ack 1
< A
state FIN-WAIT-2
< FA
> A seq 2 ack 2
state TIME-WAIT
sleep 70000
state CLOSED
$(took closed-active-open syn-sent-rcv-syn-ack established-close fin-wait-1-rcv-ack-of-fin \
	fin-wait-2-rcv-fin time-wait-two-msl)
EOF

prove 'FIN-WAIT-1 straight to TIME-WAIT, which a new SYN opens anew' <<EOF
$in_fin_wait_1
< FA
> A seq 2 ack 2
state TIME-WAIT
renumber 100000
< S
> SA seq 0 ack 1
$(took fin-wait-1-rcv-fin-ack-of-fin time-wait-rcv-syn)
EOF

prove 'simultaneous open, completed' <<EOF
$in_syn_received_active
< A
state ESTABLISHED
$(took syn-sent-rcv-syn syn-received-rcv-ack-of-syn)
EOF

prove 'simultaneous open, closed before it is complete' <<EOF
$in_syn_received_active
shutdown C wr
> FA seq 1 ack 1
$(took syn-received-close)
EOF

prove 'simultaneous close, and an RST in TIME-WAIT' <<EOF
$in_closing
< A
state TIME-WAIT
< R
state CLOSED
$(took fin-wait-1-rcv-fin closing-rcv-ack-of-fin time-wait-rcv-rst)
EOF

prove 'a listener that connects' <<EOF
$in_listen
connect L
> S seq 0
$(took listen-active-open)
EOF

prove 'back to LISTEN by RST and by SYN; a request goes with its listener; a listener aborts' <<EOF
$in_syn_received
< R
state CLOSED
peer 1
< S
> SA seq 0 ack 1
< S seq 100
peer 2
< S
> SA seq 0 ack 1
disconnect L
> RA seq 1 ack 1
$(took syn-received-rcv-rst-passive syn-received-rcv-syn-passive syn-received-listener-closed listen-abort)
EOF

prove 'close in SYN-SENT' <<EOF
$in_syn_sent
close C
$(took syn-sent-close)
EOF

for state in syn-sent syn-received-active established fin-wait-1 fin-wait-2 close-wait closing last-ack; do
	way=in_${state//-/_}
	prove "abort in ${state^^}" <<-EOF
	${!way}
	abort C
	state CLOSED
	$(case $state in syn-sent | closing | last-ack) ;; *) echo '> R' ;; esac)
	$(took "${state%-active}-abort")
	EOF
done

for state in syn-sent syn-received-active established fin-wait-1 fin-wait-2 close-wait closing last-ack; do
	way=in_${state//-/_}
	prove "RST in ${state^^}" <<-EOF
	${!way}
	$(if [ "$state" = syn-sent ]; then echo '< RA seq 0 ack 1'; else echo '< R'; fi)
	state CLOSED
	$(took "${state%-active}-rcv-rst")
	EOF
done

for state in syn-sent syn-received-active; do
	way=in_${state//-/_}
	prove "ICMP in ${state^^}" <<-EOF
	${!way}
	< icmp 3 1 seq 0
	state CLOSED
	$(took "${state%-active}-icmp")
	EOF
done

for state in fin-wait-1 fin-wait-2; do
	way=in_${state//-/_}
	prove "data after close() in ${state^^}" <<-EOF
	${!way}
	close C
	< PA ack 1 len 1
	> R
	state CLOSED
	$(took "$state-data-after-close")
	EOF
done

# timeout STATE SEGMENT [CALL]: after CALL the host sends SEGMENT, and one time more; then it gives up.
timeout() {
	local state=$1 segment=$2 call=${3:-} way=in_${1//-/_}
	prove "nobody answers in ${state^^}" <<-EOF
	sysctl syn_retries 1
	sysctl synack_retries 1
	sysctl retries2 1
	${!way}
	$call
	$([ -z "$call" ] || echo "> $segment")
	> $segment
	sleep 5000
	state CLOSED
	$(took "${state%-active}-timeout")
	EOF
}
timeout syn-sent 'S seq 0'
timeout syn-received 'SA seq 0'
timeout syn-received-active 'SA seq 0'
timeout established 'PA seq 1 len 10' 'send C 10'
timeout fin-wait-1 'FA seq 1'
timeout close-wait 'PA seq 1 len 10' 'send C 10'
timeout closing 'FA seq 1'
timeout last-ack 'FA seq 1'

prove 'an orphan in FIN-WAIT-2 whose peer is silent' <<EOF
sysctl fin_timeout 5
$in_fin_wait_2
close C
sleep 6000
state CLOSED
$(took fin-wait-2-orphan-timeout)
EOF

prove 'no room for one more TIME-WAIT' <<EOF
sysctl max_tw_buckets 0
$in_fin_wait_2
< FA
> A seq 2 ack 2
state CLOSED
$(took time-wait-evict)
EOF

every_arc() {
	in_ns "$host" cat /proc/net/rtcpfsm_stat | awk '
		$1 == "arc" { arcs++; print; if ($3 == 0) { print "never taken: " $2; bad = 1 } }
		END { print arcs + 0 " arcs"; exit bad || arcs < 55 }'
}
check 'every arc of the table has been taken, and /proc/net/rtcpfsm_stat shows it' every_arc

# What ended in the gauges began there: nothing is left but what the table shows.
gauges() {
	in_ns "$host" cat /proc/net/rtcpfsm_stat | awk '$1 == "gauge" && $2 != "CLOSED" && $3 != 0 { print; bad = 1 } END { exit bad }' &&
		in_ns "$host" awk 'NR > 1 { print; bad = 1 } END { exit bad }' /proc/net/rtcpfsm
}
check 'after that no object is left, neither in the table nor in the gauges' wait_until 200 gauges

no_arc() { [ "$(stat_of "$host" drop no-arc)" = 0 ]; }
check 'no event ever came in a state that has no arc for it' no_arc
finish
