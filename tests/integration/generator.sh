#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# culvertd and the DPDK load generator over two memif links, no kernel in between: calls come up, carry
# traffic each way that is checked byte by byte, come and go beside it, through a link that loses,
# reorders and corrupts, with windows of two segments; and nothing is left of them.
#
#   culvert-bench dpdk   clients 192.0.2.100-131 --memif--> 192.0.2.1    [culvertd]
#                        host    198.51.100.254  --memif--> 198.51.100.1 [       ]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

trap topo_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

users=400
server_yaml() {
	local i
	cat <<-EOF
		log: { level: info }
		dataplane:
		  workers: $d_workers
		  control-core: 0
		  poll: adaptive
		  memory: { hugepages: no, mbufs: $d_mbufs }
		  ports:
		    access: { device: "net_memif0,role=server,socket=$work/acc,socket-abstract=no", address: $access/24 }
		    core: { device: "net_memif1,role=server,socket=$work/core,socket-abstract=no", address: $core/24, gateway: $inet_gw }
		sstp-server:
		  enabled: yes
		  port: 443
		  certificate: $work/$s_cert.pem
		  authentication: [$s_auth]
		  default-profile: default
		  keepalive-timeout: $s_keepalive
		  tls-version: $s_tls
		$s_more
		ppp-profiles:
		  default: { local-address: 10.0.0.1, remote-address: clients }
		ip-pools:
		  clients: [$s_pool]
		ppp-secrets:
	EOF
	for ((i = 0; i < users; i++)); do
		echo "  - { name: user$i, password: $password, service: sstp, profile: default }"
	done
}

server_settled() { server_gone || grep -q ' listening port=443' "$log"; }

server_start() {
	log=$work/${case_name:-setup}.culvertd.log
	s_log=info
	rm -f "$work/acc" "$work/core"
	"$lib_dir/certs" --name culvert.test --address "$access" "$work"
	server_yaml >"$work/$case_name.yaml"
	chmod 600 "$work/$case_name.yaml"
	proc_spawn "$work/culvertd.pid" "$log" "$culvertd" -c "$work/$case_name.yaml"
	wait_for 30 server_settled || fail "culvertd does not listen"
	! server_gone || fail "culvertd ended at its start"
}

# generate_spawn LABEL OPTION...: culvert-bench against it.
generate_spawn() {
	out=$work/$case_name.$1.out
	json=$work/$case_name.$1.json
	shift
	(umask 077 && printf '%s\n' "$password" >"$work/password")
	proc_spawn "$work/bench.pid" "$out" "$culvert_bench" dpdk \
		--access "net_memif0,role=client,socket=$work/acc,socket-abstract=no" \
		--core "net_memif1,role=client,socket=$work/core,socket-abstract=no" \
		--connect "$access" --clients 192.0.2.100+32/24 --core-address "$inet_gw/24" \
		--core-gateway "$core" --password-file "$work/password" --json "$json" "$@"
}

# generate_wait [SECONDS]: for its end; $status.
status=0
generate_wait() {
	wait_for "${1:-90}" proc_gone "$work/bench.pid" || fail "culvert-bench does not end"
	proc_stop "$work/bench.pid"
	status=$proc_status
	no_sanitizer_report "$out"
}

generate() {
	generate_spawn "$@"
	generate_wait
}

good() { # LABEL OPTION...
	generate "$@"
	((status == 0)) || {
		tail -n 30 "$out"
		fail "culvert-bench: status $status ($1)"
	}
}

# holds EXPRESSION: a Python expression over the result, r.
holds() {
	python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
f = r["flows"]
sys.exit(0 if eval(sys.argv[2]) else 1)' "$json" "$1" || {
		tail -n 30 "$out"
		fail "not so: $1"
	}
}

all_ended() { (($(grep -cE 'user=user[0-9]+ ended why=' "$log") >= $1)); }

test_traffic() {
	server_start
	good all --sessions 300 --direction all --duration 2 --pps 2000 --size 1400 --max-loss 0
	holds 'all(f[d]["received"] > 500 and f[d]["reordered"] == 0 for d in ("down", "up", "hairpin"))'
	good straddle --sessions 64 --direction all --duration 1 --pps 4000 --burst 5 --straddle --max-loss 0
	holds 'all(f[d]["received"] > 300 for d in f)'
	good imix --sessions 64 --direction both --duration 1 --pps 6000 --size imix --burst 8 --per-record 4 \
		--random --verify 4 --max-loss 0
	holds 'f["up"]["received"] > 500 and f["down"]["latency_ms"]["n"] < f["down"]["received"]'
	good unopened --sessions 64 --direction both --duration 1 --pps 6000 --size 256 --burst 8 --verify 0 \
		--max-loss 0
	holds 'f["down"]["received"] > 500 and f["down"]["latency_ms"]["n"] < f["down"]["received"] / 2'
	note "5 flows of packets, none lost"
	wait_for 10 all_ended 492 || fail "not all calls ended"
	sleep 1.5
	server_stop
}

test_ciphers() {
	server_start
	good tls12 --sessions 40 --direction all --duration 0.5 --pps 4000 --tls-version only-1.2 --max-loss 0
	good chacha --sessions 40 --direction all --duration 0.5 --pps 4000 --max-loss 0 \
		--ciphersuites TLS_CHACHA20_POLY1305_SHA256
	good chacha12 --sessions 40 --direction all --duration 0.5 --pps 4000 --max-loss 0 \
		--tls-version only-1.2 --ciphers ECDHE-ECDSA-CHACHA20-POLY1305
	good aes128 --sessions 40 --direction all --duration 0.5 --pps 4000 --max-loss 0 \
		--ciphersuites TLS_AES_128_GCM_SHA256 --records openssl
	wait_for 10 all_ended 160 || fail "not all calls ended"
	sleep 1.5
	server_stop
}

# What is lost on the outer path TCP sends again: of the inner packets none may be missing or wrong.
test_chaos() {
	server_start
	good bad --sessions 100 --direction all --duration 3 --pps 1500 --size imix --burst 4 --straddle \
		--chaos loss=0.01,reorder=0.03,duplicate=0.01,corrupt=0.005,seed=7 --drain 20 --max-loss 0
	holds 'min(r["chaos"].values()) > 10 and r["tcp_retransmits"] > 0'
	holds 'all(f[d]["received"] > 300 for d in f)'
	good window --sessions 40 --direction all --duration 2 --pps 1000 --burst 4 \
		--chaos loss=0.005,reorder=0.02,window=2500,seed=8 --drain 4 --max-loss 1
	holds 'all(f[d]["received"] > 200 for d in f)'
	wait_for 20 all_ended 140 || fail "not all calls ended"
	# The last acknowledgement of a FIN may be the one that was lost.
	sleep 3
	server_stop
}

test_churn() {
	server_start
	good churn --sessions 300 --direction both --duration 5 --pps 2000 --churn 100 --churn-sessions 150 \
		--max-loss 0
	holds 'r["churn_setups"] > 50 and r["churn_teardowns"] > 50 and r["came_up"] > 350'
	note "$(python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
print("%d calls beside %d others with traffic" % (r["came_up"] - 300, 150))' "$json")"
	sleep 2
	server_stop
}

test_storm() {
	s_keepalive=5
	server_start
	good storm --sessions 400 --storm --hold 6 --keepalive-timeout 3 --direction both --duration 1 --pps 2000
	wait_for 10 all_ended 400 || fail "not all calls ended"
	sleep 1.5
	server_stop
}

# A wrong password is a reason, not a crash; a signal an orderly end; nonsense a usage error.
test_ends() {
	server_start
	generate refused --sessions 3 --user 'nobody%d' --direction none
	((status == 1)) || fail "status $status with users that do not exist"
	grep -q 'authentication' "$out" || fail "no reason for calls that failed"
	generate usage --direction sideways
	((status == 2)) || fail "status $status for a wrong option"
	generate loop --sessions 4 --clients 192.0.2.1+4/24
	((status == 2)) || fail "status $status for the server's address among the clients'"
	generate_spawn signal --sessions 20 --direction both --pps 1000 --duration 60
	wait_for 15 grep -q '^traffic: up 20' "$out" || fail "no traffic"
	kill -INT "$(proc_pid "$work/bench.pid")"
	generate_wait 10
	((status == 1)) || fail "status $status after a signal"
	grep -q 'hung up in order 20 of 20' "$out" || fail "SIGINT is no orderly end"
	sleep 1.5
	server_stop
}

need "$culvertd" "$culvert_bench" python3
run_cases traffic ciphers chaos churn storm ends
