#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The tests' own tools: scripts/test runs every file, and says so when there is nothing to run;
# scripts/lint says so when it could not look.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

# run_tests PATTERN: scripts/test with a folder of its own that has nothing in it.
run_tests() {
	CULVERT_TEST_BUILD=$work/none timeout 60 "$top/scripts/test" --no-install --only "$1" >"$work/out" 2>&1
}

test_no_match() {
	if run_tests no-such-test; then
		cat "$work/out"
		fail "a pattern that matches nothing is no failure"
	fi
	grep -q 'no test matches' "$work/out" || fail "it does not say why"
	grep -qx '0 passed, 1 failed' "$work/out" || fail "not one failure"
	run_tests '^hotpath$' || fail "one that matches fails"
	grep -qx '1 passed, 0 failed' "$work/out" || fail "not one test"
}

# Cases of a file as well.
test_no_case() {
	local rc=0
	# shellcheck disable=SC2034 # run_cases reads it
	(CULVERT_CASE=no-such-case run_cases no_match) >"$work/out" || rc=$?
	((rc == 1)) || fail "status $rc"
	grep -q 'no case matches' "$work/out" || fail "it does not say why"
}

# A file that is named in a comment of a meson.build runs, one that a test() runs does not run again.
test_every_file() {
	local tree=$work/tree out
	mkdir -p "$tree/scripts" "$tree/tests/integration" "$work/bin"
	cp "$top"/scripts/{test,lib.sh} "$tree/scripts"
	for out in mentioned by_meson; do
		printf '#!/bin/sh\ntouch "%s/$(basename "$0").ran"\n' "$work" >"$tree/tests/integration/$out.sh"
		chmod +x "$tree/tests/integration/$out.sh"
	done
	printf 'run_cases x\n' >"$tree/tests/integration/forgotten.sh"
	cat >"$tree/meson.build" <<-'END'
		project('t')
		# A server of tests/integration/mentioned.sh.
		test('by meson', files('tests/integration/by_meson.sh'))
	END
	if CULVERT_TEST_BUILD=$work/tree-build timeout 100 "$tree/scripts/test" --no-install --only 'integration' >"$work/out" 2>&1; then
		fail "the one that is not executable is no failure"
	fi
	[[ -e $work/mentioned.sh.ran ]] || {
		cat "$work/out"
		fail "a file that is only mentioned does not run"
	}
	[[ ! -e $work/by_meson.sh.ran ]] || fail "what meson runs ran again"
	grep -q 'forgotten.sh.*not executable' "$work/out" || fail "nothing about the one that is not executable"
}

test_lint() {
	local tree=$work/lint
	export GIT_CEILING_DIRECTORIES=$work # logs may lie in a repository
	mkdir -p "$tree/scripts" "$work/bin"
	cp "$top"/scripts/{lint,lib.sh} "$tree/scripts"
	cp "$top/.clang-format" "$tree"
	printf '// SPDX-License-Identifier: BSD-3-Clause\nint x;\n' >"$tree/a.c"
	"$tree/scripts/lint" >"$work/out" 2>&1 || {
		cat "$work/out"
		fail "it complains of nothing"
	}
	printf 'int y; \n' >"$tree/b.c"
	! "$tree/scripts/lint" >"$work/out" 2>&1 || fail "no complaint"
	grep -q 'b.c: no SPDX line' "$work/out" || fail "not the right one"
	rm "$tree/b.c"
	printf '#!/bin/sh\nexit 2\n' >"$work/bin/awk"
	chmod +x "$work/bin/awk"
	! PATH=$work/bin:$PATH "$tree/scripts/lint" >"$work/out" 2>&1 || fail "awk that fails is no complaint"
	grep -q 'awk failed' "$work/out" || fail "it does not say why"
}

run_cases no_match no_case every_file lint
