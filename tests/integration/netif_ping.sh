#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Ping over every kind of device that needs no hardware, IPv4 and IPv6, both ways:
#
#   namespace A                        namespace B
#   netif_ping on acc0  <--- veth ---> cli0: the kernel, or a second netif_ping (VLAN)
#   192.0.2.1 2001:db8::1              192.0.2.2 2001:db8::2
#
#   netif_ping.sh PATH/TO/netif_ping
#
# Ends with "N passed, N failed"; status 0, 1, or 77 when it cannot run here.
set -u

bin=$(realpath -- "${1:?usage: netif_ping.sh PATH/TO/netif_ping}")
a=culvert-np-$$-a
b=culvert-np-$$-b
tmp=$(mktemp -d)
passed=0
failed=0
jobs_started=()

cleanup() {
	for p in "${jobs_started[@]}"; do kill "$p" 2>/dev/null; done
	wait
	ip netns del "$a" 2>/dev/null
	ip netns del "$b" 2>/dev/null
	rm -rf "$tmp"
}

[ "$(id -u)" = 0 ] || { echo "netif_ping.sh: needs root"; exit 77; }
command -v ip >/dev/null && command -v ping >/dev/null || { echo "netif_ping.sh: needs ip and ping"; exit 77; }
trap cleanup EXIT
trap 'exit 1' INT TERM
ip netns add "$a" && ip netns add "$b" || { echo "netif_ping.sh: no network namespaces here"; exit 77; }

topology() {
	ip link add acc0 netns "$a" type veth peer name cli0 netns "$b" || exit 1
	ip netns exec "$a" sysctl -qw net.ipv6.conf.acc0.disable_ipv6=1
	for ns in "$a" "$b"; do ip -n "$ns" link set lo up; done
	ip -n "$a" link set acc0 up
	ip -n "$b" link set cli0 up
	# veth leaves checksums to hardware that is not there.
	ip netns exec "$b" ethtool -K cli0 tx off >/dev/null 2>&1
	ip -n "$b" addr add 192.0.2.2/24 dev cli0
	ip -n "$b" -6 addr add 2001:db8::2/64 dev cli0 nodad
}

ok() { echo "ok   $1"; passed=$((passed + 1)); }
bad() {
	echo "FAIL $1"
	failed=$((failed + 1))
	for f in "$tmp"/*.log; do [ -s "$f" ] && sed "s|^|     $(basename "$f"): |" "$f"; done
}

# start NAME NAMESPACE ARGUMENTS...: in the background, until it says that it is ready.
start() {
	local name=$1 ns=$2 i
	shift 2
	: >"$tmp/$name.log"
	ip netns exec "$ns" timeout 60 "$bin" "$@" >"$tmp/$name.log" 2>&1 &
	started=$!
	jobs_started+=("$started")
	for i in $(seq 100); do
		grep -q '^ready' "$tmp/$name.log" && return 0
		kill -0 "$started" 2>/dev/null || return 1
		sleep 0.1
	done
	return 1
}

# What it sent was answered, but for the first while a neighbour was being found.
answered() {
	awk -v f="$2" '/^pings/ { split($2, s, "="); for (i = 3; i <= NF; i++) { split($i, v, "=");
		if (v[1] == f) ok = s[2] >= 5 && v[2] >= s[2] - 1 } } END { exit !ok }' "$tmp/$1.log"
}

# against_kernel TITLE DEVICE ARGUMENTS...
against_kernel() {
	local title=$1
	shift
	rm -f "$tmp"/*.log
	ip -n "$b" neigh flush all
	if ! start a "$a" "$@" 192.0.2.1/24 -6 2001:db8::1/64 -t 4 -p 192.0.2.2 -P 2001:db8::2 $extra; then
		bad "$title: did not start"
		return
	fi
	{
		ip netns exec "$b" ping -q -c 5 -i 0.2 -W 1 192.0.2.1 &&
			ip netns exec "$b" ping -q -c 5 -i 0.2 -W 1 -s 1472 -M do 192.0.2.1 &&
			ip netns exec "$b" ping -q -6 -c 5 -i 0.2 -W 1 2001:db8::1
	} >"$tmp/ping.log" 2>&1
	if ! wait "$started"; then
		bad "$title: status"
	elif [ "$(grep -c ' [45] received' "$tmp/ping.log")" != 3 ]; then
		bad "$title: ping from the kernel"
	elif ! answered a answers4 || ! answered a answers6; then
		bad "$title: ping to the kernel"
	else
		ok "$title"
	fi
}

# each_other TITLE DEVICE_A DEVICE_B ARGUMENTS...: two of ours.
each_other() {
	local title=$1 da=$2 db=$3 first
	shift 3
	rm -f "$tmp"/*.log
	if ! start a "$a" "$da" 192.0.7.1/24 -6 2001:db8:7::1/64 -t 5 "$@"; then
		bad "$title: did not start"
		return
	fi
	first=$started
	if ! start b "$b" "$db" 192.0.7.2/24 -6 2001:db8:7::2/64 -t 3 -p 192.0.7.1 -P 2001:db8:7::1 "$@"; then
		bad "$title: the other did not start"
	elif ! wait "$started" || ! wait "$first"; then
		bad "$title: status"
	elif ! answered b answers4 || ! answered b answers6; then
		bad "$title: no answers"
	else
		ok "$title"
	fi
}

# refused TITLE WORDS DEVICE: must end with status 2 and say these words.
refused() {
	rm -f "$tmp"/*.log
	ip netns exec "$a" timeout 30 "$bin" "$3" 192.0.2.1/24 -t 1 >"$tmp/a.log" 2>&1
	if [ $? = 2 ] && grep -q "$2" "$tmp/a.log"; then ok "$1"; else bad "$1"; fi
}

topology
extra=
against_kernel "af_packet" net_af_packet0,iface=acc0
extra="-w 2"
against_kernel "af_packet, two queues, two workers" net_af_packet0,iface=acc0,qpairs=2
extra="-w 3"
against_kernel "af_packet, one queue, three workers" net_af_packet0,iface=acc0
extra=
against_kernel "af_xdp" net_af_xdp0,iface=acc0
each_other "af_packet, VLAN" net_af_packet0,iface=acc0 net_af_packet0,iface=cli0 -v 7
each_other "af_xdp to af_packet, VLAN" net_af_xdp0,iface=acc0 net_af_packet0,iface=cli0 -v 7
each_other "memif" "net_memif0,role=server,socket=$tmp/memif,socket-abstract=no" \
	"net_memif0,role=client,socket=$tmp/memif,socket-abstract=no"
refused "no such interface" "there is no interface nope" net_af_packet0,iface=nope
refused "no such driver" "no such driver" net_nonsense0
refused "too many queues" "set qpairs to at most 1" net_af_packet0,iface=acc0,qpairs=2
ip -n "$a" link set acc0 down
refused "interface down" "is down" net_af_packet0,iface=acc0

# A ring: what is announced comes back.
rm -f "$tmp"/*.log
if start a "$a" net_ring0 192.0.2.1/24 -t 1 && wait "$started" && grep -q '^rx_core [1-9]' "$tmp/a.log"; then
	ok "ring"
else
	bad "ring"
fi

# A tap: the kernel's end is in the same namespace.
rm -f "$tmp"/*.log
if [ ! -c /dev/net/tun ]; then
	echo "skip tap: no /dev/net/tun"
elif start a "$a" net_tap0,iface=ctap0 192.0.9.1/24 -6 2001:db8:9::1/64 -t 4; then
	ip -n "$a" addr add 192.0.9.2/24 dev ctap0
	ip -n "$a" -6 addr add 2001:db8:9::2/64 dev ctap0 nodad
	if ip netns exec "$a" ping -q -c 5 -i 0.2 -W 1 192.0.9.1 >"$tmp/ping.log" 2>&1 &&
		ip netns exec "$a" ping -q -6 -c 5 -i 0.2 -W 1 2001:db8:9::1 >>"$tmp/ping.log" 2>&1 &&
		wait "$started"; then
		ok "tap"
	else
		bad "tap"
	fi
else
	bad "tap: did not start"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
