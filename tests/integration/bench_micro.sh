#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# culvert-bench micro, every kind of case for a moment: each runs, none is skipped that this build has,
# records open, packets come out, no mbuf is lost. How fast it was is nobody's business here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

build=${CULVERT_BUILD:-$top/build}
work=${CULVERT_TEST_DIR:-}
if [[ -z $work ]]; then
	work=$(mktemp -d /tmp/culvert-bench-micro.XXXXXX)
	trap 'rm -rf "$work"' EXIT
fi

fail() {
	echo "$*"
	exit 1
}

# bench STATUS OPTION...
bench() {
	local want=$1 rc=0
	shift
	timeout 500 "$build/culvert-bench" micro "$@" >"$work/out" 2>"$work/err" || rc=$?
	((rc == want)) || {
		cat "$work/err" "$work/out"
		fail "culvert-bench micro $*: status $rc, expected $want"
	}
	! grep -E 'Sanitizer|runtime error' "$work/err" || fail "sanitizer"
}

# Small sizes and one key stand for the others, but where many are the point.
some='^(bare|record|cryptodev)/.*/(64|1420|4096)/(1|64)(/cold)?$|^record/open2/ipsec-mb/aes-256-gcm/64/10000$'
some+='|^(lookup|mem|mbuf|netif|framing|inner|handshake)/|^(tcp|path)/.*/(1|64)(/sum)?$'

bench 0 --repeats 1 --seconds 0.0005 --only "$some" --json "$work/json"
python3 - "$work/json" <<-'EOF' || fail "the JSON does not say what was asked"
	import json, sys
	r = json.load(open(sys.argv[1]))
	groups = {}
	for c in r["cases"]:
	    group = c["case"].split("/")[0]
	    if "skipped" in c:
	        # A DPDK driver, and a library that the build may be without.
	        assert group == "cryptodev" or "without ipsec-mb" in c["skipped"], c
	        continue
	    groups[group] = groups.get(group, 0) + 1
	    assert c["units"] > 0 and 0 < c["min"] <= c["cycles"] <= c["max"], c
	    assert ("ratio" not in c) or c["ratio"] > 0, c
	wanted = "bare record lookup mem mbuf netif framing inner tcp path handshake".split()
	assert all(groups.get(g) for g in wanted), groups
EOF
bench 0 --count tcp/in/64/1 --batches 3
grep -qx 'tcp/in/64/1 192' "$work/out" || fail "--count"
bench 0 --list
(($(wc -l <"$work/out") > 1000)) || fail "--list"
bench 1 --count no/such/case
bench 1 --only 'no such case'
bench 2 --repeats 0
bench 2 --seconds 0
bench 2 --no-such-option
