#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What profiles and secrets ask of the control plane: who may log in and how often, for how long and
# how much, with which addresses, routes and scripts.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

# The profiles, in place of topology.sh's one.
profiles='  default: { local-address: 10.0.0.1, remote-address: clients, dns-server: [10.0.0.1] }'
eval "$(declare -f server_yaml | sed '1s/server_yaml/plain_yaml/')"
server_yaml() {
	plain_yaml | PROFILES=$profiles awk '/^  default: \{/ { print ENVIRON["PROFILES"]; next } { print }'
}

# secret NAME [KEY: VALUE, ...]: a line of s_users.
secret() { s_users+="  - { name: $1, password: $password${2:+, $2} }"$'\n'; }

# client_ended N STATUS: it must end by itself with that status.
client_ended() {
	wait_for 20 client_gone "$1" || fail "client $1 still runs"
	proc_stop "$work/client$1.pid"
	[[ $proc_status == "$2" ]] || fail "client $1 ended with status $proc_status, not $2"
	no_sanitizer_report "$work/$case_name.client$1.log"
}
client_said() {
	grep -q -- "$2" "$work/$case_name.client$1.log" || fail "client $1 was not told: $2"
}
# dial_as USER N, fails_as USER N
dial_as() {
	local user=$1
	client_dial "$2"
}
fails_as() {
	local user=$1
	client_fails "$2"
	[[ $proc_status == 8 ]] || fail "status $proc_status is not that of a refused log-in"
}

test_only_one() {
	profiles+=$'\n''  once: { only-one: yes }'
	profiles+=$'\n''  replace: { only-one: replace }'
	s_users=''
	secret once 'profile: once'
	secret repl 'profile: replace'
	server_start
	dial_as once 1
	fails_as once 2
	client_said 2 'already logged in'
	logged 'user=once auth method=mschap2 result=refused why="already logged in'
	ping_host 1 || fail "the first session suffered"
	client_hangup 1
	logged 'user=once ended why='
	dial_as once 2
	client_hangup 2

	dial_as repl 1
	local had
	had=$(tunnel_address 1)
	dial_as repl 2
	[[ $(tunnel_address 2) == "$had" ]] || fail "not the address of the session before"
	client_ended 1 13
	logged 'user=repl ended why="replaced by a newer log-in"'
	ping_host 2 || fail "no ping through the new session"
	# The one before is not there any more: it is not waited for long.
	kill -STOP "$(proc_pid "$work/client2.pid")"
	dial_as repl 1
	[[ $(tunnel_address 1) == "$had" ]] || fail "not the address of the session before"
	ping_host 1 || fail "no ping through the third session"
	kill -KILL "$(proc_pid "$work/client2.pid")"
	wait_for 5 client_gone 2
	client_hangup 1
	server_stop
}

test_timeouts() {
	s_keepalive=1
	profiles+=$'\n''  short: { session-timeout: 4 }'
	profiles+=$'\n''  idle: { idle-timeout: 2 }'
	s_users=''
	secret short 'profile: short'
	secret idle 'profile: idle'
	server_start
	dial_as short 1
	dial_as idle 2
	# Traffic keeps the one and not the other.
	proc_spawn "$work/ping.pid" "$work/ping1.txt" ip netns exec "$T-c1" ping -i 0.5 "$host"
	ping_host 2 18 || fail "idle-timeout with traffic"
	! client_gone 2 || fail "idle-timeout with traffic"
	client_ended 1 13
	client_said 1 'session-timeout reached'
	logged 'user=short ended why="session-timeout reached" .* duration_s=[45]\.'
	# Keepalives go on all the time.
	client_ended 2 13
	client_said 2 'idle-timeout reached'
	logged 'user=idle ended why="idle-timeout reached"'
	proc_stop "$work/ping.pid" || true
	server_stop
}

test_limit_bytes() {
	s_users=''
	secret in 'limit-bytes-in: 1M'
	secret out 'limit-bytes-out: 1M'
	server_start
	dial_as in 1
	dial_as out 2
	in_ns "$T-c1" ping -f -s 1400 -c 1000 -w 3 "$host" >/dev/null 2>&1 || true
	client_ended 1 13
	client_said 1 'limit-bytes-in reached'
	in_ns "$T-c2" ping -f -s 1400 -c 1000 -w 3 "$host" >/dev/null 2>&1 || true
	client_ended 2 13
	client_said 2 'limit-bytes-out reached'
	logged 'user=in ended why="limit-bytes-in reached".* rx_bytes=1[0-9]{6} '
	logged 'user=out ended why="limit-bytes-out reached".* tx_bytes=1[0-9]{6} '
	server_stop
}

test_who_may() {
	profiles+=$'\n''  mppe: { use-encryption: required }'
	profiles+=$'\n''  crypt: { use-encryption: yes, use-compression: yes }'
	s_users=''
	secret near 'caller-id: 192.0.2.11'
	secret off 'disabled: yes'
	secret mppe 'profile: mppe'
	secret crypt 'profile: crypt, service: any'
	server_start
	dial_as near 1
	fails_as near 2
	logged 'result=refused why="called from another address than caller-id allows"'
	fails_as off 2
	fails_as mppe 2
	client_said 2 'MPPE encryption is required and not available'
	logged 'result=refused why="use-encryption: required'
	dial_as crypt 2
	ping_host 2 || fail "no ping with use-encryption: yes"
	client_hangup 2
	client_hangup 1
	server_stop
}

test_routes() {
	s_users=''
	secret site1 'routes: [10.7.0.0/16, "10.8.0.0/16 10.9.9.9 5"]'
	secret site2 'routes: ["10.8.0.0/16 10"]'
	server_start
	ip -n "$ns_inet" route replace 10.7.0.0/16 via "$core"
	ip -n "$ns_inet" route replace 10.8.0.0/16 via "$core"
	ip -n "$T-c1" addr add 10.7.0.1/32 dev lo
	ip -n "$T-c1" addr add 10.8.0.1/32 dev lo
	ip -n "$T-c2" addr add 10.8.0.1/32 dev lo
	dial_as site1 1
	dial_as site2 2
	in_ns "$ns_inet" ping -c 3 -i 0.2 -W 2 10.7.0.1 || fail "no ping through the route"
	in_ns "$T-c1" ping -c 3 -i 0.2 -W 2 -I 10.7.0.1 "$host" || fail "no ping from behind"
	logged 'user=site1 route=10\.7\.0\.0/16 metric=1'
	# The lower metric has it; without it the other.
	in_ns "$ns_inet" ping -c 3 -i 0.2 -W 2 10.8.0.1 || fail "no ping to what two have"
	client_hangup 1
	logged 'user=site1 ended why='
	! in_ns "$ns_inet" ping -c 1 -W 1 10.7.0.1 || fail "a route without its session"
	in_ns "$ns_inet" ping -c 3 -i 0.2 -W 2 10.8.0.1 || fail "no ping through the second route"
	client_hangup 2
	for n in 1 2; do
		ip -n "$T-c$n" addr flush dev lo
	done
	server_stop
}

# script NAME: standard input as a program.
script() {
	cat >"$work/$1"
	chmod 755 "$work/$1"
}

test_scripts() {
	script up <<-EOF
		#!/bin/sh
		env | grep CULVERT_ | sort >$work/up.env
	EOF
	script down <<-EOF
		#!/bin/sh
		env | grep CULVERT_ | sort >$work/down.env
		exit 3
	EOF
	script hang <<-EOF
		#!/bin/sh
		sleep 1000 & sleep 1000
	EOF
	script flood <<-EOF
		#!/bin/sh
		yes "line of a flood" | head -n 100000
	EOF
	profiles+=$'\n'"  facts: { on-up: $work/up, on-down: $work/down }"
	profiles+=$'\n'"  bad: { on-up: $work/hang, on-down: $work/flood }"
	s_users=''
	secret facts 'profile: facts, routes: ["10.7.0.0/16 10.9.9.9 5"]'
	secret bad 'profile: bad'
	server_start
	dial_as bad 2
	dial_as facts 1
	wait_for 5 test -s "$work/up.env" || fail "on-up did not run"
	local address
	address=$(tunnel_address 1)
	grep -qx "CULVERT_ADDRESS=$address" "$work/up.env" || fail "up: address"
	grep -qx "CULVERT_USER=facts" "$work/up.env" || fail "up: user"
	grep -qx "CULVERT_PROFILE=facts" "$work/up.env" || fail "up: profile"
	grep -qx "CULVERT_PEER_ADDRESS=192.0.2.11" "$work/up.env" || fail "up: peer"
	grep -qE "^CULVERT_PEER_PORT=[0-9]+$" "$work/up.env" || fail "up: port"
	grep -qx "CULVERT_TLS_VERSION=TLSv1.3" "$work/up.env" || fail "up: TLS version"
	grep -qx "CULVERT_ROUTES=10.7.0.0/16 via 10.9.9.9 metric 5" "$work/up.env" || fail "up: routes"
	! grep -q "$password" "$work/up.env" || fail "a password in the environment"
	ping_host 1 || fail "no ping while a script hangs"
	client_hangup 1
	wait_for 5 test -s "$work/down.env" || fail "on-down did not run"
	grep -qx "CULVERT_EVENT=down" "$work/down.env" || fail "down: event"
	grep -qE "^CULVERT_RX_BYTES=[1-9]" "$work/down.env" || fail "down: bytes"
	grep -qE "^CULVERT_REASON=.+" "$work/down.env" || fail "down: reason"
	logged "script=$work/down event=down ended status=3"
	logged "script=$work/hang event=up killed after ms=1[0-9]{4}" 15
	client_hangup 2
	logged "script=$work/flood event=down ended status=0"
	local lines
	lines=$(grep -c 'says "line of a flood"' "$log")
	((lines <= 20)) || fail "$lines lines of a flood in the log"
	server_stop
	rm -f "$work/up.env" "$work/down.env"
}

test_addresses() {
	profiles='  default: { local-address: 10.0.0.1, remote-address: small, dns-server: [10.0.0.53] }'
	profiles+=$'\n''  office: { local-address: 10.0.0.2, remote-address: clients, dns-server: [10.0.0.54, 10.0.0.55] }'
	profiles+=$'\n''  one: { remote-address: 10.0.9.9 }'
	s_pool=10.0.1.0/24
	more=''
	s_users=''
	secret chain ''
	secret office 'profile: office'
	secret own 'profile: office, remote-address: 10.0.8.8, local-address: 10.0.0.3'
	secret single 'profile: one, remote-address: clients'
	eval "$(declare -f plain_yaml | sed '1s/plain_yaml/pools_yaml/')"
	plain_yaml() {
		pools_yaml | sed 's/^ip-pools:$/&\n  small: { ranges: 10.0.2.7, next-pool: clients }/'
	}
	server_start
	dial_as chain 1
	[[ $(tunnel_address 1) == 10.0.2.7 ]] || fail "not from the first pool"
	dial_as chain 2
	[[ $(tunnel_address 2) == 10.0.1.* ]] || fail "not from the next pool"
	logged 'user=chain address=10\.0\.1\.[0-9]+ pool=clients'
	client_said 2 'peer=10.0.0.1 dns=10.0.0.53'
	client_hangup 1
	client_hangup 2
	dial_as office 1
	[[ $(tunnel_address 1) == 10.0.1.* ]] || fail "not the profile's pool"
	client_said 1 'peer=10.0.0.2 dns=10.0.0.54,10.0.0.55'
	dial_as own 2
	[[ $(tunnel_address 2) == 10.0.8.8 ]] || fail "not the secret's address"
	client_said 2 'peer=10.0.0.3 '
	client_hangup 1
	client_hangup 2
	dial_as single 1
	[[ $(tunnel_address 1) == 10.0.9.9 ]] || fail "a pool beat a single address"
	client_hangup 1
	server_stop
}

test_last_logged_out() {
	mkdir -p "$work/state"
	more="state-dir: $work/state"
	server_start
	client_dial 1
	logged "user=$user auth .* last_logged_out=-"
	client_hangup 1
	logged "user=$user ended why="
	client_dial 1
	logged "user=$user auth .* last_logged_out=20[0-9-]+T[0-9:]+Z"
	server_stop
	wait_for 10 client_gone 1 || fail "client 1 was not told"
	grep -qE "^[0-9]+ $user$" "$work/state/last-logged-out" || fail "nothing in the file"
	server_start
	client_dial 1
	logged "user=$user auth .* last_logged_out=20[0-9-]+T[0-9:]+Z"
	client_hangup 1
	server_stop
	rm -rf "$work/state"
}

# The port that is configured answers, another does not; switched off none does, and culvertd runs.
test_port() {
	eval "$(declare -f plain_yaml | sed '1s/plain_yaml/port_yaml/')"
	plain_yaml() { port_yaml | sed "s/^  port: 443$/  port: $s_port/; s/^  enabled: yes$/  enabled: $s_enabled/"; }
	server_answers() { in_ns "$T-c1" ping -c 1 -W 1 "$access"; }
	s_port=8443 s_enabled=yes
	server_start
	client_dial 1 --port 8443
	ping_host 1 || fail "no ping over port 8443"
	client_hangup 1
	! tcp_open "$T-c1" "$access" 443 || fail "port 443 answers"
	server_stop
	s_port=443 s_enabled=no
	server_start
	# Refused at once, not left without an answer.
	in_ns "$T-c1" timeout 3 bash -c "exec 3<>/dev/tcp/$access/443" 2>"$work/refused.txt" &&
		fail "a server that is switched off answers"
	grep -qi refused "$work/refused.txt" || fail "no RST: $(cat "$work/refused.txt")"
	logged 'sstp-server is not enabled'
	! server_gone || fail "culvertd ended"
	server_stop
}

test_mtu() {
	s_more=$'  max-mtu: 1300\n  max-mru: 1340'
	server_start
	client_dial 1
	logged 'up address=.* mtu=1300 '
	[[ $(in_ns "$T-c1" cat /sys/class/net/sstp0/mtu) == 1340 ]] || fail "not the MRU that was offered"
	in_ns "$ns_inet" ping -c 2 -i 0.2 -W 2 -M "do" -s 1272 "$(tunnel_address 1)" ||
		fail "1300 bytes do not pass"
	in_ns "$ns_inet" ping -c 2 -i 0.2 -W 2 -M "do" -s 1273 "$(tunnel_address 1)" \
		>"$work/frag.txt" 2>&1 && fail "1301 bytes passed"
	grep -qE 'mtu ?= ?1300' "$work/frag.txt" || fail "no next-hop MTU: $(cat "$work/frag.txt")"
	client_hangup 1
	server_stop
}

need "$culvertd" "$culvert_client"
topo_up
run_cases only_one timeouts limit_bytes who_may routes scripts addresses last_logged_out port mtu
