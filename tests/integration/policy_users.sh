#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Who gets in, and what he gets: addresses, routes, MTU, by secret, profile and server.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=policy_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/policy_lib.sh"

test_who_may() {
	profiles+=$'\n''  mppe: { use-encryption: required }'
	profiles+=$'\n''  crypt: { use-encryption: yes, use-compression: yes }'
	s_users=''
	secret near 'caller-id: 192.0.2.11'
	secret off 'disabled: yes'
	secret mppe 'profile: mppe'
	secret crypt 'profile: crypt, service: any'
	server_start
	dial_as near 1
	fails_as near 2
	logged 'result=refused why="called from another address than caller-id allows"'
	fails_as off 2
	fails_as mppe 2
	client_said 2 'MPPE encryption is required and not available'
	logged 'result=refused why="use-encryption: required'
	dial_as crypt 2
	ping_host 2 || fail "no ping with use-encryption: yes"
	client_hangup 2
	client_hangup 1
	server_stop
}

test_routes() {
	s_users=''
	secret site1 'routes: [10.7.0.0/16, "10.8.0.0/16 10.9.9.9 5"]'
	secret site2 'routes: ["10.8.0.0/16 10"]'
	server_start
	ip -n "$ns_inet" route replace 10.7.0.0/16 via "$core"
	ip -n "$ns_inet" route replace 10.8.0.0/16 via "$core"
	ip -n "$T-c1" addr add 10.7.0.1/32 dev lo
	ip -n "$T-c1" addr add 10.8.0.1/32 dev lo
	ip -n "$T-c2" addr add 10.8.0.1/32 dev lo
	dial_as site1 1
	dial_as site2 2
	in_ns "$ns_inet" ping -c 3 -i 0.2 -W 2 10.7.0.1 || fail "no ping through the route"
	in_ns "$T-c1" ping -c 3 -i 0.2 -W 2 -I 10.7.0.1 "$host" || fail "no ping from behind"
	logged 'user=site1 route=10\.7\.0\.0/16 metric=1'
	# The lower metric has it; without it the other.
	in_ns "$ns_inet" ping -c 3 -i 0.2 -W 2 10.8.0.1 || fail "no ping to what two have"
	client_hangup 1
	logged 'user=site1 ended why='
	! in_ns "$ns_inet" ping -c 1 -W 1 10.7.0.1 || fail "a route without its session"
	in_ns "$ns_inet" ping -c 3 -i 0.2 -W 2 10.8.0.1 || fail "no ping through the second route"
	client_hangup 2
	for n in 1 2; do
		ip -n "$T-c$n" addr flush dev lo
	done
	server_stop
}

test_addresses() {
	profiles='  default: { local-address: 10.0.0.1, remote-address: small, dns-server: [10.0.0.53] }'
	profiles+=$'\n''  office: { local-address: 10.0.0.2, remote-address: clients, dns-server: [10.0.0.54, 10.0.0.55], wins-server: [10.0.0.56, 10.0.0.57] }'
	profiles+=$'\n''  one: { remote-address: 10.0.9.9 }'
	s_pool=10.0.1.0/24
	more=''
	s_users=''
	secret chain ''
	secret office 'profile: office'
	secret own 'profile: office, remote-address: 10.0.8.8, local-address: 10.0.0.3'
	secret single 'profile: one, remote-address: clients'
	eval "$(declare -f plain_yaml | sed '1s/plain_yaml/pools_yaml/')"
	plain_yaml() {
		pools_yaml | sed 's/^ip-pools:$/&\n  small: { ranges: 10.0.2.7, next-pool: clients }/'
	}
	server_start
	dial_as chain 1
	[[ $(tunnel_address 1) == 10.0.2.7 ]] || fail "not from the first pool"
	dial_as chain 2
	[[ $(tunnel_address 2) == 10.0.1.* ]] || fail "not from the next pool"
	logged 'user=chain address=10\.0\.1\.[0-9]+ pool=clients'
	client_said 2 'peer=10.0.0.1 dns=10.0.0.53'
	client_hangup 1
	client_hangup 2
	dial_as office 1
	[[ $(tunnel_address 1) == 10.0.1.* ]] || fail "not the profile's pool"
	client_said 1 'peer=10.0.0.2 dns=10.0.0.54,10.0.0.55 wins=10.0.0.56,10.0.0.57 '
	dial_as own 2
	[[ $(tunnel_address 2) == 10.0.8.8 ]] || fail "not the secret's address"
	client_said 2 'peer=10.0.0.3 '
	client_hangup 1
	client_hangup 2
	dial_as single 1
	[[ $(tunnel_address 1) == 10.0.9.9 ]] || fail "a pool beat a single address"
	client_hangup 1
	server_stop
}

test_last_logged_out() {
	mkdir -p "$work/state"
	more="state-dir: $work/state"
	server_start
	client_dial 1
	logged "user=$user auth .* last_logged_out=-"
	client_hangup 1
	logged "user=$user ended why="
	client_dial 1
	logged "user=$user auth .* last_logged_out=20[0-9-]+T[0-9:]+Z"
	server_stop
	wait_for 10 client_gone 1 || fail "client 1 was not told"
	grep -qE "^[0-9]+ $user$" "$work/state/last-logged-out" || fail "nothing in the file"
	server_start
	client_dial 1
	logged "user=$user auth .* last_logged_out=20[0-9-]+T[0-9:]+Z"
	client_hangup 1
	server_stop
	rm -rf "$work/state"
}

# The port that is configured answers, another does not; switched off none does, and culvertd runs.
test_port() {
	eval "$(declare -f plain_yaml | sed '1s/plain_yaml/port_yaml/')"
	plain_yaml() { port_yaml | sed "s/^  port: 443$/  port: $s_port/; s/^  enabled: yes$/  enabled: $s_enabled/"; }
	server_answers() { in_ns "$T-c1" ping -c 1 -W 1 "$access"; }
	s_port=8443 s_enabled=yes
	server_start
	client_dial 1 --port 8443
	ping_host 1 || fail "no ping over port 8443"
	client_hangup 1
	! tcp_open "$T-c1" "$access" 443 || fail "port 443 answers"
	server_stop
	s_port=443 s_enabled=no
	server_start
	# Refused at once, not left without an answer.
	in_ns "$T-c1" timeout 3 bash -c "exec 3<>/dev/tcp/$access/443" 2>"$work/refused.txt" &&
		fail "a server that is switched off answers"
	grep -qi refused "$work/refused.txt" || fail "no RST: $(cat "$work/refused.txt")"
	logged 'sstp-server is not enabled'
	! server_gone || fail "culvertd ended"
	server_stop
}

test_mtu() {
	s_more=$'  max-mtu: 1300\n  max-mru: 1340'
	server_start
	client_dial 1
	logged 'up address=.* mtu=1300 '
	[[ $(in_ns "$T-c1" cat /sys/class/net/sstp0/mtu) == 1340 ]] || fail "not the MRU that was offered"
	in_ns "$ns_inet" ping -c 2 -i 0.2 -W 2 -M "do" -s 1272 "$(tunnel_address 1)" ||
		fail "1300 bytes do not pass"
	in_ns "$ns_inet" ping -c 2 -i 0.2 -W 2 -M "do" -s 1273 "$(tunnel_address 1)" \
		>"$work/frag.txt" 2>&1 && fail "1301 bytes passed"
	grep -qE 'mtu ?= ?1300' "$work/frag.txt" || fail "no next-hop MTU: $(cat "$work/frag.txt")"
	client_hangup 1
	server_stop
}

need "$culvertd" "$culvert_client"
topo_up
run_cases who_may routes addresses last_logged_out port mtu
