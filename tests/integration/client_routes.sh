#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What culvert-client does beside the call itself: MSS of connections through the tunnel, and what a
# crash of a call without a name leaves.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=client_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/client_lib.sh"

# Whoever dials next from the same network namespace takes it back, once the process is gone.
test_crash() {
	local pid
	server_start
	client_spawn 1 --add-default-route
	wait_for 30 client_settled 1 || fail "no address"
	wait_for 5 server_route || fail "no route to the server"
	pid=$(proc_pid "$work/client1.pid")
	[[ -s $work/run/dial-$pid.route && -e $work/run/dial-$pid.lock ]] || fail "it is not noted"
	# One that lives keeps its route, whoever else comes and goes.
	proc_spawn "$work/other.pid" "$work/other.log" ip netns exec "$T-c1" "$culvert_client" \
		--connect-to 192.0.2.99 --user x --password-file "$work/password1" --name sstp1 --run-dir "$work/run"
	wait_for 5 grep -q 'dialing server=' "$work/other.log" || fail "the other one does not dial"
	server_route || fail "another one took it"
	proc_stop "$work/other.pid"
	server_route || fail "another one took it"
	proc_kill client1
	server_route || fail "no route was left"
	# Nor does one of another network namespace, which cannot.
	client_dial 2
	client_hangup 2
	[[ -s $work/run/dial-$pid.route ]] || fail "another namespace's client took the note"
	server_route || fail "another namespace's client took the route"
	client_spawn 1
	wait_for 30 client_settled 1 || fail "no address"
	grep -q 'a route to the server was left, and is taken back' "$cl_log" || fail "it says nothing"
	! server_route || fail "the route is still there"
	[[ ! -e $work/run/dial-$pid.route && ! -e $work/run/dial-$pid.lock ]] || fail "the note is still there"
	client_hangup 1
	[[ -z $(ls "$work/run") ]] || fail "left in the run directory: $(ls "$work/run")"
	server_stop
}

# By one with a name as well; and a note that is nobody's is nobody's harm.
test_crash_then_up() {
	server_start
	mkdir -p "$work/run"
	echo "::ffff:192.0.2.1 - 1 1; rm -rf /" >"$work/run/dial-999999.route"
	: >"$work/run/dial-999999.lock"
	: >"$work/run/dial-x.lock"
	client_spawn 1 --add-default-route
	wait_for 30 client_settled 1 || fail "no address"
	[[ ! -e $work/run/dial-999999.route ]] || fail "a note of nobody stays"
	wait_for 5 server_route || fail "no route to the server"
	proc_kill client1
	server_route || fail "no route was left"
	cat >"$work/client.yaml" <<-END
		sstp-client: { office: { connect-to: $access, user: $user, password-file: $work/password1 } }
	END
	cl_log=$work/$case_name.client1.log
	proc_spawn "$work/client1.pid" "$cl_log" ip netns exec "$T-c1" "$culvert_client" up office \
		--config "$work/client.yaml" --run-dir "$work/run"
	wait_for 10 grep -q 'office: up user=' "$cl_log" || fail "it is not up"
	! server_route || fail "the route is still there"
	proc_stop "$work/client1.pid"
	[[ $proc_status == 0 ]] || fail "it ended with $proc_status"
	no_sanitizer_report "$cl_log"
	server_stop
}

# syn_mss NS IFACE DIRECTION: of the one SYN (or SYN and ACK) that passed since the capture began.
capture() { # NS IFACE FILE
	proc_spawn "$work/$3.pid" "$work/$3.txt" ip netns exec "$1" tcpdump -l -n -v -i "$2" 'tcp port 9000'
	wait_for 5 grep -q 'listening on' "$work/$3.txt" || fail "tcpdump does not listen"
}
mss_of() { # FILE FLAGS
	grep -A1 "Flags \\[$2\\]" "$work/$1.txt" | grep -oE 'mss [0-9]+' | head -n 1
}

# One connection from client 1: `out` and `back` are the MSS of its SYN as it leaves the server for the far
# host, and of the answer as it comes out of the tunnel. Both ends offer 1460.
connect() {
	capture "$T-c1" sstp0 near
	capture "$ns_inet" eth0 far
	in_ns "$T-c1" timeout 5 python3 -c '
import socket, sys
c = socket.create_connection((sys.argv[1], 9000), 3)
c.sendall(b"x" * 100000)
c.shutdown(socket.SHUT_WR)
assert c.recv(10) == b"100000"' "$1" || fail "no connection to $1"
	sleep 0.5
	proc_stop "$work/near.pid" || true
	proc_stop "$work/far.pid" || true
	out=$(mss_of far S) back=$(mss_of near S.)
	grep -q 'cksum.*incorrect' "$work/far.txt" && fail "a checksum is wrong: $(grep incorrect "$work/far.txt" | head -n 1)"
	return 0
}

test_mss() {
	local out='' back=''
	server_start
	proc_spawn "$work/take.pid" "$work/take.log" ip netns exec "$ns_inet" python3 -c '
import socket
s = socket.create_server(("", 9000))
while True:
    c, _ = s.accept()
    n = 0
    while b := c.recv(65536): n += len(b)
    c.sendall(str(n).encode())
    c.close()'
	client_dial 1 --max-mtu 1300 --max-mru 1300
	ip -n "$T-c1" route replace 203.0.113.0/24 dev sstp0 advmss 1460
	connect "$host"
	[[ $out == 'mss 1260' ]] || fail "what goes out offers $out"
	[[ $back == 'mss 1260' ]] || fail "what comes in offers $back"
	client_hangup 1
	client_dial 1 --max-mtu 1300 --max-mru 1300 --change-tcp-mss no
	ip -n "$T-c1" route replace 203.0.113.0/24 dev sstp0 advmss 1460
	connect "$host"
	[[ $out == 'mss 1460' ]] || fail "with change-tcp-mss no what goes out offers $out"
	[[ $back == 'mss 1460' ]] || fail "with change-tcp-mss no what comes in offers $back"
	client_hangup 1
	proc_stop "$work/take.pid" || true
	server_stop
}

# The topology's, with a server that leaves the MSS as it is.
eval "topology_yaml() $(declare -f server_yaml | tail -n +2)"
server_yaml() { topology_yaml | sed -e 's|default: { local-address|default: { change-tcp-mss: no, local-address|'; }

need "$culvertd" "$culvert_client" python3 tcpdump
topo_up
run_cases crash crash_then_up mss
