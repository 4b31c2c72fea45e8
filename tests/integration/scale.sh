#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Many calls from culvert-bench: they come up, carry traffic that is checked byte by byte, and go; and
# many that stop half way, which time out, leave nothing behind and do not keep honest clients out.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

# Every secret has the one password; user%d counts.
many_users() { # N
	local i
	echo "  - { name: $user, password: $password, service: sstp, profile: default }"
	for ((i = 0; i < $1; i++)); do
		echo "  - { name: user$i, password: $password, service: sstp, profile: default }"
	done
}

# bench LABEL OPTION...: culvert-bench in the namespace of client 1.
bench() {
	local label=$1
	shift
	(umask 077 && printf '%s\n' "$password" >"$work/password1")
	in_ns "$T-c1" timeout 300 "$culvert_bench" --connect "$access" --password-file "$work/password1" \
		--json "$work/$case_name.$label.json" "$@" >"$work/$case_name.$label.out" 2>&1 </dev/null
}

test_thousand() {
	s_log=info
	s_more='  max-half-open: 4096'
	s_users=$(many_users 1000)
	server_start
	bench pair --sessions 1000 --user 'user%d' --pair --duration 8 --pps 4000 --size 600 --max-loss 1 || {
		tail -n 15 "$work/$case_name.pair.out"
		fail "culvert-bench: status $? with 1000 calls"
	}
	grep -vE '^[0-9]{4}-' "$work/$case_name.pair.out" | tail -n 20
	local up
	up=$(grep -cE ' up address=' "$log" || true)
	((up == 1000)) || fail "$up of 1000 calls came up, says the log"
	((up == $(grep -E ' up address=' "$log" | grep -oE ' address=[0-9.]+' | sort -u | wc -l))) ||
		fail "an address was handed out twice"
	wait_for 20 all_ended 1000 || fail "not all calls ended"
	# The last connections' closing handshakes may still be on their way.
	sleep 2
	note "1000 calls"
	server_stop
}

all_ended() { (($(grep -cE 'user=user[0-9]+ ended why=' "$log") >= $1)); }

test_ping_many() {
	s_log=info
	s_users=$(many_users 100)
	server_start
	bench ping --sessions 100 --user 'user%d' --ping "$host" --duration 4 --pps 2000 --size 1400 --max-loss 1 || {
		tail -n 15 "$work/$case_name.ping.out"
		fail "culvert-bench: status $?"
	}
	server_stop
}

# stalled PHASE N: so many stop there. An honest client dials in meanwhile and its pings pass.
stalled() {
	local runner
	bench "$1" --sessions "$2" --user 'user%d' --stall "$1" --concurrent "$2" --rate 2500 --limit 90 &
	runner=$!
	sleep 4
	kill -0 "$runner" 2>/dev/null || {
		tail -n 5 "$work/$case_name.$1.out"
		fail "the stalled calls did not last"
	}
	client_dial 2
	ping_host 2 5 || fail "no ping beside $2 stalled calls ($1)"
	client_hangup 2
	wait "$runner" || {
		tail -n 15 "$work/$case_name.$1.out"
		fail "stalled calls ($1) were not ended by the server"
	}
}

stall_server() { # USERS
	s_log=info
	d_mbufs=65536
	d_more='  max-sessions: 16384'
	s_negotiation=8
	s_more='  handshake-timeout: 8
  max-half-open: 12000'
	s_users=$(many_users "$1")
	server_start
}

stall_case() {
	stall_server "$2"
	stalled "$1" "$2"
	server_stop
}

test_stall_tcp() { stall_case tcp 10000; }
test_stall_client_hello() { stall_case client-hello 10000; }
test_stall_http() { stall_case http 3000; }
test_stall_no_connect_request() { stall_case no-connect-request 3000; }
test_stall_no_call_connected() { stall_case no-call-connected 2000; }

need "$culvertd" "$culvert_client" "$culvert_bench"
# Ten thousand connections are twenty thousand descriptors in one process.
ulimit -n 65536 2>/dev/null || true
topo_up
in_ns "$T-c1" sysctl -qw net.ipv4.ip_local_port_range='1024 65535'
run_cases thousand ping_many stall_tcp stall_client_hello stall_http stall_no_connect_request \
	stall_no_call_connected
