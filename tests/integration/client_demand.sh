#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# culvert-client when there is traffic: the first packet dials, idle hangs up, a server that is down is not
# stormed; and calls that end after their time.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=client_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/client_lib.sh"

has_address() { ip -n "$T-c1" -4 -o addr show dev "$2" | grep "inet $1[ /]" >/dev/null; }
one_ping() { in_ns "$T-c1" ping -c 1 -W "${1:-10}" "$host" >"$work/ping.txt" 2>&1; }
nb_dialed() { grep -c ': dialing server=' "$cl_log" || true; }
waits() {
	client status office
	((rc == 3)) || return 1
	grep -q "^office state=waiting-for-traffic " "$work/said"
}
to_host() { ip -n "$T-c1" route replace 203.0.113.0/24 dev "${1:-office}"; }

# The packet that dials arrives, after every idle time as well; nothing is lost with a call.
test_first_packet() {
	server_fixed
	profile_file "local-address: $fixed, idle-timeout: 2" "connect-to: $access" 'dial-on-demand: yes'
	office_up
	client_says 'office: waiting for traffic'
	has_address "$fixed" office || fail "the interface has no address"
	to_host
	# What a host says by itself: mDNS, MLD, router solicitations.
	in_ns "$T-c1" ping -c 2 -i 0.2 -W 1 -I office 224.0.0.251 >/dev/null 2>&1 || true
	in_ns "$T-c1" sysctl -qw net.ipv6.conf.office.addr_gen_mode=3 2>/dev/null || true
	ip -n "$T-c1" -6 addr add fe80::7/64 dev office nodad 2>/dev/null || true
	in_ns "$T-c1" ping -6 -c 2 -i 0.2 -W 1 ff02::1%office >/dev/null 2>&1 || true
	ip -n "$T-c1" -6 addr flush dev office
	waits || fail "$(<"$work/said") is not waiting"
	said " address=$fixed( |$)"
	(($(nb_dialed) == 0)) || fail "chatter dialed"
	one_ping || fail "the first packet was not answered: $(tail -n 3 "$work/ping.txt")"
	client_says 'office: down reason="idle for 2 s"'
	logged "user=$user ended why="
	wait_for 5 waits || fail "$(<"$work/said") is not waiting after the call"
	has_address "$fixed" office || fail "the address went with the call"
	one_ping || fail "the packet after the call was not answered"
	nb_up 2 || fail "there was no second call"
	grep -q 'the address is ' "$cl_log" && fail "the address was changed"
	office_down
	office_up # and down without any call
	client_says 'office: waiting for traffic'
	office_down
	office_up # and somebody takes the interface away
	client_says 'office: waiting for traffic'
	ip -n "$T-c1" link del office
	wait_for 5 client_gone 1 || fail "it goes on without an interface"
	proc_stop "$work/client1.pid"
	[[ $proc_status == 1 ]] || fail "status $proc_status when the interface was taken away"
	client_says 'office: call failed: interface office is gone: '
	no_sanitizer_report "$cl_log"
	server_stop
}

# Without a name for its address: one of 10.112.112.0/24 until the first call, then that call's.
test_command_line() {
	server_start
	client_spawn 1 --dial-on-demand --idle-timeout 2
	wait_for 10 grep -q 'waiting for traffic' "$cl_log" || fail "it does not wait"
	[[ $(tunnel_address 1) == 10.112.112.* ]] || fail "address $(tunnel_address 1)"
	to_host sstp0
	in_ns "$T-c1" ping -c 4 -i 0.5 -W 2 "$host" >"$work/ping.txt" 2>&1 || fail "no answer in the end"
	grep -q 'packets that waited had the old address' "$cl_log" || fail "they were sent all the same"
	client_says 'down reason="idle for 2 s"'
	local address
	address=$(tunnel_address 1)
	[[ $address == 10.0.* ]] || fail "address $address after the first call"
	s_users="  - { name: $user, password: $password, remote-address: $address }"
	server_stop
	server_start # which has only this address for him
	one_ping || fail "no answer from the address of before"
	client_hangup 1
	server_stop
}

# A server that is down: as often as a redial, and only while there is traffic.
test_back_off() {
	local n
	ip -n "$T-c2" addr add "$access/32" dev eth0 # refuses TCP
	ip -n "$T-c1" neigh flush dev eth0
	profile_file "local-address: $fixed, idle-timeout: 60" "connect-to: $access" 'dial-on-demand: yes'
	office_up
	client_says 'office: waiting for traffic'
	to_host
	in_ns "$T-c1" ping -c 25 -i 0.2 -W 1 "$host" >/dev/null 2>&1 || true
	client_says 'office: call failed server=.* TCP: '
	client_says 'office: not dialing for '
	n=$(nb_dialed)
	# 0.5 s at the least, then 1 s, 2 s.
	((n >= 1 && n <= 5)) || fail "it dialed $n times in 6 s"
	wait_for 15 waits || fail "$(<"$work/said") is not waiting"
	n=$(nb_dialed)
	sleep 3
	(($(nb_dialed) == n)) || fail "it dialed without traffic"
	ip -n "$T-c2" addr del "$access/32" dev eth0
	ip -n "$T-c1" neigh flush dev eth0
	server_fixed
	one_ping || fail "no answer when the server was there"
	office_down
	server_stop
}

all_through_it() {
	local way
	way=$(ip -n "$T-c1" route get 8.8.8.8 2>&1) || return 1
	[[ $way == *"dev office"* ]]
}

# Everything goes to the interface before there is a call, but what goes to the server.
test_default_route() {
	server_fixed
	profile_file "local-address: $fixed, idle-timeout: 2" "connect-to: [192.0.2.12, $access]" \
		'dial-on-demand: yes' 'add-default-route: yes'
	office_up
	client_says 'office: waiting for traffic'
	all_through_it || fail "there is no default route"
	one_ping || fail "no answer through the default route"
	server_route || fail "there is no route to the server"
	client_says 'office: down reason="idle for 2 s"'
	all_through_it || fail "the default route went with the call"
	one_ping || fail "no answer the second time"
	proc_kill client1
	server_route || fail "no route was left"
	office_up
	client_says 'a route to the server was left, and is taken back'
	client_says 'office: waiting for traffic'
	all_through_it || fail "there is no default route after a crash"
	one_ping 30 || fail "no answer after a crash"
	office_down
	! server_route || fail "a route was left"
	! all_through_it || fail "a default route was left"
	[[ ! -e $work/run/client-office.route ]] || fail "the note of it was left"
	server_stop
}

# Names are looked up before all goes through the tunnel, and remembered.
test_names() {
	server_fixed
	profile_file "local-address: $fixed" "connect-to: [nobody.culvert.test, vpn.culvert.test]" \
		'dial-on-demand: yes' 'add-default-route: yes'
	printf '%s vpn.culvert.test\n' "$access" >"$work/hosts"
	printf 'hosts: files\n' >"$work/nsswitch.conf"
	cl_log=$work/$case_name.client1.log
	proc_spawn "$work/client1.pid" "$cl_log" ip netns exec "$T-c1" unshare -m --propagation private \
		bash -c 'mount --bind "$1/hosts" /etc/hosts && mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf &&
			exec "$2" up office --config "$1/client.yaml" --run-dir "$1/run"' - "$work" "$culvert_client"
	client_says 'office: waiting for traffic'
	client_says 'office: name nobody.culvert.test: '
	: >"$work/hosts"
	one_ping || fail "the name was not remembered"
	office_down
	server_stop
}

# Calls that end by themselves, without dial-on-demand; keepalives are no traffic.
test_timeouts() {
	server_start
	profile_file 'idle-timeout: 2' "connect-to: $access" 'keepalive-timeout: 1'
	office_up
	client_says 'office: up user='
	reached
	wait_for 10 client_gone 1 || fail "it goes on"
	proc_stop "$work/client1.pid"
	[[ $proc_status == 0 ]] || fail "status $proc_status after idle-timeout"
	client_says 'office: down reason="idle for 2 s"'
	! ip -n "$T-c1" link show office >/dev/null 2>&1 || fail "the interface is still there"
	no_sanitizer_report "$cl_log"

	profile_file 'session-timeout: 2' "connect-to: $access"
	office_up
	client_says 'office: down reason="session-timeout, after 2 s"'
	wait_for 10 nb_up 2 || fail "it was not dialed again"
	office_down

	profile_file 'session-timeout: 2' "connect-to: $access" 'dial-on-demand: yes'
	office_up
	client_says 'office: waiting for traffic'
	to_host
	in_ns "$T-c1" ping -i 0.2 -c 25 "$host" >/dev/null 2>&1 || fail "no answer at all"
	client_says 'office: down reason="session-timeout, after 2 s"'
	wait_for 5 nb_up 2 || fail "traffic did not dial again"
	office_down
	server_stop
}

# The profile's address is the only one that will do.
test_local_address() {
	server_fixed
	client_fails 1 --local-address 10.0.9.10
	[[ $proc_status == 10 ]] || fail "status $proc_status is not that of an address"
	client_says "address: the server gives $fixed, the profile's local-address is 10.0.9.10"
	client_dial 1 --local-address "$fixed"
	client_hangup 1
	server_stop
}

need "$culvertd" "$culvert_client"
topo_up
run_cases first_packet command_line back_off default_route names timeouts local_address
