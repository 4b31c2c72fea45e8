#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What a session may do and how it ends: how many of a user's there are, for how long, how much, and
# the programs that run for it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=policy_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/policy_lib.sh"

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

need "$culvertd" "$culvert_client"
topo_up
run_cases only_one timeouts limit_bytes scripts
