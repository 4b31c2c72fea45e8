#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# culvertd and files that are wrong: every error with its place, all of them at once, exit status 2,
# nothing started. What only a real start can tell (certificates, files, engines) is here; the rest
# is the config unit tests'.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

culvertd=${CULVERT_BUILD:-$top/build}/culvertd
work=$(mktemp -d /tmp/culvert-check.XXXXXX)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "FAILED: $*"
	[[ ! -s $work/out ]] || cat "$work/out"
	exit 1
}

# key_pair NAME OPTION...: a certificate NAME.pem with NAME.key.
key_pair() {
	openssl req -x509 -nodes -days 30 -subj "/CN=$1" -keyout "$work/$1.key" -out "$work/$1.pem" "${@:2}" 2>/dev/null ||
		fail "openssl req"
}

# conf TEXT: a file with ports and this.
conf() {
	cat >"$work/c.yaml" <<-END
		dataplane:
		  workers: [0]
		  ports:
		    access: { device: net_null0, address: 192.0.2.1/24 }
		    core: { device: net_null1, address: 198.51.100.1/24 }
	END
	cat >>"$work/c.yaml"
}

# status WANTED ARGUMENT...: culvertd ends so; what it says is in $work/out.
status() {
	local rc=0
	timeout 30 "$culvertd" -c "$work/c.yaml" "${@:2}" >"$work/out" 2>&1 || rc=$?
	((rc == $1)) || fail "exit status $rc instead of $1"
}

# refused LINE:COLUMN:KEY:TEXT...: exactly these errors, with --check and at a start, of which
# nothing comes.
refused() {
	local e want option
	for option in --check --log-level=debug; do
		status 2 "$option"
		! grep -q starting "$work/out" || fail "it began to start"
		(($(wc -l <"$work/out") == $#)) || fail "not $# errors"
		for e; do
			want="$work/c.yaml:$e"
			grep -qF -- "$want" "$work/out" || fail "no error $want"
		done
	done
}

accepted() {
	status 0 --check
	grep -qx "$work/c.yaml: ok" "$work/out" || fail "not ok"
	memory=$(awk '$1 == "memory:" && $3 == "MiB" {print $2}' "$work/out")
	[[ $memory =~ ^[1-9][0-9]+$ ]] || fail "nothing about memory"
}

key_pair rsa -newkey rsa:2048
key_pair ec -newkey ec -pkeyopt ec_paramgen_curve:P-256
openssl rsa -aes128 -passout pass:x -in "$work/rsa.key" -out "$work/locked.key" 2>/dev/null

conf <<-END
	sstp-server: { enabled: yes, certificate: [{ cert: $work/rsa.pem, key: $work/rsa.key }, { cert: $work/ec.pem, key: $work/ec.key }] }
	ppp-profiles: { default: { on-up: /bin/true, local-address: 10.0.0.1, remote-address: 10.0.0.2 } }
	ppp-secrets: [{ name: a, password: b }]
	state-dir: $work
END
accepted
[[ $(wc -l <"$work/out") == 2 ]] || fail "warnings about a file that deserves none"

conf <<-END
	sstp-server:
	  enabled: yes
	  certificate:
	    - { cert: $work/rsa.pem, key: $work/ec.key }
	    - { cert: $work/ec.pem, key: $work/ec.key }
	    - $work/ec.key
	    - { cert: $work/rsa.pem, key: $work/locked.key }
	    - $work/nothing.pem
	  max-mtu: 5000
	tls: { engine: nosuch }
	ppp-profiles: { default: { on-up: $work, on-down: $work/nothing } }
	state-dir: $work/rsa.pem
	ppp-secrets-file: $work/nothing
END
refused "9:7: sstp-server.certificate: found private key $work/ec.key does not belong to certificate $work/rsa.pem" \
	"11:7: sstp-server.certificate: found certificate $work/ec.key" \
	"12:7: sstp-server.certificate: found private key $work/locked.key" \
	"13:7: sstp-server.certificate: found $work/nothing.pem (No such file or directory)" \
	'14:12: sstp-server.max-mtu: found "5000"' \
	"16:35: ppp-profiles.default.on-up: found $work (it is a folder)" \
	"16:$((46 + ${#work})): ppp-profiles.default.on-down: found $work/nothing (No such file or directory)" \
	"17:12: state-dir: found $work/rsa.pem (it is no folder)" \
	"18:19: ppp-secrets-file: found $work/nothing: No such file or directory"

# With certificates that are sound, what is made of them.
conf <<-END
	sstp-server:
	  certificate: { cert: $work/rsa.pem, key: $work/rsa.key }
	  verify-client-certificate: yes
	  ca: $work/rsa.pem
	  crl: $work/rsa.pem
	  tls-version: only-1.2
	  ciphers: [AES128-SHA]
	  pfs: required
	tls: { engine: nosuch }
END
refused "10:8: sstp-server.crl: found CRL file $work/rsa.pem" \
	"12:12: sstp-server.ciphers: found ciphers AES128-SHA: none is left with pfs required" \
	"14:16: tls.engine: found engine nosuch cannot be loaded"

conf <<-END
	sstp-server:
	  certificate: { cert: $work/rsa.pem, key: $work/rsa.key }
	  verify-client-certificate: yes
	  ca: $work/rsa.key
	  ciphers: [NOSUCH]
	tls: { provider: nosuch }
END
refused "9:7: sstp-server.ca: found CA file $work/rsa.key" \
	"10:12: sstp-server.ciphers: found ciphers NOSUCH" \
	"11:18: tls.provider: found provider nosuch cannot be loaded"

# Users in a file of their own: its mode, and errors in its own name.
printf -- '- { name: a, password: b }\n- { name: a, pasword: c }\n' >"$work/users.yaml"
chmod 640 "$work/users.yaml"
conf <<<"ppp-secrets-file: $work/users.yaml"
refused "6:19: ppp-secrets-file: found $work/users.yaml with mode 0640"
chmod 600 "$work/users.yaml"
status 2 --check
grep -q "^$work/users.yaml:2:11: ppp-secrets\[2\].name: found \"a\"" "$work/out" || fail "no duplicate user"
grep -q "^$work/users.yaml:2:14: ppp-secrets\[2\].pasword: found an unknown key" "$work/out" || fail "no unknown key"
printf -- '- { name: a, password: b }\n' >"$work/users.yaml"
accepted

# What is not wrong, and should be known.
conf <<-END
	sstp-server: { enabled: yes, certificate: none }
	ppp-profiles: { default: { use-encryption: required } }
	ppp-secrets: [{ name: a, password: b }]
END
accepted
grep -q 'warning .*ANONYMOUS DIFFIE-HELLMAN ONLY' "$work/out" || fail "no warning of anonymous Diffie-Hellman"
grep -q 'warning .*default.use-encryption: required' "$work/out" || fail "no warning of use-encryption"
grep -q 'warning .*users=1 first=a: no address to get' "$work/out" || fail "no warning of users without address"

# What it needs follows from the file, and what kind of memory.
little=$memory
sed -i 's/^  workers: .*/&\n  max-sessions: 100000\n  memory: { hugepages: yes }/' "$work/c.yaml"
accepted
((memory > little + 300)) || fail "$memory MiB for 100,000 sessions, $little for 16,384"
grep -qx "memory: $memory MiB of huge pages" "$work/out" || fail "nothing about huge pages"

rm "$work/c.yaml"
status 2 --check
grep -qx "$work/c.yaml: No such file or directory" "$work/out" || fail "a file that is not there"
echo "all of it"
