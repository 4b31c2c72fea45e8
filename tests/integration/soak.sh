#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Everything at once, for CULVERT_SOAK seconds (8): rate limits, filters, routes, IPv6 and multilink in
# sessions with traffic, a hundred calls that ping, others that come and go, segments lost outside.
# Nobody is lost, no byte is wrong, nothing leaks.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"
transfer=$(dirname "${BASH_SOURCE[0]}")/transfer.py

seconds=${CULVERT_SOAK:-8}
s_log=info
s_more='  max-mtu: 1400
  max-mru: 1400
  mrru: 1500'
s_users="
  - { name: big, password: $password }
  - { name: slow, password: $password, profile: slow, routes: [10.77.0.0/24] }
  - { name: many, password: $password, profile: many }
  - { name: comes, password: $password, profile: many }"
more='filters:
  most:
    - { action: drop, direction: in, protocol: tcp, dst-port: 25 }
    - { action: accept, src-address-list: known }
    - { action: accept, direction: out }
    - { action: reject, protocol: udp, dst-port: 1-1024 }
address-lists:
  known: [198.51.100.0/24]
ipv6-pools:
  clients6: { prefix: "2001:db8:1::/48", prefix-length: 64 }'
eval "plain_$(declare -f server_yaml)"
server_yaml() {
	local with='remote-address: clients, remote-ipv6-prefix-pool: clients6, idle-timeout: 1h, session-timeout: 1d'
	plain_server_yaml | sed "s|^  default: {.*|  default: { local-address: 10.0.0.1, $with }\n\
  slow: { $with, rate-limit: 20M/20M 40M/40M 10M/10M 4/4, filter: most, address-list: known }\n\
  many: { $with, filter: most, address-list: known, on-up: /bin/true, on-down: /bin/true }|"
}

as() { # USER COMMAND...
	local user=$1
	shift
	"$@"
}

bench() { # NAME OPTION...: in the background
	local name=$1
	shift
	proc_spawn "$work/bench-$name.pid" "$work/$case_name.bench-$name.log" ip netns exec "$T-c2" \
		"$culvert_bench" --connect "$access" --user "$name" --password-file "$work/password2" "$@"
}

files=0
file() { # SEED: 3 MB each way through client 1
	proc_spawn "$work/serve.pid" "$work/$case_name.serve.log" \
		ip netns exec "$ns_inet" python3 "$transfer" serve "$host" 7001
	wait_for 10 tcp_listening "$ns_inet" 7001 || fail "the file server did not start"
	in_ns "$T-c1" timeout 120 python3 "$transfer" run "$host" 7001 3000000 "$1" >"$work/$case_name.run.log" 2>&1 ||
		fail "transfer $1: $(tail -n 1 "$work/$case_name.run.log")"
	wait_for 10 proc_gone "$work/serve.pid" || fail "the server's end did not finish"
	proc_stop "$work/serve.pid"
	files=$((files + 1))
}

test_everything() {
	local end=$((SECONDS + seconds)) came=0
	(umask 077 && printf '%s\n' "$password" >"$work/password2")
	server_start
	as big client_dial 1 --mrru 1500
	as slow client_dial 2
	bench many --sessions 100 --ping "$host" --pps 2000 --duration "$seconds" --max-loss 1
	wire_loss 2
	iperf_limit=$((seconds + 60)) iperf "$ns_inet" "$host" "$T-c2" -t "$seconds" --bidir >"$work/slow.rate" &
	local slow=$!
	while ((SECONDS < end)); do
		file "$((SECONDS))"
		in_ns "$T-c1" ping -c 2 -i 0.2 -s 1472 -M "do" -W 2 "$host" >"$work/ping.txt" 2>&1 ||
			fail "no full-size ping: $(tail -n 3 "$work/ping.txt")"
		! in_ns "$T-c2" timeout 1 bash -c "exec 3<>/dev/tcp/$host/25" 2>"$work/refused" ||
			fail "the filter let port 25 pass"
		bench comes --sessions 20
		wait_for 60 proc_gone "$work/bench-comes.pid" || fail "calls that come and go did not end"
		proc_stop "$work/bench-comes.pid"
		[[ $proc_status == 0 ]] || fail "calls that come and go: $(tail -n 3 "$work/$case_name.bench-comes.log")"
		came=$((came + 20))
	done
	wait "$slow" || fail "the limited session stood still"
	wait_for 60 proc_gone "$work/bench-many.pid" || fail "the calls that ping did not end"
	proc_stop "$work/bench-many.pid"
	[[ $proc_status == 0 ]] || fail "the calls that ping: $(tail -n 6 "$work/$case_name.bench-many.log")"
	wire_loss 0
	client_hangup 1
	client_hangup 2
	server_stop
	note "$files files of 3 MB each way, $came calls came and went, limited session $(cat "$work/slow.rate") Mbit/s"
}

need "$culvertd" "$culvert_client" "$culvert_bench" python3 nft iperf3
topo_up
run_cases everything
