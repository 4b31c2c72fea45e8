#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What scanners say of the default configuration: testssl.sh's protocols, ciphers, key exchanges and
# vulnerabilities, and nmap's grade. A finding above LOW fails, unless testssl.allow has its
# identifier with a reason.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

here=$(dirname "${BASH_SOURCE[0]}")

# issue NAME KEY-OPTION...: $work/NAME.pem, as a public authority issues certificates: with what says
# where its revocation is to be found.
issue() {
	local dir=$work/scan name=$1
	shift
	mkdir -p "$dir"
	[[ -s $dir/ca.crt ]] || openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
		-days 90 -subj '/CN=Scan CA' -keyout "$dir/ca.key" -out "$dir/ca.crt" 2>/dev/null
	openssl req -nodes "$@" -subj /CN=culvert.test -keyout "$dir/key" -out "$dir/csr" 2>/dev/null
	cat >"$dir/ext" <<-END
		basicConstraints=critical,CA:FALSE
		keyUsage=critical,digitalSignature,keyEncipherment
		extendedKeyUsage=serverAuth
		subjectAltName=DNS:culvert.test,IP:$access
		crlDistributionPoints=URI:http://ca.test/scan.crl
		authorityInfoAccess=OCSP;URI:http://ca.test/ocsp
	END
	openssl x509 -req -in "$dir/csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 90 \
		-extfile "$dir/ext" -out "$dir/crt" 2>/dev/null
	cat "$dir/crt" "$dir/ca.crt" "$dir/key" >"$work/$name.pem"
}

# findings JSON ALLOW: those above LOW that are not allowed, a line each; "incomplete" when a part of
# the scan is missing.
findings() {
	python3 - "$@" <<-'END'
		import json, sys
		allowed = {l.split()[0] for l in open(sys.argv[2]) if l.strip() and l[0] != "#"}
		found = json.load(open(sys.argv[1]))
		seen = {f["id"] for f in found}
		for part in ("SSLv2", "TLS1", "TLS1_3", "cipherlist_NULL", "PFS", "cert_commonName",
		             "heartbleed", "secure_client_renego", "ROBOT", "SWEET32", "LUCKY13", "RC4"):
		    if not any(i.startswith(part) for i in seen):
		        print("incomplete:", part)
		for f in found:
		    if f["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL") and f["id"] not in allowed:
		        print(f["severity"], f["id"], f["finding"])
	END
}

test_testssl() {
	local bad low
	need_scanner testssl
	# With an RSA key there is all there can be: ECDHE, DHE and RSA key exchange.
	issue scan -newkey rsa:2048
	s_cert=scan
	server_start
	rm -f "$work/testssl.json"
	in_ns "$T-c1" timeout 300 testssl --quiet --warnings batch --color 0 --openssl "$(command -v openssl)" \
		--add-ca "$work/scan/ca.crt" --jsonfile "$work/testssl.json" -p -s -f -P -S -U "$access:443" \
		>"$work/testssl.txt" 2>&1 </dev/null || true
	[[ -s $work/testssl.json ]] || fail "testssl.sh found nothing to say"
	bad=$(findings "$work/testssl.json" "$here/testssl.allow")
	[[ -z $bad ]] || {
		printf '%s\n' "$bad"
		fail "$(wc -l <<<"$bad") findings above LOW"
	}
	low=$(grep -c '"severity" *: *"LOW"' "$work/testssl.json" || true)
	note "$low findings of level LOW"
	server_stop
}

test_nmap() {
	need_scanner nmap
	server_start
	in_ns "$T-c1" timeout 120 nmap -Pn -n -p 443 --script ssl-enum-ciphers "$access" >"$work/nmap.txt" 2>&1 ||
		fail "nmap: $(tail -n 1 "$work/nmap.txt")"
	grep -q 'TLSv1.2' "$work/nmap.txt" || fail "nmap saw no TLS 1.2"
	! grep -qE 'SSLv3|TLSv1\.[01]' "$work/nmap.txt" || fail "nmap saw an old version"
	grep -q 'least strength: A' "$work/nmap.txt" || fail "nmap: $(grep 'least strength' "$work/nmap.txt")"
	server_stop
}

need_scanner() { command -v "$1" >/dev/null || skip "$1 is not there"; }

need "$culvertd" openssl python3
topo_up
run_cases testssl nmap
