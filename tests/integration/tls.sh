#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# TLS policy on the wire, with culvertd: certificates by name and by key, clients' certificates and
# their revocation, renewal under living sessions, resumption, stapling, ALPN, and no certificate at
# all. tls_matrix.sh has every combination of versions, suites and keys.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"
# shellcheck source-path=SCRIPTDIR source=ca_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/ca_lib.sh"

guid='{BA195980-CD49-458b-9E23-C84EE0ADCD75}'

# s_client OPTION...: what openssl says of a connection from client 1; its status.
s_client() {
	in_ns "$T-c1" timeout 20 openssl s_client -connect "$access:443" -no_ign_eof "$@" 2>&1 </dev/null
}

# shown OPTION...: serial number of the certificate that is shown.
shown() {
	local text
	text=$(s_client "$@")
	openssl x509 -noout -serial <<<"$text"
}
serial() { openssl x509 -in "$work/$1" -noout -serial; }

# exchange OPTION...: SSTP's HTTP exchange; the answer's first line, nothing when there is none.
exchange() {
	{
		printf 'SSTP_DUPLEX_POST /sra_%s/ HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n' "$guid"
		sleep 1.5
	} 2>/dev/null | in_ns "$T-c1" timeout 20 openssl s_client -connect "$access:443" -quiet -no_ign_eof \
		"$@" 2>/dev/null | head -n 1 || true
}

test_names() {
	local got
	ca_make
	issue a /CN=a '' serverAuth "${rsa[@]}"
	issue w /CN=w 'DNS:*.wild.test' serverAuth "${ec[@]}"
	issue e /CN=e DNS:exact.wild.test serverAuth "${ec[@]}"
	issue both-rsa /CN=both 'DNS:both.test' serverAuth "${rsa[@]}"
	issue both-ec /CN=both 'DNS:both.test' serverAuth "${ec[@]}"
	issue cn /CN=cn.test '' serverAuth "${ec[@]}"
	s_certs="[$work/a.pem, $work/w.pem, $work/e.pem, $work/both-rsa.pem, $work/both-ec.pem, $work/cn.pem]"
	server_start
	while read -r want options; do
		# shellcheck disable=SC2086 # options
		got=$(shown $options)
		[[ $got == "$(serial "$want.crt")" ]] || fail "with '$options' not $want is shown"
	done <<-END
		a -noservername
		a -servername nobody.test
		a -servername wild.test
		w -servername x.wild.test
		w -servername X.WILD.TEST -tls1_2
		e -servername exact.wild.test
		cn -servername cn.test
		both-ec -servername both.test -sigalgs ECDSA+SHA256
		both-rsa -servername both.test -sigalgs RSA-PSS+SHA256
		both-rsa -servername both.test -tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384
		both-ec -servername both.test -tls1_2 -cipher ECDHE-ECDSA-AES256-SHA
		both-rsa -servername both.test -tls1_2 -cipher AES256-SHA
	END
	server_stop
}

# Calls are bound to the certificate that their handshake showed, whichever it was.
test_binding_by_key() {
	local cipher
	"$lib_dir/certs" --name culvert.test --address "$access" "$work"
	s_certs="[$work/server-rsa.pem, $work/server.pem]"
	server_start
	for cipher in ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES256-GCM-SHA384 AES256-SHA DHE-RSA-AES256-SHA; do
		client_dial 1 --tls-version only-1.2 --ciphers "$cipher"
		ping_host 1 || fail "no ping with $cipher"
		logged "tls version=TLSv1\.2 cipher=$cipher"
		client_hangup 1
	done
	server_stop
}

test_client_certificates() {
	local v got
	ca_make
	issue alice /CN=alice '' clientAuth "${ec[@]}"
	issue bob /CN=bob '' clientAuth "${rsa[@]}"
	issue web /CN=web '' serverAuth "${ec[@]}"
	openssl req -x509 -nodes "${ec[@]}" -days 30 -subj /CN=mallory -keyout "$work/mallory.key" \
		-out "$work/mallory.crt" 2>/dev/null
	crl_make
	s_more="  verify-client-certificate: yes
  ca: $work/ca.crt
  crl: $work/crl.pem"
	server_start
	for v in -tls1_2 -tls1_3; do
		got=$(exchange $v -cert "$work/alice.crt" -key "$work/alice.key")
		[[ $got == 'HTTP/1.1 200'* ]] || fail "$v: alice got '$got'"
		logged 'tls version=.* client="CN=alice"'
		# With TLS 1.3 a client hears of it when it reads.
		got=$(exchange $v)
		[[ -z $got ]] || fail "$v: without a certificate: '$got'"
		got=$(exchange $v -cert "$work/mallory.crt" -key "$work/mallory.key")
		[[ -z $got ]] || fail "$v: mallory got '$got'"
		got=$(exchange $v -cert "$work/web.crt" -key "$work/web.key")
		[[ -z $got ]] || fail "$v: web got '$got'"
	done
	logged 'client certificate refused: the client has shown none'
	logged 'client certificate refused: self-signed certificate, subject="CN=mallory"'
	logged 'client certificate refused: unsuitable certificate purpose, subject="CN=web"'
	got=$(s_client -tls1_2 || true)
	grep -q 'SSL alert number 40' <<<"$got" || fail "no handshake_failure without a certificate"
	got=$(s_client -tls1_2 -cert "$work/mallory.crt" -key "$work/mallory.key" || true)
	grep -q 'SSL alert number 48' <<<"$got" || fail "no unknown_ca for mallory"
	# Bob is revoked while the server runs, with a ticket in his pocket.
	s_client -tls1_2 -cert "$work/bob.crt" -key "$work/bob.key" -sess_out "$work/bob.sess" >/dev/null
	got=$(s_client -tls1_2 -cert "$work/bob.crt" -key "$work/bob.key" -sess_in "$work/bob.sess")
	grep -q '^Reused' <<<"$got" || fail "bob does not resume"
	revoke bob
	crl_make
	logged 'file=.*crl.pem changed: 1 certificates renewed' 10
	got=$(s_client -tls1_2 -cert "$work/bob.crt" -key "$work/bob.key" -sess_in "$work/bob.sess" || true)
	grep -q 'SSL alert number 44' <<<"$got" || fail "no certificate_revoked for bob"
	logged 'client certificate refused: certificate revoked, subject="CN=bob"'
	got=$(exchange -cert "$work/alice.crt" -key "$work/alice.key")
	[[ $got == 'HTTP/1.1 200'* ]] || fail "alice got '$got' after the renewal"
	server_stop
}

test_renewal() {
	local before after v
	"$lib_dir/certs" --name culvert.test --address "$access" "$work"
	server_start
	client_dial 1 --ca "$work/server.crt" --verify-server-certificate yes
	before=$(shown)
	for v in -tls1_2 -tls1_3; do
		# The ticket of TLS 1.3 comes with the first thing read.
		{ sleep 1; } | in_ns "$T-c2" timeout 20 openssl s_client -connect "$access:443" $v \
			-sess_out "$work/sess$v" >/dev/null 2>&1
	done
	"$lib_dir/certs" --name culvert.test --address "$access" --force "$work"
	logged 'file=.*server.pem changed: 1 certificates renewed, sessions=[1-9]' 10
	after=$(shown)
	[[ $after == "$(serial server.crt)" && $after != "$before" ]] || fail "the old certificate is shown"
	ping_host 1 || fail "the session did not survive"
	client_dial 2 --ca "$work/server.crt" --verify-server-certificate yes
	ping_host 2 || fail "no ping with the new certificate"
	for v in -tls1_2 -tls1_3; do
		s_client $v -sess_in "$work/sess$v" | grep >/dev/null '^Reused' || fail "$v: no resumption after the renewal"
	done
	# A key that does not fit, half a file, none: the log says so and the last good one stays.
	cp "$work/server.pem" "$work/good.pem"
	cat "$work/server.crt" "$work/server-rsa.pem" >"$work/bad.pem"
	sed -n '/PRIVATE KEY/,$p' "$work/server-rsa.pem" >>"$work/bad.key"
	cat "$work/server.crt" "$work/bad.key" >"$work/bad.pem"
	mv "$work/bad.pem" "$work/server.pem"
	logged 'the certificates as they were stay in use: private key .* does not belong to' 10
	rm "$work/server.pem"
	logged 'the certificates as they were stay in use: .*No such file' 10
	[[ $(shown) == "$after" ]] || fail "the last good certificate is gone"
	kill -HUP "$(pgrep -P "$(proc_pid "$work/culvertd.pid")" culvertd || proc_pid "$work/culvertd.pid")"
	logged 'SIGHUP: the certificates as they were stay in use'
	mv "$work/good.pem" "$work/server.pem"
	wait_for 10 eval "[[ \$(grep -c 'server.pem changed: 1 certificates renewed' '$log') -ge 2 ]]" ||
		fail "the good file was not taken"
	kill -HUP "$(pgrep -P "$(proc_pid "$work/culvertd.pid")" culvertd || proc_pid "$work/culvertd.pid")"
	logged 'SIGHUP: 1 certificates renewed'
	ping_host 1 || fail "session 1 did not survive"
	ping_host 2 || fail "session 2 did not survive"
	client_hangup 1
	client_hangup 2
	server_stop
}

test_stapling() {
	local got
	ca_make
	issue s /CN=culvert.test DNS:culvert.test serverAuth "${rsa[@]}"
	printf 'V\t351231235959Z\t\t%s\tunknown\t/CN=culvert.test\n' "$(serial s.crt | cut -d= -f2)" >"$work/index"
	openssl ocsp -index "$work/index" -rsigner "$work/ca.crt" -rkey "$work/ca.key" -CA "$work/ca.crt" \
		-issuer "$work/ca.crt" -cert "$work/s.crt" -respout "$work/s.ocsp" -ndays 1 >/dev/null 2>&1
	s_certs="[{ cert: $work/s.pem, ocsp: $work/s.ocsp }]"
	server_start
	for v in -tls1_2 -tls1_3; do
		got=$(s_client $v -status)
		grep -q 'OCSP Response Status: successful' <<<"$got" || fail "$v: nothing stapled"
		grep -q 'Cert Status: good' <<<"$got" || fail "$v: not good"
	done
	openssl ocsp -index "$work/index" -rsigner "$work/ca.crt" -rkey "$work/ca.key" -CA "$work/ca.crt" \
		-issuer "$work/ca.crt" -cert "$work/s.crt" -respout "$work/s.new" -ndays 2 >/dev/null 2>&1
	mv "$work/s.new" "$work/s.ocsp"
	logged 'file=.*s.ocsp changed: 1 certificates renewed' 10
	s_client -status | grep >/dev/null 'Cert Status: good' || fail "nothing stapled after the renewal"
	server_stop
}

test_alpn() {
	local got
	server_start
	for v in -tls1_2 -tls1_3; do
		s_client $v -alpn h2,http/1.1 | grep >/dev/null 'ALPN protocol: http/1.1' || fail "$v: http/1.1 not chosen"
		got=$(s_client $v -alpn h2 || true)
		grep -q 'SSL alert number 120' <<<"$got" || fail "$v: h2 alone is not refused"
		s_client $v | grep >/dev/null 'No ALPN negotiated' || fail "$v: ALPN without an offer"
	done
	server_stop
}

test_renegotiation() {
	local got
	server_start
	got=$({
		sleep 1
		echo R
		sleep 2
	} | in_ns "$T-c1" timeout 20 openssl s_client -connect "$access:443" -tls1_2 2>&1 || true)
	grep -q 'no renegotiation\|handshake failure\|unexpected message\|closed' <<<"$got" || {
		printf '%s\n' "$got" | tail -n 5
		fail "renegotiation was not refused"
	}
	s_client -tls1_2 | grep >/dev/null 'Secure Renegotiation IS supported' || fail "RFC 5746 is missing"
	s_client -tls1_2 | grep >/dev/null 'Compression: NONE' || fail "compression"
	server_stop
}

# pfs, legacy and ciphers reach culvertd: one of each; tls_matrix.sh has them all.
test_policy() {
	s_cert=server-rsa
	s_more='  pfs: required
  tls-legacy: yes
  ciphers: [aes256-sha]'
	server_start
	s_client -tls1_2 -cipher ECDHE-RSA-AES256-SHA >/dev/null || fail "ECDHE is refused"
	s_client -tls1_1 -cipher ECDHE-RSA-AES256-SHA:@SECLEVEL=0 >/dev/null || fail "TLS 1.1 is refused"
	for c in AES256-SHA DHE-RSA-AES256-SHA ECDHE-RSA-AES256-GCM-SHA384; do
		! s_client -tls1_2 -cipher "$c" >/dev/null || fail "$c gets in"
	done
	! s_client -tls1_3 >/dev/null || fail "TLS 1.3 gets in without a suite"
	logged 'tls-legacy: TLS 1\.0 and 1\.1 are accepted'
	client_dial 1 --tls-version only-1.2
	ping_host 1 || fail "no ping through OpenSSL's records"
	client_hangup 1
	server_stop
}

test_anonymous() {
	local got
	s_certs=none
	server_start
	logged 'certificate: none: ANONYMOUS DIFFIE-HELLMAN ONLY'
	for c in ADH-AES256-GCM-SHA384 AECDH-AES256-SHA; do
		got=$(exchange -tls1_2 -cipher "$c:@SECLEVEL=0")
		[[ $got == 'HTTP/1.1 200'* ]] || fail "$c: '$got'"
		client_dial 1 --ciphers "$c:@SECLEVEL=0"
		ping_host 1 || fail "no ping with $c"
		logged "tls version=TLSv1\.2 cipher=$c"
		client_hangup 1
	done
	! s_client >/dev/null || fail "a client that wants a certificate gets in"
	# Who verifies does not take it for verified.
	client_fails 1 --ciphers 'ADH-AES256-GCM-SHA384:@SECLEVEL=0' --verify-server-certificate yes
	server_stop
}

need "$culvertd" "$culvert_client" openssl
topo_up
run_cases names binding_by_key client_certificates renewal stapling alpn renegotiation policy anonymous
