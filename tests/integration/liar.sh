#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# culvert-client against a server that lies: tests/liar breaks the rules of TCP, TLS, HTTP, SSTP and
# PPP one at a time. Each call ends with its own status and reason, nothing that is no packet comes
# out of the interface, nothing is leaked. `tests/liar/liar list` has the cases; CULVERT_LIE picks
# some of them.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

# lies GROUP: its cases, most of which wait for somebody's timer.
lies() {
	local rc=0
	in_ns "$T-liar" "$top/tests/liar/liar" run "^$1/.*${CULVERT_LIE:-}" --client "$culvert_client" \
		--jobs 24 --address "$access" >"$work/$case_name.liar.log" 2>&1 || rc=$?
	((rc != 77)) || skip "no case of these is '${CULVERT_LIE:-}'"
	((rc == 0)) || fail "$(grep -c '^FAIL' "$work/$case_name.liar.log") of the cases are wrong"
	note "$(tail -n 1 "$work/$case_name.liar.log")"
	[[ -z $(ip -n "$T-liar" -o link show type tun) ]] || fail "interfaces were left"
}

test_transport() { lies transport; }
test_proxy() { lies proxy; }
test_sstp() { lies sstp; }
test_ppp() { lies ppp; }
test_auth() { lies auth; }
test_data() { lies data; }

need "$culvert_client" python3 openssl
trap topo_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
ns_add "$T-liar"
ip -n "$T-liar" addr add "$access/32" dev lo
run_cases transport proxy sstp ppp auth data
