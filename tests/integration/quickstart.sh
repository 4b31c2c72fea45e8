#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# scripts/quickstart, as the README has it: twice, left running, by an edited file, and taken down. It is
# left alone where somebody's is running.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

need_root
for ns in culvert-client culvert-inet; do
	! ns_exists "$ns" || {
		echo "@skip there is a namespace $ns already"
		exit 77
	}
done
work=$(mktemp -d /tmp/culvert-quick.XXXXXX)
export CULVERT_STATE=$work/state CULVERT_BUILD=${CULVERT_BUILD:-$top/build}
pages=$(</proc/sys/vm/nr_hugepages)

take_down() {
	local rc=$?
	trap - EXIT
	"$top/scripts/quickstart" --down >/dev/null 2>&1 || true
	((rc)) || rm -rf "$work"
	exit "$rc"
}
trap take_down EXIT

fail() {
	echo "FAILED: $*"
	[[ ! -s $work/out ]] || tail -n 25 "$work/out"
	exit 1
}

quickstart() { timeout 200 "$top/scripts/quickstart" "$@" >"$work/out" 2>&1 || fail "quickstart $* ended with $?"; }

nothing_left() {
	local ns
	for ns in culvert-client culvert-inet; do
		! ns_exists "$ns" || fail "$ns is still there"
	done
	! ip link show culvert-acc0 >/dev/null 2>&1 || fail "an interface is still there"
	[[ $(</proc/sys/vm/nr_hugepages) == "$pages" ]] || fail "huge pages were not given back"
}

works() {
	grep -q '^it works' "$work/out" || fail "it does not say that it works"
	grep -qE '^  up / down +[1-9][0-9.]* / [1-9][0-9.]* Mbit/s' "$work/out" || fail "no throughput"
	grep -qE '^  round trip .* 0% packet loss' "$work/out" || fail "pings were lost"
}

for _ in 1 2; do
	quickstart --seconds 1
	works
	nothing_left
done
# It asked for as much as culvertd needs, or the kernel had not as much.
needs=$("$CULVERT_BUILD/culvertd" --check -c "$CULVERT_STATE/culvert.yaml" | awk '$1 == "memory:" {print $2}')
((needs > 100)) || fail "culvertd does not say what memory it needs"
grep -q 'hugepages: yes' "$work/out" || echo "(no $needs MiB of huge pages here)"

# An edited file is used as it is: more sessions, which need more memory.
printf 'log: { level: debug }\n' >>"$CULVERT_STATE/culvert.yaml"
sed -i 's/mbufs: 32768 }/mbufs: 65536 }/' "$CULVERT_STATE/culvert.yaml"
quickstart --seconds 1 --keep
works
grep -q 'using your edited' "$work/out" || fail "the edited file was not used"
ns_exists culvert-client || fail "--keep keeps nothing"
ip netns exec culvert-client ping -c 1 -W 2 203.0.113.10 >/dev/null || fail "what was kept does not answer"
quickstart --down
nothing_left
[[ ! -e $CULVERT_STATE ]] || fail "its state is still there"
