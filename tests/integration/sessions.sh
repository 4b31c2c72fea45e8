#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Whole calls with culvert-client: from the dial to the goodbye, what gets in and what does not.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

test_dial() {
	server_start
	client_dial 1 --ca "$work/server.crt" --verify-server-certificate yes
	ping_host 1 10 || fail "no ping through the tunnel"
	in_ns "$T-c1" ping -c 3 -i 0.2 -W 2 10.0.0.1 || fail "the local address does not answer"
	logged "tls version=TLSv1\.3 cipher="
	logged "up address=$(tunnel_address 1) "
	local up down
	up=$(iperf "$ns_inet" "$host" "$T-c1" -t 4)
	down=$(iperf "$ns_inet" "$host" "$T-c1" -t 4 -R)
	note "up $up, down $down Mbit/s"
	client_hangup 1
	logged "user=$user.* ended why="
	server_stop
}

test_tls12() {
	s_tls=only-1.2
	server_start
	client_dial 1
	ping_host 1 || fail "no ping through the tunnel"
	logged "tls version=TLSv1\.2 cipher="
	client_hangup 1
	server_stop
}

test_rsa_certificate() {
	s_cert=server-rsa
	server_start
	client_dial 1 --ca "$work/server-rsa.crt" --verify-server-certificate yes
	ping_host 1 || fail "no ping through the tunnel"
	client_hangup 1
	server_stop
}

# method SERVER-LIST CLIENT-LIST LOGGED
method() {
	s_auth=$1
	server_start
	client_dial 1 --authentication "$2"
	ping_host 1 || fail "no ping through the tunnel"
	logged "up .*auth=$3"
	client_hangup 1
	server_stop
}

test_pap() { method pap pap pap; }
test_chap() { method chap chap chap; }
test_mschap1() { method mschap1 mschap1 mschap1; }
test_method_by_nak() { method 'pap, mschap2' pap pap; }

test_no_common_method() {
	s_auth=mschap2
	server_start
	client_fails 1 --authentication pap
	server_stop
}

test_untrusted_certificate() {
	server_start
	client_fails 1 --ca "$work/server-rsa.crt" --verify-server-certificate yes
	[[ $proc_status == 5 ]] || fail "status $proc_status is not that of a TLS failure"
	! grep -q 'auth method=' "$log" || fail "the client went on to authentication"
	server_stop
}

test_wrong_password() {
	server_start
	local password=not-the-password
	client_fails 1
	[[ $proc_status == 8 ]] || fail "status $proc_status is not that of a refused log-in"
	logged 'auth method=.* result=refused'
	password=StrongPass
	client_dial 1
	ping_host 1 || fail "no ping after the right password"
	client_hangup 1
	server_stop
}

test_unknown_user() {
	server_start
	local user=nobody-here
	client_fails 1
	[[ $proc_status == 8 ]] || fail "status $proc_status is not that of a refused log-in"
	logged 'auth method=.* result=refused'
	server_stop
}

test_no_address_left() {
	s_pool=10.0.0.2-10.0.0.2
	server_start
	client_dial 1
	client_fails 2
	[[ $proc_status == 9 || $proc_status == 10 ]] || fail "status $proc_status is not that of no address"
	logged 'no free address'
	ping_host 1 || fail "the first session suffered"
	# The address is free again after the hang-up, and the second gets it.
	client_hangup 1
	logged "user=$user.* ended why="
	client_dial 2
	[[ $(tunnel_address 2) == 10.0.0.2 ]] || fail "not the address that was given back"
	client_hangup 2
	server_stop
}

test_two_clients() {
	server_start
	client_dial 1
	client_dial 2
	local a b
	a=$(tunnel_address 1)
	b=$(tunnel_address 2)
	[[ $a != "$b" ]] || fail "one address for two: $a"
	ping_host 1 || fail "no ping from the first"
	ping_host 2 || fail "no ping from the second"
	in_ns "$T-c1" ping -c 5 -i 0.2 -W 2 "$b" || fail "no ping from client to client"
	note "client to client $(iperf "$T-c2" "$b" "$T-c1" -t 3) Mbit/s"
	client_hangup 2
	ping_host 1 || fail "the first suffered from the second's hang-up"
	client_hangup 1
	server_stop
}

test_inbound() {
	server_start
	client_dial 1
	# From behind to the client: the core side finds the session by its address.
	in_ns "$ns_inet" ping -c 5 -i 0.2 -W 2 "$(tunnel_address 1)" || fail "no ping to the client"
	in_ns "$ns_inet" ping -c 3 -i 0.2 -W 2 "$core" || fail "the core port does not answer"
	in_ns "$T-c1" ping -c 3 -i 0.2 -W 2 "$access" || fail "the access port does not answer"
	# Too large for the tunnel and not to be fragmented: told so, with the tunnel's MTU.
	in_ns "$ns_inet" ping -c 2 -i 0.2 -W 2 -M "do" -s 1472 "$(tunnel_address 1)" \
		>"$work/frag.txt" 2>&1 && fail "1500 bytes went through a smaller tunnel"
	grep -qiE 'frag needed|message too long' "$work/frag.txt" || fail "no fragmentation-needed came back"
	# May be fragmented: goes through. (af_packet has the kernel reassemble first, up to its slot.)
	in_ns "$ns_inet" ping -c 3 -i 0.2 -W 2 -M dont -s 1800 "$(tunnel_address 1)" ||
		fail "no ping with fragments"
	# One hop too few.
	in_ns "$T-c1" ping -c 1 -W 2 -t 1 "$host" >"$work/ttl.txt" 2>&1 || true
	grep -q 'Time to live exceeded' "$work/ttl.txt" || fail "no time-exceeded"
	client_hangup 1
	server_stop
}

test_spoofed_source() {
	server_start
	client_dial 1
	ip -n "$T-c1" addr add 10.0.7.7/32 dev lo
	proc_spawn "$work/dump.pid" "$work/dump.txt" ip netns exec "$ns_inet" \
		tcpdump -lni eth0 icmp and src 10.0.7.7
	wait_for 5 grep -q 'listening on' "$work/dump.txt"
	in_ns "$T-c1" ping -c 5 -i 0.1 -W 1 -I 10.0.7.7 "$host" && fail "a spoofed source was answered"
	ping_host 1 || fail "the session suffered"
	sleep 0.5
	proc_stop "$work/dump.pid"
	! grep -q '10.0.7.7 >' "$work/dump.txt" || fail "a spoofed source came out at the core"
	ip -n "$T-c1" addr del 10.0.7.7/32 dev lo
	client_hangup 1
	server_stop
}

test_shutdown() {
	server_start
	client_dial 1
	client_dial 2
	ping_host 1 || fail "no ping through the tunnel"
	server_stop
	# Call Disconnect reached both: they end by themselves, at once.
	wait_for 10 client_gone 1 || fail "client 1 was not told"
	wait_for 10 client_gone 2 || fail "client 2 was not told"
	[[ $(grep -cE "user=$user.* ended why=" "$log") == 2 ]] || fail "not both ends are in the log"
}

test_killed_client() {
	s_keepalive=3
	server_start
	client_dial 1
	client_dial 2
	kill -KILL "$(proc_pid "$work/client1.pid")"
	wait_for 5 client_gone 1
	logged "user=$user.* ended why=" 20
	ping_host 2 || fail "the other session suffered"
	client_hangup 2
	server_stop
}

test_line_cut() {
	s_keepalive=3
	server_start
	client_dial 1
	ip -n "$ns_wire" link set p-c1 down
	# Two silent intervals of the Hello timer.
	logged "user=$user.* ended why=" 30
	ip -n "$ns_wire" link set p-c1 up
	kill -KILL "$(proc_pid "$work/client1.pid")"
	wait_for 5 client_gone 1
	client_dial 1
	ping_host 1 || fail "no ping after the line came back"
	client_hangup 1
	server_stop
}

test_idle() {
	s_keepalive=2
	server_start
	client_dial 1
	sleep 15
	! client_gone 1 || fail "an idle call ended"
	ping_host 1 || fail "no ping after some idle time"
	client_hangup 1
	server_stop
}

test_redial() {
	s_pool=10.0.0.2-10.0.0.4
	server_start
	local i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		client_dial 1
		ping_host 1 1 || fail "no ping in dial $i"
		client_hangup 1
	done
	server_stop
}

need "$culvertd" "$culvert_client"
topo_up
run_cases dial tls12 rsa_certificate pap chap mschap1 method_by_nak no_common_method \
	untrusted_certificate wrong_password unknown_user no_address_left two_clients inbound \
	spoofed_source shutdown killed_client line_cut idle redial
