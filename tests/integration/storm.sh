#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Thousands dial in at once, as after a restart: all of them come up, nobody is refused or times out half
# done, and a session that was there before loses nothing; then they come and go beside it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

# bench LABEL OPTION...: culvert-bench in the namespace of client 1.
bench() {
	local label=$1
	shift
	(umask 077 && printf '%s\n' "$password" >"$work/password1")
	in_ns "$T-c1" timeout 120 "$culvert_bench" --connect "$access" --password-file "$work/password1" \
		--user "$user" --json "$work/$case_name.$label.json" "$@" >"$work/$case_name.$label.out" 2>&1 </dev/null || {
		tail -n 15 "$work/$case_name.$label.out"
		fail "culvert-bench: status $?"
	}
}

storm_server() {
	s_log=info
	# Who is silent is probed, and let go when it is not heard or the answer is not: neither may happen.
	s_keepalive=10
	d_mbufs=65536
	d_more='  max-sessions: 16384'
	server_start
	client_dial 2
	proc_spawn "$work/ping.pid" "$work/$case_name.ping" ip netns exec "$T-c2" ping -i 0.05 "$host"
	sleep 1
}

# What the session that was there says of it; and the log of all the others.
storm_judge() { # CALLS
	local up
	sleep 1
	kill -INT "$(proc_pid "$work/ping.pid")"
	wait_for 5 proc_gone "$work/ping.pid" || fail "ping does not end"
	proc_stop "$work/ping.pid"
	tail -n 3 "$work/$case_name.ping"
	# The last one may not have been answered yet when it was stopped.
	awk -F 'icmp_seq=' '/icmp_seq=/ {n++; last = $2 + 0} END {exit !(n && n == last)}' "$work/$case_name.ping" ||
		fail "the session that was there lost packets"
	client_hangup 2
	server_stop
	up=$(grep -cE ' up address=' "$log" || true)
	((up == $1 + 1)) || fail "$up of $1 and one calls came up, says the log"
	! grep -E ' refused: |set-up timed out|gave way|no answer to Echo' "$log" | head -n 3 | grep . ||
		fail "calls were refused or ended"
}

test_at_once() {
	storm_server
	bench storm --sessions 3000 --concurrent 3000 --ping "$host" --pps 600 --size 100 --duration 8 --max-loss 1
	grep -vE '^[0-9]{4}-' "$work/$case_name.storm.out" | tail -n 8
	storm_judge 3000
}

test_come_and_go() {
	local i
	storm_server
	for i in 1 2 3; do
		bench "churn$i" --sessions 1000 --concurrent 200 --ping "$host" --pps 100 --size 100 --duration 1 --max-loss 5
	done
	storm_judge 3000
}

need "$culvertd" "$culvert_client" "$culvert_bench"
ulimit -n 65536 2>/dev/null || true
topo_up
in_ns "$T-c1" sysctl -qw net.ipv4.ip_local_port_range='1024 65535'
run_cases at_once come_and_go
