#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Rate limits over ten seconds, TCP of one client beside UDP of another, both ways at a time. They are
# printed with what they are off; how exact they are is for worker_policy_test to judge, whose clock
# does not depend on the machine.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"
need iperf3 nft

rate=''
s_users="
  - { name: one, password: $password, profile: limited }
  - { name: two, password: $password, profile: limited }"
eval "plain_$(declare -f server_yaml)"
server_yaml() {
	plain_server_yaml | sed "s|^  default: {.*|&\n  limited: { rate-limit: $rate }|"
}

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

topo_up
run_cases rate_1 rate_10 rate_100
