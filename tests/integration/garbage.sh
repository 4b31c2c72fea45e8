#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What is no SSTP client, on port 443: web tools, scanners, half-open things and noise. Each ends its
# own connection at worst; honest clients dial in during and after it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

# still_serving: an honest client gets in and through.
still_serving() {
	client_dial 2
	ping_host 2 || fail "no ping through the tunnel"
	client_hangup 2
}

test_curl_https() {
	server_start
	local code
	# An answer is right (not found, moved...), a page of another's is not; no answer at all is wrong.
	code=$(in_ns "$T-c1" curl -sk -m 10 -o "$work/page" -w '%{http_code}' "https://$access/") ||
		fail "curl: no HTTP answer"
	[[ $code =~ ^[345][0-9][0-9]$ ]] || fail "curl: status $code for a GET"
	note "GET gives $code"
	code=$(in_ns "$T-c1" curl -sk -m 10 -o "$work/page" -w '%{http_code}' -X SSTP_DUPLEX_POST \
		"https://$access/not-the-path") || fail "curl: no HTTP answer to a wrong path"
	[[ $code =~ ^[45][0-9][0-9]$ ]] || fail "curl: status $code for a wrong path"
	in_ns "$T-c1" curl -sk -m 10 -o "$work/page" "https://$access/$(printf 'a%.0s' {1..9000})" || true
	in_ns "$T-c1" curl -sk -m 10 -o "$work/page" -H "X: $(printf 'b%.0s' {1..30000})" "https://$access/" || true
	# A body that never ends.
	in_ns "$T-c1" timeout 10 curl -sk -m 8 -o "$work/page" -T /dev/zero "https://$access/" || true
	still_serving
	server_stop
}

test_plain_http() {
	server_start
	in_ns "$T-c1" curl -s -m 5 "http://$access:443/" >"$work/page" 2>&1 && fail "plain HTTP was answered"
	still_serving
	server_stop
}

# s_client OPTION...: one handshake and an HTTP request behind it; prints the answer's first line.
s_client() {
	printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' |
		in_ns "$T-c1" timeout 10 openssl s_client -connect "$access:443" -quiet -ign_eof "$@" 2>>"$work/s_client.log" |
		head -n 1 | tr -d '\r'
}

# answered LABEL OPTION...
answered() {
	local label=$1 line
	shift
	line=$(s_client "$@" || true)
	[[ $line == HTTP/1.1\ * ]] || fail "$label: no HTTP answer ($line)"
}

test_s_client_tls13() {
	server_start
	local suite
	answered 'TLS 1.3' -tls1_3
	for suite in TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256; do
		answered "$suite" -tls1_3 -ciphersuites "$suite"
		logged "cipher=$suite"
	done
	still_serving
	server_stop
}

test_s_client_tls12_ecdsa() {
	server_start
	local suite
	for suite in ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 \
		ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-ECDSA-AES256-SHA ECDHE-ECDSA-AES128-SHA; do
		answered "$suite" -tls1_2 -cipher "$suite"
		logged "cipher=$suite"
	done
	still_serving
	server_stop
}

test_s_client_tls12_rsa() {
	s_cert=server-rsa
	server_start
	local suite
	for suite in ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-CHACHA20-POLY1305 \
		ECDHE-RSA-AES256-SHA ECDHE-RSA-AES128-SHA DHE-RSA-AES256-SHA AES256-GCM-SHA384 AES256-SHA AES128-SHA; do
		answered "$suite" -tls1_2 -cipher "$suite"
		logged "cipher=$suite"
	done
	still_serving
	server_stop
}

test_old_tls() {
	server_start
	local line
	line=$(s_client -tls1_1 -cipher 'DEFAULT@SECLEVEL=0' || true)
	[[ -z $line ]] || fail "TLS 1.1 was answered: $line"
	still_serving
	server_stop
}

test_renegotiation() {
	s_tls=only-1.2
	server_start
	# "R" on a line of its own asks s_client for a renegotiation: it must be refused.
	(
		sleep 1
		echo R
		sleep 2
	) | in_ns "$T-c1" timeout 10 openssl s_client -connect "$access:443" -tls1_2 >"$work/reneg" 2>&1 || true
	grep -qiE 'no renegotiation|renegotiation|alert|closed|errno' "$work/reneg" || fail "no refusal seen"
	still_serving
	server_stop
}

test_random_bytes() {
	server_start
	local n
	for n in 1 2 5 100 517 4096 70000; do
		head -c "$n" /dev/urandom | in_ns "$T-c1" timeout 5 bash -c "exec 3<>/dev/tcp/$access/443; cat >&3" || true
	done
	# A record header that promises more than may be, an unknown type, an empty ClientHello, SSLv2.
	for n in '\x16\x03\x01\xff\xff' '\x99\x03\x03\x00\x10aaaaaaaaaaaaaaaa' '\x16\x03\x01\x00\x00' \
		'\x80\x2e\x01\x00\x02' '\x16\x03\x01\x00\x04\x01\x00\x00\x00' '\x17\x03\x03\x00\x20aaaa'; do
		# shellcheck disable=SC2059 # escapes on purpose
		printf "$n" | in_ns "$T-c1" timeout 5 bash -c "exec 3<>/dev/tcp/$access/443; cat >&3; sleep 0.2" || true
	done
	still_serving
	server_stop
}

# Behind a good handshake: the right request, then noise instead of SSTP.
test_noise_after_http() {
	server_start
	local i
	for i in 1 2 3 4 5 6; do
		{
			printf 'SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n'
			printf 'Host: %s\r\nContent-Length: 18446744073709551615\r\n\r\n' "$access"
			sleep 0.3
			case $i in
			1) head -c 3000 /dev/urandom ;;
			2) printf '\x10\x01\x00\x08\x00\x01\x00\x00' ;;             # request without attributes
			3) printf '\x10\x01\x00\x04' ;;                             # shorter than a control packet
			4) printf '\x20\x01\x00\x0e\x00\x01\x00\x01\x00\x01\x00\x06\x00\x01' ;; # another version
			5) printf '\x10\x00\x00\x08\xff\x03\xc0\x21' ;;             # data before the call
			6) printf '\x10\x01\x00\x0e\x00\x01\x00\x01\x00\x01\x00\x06\x99\x99' ;; # another protocol
			esac
			sleep 0.7
		} | in_ns "$T-c1" timeout 4 openssl s_client -connect "$access:443" -quiet >"$work/noise.$i" 2>/dev/null || true
		grep -qa '^HTTP/1.1 200' "$work/noise.$i" || fail "the request was not taken ($i)"
	done
	still_serving
	server_stop
}

test_nmap() {
	server_start
	in_ns "$T-c1" timeout 150 nmap -Pn -n -sV --version-intensity 3 -p 443,80 --max-retries 1 \
		--host-timeout 140s "$access" >"$work/nmap.txt" 2>&1 || fail "nmap did not end"
	grep -qE '^443/tcp +open' "$work/nmap.txt" || fail "nmap does not see the port open"
	grep -qE '^80/tcp +closed' "$work/nmap.txt" || fail "another port is not closed"
	still_serving
	server_stop
}

test_nmap_syn() {
	server_start
	in_ns "$T-c1" timeout 60 nmap -Pn -n -sS -p 1-2000 --max-retries 1 "$access" >"$work/nmap.txt" 2>&1 ||
		fail "nmap did not end"
	[[ $(grep -c '/tcp *open' "$work/nmap.txt") == 1 ]] || fail "other than one port is open"
	still_serving
	server_stop
}

# During a call that is up, others make noise.
test_noise_beside_a_call() {
	server_start
	client_dial 1
	proc_spawn "$work/noise.pid" "$work/noise.log" ip netns exec "$T-c2" bash -c \
		"while :; do head -c 2000 /dev/urandom >/dev/tcp/$access/443; done 2>/dev/null"
	in_ns "$T-c1" ping -c 40 -i 0.1 -W 2 "$host" >"$work/ping.txt" || fail "no ping beside the noise"
	grep -q ' 0% packet loss' "$work/ping.txt" || fail "pings were lost beside the noise"
	proc_stop "$work/noise.pid"
	client_hangup 1
	server_stop
}

need "$culvertd" "$culvert_client" curl openssl nmap
topo_up
run_cases curl_https plain_http s_client_tls13 s_client_tls12_ecdsa s_client_tls12_rsa old_tls \
	renegotiation random_bytes noise_after_http nmap nmap_syn noise_beside_a_call
