#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Multilink PPP over the one link (mrru): full-size packets over a link of 1400 bytes, both ways,
# between two such sessions, with ends that do not have it, and packets of 64 KiB.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

mss=yes # change-tcp-mss
eval "plain_$(declare -f server_yaml)"
server_yaml() { plain_server_yaml | sed "s/default: { local/default: { change-tcp-mss: $mss, local/"; }

# mrru SERVER-MRRU [MTU]
mrru() {
	s_more="  max-mtu: ${2:-1400}
  max-mru: ${2:-1400}
  mrru: $1"
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

# counted NAME: culvertd, which has ended, counted some.
counted() { grep -qE " $1=[1-9]" "$log" || fail "no $1"; }

# Packets that the host behind put together.
reassembled() { in_ns "$ns_inet" awk '/^Ip:/ && n++ {print $16}' /proc/net/snmp; }

full_size() {
	local mtu
	mtu=$(ip -n "$T-c1" -o link show sstp0 | grep -oE 'mtu [0-9]+')
	[[ $mtu == "mtu 1600" ]] || fail "sstp0 has $mtu"
	df "$T-c1" "$host" 1500 || fail "1500 bytes do not pass up: $(tail -n 2 "$work/ping.txt")"
	df "$ns_inet" "$(tunnel_address 1)" 1500 || fail "1500 bytes do not pass down"
	df "$T-c1" 10.0.0.1 1600 || fail "the local address does not answer 1600 bytes"
	# core's MTU is 1500; without DF there are IP fragments.
	df_refused "$T-c1" "$host" 1501 1500
	in_ns "$T-c1" ping -c 3 -i 0.2 -W 2 -M "dont" -s 1572 "$host" >"$work/ping.txt" || fail "1600 bytes without DF"
}

test_full_size() {
	mrru 1600
	mss=no
	server_start
	client_dial 1 --max-mtu 1400 --max-mru 1400 --mrru 1600
	logged 'multilink tx_mrru=1600 rx_mrru=1600$'
	full_size
	local up down
	up=$(iperf "$ns_inet" "$host" "$T-c1" -t 3)
	down=$(iperf "$ns_inet" "$host" "$T-c1" -t 3 -R)
	note "up $up, down $down Mbit/s"
	client_hangup 1
	server_stop
	counted mp_rx_packets
	counted mp_tx_packets
	! grep -qE ' mp_rx_(gap|incomplete|too_big|malformed)=[1-9]' "$log" || fail "fragments were lost"
}

test_short_sequence() {
	mrru 1600
	server_start
	client_dial 1 --max-mtu 1400 --mrru 1600 --mrru-short-sequence
	logged 'multilink tx_mrru=1600 rx_mrru=1600 tx_short$'
	full_size
	# More than 4096 fragments each way: the numbers begin anew.
	in_ns "$T-c1" ping -q -f -c 2500 -M "do" -s 1472 -w 30 "$host" >"$work/ping.txt" || true
	grep -qE ' 2[45][0-9]{2} received' "$work/ping.txt" || fail "$(grep received "$work/ping.txt")"
	client_hangup 1
	server_stop
	! grep -qE ' mp_rx_(gap|incomplete|too_big|malformed)=[1-9]' "$log" || fail "fragments were lost"
}

test_hairpin() {
	mrru 1600
	server_start
	client_dial 1 --max-mtu 1400 --mrru 1600
	client_dial 2 --max-mtu 1300 --mrru 1550
	df "$T-c1" "$(tunnel_address 2)" 1550 || fail "1550 bytes do not pass"
	df "$T-c2" "$(tunnel_address 1)" 1550 || fail "1550 bytes do not pass back"
	df_refused "$T-c1" "$(tunnel_address 2)" 1551 1550
	iperf "$T-c2" "$(tunnel_address 2)" "$T-c1" -t 3 >/dev/null
	client_hangup 1
	client_hangup 2
	server_stop
	counted fwd_hairpin
}

# One end has it and the other does not: an ordinary session.
test_one_end() {
	mrru 1600
	server_start
	client_dial 1 --max-mtu 1400
	df "$T-c1" "$host" 1400 || fail "1400 bytes do not pass"
	df_refused "$ns_inet" "$(tunnel_address 1)" 1401 1400
	client_hangup 1
	server_stop
	s_more='  max-mtu: 1400'
	server_start
	client_dial 1 --max-mtu 1400 --mrru 1600
	df "$T-c1" "$host" 1400 || fail "1400 bytes do not pass"
	df_refused "$ns_inet" "$(tunnel_address 1)" 1401 1400
	client_hangup 1
	server_stop
	! grep -qE ' mp_[a-z_]+=[1-9]' "$log" || fail "there were fragments"
}

# As large as IP goes; on the way out in IP fragments.
test_large() {
	mrru 65535
	server_start
	client_dial 1 --max-mtu 1400 --mrru 65535
	client_dial 2 --max-mtu 1400 --mrru 65535
	df "$T-c1" 10.0.0.1 60000 || fail "the local address does not answer 60000 bytes"
	df "$T-c1" "$(tunnel_address 2)" 60000 || fail "60000 bytes do not pass between clients"
	df_refused "$T-c1" "$host" 60000 1500
	# The answers come to net_af_packet whole, which its frames do not hold: seen is what arrives.
	local before after
	before=$(reassembled)
	in_ns "$T-c1" ping -c 3 -i 0.2 -W 1 -M "dont" -s 60000 "$host" >"$work/ping.txt" || true
	after=$(reassembled)
	((after == before + 3)) || fail "$((after - before)) of 3 packets of 60000 bytes without DF arrived"
	ping_host 1 || fail "no ping afterwards"
	client_hangup 1
	client_hangup 2
	server_stop
	counted inner_fragmented
}

# A cipher that workers do not have: the same by way of OpenSSL's record layer.
test_remote_records() {
	mrru 1600
	s_tls=only-1.2
	server_start
	client_dial 1 --max-mtu 1400 --mrru 1600 --ciphers ECDHE-ECDSA-AES256-SHA
	logged 'cipher=ECDHE-ECDSA-AES256-SHA'
	full_size
	client_hangup 1
	server_stop
}

need "$culvertd" "$culvert_client" iperf3
topo_up
run_cases full_size short_sequence hairpin one_end large remote_records
