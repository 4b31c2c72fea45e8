#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What a profile lays on a session's packets: filters and address lists, routes through a session,
# limit-bytes. Rate limits are rates.sh's.
#
#   $T-lan  eth0 10.77.0.2/24 ---- lan0 10.77.0.1 [$T-c1]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

s_users="
  - { name: one, password: $password, routes: [10.77.0.0/24] }
  - { name: two, password: $password }
  - { name: kept, password: $password, profile: kept }
  - { name: quiet, password: $password, profile: quiet }
  - { name: little, password: $password, limit-bytes-out: 300000 }"
more='address-lists:
  quiet: [203.0.113.77]
filters:
  web:
    - { action: accept, protocol: tcp, dst-port: 8080 }
    - { action: drop, dst-address-list: quiet }
    - { action: reject, direction: in, protocol: tcp, dst-port: 8000-8999 }
    - { action: reject, direction: out, protocol: tcp, dst-port: 2222 }'

# Profiles beside the default one.
profiles() {
	local line
	while IFS= read -r line; do
		printf '%s\n' "$line"
		[[ $line == "  default: {"* ]] || continue
		printf '  kept: { filter: web }\n  quiet: { address-list: quiet }\n'
	done
}
eval "plain_$(declare -f server_yaml)"
server_yaml() { plain_server_yaml | profiles; }

as() { # USER COMMAND...
	local user=$1
	shift
	"$@"
}

# refused NS ADDRESS PORT: a connection is refused by a router on the way, not by the host.
refused() {
	! in_ns "$1" timeout 3 bash -c "exec 3<>/dev/tcp/$2/$3" 2>"$work/refused" ||
		fail "$2:$3 can be reached"
	grep -q 'No route to host' "$work/refused" || fail "$2:$3: $(tail -n 1 "$work/refused")"
}

test_filters() {
	local port
	server_start
	ip -n "$ns_inet" addr replace 203.0.113.77/32 dev lo
	for port in 8080 8081 7000; do
		proc_spawn "$work/http$port.pid" "$work/http.log" ip netns exec "$ns_inet" \
			python3 -m http.server -b 0.0.0.0 "$port"
		wait_for 10 tcp_listening "$ns_inet" "$port" || fail "no server at $port"
	done
	as kept client_dial 1
	as quiet client_dial 2
	ping_host 1 || fail "no ping"
	tcp_open "$T-c1" "$host" 8080 || fail "accept did not let pass"
	tcp_open "$T-c1" "$host" 7000 || fail "what no rule matches did not pass"
	refused "$T-c1" "$host" 8081
	refused "$ns_inet" "$(tunnel_address 1)" 2222
	# Address lists: a prefix of the configuration, and a session.
	! in_ns "$T-c1" ping -c 1 -W 1 203.0.113.77 >/dev/null || fail "a listed address was reached"
	! in_ns "$T-c1" ping -c 1 -W 1 "$(tunnel_address 2)" >/dev/null || fail "a listed session was"
	in_ns "$T-c2" ping -c 2 -i 0.2 -W 2 203.0.113.77 >/dev/null || fail "the other has no filter"
	client_hangup 2
	as two client_dial 2 # not in the list, whatever its address
	in_ns "$T-c1" ping -c 2 -i 0.2 -W 2 "$(tunnel_address 2)" >/dev/null || fail "the list keeps who left"
	server_stop
}

test_routes() {
	server_start
	ns_add "$T-lan"
	ip -n "$T-c1" link add lan0 type veth peer name eth0 netns "$T-lan"
	ip -n "$T-c1" link set lan0 up
	ip -n "$T-c1" addr add 10.77.0.1/24 dev lan0
	in_ns "$T-c1" sysctl -qw net.ipv4.ip_forward=1
	ip -n "$T-lan" link set eth0 up
	ip -n "$T-lan" addr add 10.77.0.2/24 dev eth0
	ip -n "$T-lan" route add default via 10.77.0.1
	ip -n "$ns_inet" route replace 10.77.0.0/24 via "$core"
	as one client_dial 1
	as two client_dial 2
	ip -n "$T-c2" route replace 10.77.0.0/24 dev sstp0
	in_ns "$ns_inet" ping -c 3 -i 0.2 -W 2 10.77.0.2 >/dev/null || fail "the network behind is not reached"
	in_ns "$T-lan" ping -c 3 -i 0.2 -W 2 "$host" >/dev/null || fail "nor does it reach the host"
	in_ns "$T-c2" ping -c 3 -i 0.2 -W 2 10.77.0.2 >/dev/null || fail "nor another client"
	# Not its own: no answer, whatever it sends.
	ip -n "$T-c1" addr add 10.88.0.1/32 dev lo
	! in_ns "$T-c1" ping -c 2 -i 0.2 -W 1 -I 10.88.0.1 "$host" >/dev/null || fail "a foreign source passed"
	client_hangup 1
	! in_ns "$ns_inet" ping -c 2 -i 0.2 -W 1 10.77.0.2 >"$work/ping.txt" || fail "still there"
	grep -q 'Destination Host Unreachable' "$work/ping.txt" || fail "nobody said that it is gone"
	client_hangup 2
	server_stop
}

test_limit_bytes() {
	server_start
	as little client_dial 1
	ping_host 1 || fail "no ping"
	in_ns "$ns_inet" ping -f -c 1000 -s 1000 -W 1 "$(tunnel_address 1)" >/dev/null 2>&1 || true
	logged 'limit' 10
	wait_for 10 client_gone 1 || fail "the session did not end"
	server_stop
}

topo_up
run_cases filters routes limit_bytes
