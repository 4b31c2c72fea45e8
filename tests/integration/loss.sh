#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Packets lost outside the tunnel: it goes on, and every byte that comes through is right.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

# lossy PERMILLE BYTES
lossy() {
	server_start
	client_dial 1
	wire_loss "$1"
	transferred "$2" "$1"
	wire_loss 0
	ping_host 1 || fail "no ping afterwards"
	client_hangup 1
	server_stop
}

test_none() { lossy 0 200000000; }
test_one_percent() { lossy 10 60000000; }
test_five_percent() { lossy 50 8000000; }

test_one_percent_tls12() {
	s_tls=only-1.2
	lossy 10 30000000
}

test_iperf_one_percent() {
	server_start
	client_dial 1
	wire_loss 10
	note "up $(iperf "$ns_inet" "$host" "$T-c1" -t 8)"
	note "down $(iperf "$ns_inet" "$host" "$T-c1" -t 8 -R) Mbit/s"
	wire_loss 0
	client_hangup 1
	server_stop
}

test_dials_under_loss() {
	server_start
	wire_loss 50
	local i
	# shellcheck disable=SC2034
	for i in 1 2 3 4 5; do
		client_dial 1
		ping_host 1 10 || true
		client_hangup 1
	done
	wire_loss 0
	server_stop
}

# For CULVERT_SOAK seconds: iperf3 down the one session, 1 % loss outside, files through it meanwhile.
test_soak() {
	local seed=0 iperf_limit=$((CULVERT_SOAK + 60)) runner
	s_log=info
	server_start
	client_dial 1
	wire_loss 10
	iperf "$ns_inet" "$host" "$T-c1" -t "$CULVERT_SOAK" -R -i 10 >"$work/soak.rate" &
	runner=$!
	while kill -0 "$runner" 2>/dev/null; do
		seed=$((seed + 1))
		transferred 5000000 "$seed"
	done
	wait "$runner" || fail "iperf3 did not keep going"
	rm -f "$work/note"
	note "iperf3 $(cat "$work/soak.rate") Mbit/s, $seed files of 5 MB each way beside it"
	# Not one interval in which nothing moved.
	! grep -E ' 0\.00 bits/sec' "$work/$case_name.iperf3" || fail "iperf3 stood still"
	wire_loss 0
	client_hangup 1
	server_stop
}

need "$culvertd" "$culvert_client" python3 nft
topo_up
if [[ -n ${CULVERT_SOAK:-} ]]; then
	run_cases soak
fi
run_cases none one_percent five_percent one_percent_tls12 iperf_one_percent dials_under_loss
