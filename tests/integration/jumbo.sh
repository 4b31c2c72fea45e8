#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Packets beyond 1500 bytes: ports with an MTU of 9000, sessions with max-mtu 4091 (an IP packet of
# 4087 bytes: SSTP's length field counts PPP's header too), and the same over an outside of 1500
# bytes, where a record takes several segments.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"
transfer=$(dirname "${BASH_SOURCE[0]}")/transfer.py

access_dev=net_af_packet0 access_mtu=9000 core_mtu=9000 mss=yes
eval "plain_$(declare -f server_yaml)"
server_yaml() {
	plain_server_yaml | sed -e "s/net_af_packet0,\(.*\), address/$access_dev,\1, mtu: $access_mtu, address/" \
		-e "s/net_af_packet1,\(.*\), address/net_af_packet1,\1, mtu: $core_mtu, address/" \
		-e "s/default: { local/default: { change-tcp-mss: $mss, local/"
}

# The kernel's side of the wires; culvertd sets its own.
wires() {
	local n
	for n in p-acc0 p-c1 p-c2 br0; do
		ip -n "$ns_wire" link set "$n" mtu "$access_mtu"
	done
	for n in 1 2; do
		ip -n "$T-c$n" link set eth0 mtu "$access_mtu"
	done
	ip -n "$ns_inet" link set eth0 mtu "$core_mtu"
}

# df NS ADDRESS BYTES: pings of an IP packet of that size, which nobody may fragment.
df() { in_ns "$1" ping -c 3 -i 0.2 -W 2 -M "do" -s "$(($3 - 28))" "$2" >"$work/ping.txt" 2>&1; }

# df_refused NS ADDRESS BYTES MTU: and is told of that MTU.
df_refused() {
	ip -n "$1" route flush cache
	! df "$1" "$2" "$3" || fail "a packet of $3 bytes to $2 passed with DF"
	grep -qE "mtu ?= ?$4" "$work/ping.txt" || fail "no word of MTU $4: $(tail -n 4 "$work/ping.txt")"
	ip -n "$1" route flush cache
}

# moved TO-NS ADDRESS FROM-NS: 4 MB both ways, byte by byte.
moved() {
	proc_spawn "$work/transfer.pid" "$work/transfer.log" ip netns exec "$1" \
		python3 "$transfer" serve "$2" 7000
	wait_for 5 tcp_listening "$1" 7000 || fail "no server for the transfer"
	in_ns "$3" python3 "$transfer" run "$2" 7000 4000000 1 || fail "the transfer failed"
	proc_stop "$work/transfer.pid" 5 || true
}

sessions_4091() {
	s_more='  max-mtu: 4091
  max-mru: 4091'
	wires
	server_start
	client_dial 1 --max-mtu 4091 --max-mru 4091
	client_dial 2 --max-mtu 4091 --max-mru 4091
	logged 'up address=.* mtu=4087'
	df "$T-c1" 10.0.0.1 4087 || fail "the local address does not answer 4087 bytes"
	df "$T-c1" "$(tunnel_address 2)" 4087 || fail "4087 bytes do not pass between clients"
	df_refused "$T-c1" "$(tunnel_address 2)" 4088 4087 # its own interface says so
}

through_core() {
	df "$T-c1" "$host" 4087 || fail "4087 bytes do not pass up: $(tail -n 2 "$work/ping.txt")"
	df "$ns_inet" "$(tunnel_address 1)" 4087 || fail "4087 bytes do not pass down"
	df_refused "$ns_inet" "$(tunnel_address 1)" 4088 4087
	in_ns "$ns_inet" ping -c 3 -i 0.2 -W 2 -M "dont" -s 8000 "$(tunnel_address 1)" >"$work/ping.txt" ||
		fail "8000 bytes without DF do not pass down"
}

finish() {
	moved "$ns_inet" "$host" "$T-c1"
	local up down
	up=$(iperf "$ns_inet" "$host" "$T-c1" -t 1)
	down=$(iperf "$ns_inet" "$host" "$T-c1" -t 1 -R)
	note "up $up, down $down Mbit/s"
	client_hangup 1
	client_hangup 2
	server_stop
}

test_jumbo() {
	mss=no
	sessions_4091
	through_core
	finish
}

test_access_1500() {
	access_mtu=1500
	mss=no
	sessions_4091
	through_core
	finish
}

test_clamped() {
	access_mtu=1500
	sessions_4091
	through_core
	finish
}

# The session is wider than core: what a router says of that.
test_core_1500() {
	core_mtu=1500
	sessions_4091
	df_refused "$T-c1" "$host" 4087 1500
	in_ns "$T-c1" ping -c 3 -i 0.2 -W 2 -M "dont" -s 1700 "$host" >"$work/ping.txt" ||
		fail "1728 bytes without DF do not pass"
	finish
}

test_af_xdp() {
	access_dev=net_af_xdp0
	access_mtu=1500
	mss=no
	sessions_4091
	through_core
	finish
	grep -qE 'pool[ =]small_mbufs in_use=0 ' "$log" || fail "no pool of small buffers"
}

test_with_mrru() {
	s_more='  max-mtu: 4091
  max-mru: 4091
  mrru: 9000'
	wires
	server_start
	client_dial 1 --max-mtu 4091 --max-mru 4091 --mrru 9000
	df "$T-c1" "$host" 4091 || fail "4091 bytes do not pass up"
	df "$T-c1" "$host" 9000 || fail "9000 bytes do not pass up"
	df "$ns_inet" "$(tunnel_address 1)" 9000 || fail "9000 bytes do not pass down"
	moved "$ns_inet" "$host" "$T-c1"
	client_hangup 1
	server_stop
}

# An MTU that the driver cannot do is refused at the start, with the reason.
test_too_large() {
	access_dev=net_af_xdp0
	wires
	log=$work/$case_name.culvertd.log
	"$lib_dir/certs" --name culvert.test --address "$access" "$work"
	server_yaml >"$work/$case_name.yaml"
	chmod 600 "$work/$case_name.yaml"
	proc_spawn "$work/culvertd.pid" "$log" ip netns exec "$ns_dut" "$culvertd" -c "$work/$case_name.yaml"
	wait_for 20 server_gone || fail "culvertd started"
	grep -q 'MTU 9000 does not fit the buffers: at most 2286 with this driver' "$log" || fail "no reason"
}

need "$culvertd" "$culvert_client" iperf3 python3
topo_up
run_cases jumbo access_1500 clamped core_1500 af_xdp with_mrru too_large
