# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the tests of culvert-client by its file share. Sourced; brings topology.sh along.
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

# client_file LINE...: a connection `office` to the server, with further properties.
client_file() {
	local line
	{
		cat <<-END
			sstp-client:
			  office:
			    user: $user
			    password: $password
		END
		for line; do
			echo "    $line"
		done
	} >"$work/client.yaml"
	chmod 600 "$work/client.yaml"
}

# The user has an address of his own.
fixed=10.0.9.9
server_fixed() {
	s_users="  - { name: $user, password: $password, remote-address: $fixed }"
	server_start
}

# profile_file PROFILE LINE...: the connection `office`, by the profile `own`.
profile_file() {
	local profile=$1
	shift
	client_file "profile: own" "$@"
	printf 'ppp-profiles:\n  own: { %s }\n' "$profile" >>"$work/client.yaml"
}

# client COMMAND...: status in $rc, what it said in $work/said.
client() {
	rc=0
	in_ns "$T-c1" "$culvert_client" "$@" --config "$work/client.yaml" --run-dir "$work/run" \
		>"$work/said" 2>&1 || rc=$?
}

said() { grep -qE -- "$1" "$work/said" || fail "$(<"$work/said") is not: $1"; }
client_says() { wait_for "${2:-10}" grep -qE -- "$1" "$cl_log" || fail "the client never said: $1"; }

office_up() {
	cl_log=$work/${case_name:-setup}.client1.log
	proc_spawn "$work/client1.pid" "$cl_log" ip netns exec "$T-c1" "$culvert_client" up office \
		--config "$work/client.yaml" --run-dir "$work/run"
}

# nb_up N: the call was up N times.
nb_up() { (($(grep -c ': up user=' "$cl_log") >= $1)); }

reached() {
	ip -n "$T-c1" route replace 203.0.113.0/24 dev office
	ping_host 1 || fail "no ping through the tunnel"
}

office_down() {
	client down office
	((rc == 0)) || fail "down ended with $rc"
	wait_for 5 client_gone 1 || fail "the client is still there"
	proc_stop "$work/client1.pid"
	[[ $proc_status == 0 ]] || fail "the client ended with $proc_status"
	no_sanitizer_report "$cl_log"
	! ip -n "$T-c1" link show office >/dev/null 2>&1 || fail "the interface is still there"
}

server_route() { ip -n "$T-c1" route show "$access" | grep "^$access dev eth0" >/dev/null; }

proc_kill() {
	kill -KILL "$(proc_pid "$work/$1.pid")"
	wait_for 5 proc_gone "$work/$1.pid" || fail "$1 is still there"
	proc_stop "$work/$1.pid" || true
}
