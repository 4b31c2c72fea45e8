#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What a profile lays on a session's packets: rate limits, filters and address lists, routes through
# a session, limit-bytes. Rates are printed with what they are off; how exact they are is for
# worker_policy_test to judge, whose clock does not depend on the machine.
#
#   $T-lan  eth0 10.77.0.2/24 ---- lan0 10.77.0.1 [$T-c1]
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"
need iperf3 nft

rate=''
s_users="
  - { name: one, password: $password, profile: limited, routes: [10.77.0.0/24] }
  - { name: two, password: $password, profile: limited }
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
		printf '  limited: { rate-limit: %s }\n' "${rate:-none}"
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

# IP bytes that arrived in NS from (src) or for (dst) an address.
counted() { in_ns "$1" nft list counter inet count "$2" | awk '/packets/ {print $4}'; }

count_begin() { # NS NAME "src|dst" ADDRESS
	in_ns "$1" nft -f - <<-EOT
		table inet count {
			counter $2 { }
			chain in { type filter hook input priority 0; ip $3addr $4 counter name $2; }
		}
	EOT
}

# flood N PORT TCP-OR-UDP-OPTIONS...: both ways between client N and the host, in the background.
flood() {
	local n=$1 port=$2
	shift 2
	proc_spawn "$work/iperf-s$n.pid" "$work/iperf-s$n.log" ip netns exec "$ns_inet" \
		iperf3 -s -1 -B "$host" -p "$port"
	wait_for 5 tcp_listening "$ns_inet" "$port" || fail "iperf3's server did not start"
	proc_spawn "$work/iperf-c$n.pid" "$work/iperf-c$n.log" ip netns exec "$T-c$n" \
		iperf3 -c "$host" -p "$port" --bidir -t 13 "$@"
}

# off WHAT BYTES MBIT: a note of the rate over ten seconds; wrong by a factor is an error.
off() {
	local line
	line=$(awk -v b="$2" -v want="$3" -v what="$1" 'BEGIN {
		got = b * 8 / 1e7; printf "%s %.3f (%+.1f %%)", what, got, (got / want - 1) * 100
		exit !(got > want / 4 && got < want * 1.5)}') || fail "$3 Mbit/s: $line"
	note "$line"
}

rates() {
	local mbit=$1 n before=() after=() i=0
	rate=${mbit}M/${mbit}M
	server_start
	as one client_dial 1
	as two client_dial 2
	in_ns "$ns_inet" nft 'add table inet count; delete table inet count'
	for n in 1 2; do
		in_ns "$T-c$n" nft 'add table inet count; delete table inet count'
		count_begin "$ns_inet" "up$n" s "$(tunnel_address "$n")"
		count_begin "$T-c$n" "down$n" s "$host"
	done
	flood 1 5201
	flood 2 5202 -u -b "$((2 * mbit))M" -l 1200
	sleep 1.5
	read_all() { for n in 1 2; do printf '%s %s ' "$(counted "$ns_inet" "up$n")" "$(counted "$T-c$n" "down$n")"; done; }
	local from=${EPOCHREALTIME/[.,]/} to
	read -r -a before < <(read_all; echo)
	in_ns "$T-c1" ping -c 20 -i 0.4 -W 2 "$host" >"$work/ping.txt" 2>&1 || true
	to=$((from + 10000000 - ${EPOCHREALTIME/[.,]/}))
	((to <= 0)) || sleep "$((to / 1000000)).$(printf '%06d' $((to % 1000000)))"
	to=$((${EPOCHREALTIME/[.,]/} - from))
	read -r -a after < <(read_all; echo)
	for n in 'tcp up' 'tcp down' 'udp up' 'udp down'; do
		off "$n" "$(((after[i] - before[i]) * 10000000 / to))" "$mbit"
		i=$((i + 1))
	done
	note "ping beside tcp: $(awk -F/ '/^rtt/ {print $5 " ms"}' "$work/ping.txt"), $(grep -o '[0-9.]*% packet loss' "$work/ping.txt")"
	for n in c1 c2 s1 s2; do
		proc_stop "$work/iperf-$n.pid" 5 || true
	done
	server_stop
}

test_rate_1() { rates 1; }
test_rate_10() { rates 10; }
test_rate_100() { rates 100; }

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
run_cases filters routes limit_bytes rate_1 rate_10 rate_100
