#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Calls over a line like those in the field: 50 Mbit/s, 20 ms, with and without accidents. Every byte
# arrives, nothing stands still; the figures beside that are for the reader (bench/path measures).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"
# shellcheck source-path=SCRIPTDIR source=line.sh
. "$(dirname "${BASH_SOURCE[0]}")/line.sh"
line=(--rate 50M --delay 10ms --limit 256k)

# over BYTES OPTION...: a call over such a line, files both ways, pings, the end.
over() {
	local bytes=$1
	shift
	line_start "${line[@]}" "$@"
	server_start
	client_dial 1
	transferred "$bytes"
	ping_host 1 10 || fail "no ping afterwards"
	client_hangup 1
	server_stop
	line_stop
}

test_clean() { over 10000000; }
test_loss() { over 4000000 --loss 1%; }
test_everything() { over 2000000 --loss 1% --reorder 1% --duplicate 1% --corrupt 0.5% --jitter 3ms; }
test_slow() { over 300000 --rate 1M/500k --limit 100ms --delay 100ms; }

# A queue of hardly more than one segment at the bottleneck.
test_tiny_queue() { over 4000000 --limit 5000; }

# The line stands still for four seconds in the middle of a transfer, and comes back.
test_outage() {
	line_start "${line[@]}"
	server_start
	client_dial 1
	transferred 20000000 &
	local runner=$!
	sleep 1
	line_start "${line[@]}" --loss 100%
	sleep 4
	line_start "${line[@]}"
	wait "$runner" || fail "the transfer did not come through"
	client_hangup 1
	server_stop
	line_stop
}

need "$culvertd" "$culvert_client" "$culvert_link" python3
topo_up
topo_line
run_cases clean loss everything slow tiny_queue outage
