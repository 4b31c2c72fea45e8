#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# culvert-bench over kernel sockets with a far host behind the server: up, down and one way between two
# calls, closed loop and at a rate, everything counted on the far side as well, and the server's processor
# time taken. And every step of bench/run, short.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

many_users() { # N
	local i
	for ((i = 0; i < $1; i++)); do
		echo "  - { name: user$i, password: $password, service: sstp, profile: default }"
	done
}

# load LABEL OPTION...: from client 1; its result is $json.
load() {
	json=$work/$case_name.$1.json
	shift
	in_ns "$T-c1" timeout 60 "$culvert_bench" --connect "$access" --password-file "$work/password1" \
		--user 'user%d' --size 1400 --duration 1 --warmup 0.3 --max-loss 0 --log-level warning \
		--server-pid "$(proc_pid "$work/culvertd.pid")" --json "$json" "$@" \
		>"$work/$case_name.out" 2>&1 </dev/null || {
		tail -n 15 "$work/$case_name.out"
		fail "culvert-bench: status $? ($*)"
	}
}

# holds EXPRESSION: of Python, over the result r.
holds() {
	python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
sys.exit(0 if eval(sys.argv[2]) else 1)' "$json" "$1" || {
		cat "$json"
		fail "not so: $1"
	}
}

test_far() {
	s_log=info
	s_users=$(many_users 8)
	server_start
	(umask 077 && printf '%s\n' "$password" >"$work/password1")
	proc_spawn "$work/far.pid" "$work/$case_name.far.log" ip netns exec "$ns_inet" "$culvert_bench" \
		sockets --reflect "$host:7070"
	load up --sessions 4 --up "$host:7070" --window 64
	holds 'r["received"] == r["sent"] > 1000 and r["far_socket_dropped"] == 0'
	holds 'r["latency_ms"]["kind"] == "one-way" and 0 < r["latency_ms"]["p50"] < 500'
	holds 'r["server"]["user_s"] + r["server"]["system_s"] > 0 and r["server"]["us_per_packet"] > 0'
	holds 'any(t["cpu_s"] > 0 for t in r["server"]["threads"])'
	load down --sessions 4 --down "$host:7070" --window 64
	holds 'r["received"] == r["sent"] > 1000 and r["latency_ms"]["kind"] == "one-way"'
	load up-paced --sessions 8 --up "$host:7070" --pps 2000
	holds '1800 < r["rx_pps"] < 2200'
	load down-paced --sessions 8 --down "$host:7070" --pps 2000 --burst 4
	holds '1800 < r["rx_pps"] < 2200'
	load pair --sessions 4 --pair --one-way --window 32 --per-record 8
	holds 'r["received"] == r["sent"] > 1000'
	proc_stop "$work/far.pid" || fail "the far host did not end"
	[[ $proc_status == 0 ]] || fail "the far host ended with status $proc_status"
	no_sanitizer_report "$work/$case_name.far.log"
	# Nobody there: said, not waited for without end.
	! in_ns "$T-c1" timeout 60 "$culvert_bench" --connect "$access" --password-file "$work/password1" \
		--user 'user%d' --up "$host:7070" --duration 1 >"$work/$case_name.out" 2>&1 </dev/null ||
		fail "a far host that is not there was not missed"
	grep -q 'no answer from the far host' "$work/$case_name.out" || fail "it did not say why"
	sleep 2
	server_stop
}

# Every step of bench/run, short: whether it can run.
test_run() {
	local out=$work/$case_name.json
	"$top/bench/run" --small --build "$build" -o "$out" >"$work/$case_name.out" 2>&1 || {
		tail -n 40 "$work/$case_name.out"
		fail "bench/run --small: status $?"
	}
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
assert len(d["steps"]) >= 8 and all(s["ok"] and s["result"] for s in d["steps"].values())
assert d["steps"]["worker/sizes"]["result"]["cases"]' "$out" || fail "not all figures are in the result"
	# A second time measures nothing again.
	"$top/bench/run" --small --build "$build" -o "$out" >"$work/$case_name.out" 2>&1
	(($(grep -c 'there already' "$work/$case_name.out") >= 8)) || fail "it measured again"
	! "$top/bench/run" --doc "$out" --figures "$work/figures" >"$work/$case_name.out" 2>&1 ||
		fail "small figures went into the documentation"
	grep -q 'no figures' "$work/$case_name.out" || fail "$(tail -n 1 "$work/$case_name.out")"
}

need python3
topo_up
run_cases far run
