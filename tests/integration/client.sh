#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# culvert-client by its file: up, status, down, the second server, and calls that come back.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=client_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/client_lib.sh"

# The first server refuses TCP, the second has a certificate of another; commands on the way.
test_commands() {
	server_start
	client_file "connect-to: [192.0.2.12, $access]" 'comment: "third floor"'
	client status
	((rc == 3)) || fail "status of what is down ended with $rc"
	said '^office state=down$'
	office_up
	client_says 'office: up user='
	client_says 'office: server=192.0.2.12:443 .*trying the next server'
	reached
	client status office
	((rc == 0)) || fail "status ended with $rc"
	said "^office state=up interface=office calls=1 server=$access:443 address=10\.0\."
	client list
	said "^office state=up connect-to=192.0.2.12,$access user=$user comment=\"third floor\"$"
	client up office
	((rc == 1)) || fail "a second up ended with $rc"
	said 'it is dialed already, by process [0-9]+'
	office_down
	client status office
	said '^office state=down$'
	client down office
	said 'it is not dialed'
	client check
	((rc == 0)) || fail "check ended with $rc"
	server_stop
}

# What a crash leaves is in nobody's way.
test_crash() {
	server_start
	client_file "connect-to: $access" 'add-default-route: yes'
	office_up
	client_says 'office: up user='
	proc_kill client1
	[[ -S $work/run/client-office.sock ]] || fail "nothing was left"
	server_route || fail "no route was left"
	client status
	said '^office state=down$'
	office_up
	client_says 'office: up user='
	client_says 'a route to the server was left, and is taken back'
	reached
	server_route || fail "there is no route to the server"
	office_down
	! server_route || fail "a route was left"
	[[ ! -e $work/run/client-office.route ]] || fail "the note of it was left"
	server_stop
}

# The server goes and comes back.
test_redial() {
	server_start
	client_file "connect-to: $access"
	office_up
	client_says 'office: up user='
	server_stop
	client_says 'office: down reason=.*' 10
	client_says 'office: dialing again in'
	server_start
	wait_for 20 nb_up 2 || fail "the client did not come back"
	reached
	client status
	said 'calls=2 .* last='
	office_down
	server_stop
}

# carried BACKEND LINE...: a call whose records are that backend's carries what it should.
carried() {
	local backend=$1
	shift
	client_file "connect-to: $access" "$@"
	office_up
	client_says 'office: up user='
	reached
	client status
	said " records=$backend "
	transferred 2000000
	office_down
}

# Who seals and opens records: in every version, by every suite; what is no AEAD stays with OpenSSL.
test_records() {
	local backend version suite
	server_start
	for backend in ipsec-mb openssl; do
		for version in any only-1.2; do
			carried "$backend" "record-backend: $backend" "tls-version: $version"
		done
	done
	for suite in TLS_AES_128_GCM_SHA256 TLS_CHACHA20_POLY1305_SHA256; do
		carried ipsec-mb 'record-backend: ipsec-mb' "ciphers: [$suite]"
	done
	carried openssl 'tls-version: only-1.2' 'ciphers: [aes256-sha]'
	client_file "connect-to: $access" 'record-backend: rot13'
	client up
	((rc == 2)) || fail "an unknown backend ended with $rc"
	said 'client.yaml:6:[0-9]+: .*auto, ipsec-mb or openssl'
	server_stop
}

# The client's own address goes, and it has another some time later.
test_roaming() {
	server_start
	client_file "connect-to: $access" 'add-default-route: yes'
	office_up
	client_says 'office: up user='
	ip -n "$T-c1" addr del 192.0.2.11/24 dev eth0
	client_says 'reason="the network changed: ' 15
	! ip -n "$T-c1" route show | grep 'dev office' >/dev/null || fail "routes were left"
	ip -n "$T-c1" addr add 192.0.2.21/24 dev eth0
	wait_for 20 nb_up 2 || fail "the client did not come back"
	client_says "server=$access:443"
	reached
	ip -n "$T-c1" route show | grep '^128.0.0.0/1 dev office' >/dev/null || fail "no route in the end"
	office_down
	ip -n "$T-c1" addr del 192.0.2.21/24 dev eth0
	ip -n "$T-c1" addr add 192.0.2.11/24 dev eth0
	server_stop
}

# on-up and on-down, with what they are told.
test_scripts() {
	server_start
	printf '#!/bin/sh\nenv | sort >"%s/$1.env"\n' "$work" >"$work/hook"
	chmod 755 "$work/hook"
	client_file "connect-to: $access" 'profile: hooks'
	cat >>"$work/client.yaml" <<-END
		ppp-profiles:
		  hooks: { on-up: $work/hook, on-down: $work/hook }
	END
	office_up
	client_says 'office: up user='
	wait_for 5 grep -q "^CULVERT_USER=$user$" "$work/up.env" || fail "on-up was not run"
	local line
	for line in EVENT=up CONNECTION=office INTERFACE=office "SERVER=$access:443" MTU=1460 \
		"ADDRESS=$(ip -n "$T-c1" -4 -o addr show dev office | awk '{print $4; exit}' | cut -d/ -f1)" \
		REMOTE_ADDRESS=10.0.0.1 DNS=10.0.0.1 AUTHENTICATION=mschap2; do
		grep -q "^CULVERT_$line$" "$work/up.env" || fail "$line is not in $(<"$work/up.env")"
	done
	! grep -q "$password" "$work/up.env" || fail "the password is in it"
	office_down
	for line in EVENT=down 'REASON=hung up' DURATION= RX_BYTES= TX_BYTES=; do
		grep -q "^CULVERT_$line" "$work/down.env" || fail "$line is not in $(<"$work/down.env")"
	done
	server_stop
}

# What would fail again is not dialed again.
test_final() {
	local password=not-the-password
	server_start_as StrongPass
	client_file "connect-to: [$access, $access]"
	office_up
	wait_for 20 client_gone 1 || fail "the client goes on"
	proc_stop "$work/client1.pid"
	[[ $proc_status == 8 ]] || fail "status $proc_status is not that of a refused log-in"
	(($(grep -c 'result=refused' "$log") == 1)) || fail "a wrong password was tried again"
	client_file "connect-to: $access" 'verify-server-certificate: yes'
	office_up
	wait_for 20 client_gone 1 || fail "the client goes on"
	proc_stop "$work/client1.pid"
	[[ $proc_status == 5 ]] || fail "status $proc_status is not that of a certificate"
	no_sanitizer_report "$cl_log"
	server_stop
}

server_start_as() {
	s_users="  - { name: $user, password: $1 }"
	server_start
}

# Through tinyproxy in the other client's namespace, with a user name and without the right one.
test_proxy() {
	command -v tinyproxy >/dev/null || skip "tinyproxy is not there"
	server_start
	cat >"$work/tinyproxy.conf" <<-END
		Port 3128
		Listen 192.0.2.12
		Timeout 60
		ConnectPort 443
		Allow 192.0.2.11
		BasicAuth anna geheim
	END
	proc_spawn "$work/tinyproxy.pid" "$work/tinyproxy.log" ip netns exec "$T-c2" \
		tinyproxy -d -c "$work/tinyproxy.conf"
	wait_for 5 tcp_open "$T-c1" 192.0.2.12 3128 || fail "tinyproxy does not listen"
	client_file "connect-to: $access" 'http-proxy: 192.0.2.12' 'proxy-port: 3128' \
		'proxy-user: anna' 'proxy-password: geheim' 'add-default-route: yes'
	office_up
	client_says "up user=$user server=$access:443 proxy=192.0.2.12:3128 "
	ping_host 1 || fail "no ping through the tunnel"
	logged "peer=192\.0\.2\.12|192\.0\.2\.12:"
	office_down
	client_file "connect-to: [$access, $access]" 'http-proxy: 192.0.2.12' 'proxy-port: 3128' \
		'proxy-user: anna' 'proxy-password: falsch'
	office_up
	wait_for 10 client_gone 1 || fail "the client goes on"
	proc_stop "$work/client1.pid"
	[[ $proc_status == 14 ]] || fail "status $proc_status is not that of a proxy"
	client_says 'proxy: it answered with status 40[17]'
	client_file "connect-to: 192.0.2.99" 'http-proxy: 192.0.2.12' 'proxy-port: 3129'
	office_up
	client_says 'call failed server=192.0.2.99:443 proxy=192.0.2.12:3129: TCP: '
	office_down
	proc_stop "$work/tinyproxy.pid"
	server_stop
}

need "$culvertd" "$culvert_client"
topo_up
run_cases commands crash redial records roaming scripts final proxy
