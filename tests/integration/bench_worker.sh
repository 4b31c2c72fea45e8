#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# culvert-bench worker, each of its modes for a moment: culvertd's data and control plane with the load
# generator in one process. No byte is wrong, nothing is lost where nothing was broken, every pool is
# full again at the end. How fast it was is nobody's business here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

build=${CULVERT_BUILD:-$top/build}
work=${CULVERT_TEST_DIR:-}
if [[ -z $work ]]; then
	work=$(mktemp -d /tmp/culvert-bench-worker.XXXXXX)
	trap 'rm -rf "$work"' EXIT
fi
short=(--seconds 0.04 --warm-up 0.02 --repeats 1 --verify 1)

seconds() { # since $1
	local us=$((${EPOCHREALTIME/./} - $1))
	printf '%d.%d' $((us / 1000000)) $((us / 100000 % 10))
}

fail() {
	echo "$*"
	exit 1
}

# bench STATUS OPTION...
bench() {
	local want=$1 rc=0
	shift
	timeout 120 "$build/culvert-bench" worker "$@" >"$work/out" 2>"$work/err" || rc=$?
	cat "$work/err" "$work/out"
	((rc == want)) || fail "culvert-bench worker $*: status $rc, expected $want"
	! grep -E 'Sanitizer|runtime error' "$work/err" || fail "sanitizer"
}

# says OPTION...: the run passes, and its JSON says so.
passes() {
	bench 0 "${short[@]}" --json "$work/json" "$@"
	python3 - "$work/json" <<-'EOF' || fail "the JSON does not say what was asked"
		import json, sys
		r = json.load(open(sys.argv[1]))
		assert r["passed"] and r["pools_left"] == 0, r
		for c in r["cases"]:
		    assert c["received"] > 0 and c["corrupt"] == c["reordered"] == c["duplicated"] == 0, c
		    assert c["busy_loops"] + c["cut_loops"] > 0 and c["anchor_seal"] + c["anchor_open"] > 0, c
	EOF
}

test_traffic() {
	passes --sessions 2,8 --size 64,1400,imix --direction down,up,both,hairpin --no-stages --hugepages no
}

test_stages() {
	passes --sessions 8 --burst 8 --order random --no-straddle
	python3 - "$work/json" <<-'EOF' || fail "stages"
		import json, sys
		down, up = json.load(open(sys.argv[1]))["cases"]
		assert all(down["stages"][k] > 0 for k in ("receive", "down", "frame", "seal", "tcp-out", "transmit")), down
		assert all(up["stages"][k] > 0 for k in ("receive", "tcp-in", "collect", "open", "up", "transmit")), up
	EOF
}

test_software_checksums() { passes --sessions 8 --offloads off --tls 1.2 --on-link --no-stages; }
test_null() { passes --sessions 4,8 --cipher null --size 64,1400 --no-stages; }
test_openssl() { passes --sessions 8 --backend openssl --cipher aes-128-gcm --no-stages; }
test_two_workers() { passes --workers 2 --sessions 8 --direction down,up,hairpin --no-stages; }
test_handover() { passes --workers 2 --handover --sessions 8 --no-stages --direction down; }
test_rate() { passes --sessions 8 --pps 20000 --no-stages; }
test_apart() { passes --apart --sessions 8 --no-stages; }

test_latency() {
	passes --sessions 8 --latency --no-stages
	grep -q '"p99_us": [0-9]*[1-9]' "$work/json" || fail "no latency"
}

# Packets may be lost then, at the queues; what comes is right and in order.
test_bad_link() {
	passes --sessions 8 --offloads off --loss 0.02 --duplicate 0.02 --reorder 0.05 --direction down,up,hairpin --no-stages
	passes --workers 2 --sessions 8 --loss 0.02 --rcv-wnd 8000 --seed 7 --no-stages
}

# A damaged segment whose sum is right by chance may cost its session, no more.
test_damage() {
	passes --sessions 8 --offloads off --corrupt 0.01 --no-stages
	grep -q '"received": [1-9]' "$work/json" || fail "nothing came through"
}

test_setup() {
	bench 0 --setup --sessions 16 --repeats 2 --json "$work/json"
	python3 -c 'import json, sys; s = json.load(open(sys.argv[1]))["setup"]; assert s["control_us"] > 0 < s["bare_us"], s' \
		"$work/json" || fail "set-up"
}

test_memory() {
	bench 0 --memory --sessions 64 --json "$work/json"
	python3 -c 'import json, sys; m = json.load(open(sys.argv[1]))["memory"]; assert m["workers_per_session"] > 0, m' \
		"$work/json" || fail "memory"
}

# It notices: one session cannot take this much.
test_loss_fails() {
	bench 1 "${short[@]}" --sessions 1 --turn 1024 --direction down --no-stages
	grep -q FAILED "$work/out" || fail "no word of it"
}

test_usage() {
	bench 2 --sessions 0
	bench 2 --sessions 64,1
	bench 2 --size 12
	bench 2 --direction sideways
	bench 2 --cipher rot13
	bench 2 --cipher null --backend openssl
	bench 2 --backend null
	bench 2 --sessions 1 --workers 2
	bench 2 --setup --memory
	bench 2 more
	bench 0 --help
}

# The benches' cipher that is none is not to be had elsewhere.
test_null_is_unknown() {
	local rc=0
	cat >"$work/null.yaml" <<-'EOF'
		dataplane:
		  record-backend: "null"
		  ports:
		    access: { device: net_null0, address: 192.0.2.1/24 }
		    core: { device: net_null1, address: 198.51.100.1/24 }
	EOF
	"$build/culvertd" --check -c "$work/null.yaml" >"$work/out" 2>&1 || rc=$?
	cat "$work/out"
	((rc == 2)) || fail "culvertd: status $rc, expected 2"
	grep -q record-backend "$work/out" || fail "culvertd does not say why"
	sed -i '/record-backend/d' "$work/null.yaml"
	"$build/culvertd" --check -c "$work/null.yaml" || fail "the rest was wrong as well"
}

bad=0
for t in traffic stages software_checksums null openssl two_workers handover rate apart latency bad_link damage setup \
	memory loss_fails usage null_is_unknown; do
	[[ $t =~ ${CULVERT_CASE:-.} ]] || continue
	began=${EPOCHREALTIME/./}
	if ("test_$t") >"$work/$t.log" 2>&1; then
		echo "@case ok $t $(seconds "$began")"
	else
		cat "$work/$t.log"
		echo "@case FAIL $t $(seconds "$began") $(tail -n 1 "$work/$t.log")"
		bad=1
	fi
done
exit $bad
