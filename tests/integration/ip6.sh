#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# IPv6 inside: both families in one session and IPv6 alone, addresses by router advertisements,
# delegated prefixes with a DHCPv6 client of Debian's, what a router answers and what it drops.
#
#   c1 sstp0  2001:db8:1:X::/64 of clients6   inet eth0  2001:db8:c::fe/64
#             2001:db8:4X00::/56 delegated         lo    2001:db8:f::10/128
#   core0     2001:db8:c::1
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

host6=2001:db8:f::10 core6=2001:db8:c::1
s_remote='remote-address: clients, '
s_ip6='remote-ipv6-prefix-pool: clients6, dhcpv6-pd-pool: homes, dns-server: [10.0.0.1, "2001:db8:f::53"]'

# The topology's configuration, with IPv6.
ip6_yaml() {
	server_yaml | sed -e "s|address: $core/24, gateway: $inet_gw|address: [$core/24, \"$core6/64\"], gateway: [$inet_gw, \"2001:db8:c::fe\"]|" \
		-e "s|default: { local-address.*|default: { local-address: 10.0.0.1, $s_remote$s_ip6 }|"
	cat <<-EOF2
		ipv6-pools:
		  clients6: { prefix: "2001:db8:1::/48", prefix-length: 64 }
		  homes: { prefix: "2001:db8:4000::/36", prefix-length: 56 }
	EOF2
}

ip6_start() {
	if [[ -z $(ip -n "$ns_inet" -6 addr show dev eth0 to 2001:db8:c::fe) ]]; then
		ip -n "$ns_inet" addr add 2001:db8:c::fe/64 dev eth0 nodad
		ip -n "$ns_inet" addr add "$host6/128" dev lo
		ip -n "$ns_inet" route add 2001:db8:1::/48 via "$core6"
		ip -n "$ns_inet" route add 2001:db8:4000::/36 via "$core6"
		in_ns "$ns_inet" sysctl -qw net.ipv6.conf.all.forwarding=1
	fi
	log=$work/${case_name:-setup}.culvertd.log
	"$lib_dir/certs" --name culvert.test --address "$access" "$work"
	ip6_yaml >"$work/$case_name.yaml"
	chmod 600 "$work/$case_name.yaml"
	proc_spawn "$work/culvertd.pid" "$log" ip netns exec "$ns_dut" "$culvertd" -c "$work/$case_name.yaml"
	wait_for 30 server_settled || fail "culvertd does not answer on $access:443"
	! server_gone || fail "culvertd ended at its start"
}

address6() { ip -n "$T-c$1" -6 -o addr show dev sstp0 scope global 2>/dev/null | awk '{print $4; exit}' | cut -d/ -f1; }
has_address6() { [[ -n $(address6 "$1") ]]; }
settled6() { has_address6 "$1" || client_gone "$1"; }

# dial6 N [OPTION...]: until it has an IPv6 address of its own making.
dial6() {
	client_spawn "$@"
	wait_for 30 settled6 "$1" || fail "client $1 has no IPv6 address after 30 s"
	has_address6 "$1" || fail "client $1 ended instead of dialing in"
	ip -n "$T-c$1" -6 route replace 2001:db8::/32 dev sstp0
}

ping6_ok() { in_ns "$1" ping -6 -c 3 -i 0.2 -W 2 "${@:2}" >"$work/ping6.txt" 2>&1; }

need_tools() {
	local p
	for p; do
		command -v "$p" >/dev/null || skip "$p is not there"
	done
}

# capture NS IFACE [OPTION...]: packets go to $work/$case_name.pcap until capture_end.
capture() {
	rm -f "$work/$case_name.pcap"
	proc_spawn "$work/tshark.pid" "$work/$case_name.tshark.log" ip netns exec "$1" \
		tshark -q -i "$2" "${@:3}" -w "$work/$case_name.pcap"
	wait_for 10 test -s "$work/$case_name.pcap" || fail "no capture"
}
capture_end() {
	sleep 1
	proc_stop "$work/tshark.pid" || true
}

# counter NAME: of all workers, from the log of an ended culvertd.
counter() { grep -oE "(^| )$1[ =:]+[0-9]+" "$log" | grep -oE '[0-9]+$' | awk '{s += $1} END {print s + 0}'; }

test_both() {
	ip6_start
	dial6 1
	has_tunnel 1 || fail "no IPv4 beside IPv6"
	ip -n "$T-c1" route replace 203.0.113.0/24 dev sstp0
	ping_host 1 || fail "no IPv4 ping"
	ping6_ok "$T-c1" "$host6" || fail "no IPv6 ping"
	ping6_ok "$ns_inet" "$(address6 1)" || fail "no IPv6 ping from behind"
	ping6_ok "$T-c1" "$core6" || fail "the router's core address does not answer"
	[[ $(address6 1) == 2001:db8:1:* ]] || fail "an address out of another pool"
	logged "ipv6 up prefix=2001:db8:1:"
	local up down
	up=$(iperf "$ns_inet" "$host6" "$T-c1" -6 -t 3)
	down=$(iperf "$ns_inet" "$host6" "$T-c1" -6 -t 3 -R)
	note "up $up, down $down Mbit/s"
	client_hangup 1
	logged "ended why="
	server_stop
}

# dial-on-demand: IPv6 comes and goes with each call, IPv4 stays.
test_demand() {
	ip6_start
	client_spawn 1 --dial-on-demand --idle-timeout 2 --use-ipv6 required
	wait_for 10 grep -q 'waiting for traffic' "$cl_log" || fail "it does not wait"
	ip -n "$T-c1" route replace 203.0.113.0/24 dev sstp0
	local i
	for i in 1 2; do
		[[ -z $(ip -n "$T-c1" -6 -o addr show dev sstp0) ]] || fail "IPv6 without a call"
		has_tunnel 1 || fail "no IPv4 without a call"
		ping_host 1 5 || fail "no IPv4 ping"
		wait_for 10 has_address6 1 || fail "no IPv6 address in call $i"
		ip -n "$T-c1" -6 route replace 2001:db8::/32 dev sstp0
		ping6_ok "$T-c1" "$host6" || fail "no IPv6 ping in call $i"
		wait_for 10 has_ended "$i" || fail "router advertisements keep the call"
	done
	client_hangup 1
	server_stop
}
has_ended() { (($(grep -c 'down reason="idle for 2 s"' "$cl_log") >= $1)); }

test_bytes() {
	ip6_start
	dial6 1
	local a
	a=$(address6 1)
	head -c 20000000 /dev/urandom >"$work/bytes"
	for way in up down; do
		local to=$host6 from_ns=$T-c1 to_ns=$ns_inet
		[[ $way == up ]] || { to=$a from_ns=$ns_inet to_ns=$T-c1; }
		proc_spawn "$work/take.pid" "$work/take.log" ip netns exec "$to_ns" python3 -c '
import hashlib, socket, sys
s = socket.create_server((sys.argv[1], 9000), family=socket.AF_INET6)
c, _ = s.accept()
h = hashlib.sha256()
while True:
    b = c.recv(65536)
    if not b: break
    h.update(b)
print(h.hexdigest())' "$to"
		wait_for 5 tcp_listening "$to_ns" 9000 || fail "nobody takes the bytes"
		in_ns "$from_ns" timeout 30 python3 -c '
import socket, sys
c = socket.create_connection((sys.argv[1], 9000))
c.sendall(open(sys.argv[2], "rb").read())
c.shutdown(socket.SHUT_WR)
c.recv(1)' "$to" "$work/bytes" || fail "the transfer $way failed"
		wait_for 5 proc_gone "$work/take.pid" || fail "the bytes $way never ended"
		grep -q "$(sha256sum <"$work/bytes" | cut -d' ' -f1)" "$work/take.log" ||
			fail "other bytes arrived ($way)"
		proc_stop "$work/take.pid" || true
	done
	client_hangup 1
	server_stop
}

test_ipv6_alone() {
	s_remote=''
	ip6_start
	dial6 1
	! has_tunnel 1 || fail "there is an IPv4 address"
	ping6_ok "$T-c1" "$host6" || fail "no IPv6 ping"
	logged "up address=0.0.0.0 "
	client_hangup 1
	server_stop
}

test_required() {
	s_ip6="use-ipv6: required, $s_ip6"
	ip6_start
	client_fails 1 --use-ipv6 no
	logged "ended why=.*IPV6CP"
	dial6 1 --use-ipv6 required
	ping6_ok "$T-c1" "$host6" || fail "no IPv6 ping"
	client_hangup 1
	server_stop
}

test_switched_off() {
	s_ip6="use-ipv6: no, $s_ip6"
	ip6_start
	client_dial 1
	ping_host 1 || fail "no IPv4 ping"
	sleep 1
	! has_address6 1 || fail "an IPv6 address all the same"
	client_hangup 1
	client_fails 1 --use-ipv6 required
	server_stop
}

test_between_clients() {
	ip6_start
	dial6 1
	dial6 2
	[[ $(address6 1) != "$(address6 2)" ]] || fail "both have one address"
	ping6_ok "$T-c1" "$(address6 2)" || fail "no ping from client to client"
	client_hangup 1
	client_hangup 2
	server_stop
}

test_spoofed() {
	need_tools tshark
	ip6_start
	dial6 1
	ip -n "$T-c1" addr add 2001:db8:1:ffff::5/128 dev sstp0 nodad
	ip -n "$T-c1" addr add 2001:db8:4000:ffff::5/128 dev sstp0 nodad
	capture "$ns_inet" eth0 -f "ip6 src 2001:db8:1:ffff::5 or ip6 src 2001:db8:4000:ffff::5"
	! ping6_ok "$T-c1" -I 2001:db8:1:ffff::5 "$host6" || fail "a ping from another prefix was answered"
	! ping6_ok "$T-c1" -I 2001:db8:4000:ffff::5 "$host6" || fail "a ping from another prefix was answered"
	ip -n "$T-c1" addr del 2001:db8:1:ffff::5/128 dev sstp0
	ip -n "$T-c1" addr del 2001:db8:4000:ffff::5/128 dev sstp0
	ping6_ok "$T-c1" "$host6" || fail "no ping from the own prefix"
	capture_end
	[[ -z $(tshark -r "$work/$case_name.pcap" 2>/dev/null) ]] || fail "a spoofed source got out"
	client_hangup 1
	server_stop
	(($(counter inner_spoofed) >= 6)) || fail "$(counter inner_spoofed) packets counted as spoofed"
}

# What a router says: hop limit, too big, no such address.
test_errors() {
	ip6_start
	dial6 1
	in_ns "$T-c1" ping -6 -c 1 -t 1 -W 2 "$host6" >"$work/ping6.txt" 2>&1 || true
	grep -qi "from $core6.*time exceeded" "$work/ping6.txt" || fail "no time exceeded: $(cat "$work/ping6.txt")"
	local own
	own=$(address6 1)
	# A packet from behind that is over the session's MTU: the sender learns and goes on.
	in_ns "$ns_inet" ping -6 -M do -s 1452 -c 1 -W 2 "$own" >"$work/ping6.txt" 2>&1 || true
	grep -qiE "too (big|long).*mtu[ =:]+1460|mtu[ =:]+1460" "$work/ping6.txt" || fail "no packet too big: $(cat "$work/ping6.txt")"
	in_ns "$ns_inet" ping -6 -M want -s 1452 -c 2 -i 0.3 -W 2 "$own" >"$work/ping6.txt" 2>&1 ||
		fail "a large ping does not pass in fragments: $(cat "$work/ping6.txt")"
	# An address of nobody: it does not circle between the router and core.
	in_ns "$ns_inet" ping -6 -c 1 -W 2 2001:db8:1:eeee::1 >"$work/ping6.txt" 2>&1 || true
	grep -qi "from $core6.*unreachable" "$work/ping6.txt" || fail "no unreachable: $(cat "$work/ping6.txt")"
	client_hangup 1
	server_stop
}

# The advertisement as a client sees it, and what tshark thinks of every packet.
test_advertisement() {
	need_tools tshark rdisc6
	ip6_start
	dial6 1
	capture "$T-c1" sstp0
	in_ns "$T-c1" rdisc6 -1 -w 3000 sstp0 >"$work/rdisc6.txt" 2>&1 || fail "rdisc6: $(tail -1 "$work/rdisc6.txt")"
	grep -q 'Prefix *: 2001:db8:1:' "$work/rdisc6.txt" || fail "no prefix in the advertisement"
	grep -q 'Recursive DNS server *: 2001:db8:f::53' "$work/rdisc6.txt" || fail "no name server"
	grep -qE 'MTU *: *1460' "$work/rdisc6.txt" || fail "no MTU"
	grep -qE 'Stateful other conf.*: *Yes' "$work/rdisc6.txt" || fail "no O flag"
	ping6_ok "$T-c1" "$host6" || fail "no ping"
	capture_end
	tshark -r "$work/$case_name.pcap" -Y 'icmpv6.type == 134' >"$work/ra.txt" 2>/dev/null
	[[ -s $work/ra.txt ]] || fail "tshark saw no advertisement"
	tshark -r "$work/$case_name.pcap" -Y '_ws.malformed || icmpv6.checksum.status == 0 || _ws.expert.severity == error' \
		>"$work/bad.txt" 2>/dev/null
	[[ ! -s $work/bad.txt ]] || fail "tshark: $(head -1 "$work/bad.txt")"
	client_hangup 1
	server_stop
}

delegated() { ip -n "$T-c1" -6 -o addr show dev home 2>/dev/null | awk '/2001:db8:4/ {print $4; exit}'; }
has_delegated() { [[ -n $(delegated) ]]; }

# A home router asks for a prefix for what is behind it; what is behind can be reached.
test_delegation() {
	need_tools dhcp6c tshark
	ip6_start
	dial6 1
	ip -n "$T-c1" link add home type veth peer name behind
	ip -n "$T-c1" link set behind up
	in_ns "$T-c1" sysctl -qw net.ipv6.conf.home.accept_dad=0
	ip -n "$T-c1" link set home up
	ip -n "$T-c1" link set lo up
	capture "$T-c1" sstp0
	cat >"$work/dhcp6c.conf" <<-EOF2
		interface sstp0 { send ia-pd 7; send rapid-commit; request domain-name-servers; };
		id-assoc pd 7 { prefix-interface home { sla-id 1; sla-len 8; ifid 1; }; };
	EOF2
	proc_spawn "$work/dhcp6c.pid" "$work/$case_name.dhcp6c.log" ip netns exec "$T-c1" \
		dhcp6c -f -D -p "$work/dhcp6c.run" -c "$work/dhcp6c.conf" sstp0
	wait_for 20 has_delegated || fail "no prefix delegated"
	logged 'delegated prefix=2001:db8:4'
	ping6_ok "$ns_inet" "$(delegated | cut -d/ -f1)" || fail "no ping into the delegated prefix"
	ping6_ok "$T-c1" -I "$(delegated | cut -d/ -f1)" "$host6" || fail "no ping from the delegated prefix"
	sleep 1
	proc_stop "$work/dhcp6c.pid" 5 || true
	logged 'released prefix=2001:db8:4' || fail "not released"
	! ping6_ok "$ns_inet" 2001:db8:4000::1 || fail "a prefix of nobody answers"
	capture_end
	tshark -r "$work/$case_name.pcap" -Y 'dhcpv6.msgtype == 7' >"$work/pd.txt" 2>/dev/null
	[[ -s $work/pd.txt ]] || fail "tshark saw no Reply"
	tshark -r "$work/$case_name.pcap" -Y 'dhcpv6 && (_ws.malformed || udp.checksum.status == 0)' >"$work/bad.txt" 2>/dev/null
	[[ ! -s $work/bad.txt ]] || fail "tshark: $(head -1 "$work/bad.txt")"
	ip -n "$T-c1" link del home
	client_hangup 1
	server_stop
}

default6() { ip -n "$T-c1" -6 route show default "$@" 2>/dev/null | grep -q .; }
way6() { ip -n "$T-c1" -6 route get "$1" 2>/dev/null | head -n 1; }

# default6_dial OPTION...: until the router's advertisement is there.
default6_dial() {
	client_spawn 1 "$@"
	wait_for 30 settled6 1 || fail "no IPv6 address after 30 s"
}

# The default route of the router's advertisement, by add-default-route only, with the distance as its
# metric, in front of the one that there is or behind it.
test_default_route() {
	ip6_start
	ip -n "$T-c1" addr replace 2001:db8:a::11/64 dev eth0 nodad
	ip -n "$T-c1" -6 route replace default via 2001:db8:a::12 dev eth0 metric 20
	default6_dial
	! default6 dev sstp0 || fail "a default route that nobody asked for"
	client_hangup 1
	default6_dial --add-default-route --default-route-distance 77
	wait_for 5 default6 dev sstp0 metric 77 || fail "no default route with the distance"
	[[ $(ip -n "$T-c1" -6 route show default dev sstp0) == *'proto ra'* ]] || fail "not by the advertisement"
	[[ $(way6 "$host6") == *' dev eth0 '* ]] || fail "it goes before one with a lower metric"
	client_hangup 1
	! default6 dev sstp0 || fail "it was left"
	default6_dial --add-default-route
	wait_for 5 default6 dev sstp0 metric 1 || fail "no default route"
	[[ $(way6 "$host6") == *' dev sstp0 '* ]] || fail "it does not go before the other one"
	ping6_ok "$T-c1" "$host6" || fail "no ping by the default route"
	client_hangup 1
	[[ $(way6 "$host6") == *' dev eth0 '* ]] || fail "the machine's default route is gone"
	ip -n "$T-c1" -6 route del default via 2001:db8:a::12 dev eth0 metric 20
	ip -n "$T-c1" addr del 2001:db8:a::11/64 dev eth0
	server_stop
}

# The server dialed over IPv6, behind a router: what goes to it does not go into its own tunnel. (culvertd
# listens on IPv4: a relay in front of it has the address.)
test_dialed_over_ipv6() {
	local server=2001:db8:b::1
	ip6_start
	ip -n "$T-c1" addr replace 2001:db8:a::11/64 dev eth0 nodad
	ip -n "$T-c2" addr replace 2001:db8:a::12/64 dev eth0 nodad
	ip -n "$T-c2" addr replace "$server/128" dev lo nodad
	ip -n "$T-c1" -6 route replace default via 2001:db8:a::12 dev eth0 metric 20
	proc_spawn "$work/relay.pid" "$work/relay.log" ip netns exec "$T-c2" python3 -c '
import socket, sys, threading
def copy(a, b):
    try:
        while d := a.recv(65536): b.sendall(d)
        b.shutdown(socket.SHUT_WR)
    except OSError: pass
l = socket.create_server((sys.argv[1], 443), family=socket.AF_INET6)
while True:
    a, _ = l.accept()
    b = socket.create_connection((sys.argv[2], 443))
    for x, y in (a, b), (b, a): threading.Thread(target=copy, args=(x, y), daemon=True).start()' "$server" "$access"
	wait_for 5 tcp_listening "$T-c2" 443 || fail "the relay does not listen"
	default6_dial --connect-to "$server" --add-default-route
	wait_for 5 default6 dev sstp0 metric 1 || fail "no default route"
	[[ $(way6 "$server") == *'via 2001:db8:a::12 dev eth0 '* ]] || fail "the server goes by $(way6 "$server")"
	ip -n "$T-c1" -6 route show "$server" | grep -q . || fail "no host route to the server"
	ping6_ok "$T-c1" "$host6" || fail "no ping by the default route"
	ip -n "$T-c1" -4 route show 0.0.0.0/1 dev sstp0 | grep -q . || fail "no IPv4 beside it"
	ping_host 1 || fail "no IPv4 ping"
	grep -q "server=\[$server\]:443" "$cl_log" || fail "the server's address is not told"
	client_hangup 1
	! ip -n "$T-c1" -6 route show "$server" | grep -q . || fail "the host route was left"
	proc_stop "$work/relay.pid" || true
	ip -n "$T-c1" -6 route del default via 2001:db8:a::12 dev eth0 metric 20
	ip -n "$T-c1" addr del 2001:db8:a::11/64 dev eth0
	server_stop
}

# A user's own prefix, and what is given back is given again.
test_fixed_prefix() {
	s_users="  - { name: $user, password: $password, remote-ipv6-prefix: \"2001:db8:1:77::/64\" }"
	ip6_start
	for _ in 1 2; do
		dial6 1
		[[ $(address6 1) == 2001:db8:1:77:* ]] || fail "not the user's own prefix: $(address6 1)"
		ping6_ok "$T-c1" "$host6" || fail "no ping"
		client_hangup 1
		logged "ended why="
	done
	server_stop
}

topo_up
run_cases both demand bytes ipv6_alone required switched_off between_clients spoofed errors advertisement delegation \
	default_route dialed_over_ipv6 fixed_prefix
