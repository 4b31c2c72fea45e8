#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The TLS policy, every combination: what openssl s_client gets in with, under each tls-version, pfs,
# ciphers and kind of key. tls_peer makes of a configuration what culvertd makes of it, on ordinary
# sockets, so that dozens of configurations are served at once; tls.sh has culvertd itself.
#
# The letters were written from the rules of docs/security.md, not computed:
#   pfs no: any key exchange; yes: ECDHE, DHE; required: ECDHE, and no finite field in TLS 1.3.
#   ciphers decide over TLS 1.3 by their bulk cipher: aes256-gcm-sha384 leaves
#   TLS_AES_256_GCM_SHA384, aes256-sha leaves none.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

tls_peer=${1:-$build/tests/tls_peer}
port=7000
ns=$T-tls

# What a client offers, a line each; the n-th letter of a row says whether it gets in.
probes=(
	'-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384 -groups X25519'
	'-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256 -groups X25519'
	'-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256 -groups P-256'
	'-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384 -groups ffdhe2048'
	'-tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384'
	'-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384'
	'-tls1_2 -cipher DHE-RSA-AES256-GCM-SHA384'
	'-tls1_2 -cipher AES256-GCM-SHA384'
	'-tls1_2 -cipher ECDHE-RSA-AES256-SHA'
	'-tls1_2 -cipher ECDHE-ECDSA-AES256-SHA'
	'-tls1_2 -cipher DHE-RSA-AES256-SHA'
	'-tls1_2 -cipher AES256-SHA'
	'-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256'
	'-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305'
	'-tls1_1 -cipher ALL:@SECLEVEL=0'
	'-tls1_2 -cipher ADH-AES256-GCM-SHA384:@SECLEVEL=0'
	'-tls1_2 -cipher AECDH-AES256-SHA:@SECLEVEL=0'
)

# pfs, tls-version, ciphers, key; then a letter for each probe: y gets in, - is refused.
table() {
	cat <<-END
		no       any      default rsa   yyyyy-yyy-yyy----
		no       any      default ecdsa yyyy-y---y---y---
		no       any      default both  yyyyyyyyyyyyyy---
		no       any      gcm     rsa   y--yy-yy---------
		no       any      gcm     ecdsa y--y-y-----------
		no       any      gcm     both  y--yyyyy---------
		no       any      sha     rsa   --------y-yy-----
		no       any      sha     ecdsa ---------y-------
		no       any      sha     both  --------yyyy-----
		no       any      both    rsa   y--yy-yyy-yy-----
		no       any      both    ecdsa y--y-y---y-------
		no       any      both    both  y--yyyyyyyyy-----
		yes      any      default rsa   yyyyy-y-y-y-y----
		yes      any      default ecdsa yyyy-y---y---y---
		yes      any      default both  yyyyyyy-yyy-yy---
		yes      any      gcm     rsa   y--yy-y----------
		yes      any      gcm     ecdsa y--y-y-----------
		yes      any      gcm     both  y--yyyy----------
		yes      any      sha     rsa   --------y-y------
		yes      any      sha     ecdsa ---------y-------
		yes      any      sha     both  --------yyy------
		yes      any      both    rsa   y--yy-y-y-y------
		yes      any      both    ecdsa y--y-y---y-------
		yes      any      both    both  y--yyyy-yyy------
		required any      default rsa   yyy-y---y---y----
		required any      default ecdsa yyy--y---y---y---
		required any      default both  yyy-yy--yy--yy---
		required any      gcm     rsa   y---y------------
		required any      gcm     ecdsa y----y-----------
		required any      gcm     both  y---yy-----------
		required any      sha     rsa   --------y--------
		required any      sha     ecdsa ---------y-------
		required any      sha     both  --------yy-------
		required any      both    rsa   y---y---y--------
		required any      both    ecdsa y----y---y-------
		required any      both    both  y---yy--yy-------
		no       only-1.2 default rsa   ----y-yyy-yyy----
		no       only-1.2 default ecdsa -----y---y---y---
		no       only-1.2 default both  ----yyyyyyyyyy---
		no       only-1.2 gcm     rsa   ----y-yy---------
		no       only-1.2 gcm     ecdsa -----y-----------
		no       only-1.2 gcm     both  ----yyyy---------
		no       only-1.2 sha     rsa   --------y-yy-----
		no       only-1.2 sha     ecdsa ---------y-------
		no       only-1.2 sha     both  --------yyyy-----
		no       only-1.2 both    rsa   ----y-yyy-yy-----
		no       only-1.2 both    ecdsa -----y---y-------
		no       only-1.2 both    both  ----yyyyyyyy-----
		yes      only-1.2 default rsa   ----y-y-y-y-y----
		yes      only-1.2 default ecdsa -----y---y---y---
		yes      only-1.2 default both  ----yyy-yyy-yy---
		yes      only-1.2 gcm     rsa   ----y-y----------
		yes      only-1.2 gcm     ecdsa -----y-----------
		yes      only-1.2 gcm     both  ----yyy----------
		yes      only-1.2 sha     rsa   --------y-y------
		yes      only-1.2 sha     ecdsa ---------y-------
		yes      only-1.2 sha     both  --------yyy------
		yes      only-1.2 both    rsa   ----y-y-y-y------
		yes      only-1.2 both    ecdsa -----y---y-------
		yes      only-1.2 both    both  ----yyy-yyy------
		required only-1.2 default rsa   ----y---y---y----
		required only-1.2 default ecdsa -----y---y---y---
		required only-1.2 default both  ----yy--yy--yy---
		required only-1.2 gcm     rsa   ----y------------
		required only-1.2 gcm     ecdsa -----y-----------
		required only-1.2 gcm     both  ----yy-----------
		required only-1.2 sha     rsa   --------y--------
		required only-1.2 sha     ecdsa ---------y-------
		required only-1.2 sha     both  --------yy-------
		required only-1.2 both    rsa   ----y---y--------
		required only-1.2 both    ecdsa -----y---y-------
		required only-1.2 both    both  ----yy--yy-------
		no       any      gcm128  both  -y----------y----
		required any      gcm128  both  -y----------y----
		no       any      chacha  both  --y----------y---
		yes      any      krsa    rsa   y--y-------------
		no       any      named13 both  -y---------------
		no       legacy   default both  yyyyyyyyyyyyyyy--
		yes      legacy   default both  yyyyyyy-yyy-yyy--
		required legacy   default both  yyy-yy--yy--yyy--
		no       legacy   sha     both  --------yyyy--y--
		no       legacy   gcm     both  y--yyyyy---------
		no       any      default none  ---------------yy
		yes      any      default none  ---------------yy
		required any      default none  ----------------y
		no       only-1.2 gcm     none  ---------------y-
		no       only-1.2 sha     none  ----------------y
		yes      only-1.2 both    none  ---------------yy
		required only-1.2 both    none  ----------------y
	END
}

cipher_list() {
	case $1 in
	gcm) echo '[aes256-gcm-sha384]' ;;
	sha) echo '[aes256-sha]' ;;
	both) echo '[aes256-gcm-sha384, aes256-sha]' ;;
	gcm128) echo '["AESGCM+AES128"]' ;;
	chacha) echo '[CHACHA20]' ;;
	krsa) echo '[AES256-GCM-SHA384]' ;;
	named13) echo '[TLS_AES_128_GCM_SHA256]' ;;
	*) echo default ;;
	esac
}

# config PFS VERSION CIPHERS KEY: a configuration file's text.
config() {
	local cert legacy=no version=$2
	case $4 in
	rsa) cert=$work/server-rsa.pem ;;
	ecdsa) cert=$work/server.pem ;;
	both) cert="[$work/server-rsa.pem, $work/server.pem]" ;;
	none) cert=none ;;
	esac
	if [[ $version == legacy ]]; then
		version=any legacy=yes
	fi
	cat <<-EOT
		dataplane:
		  ports:
		    access: { device: net_null0, address: 192.0.2.1/24 }
		    core: { device: net_null1, address: 198.51.100.1/24 }
		sstp-server:
		  enabled: yes
		  certificate: $cert
		  tls-version: $version
		  tls-legacy: $legacy
		  ciphers: $(cipher_list "$3")
		  pfs: $1
		ppp-profiles:
		  default: { local-address: 10.0.0.1 }
	EOT
}

# probe PORT OPTION...: prints y, or - for an alert that says there is nothing in common, or ?.
probe() {
	local at=$1 out rc=0
	shift
	out=$(timeout 20 openssl s_client -connect "127.0.0.1:$at" "$@" -no_ign_eof 2>&1 </dev/null) || rc=$?
	if ((rc == 0)); then
		echo y
	elif [[ $out =~ 'SSL alert number '(40|70)$'\n' ]]; then
		echo -
	else
		printf '?\n%s\n' "$out" >&2
		echo '?'
	fi
}

# rows NTH OF: one of several processes that share the table; a line for each row: ok, or how it
# differs.
rows() {
	local n=-1 pfs version ciphers key want got p
	while read -r pfs version ciphers key want; do
		n=$((n + 1))
		((n % $2 == $1)) || continue
		got=''
		for p in "${probes[@]}"; do
			# shellcheck disable=SC2086 # options
			got+=$(probe $((port + n)) $p)
		done
		if [[ $got == "$want" ]]; then
			echo ok
		else
			echo "pfs=$pfs version=$version ciphers=$ciphers key=$key: $got, not $want"
		fi
	done < <(table)
}

test_matrix() {
	local n=0 files=() pfs version ciphers key want bad checked
	"$lib_dir/certs" --name culvert.test "$work"
	while read -r pfs version ciphers key want; do
		[[ ${#want} == "${#probes[@]}" ]] || fail "a row of the table is not as long as the probes"
		config "$pfs" "$version" "$ciphers" "$key" >"$work/$n.yaml"
		files+=("$work/$n.yaml")
		n=$((n + 1))
	done < <(table)
	ns_add "$ns"
	proc_spawn "$work/peer.pid" "$work/peer.log" ip netns exec "$ns" "$tls_peer" "$port" "${files[@]}"
	wait_for 20 grep -q '^ready' "$work/peer.log" || {
		cat "$work/peer.log"
		fail "tls_peer does not start"
	}
	export -f rows probe table
	export port
	local i jobs=()
	for i in 0 1; do
		in_ns "$ns" bash -c "$(declare -p probes); rows $i 2" >"$work/rows$i" 2>"$work/odd$i" &
		jobs+=($!)
	done
	for i in "${jobs[@]}"; do
		wait "$i" || fail "a process of the probes ended with status $?"
	done
	! proc_gone "$work/peer.pid" || fail "tls_peer ended"
	cat "$work"/odd?
	checked=$(cat "$work"/rows? | wc -l)
	((checked == n)) || fail "$checked rows were checked, not $n"
	bad=$(cat "$work"/rows? | grep -vx ok || true)
	[[ -z $bad ]] || {
		printf '%s\n' "$bad"
		fail "$(wc -l <<<"$bad") rows differ"
	}
	no_sanitizer_report "$work/peer.log"
	note "$n configurations, $((n * ${#probes[@]})) handshakes"
}

need "$tls_peer" openssl
trap topo_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
run_cases matrix
