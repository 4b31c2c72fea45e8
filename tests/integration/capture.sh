#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A capture of the outside, decrypted with the key log, through tshark's own dissectors: what goes over
# the wire is TCP, TLS, SSTP and PPP in others' eyes as well, and says nothing it should not.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

pcap=$work/outside.pcap

# fields FILTER FIELD...: of the decrypted capture, tabs between.
fields() {
	local filter=$1 f args=()
	shift
	for f; do
		args+=(-e "$f")
	done
	tshark -n -r "$pcap" -o "tls.keylog_file:$work/keys" -Y "$filter" -T fields "${args[@]}" 2>/dev/null
}

# seen WHAT FILTER: at least one packet matches.
seen() {
	local n
	n=$(fields "$2" frame.number | wc -l)
	((n > 0)) || fail "no $1 in the capture ($2)"
}

# unseen WHAT FILTER
unseen() {
	local n
	n=$(fields "$2" frame.number | wc -l)
	((n == 0)) || fail "$1 in the capture ($2): $n"
}

# captured: a call with pings and a hang-up, captured on the bridge, and what all of them show.
captured() {
	rm -f "$work/keys" "$pcap"
	more="tls: { keylog-file: $work/keys }"
	server_start
	proc_spawn "$work/dump.pid" "$work/dump.log" ip netns exec "$ns_wire" \
		tcpdump -U -ni br0 -s 0 -w "$pcap" port 443
	wait_for 5 grep -q 'listening on' "$work/dump.log" || fail "no capture"
	client_dial 1
	ping_host 1 5 || fail "no ping through the tunnel"
	in_ns "$T-c1" ping -c 3 -i 0.2 -s 1200 -W 2 "$host" || fail "no large ping through the tunnel"
	client_hangup 1
	sleep 1
	proc_stop "$work/dump.pid"
	server_stop
	[[ -s $work/keys ]] || fail "no key log was written"

	seen "SSTP request" 'http.request.method == "SSTP_DUPLEX_POST"'
	seen "HTTP answer" 'http.response.code == 200'
	seen "SSTP" sstp
	seen "Call Connect Request" 'sstp.messagetype == 1'
	seen "Call Connect Ack" 'sstp.messagetype == 2'
	seen "Call Connected" 'sstp.messagetype == 4'
	seen "LCP" lcp
	seen "CHAP" chap
	seen "IPCP" ipcp
	# Not one packet with a wrong checksum, nothing malformed, no gap that was never filled.
	tcp_checks
	unseen "something malformed" '_ws.malformed'
	unseen "a reset" 'tcp.flags.reset == 1 && ip.src == 192.0.2.1'
	unseen "the password" "frame contains \"$password\""
}

tcp_checks() {
	local bad
	bad=$(tshark -n -r "$pcap" -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE \
		-Y 'tcp.checksum.status == 0 || ip.checksum.status == 0' 2>/dev/null | wc -l)
	((bad == 0)) || fail "$bad packets with a wrong checksum"
}

test_tls13() {
	captured
	seen "TLS 1.3" 'tls.handshake.extensions.supported_version == 0x0304'
}

test_tls12() {
	s_tls=only-1.2
	captured
	seen "TLS 1.2" 'tls.handshake.type == 2 && tls.handshake.version == 0x0303'
}

# Without the option there is no key log.
test_no_key_log() {
	rm -f "$work/keys"
	server_start
	client_dial 1
	client_hangup 1
	server_stop
	[[ ! -e $work/keys ]] || fail "keys were written without being asked for"
}

need "$culvertd" "$culvert_client" tshark tcpdump
topo_up
run_cases tls13 tls12 no_key_log
