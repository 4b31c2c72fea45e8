#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Certificates between culvert-client and culvertd, both ways: which calls come up, and what either
# side says of one that does not.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"
# shellcheck source-path=SCRIPTDIR source=ca_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/ca_lib.sh"

# refused PATTERN SERVER-PATTERN OPTION...: exit status 5, a line of either side.
refused() {
	local pattern=$1 server_pattern=$2
	shift 2
	client_spawn 1 "$@"
	wait_for 20 client_gone 1 || fail "the client goes on: $*"
	proc_stop "$work/client1.pid"
	[[ $proc_status == 5 ]] || fail "status $proc_status is not that of TLS: $* ($(tail -n 1 "$cl_log"))"
	no_sanitizer_report "$cl_log"
	grep -qE -- "call failed .*$pattern" "$cl_log" || fail "'$pattern' is not said: $(tail -n 1 "$cl_log")"
	[[ -z $server_pattern ]] || logged "$server_pattern"
}

test_client() {
	local v only
	ca_make
	issue alice /CN=alice '' clientAuth "${ec[@]}"
	issue bob /CN=bob '' clientAuth "${rsa[@]}"
	issue web /CN=web '' serverAuth "${ec[@]}"
	issue_expired carol /CN=carol clientAuth "${ec[@]}"
	openssl req -x509 -nodes "${ec[@]}" -days 30 -subj /CN=mallory -keyout "$work/mallory.key" \
		-out "$work/mallory.crt" 2>/dev/null
	cat "$work/mallory.crt" "$work/mallory.key" >"$work/mallory.pem"
	revoke bob
	crl_make
	s_more="  verify-client-certificate: yes
  ca: $work/ca.crt
  crl: $work/crl.pem"
	server_start
	for v in any only-1.2; do
		only=(--tls-version "$v")
		client_dial 1 "${only[@]}" --certificate "$work/alice.pem"
		ping_host 1 || fail "$v: no ping"
		logged 'tls version=.* client="CN=alice"'
		client_hangup 1
		refused 'TLS: .*(certificate required|handshake failure)' \
			'client certificate refused: the client has shown none' "${only[@]}"
		refused 'TLS: .*unknown ca' \
			'client certificate refused: self-signed certificate, subject="CN=mallory"' \
			"${only[@]}" --certificate "$work/mallory.pem"
		refused 'TLS: .*certificate expired' \
			'client certificate refused: certificate has expired, subject="CN=carol"' \
			"${only[@]}" --certificate "$work/carol.pem"
		refused 'TLS: .*certificate revoked' \
			'client certificate refused: certificate revoked, subject="CN=bob"' \
			"${only[@]}" --certificate "$work/bob.pem"
		refused 'TLS: .*(unsupported certificate|bad certificate)' \
			'client certificate refused: unsuitable certificate purpose, subject="CN=web"' \
			"${only[@]}" --certificate "$work/web.pem"
	done
	# Certificate and key apart, by a file; and a key of another is this side's own mistake.
	cat >"$work/client.yaml" <<-END
		sstp-client:
		  office: { connect-to: $access, user: $user, password-file: $work/password1, name: sstp0,
		            certificate: { cert: $work/alice.crt, key: $work/alice.key } }
		  mixed: { connect-to: $access, user: $user, password-file: $work/password1,
		           certificate: { cert: $work/alice.crt, key: $work/bob.key } }
	END
	cl_log=$work/$case_name.client1.log
	proc_spawn "$work/client1.pid" "$cl_log" ip netns exec "$T-c1" "$culvert_client" up office \
		--config "$work/client.yaml" --run-dir "$work/run"
	wait_for 10 grep -q 'office: up user=' "$cl_log" || fail "not up: $(tail -n 1 "$cl_log")"
	client_hangup 1
	local rc=0
	in_ns "$T-c1" timeout 10 "$culvert_client" up mixed --config "$work/client.yaml" --run-dir "$work/run" \
		>"$work/mixed.log" 2>&1 || rc=$?
	[[ $rc == 1 || $rc == 2 ]] || fail "a key that does not fit ends with $rc: $(tail -n 1 "$work/mixed.log")"
	grep -qiE 'key' "$work/mixed.log" || fail "it does not say why: $(tail -n 1 "$work/mixed.log")"
	server_stop
}

test_server() {
	local verify=(--verify-server-certificate)
	ca_make
	issue right /CN=x "DNS:culvert.test,IP:$access" serverAuth "${ec[@]}"
	issue other /CN=x DNS:other.test serverAuth "${ec[@]}"
	issue client /CN=x "IP:$access" clientAuth "${ec[@]}"
	issue_expired old /CN=x serverAuth "${ec[@]}"
	s_certs=$work/right.pem
	server_start
	client_dial 1 "${verify[@]}" --verify-server-address-from-certificate --ca "$work/ca.crt"
	client_hangup 1
	refused 'certificate: .*self-signed certificate in certificate chain|unable to get local issuer' '' "${verify[@]}"
	server_stop
	s_certs=$work/other.pem
	server_start
	client_dial 1 "${verify[@]}" --ca "$work/ca.crt"
	client_hangup 1
	refused 'certificate: .*(mismatch|not for)' '' "${verify[@]}" --verify-server-address-from-certificate \
		--ca "$work/ca.crt"
	server_stop
	s_certs=$work/client.pem
	server_start
	refused 'certificate: .*purpose' '' "${verify[@]}" --ca "$work/ca.crt"
	server_stop
	s_certs=$work/old.pem
	server_start
	refused 'certificate: .*expired' '' "${verify[@]}" --ca "$work/ca.crt"
	server_stop
}

need "$culvertd" "$culvert_client" openssl
topo_up
run_cases client server
