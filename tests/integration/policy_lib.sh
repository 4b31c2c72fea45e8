# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the tests of profiles and secrets share. Sourced; brings topology.sh along.
# shellcheck disable=SC2034 # knobs of topology.sh
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

# The profiles, in place of topology.sh's one.
profiles='  default: { local-address: 10.0.0.1, remote-address: clients, dns-server: [10.0.0.1] }'
eval "$(declare -f server_yaml | sed '1s/server_yaml/plain_yaml/')"
server_yaml() {
	plain_yaml | PROFILES=$profiles awk '/^  default: \{/ { print ENVIRON["PROFILES"]; next } { print }'
}

# secret NAME [KEY: VALUE, ...]: a line of s_users.
secret() { s_users+="  - { name: $1, password: $password${2:+, $2} }"$'\n'; }

# client_ended N STATUS: it must end by itself with that status.
client_ended() {
	wait_for 20 client_gone "$1" || fail "client $1 still runs"
	proc_stop "$work/client$1.pid"
	[[ $proc_status == "$2" ]] || fail "client $1 ended with status $proc_status, not $2"
	no_sanitizer_report "$work/$case_name.client$1.log"
}
client_said() {
	grep -q -- "$2" "$work/$case_name.client$1.log" || fail "client $1 was not told: $2"
}
# dial_as USER N, fails_as USER N
dial_as() {
	local user=$1
	client_dial "$2"
}
fails_as() {
	local user=$1
	client_fails "$2"
	[[ $proc_status == 8 ]] || fail "status $proc_status is not that of a refused log-in"
}
