# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# An emulated line between the clients and culvertd, and a kernel's TCP at the same far end to compare
# with. Sourced behind topology.sh; call topo_line once after topo_up.
#
#   c1, c2 -- br0 -- lineb (culvert-link) linea -- br1 -- acc0 [culvertd]
#                          $T-wire                  +---- eth0 192.0.2.20/24  $T-kern
#
# "down" is from culvertd to the clients, from linea to lineb.

ns_kern=$T-kern kern=192.0.2.20
culvert_link=$build/culvert-link

topo_line() {
	ip -n "$ns_wire" link set p-acc0 nomaster
	ip -n "$ns_wire" link add br1 type bridge stp_state 0 forward_delay 0
	ip netns exec "$ns_wire" sysctl -qw net.ipv6.conf.br1.disable_ipv6=1
	ip -n "$ns_wire" link set br1 up
	ip -n "$ns_wire" link set p-acc0 master br1
	local end bridge=br1
	for end in linea lineb; do
		ip -n "$ns_wire" link add "$end" type veth peer name "p-$end"
		ip netns exec "$ns_wire" sysctl -qw "net.ipv6.conf.$end.disable_ipv6=1"
		link_plain -n "$ns_wire" "$end"
		link_plain -n "$ns_wire" "p-$end"
		ip -n "$ns_wire" link set "$end" up
		ip -n "$ns_wire" link set "p-$end" master "$bridge" up
		bridge=br0
	done
	ns_add "$ns_kern"
	ip -n "$ns_wire" link add p-kern type veth peer name eth0 netns "$ns_kern"
	link_plain -n "$ns_wire" p-kern
	link_plain -n "$ns_kern" eth0
	ip -n "$ns_wire" link set p-kern master br1 up
	ip -n "$ns_kern" link set eth0 up
	ip -n "$ns_kern" addr add "$kern/24" dev eth0
	# Whatever the machine's default is: the kernels' connections outside are CUBIC. (A namespace may
	# not choose its default freely, but its routes.)
	local n
	for n in 1 2; do
		ip -n "$T-c$n" route replace 192.0.2.0/24 dev eth0 src "192.0.2.$((10 + n))" congctl cubic
	done
	ip -n "$ns_kern" route replace 192.0.2.0/24 dev eth0 src "$kern" congctl cubic
}

# line_start OPTION...: the line has these properties from now on (culvert-link's options).
line_start() {
	line_stop
	proc_spawn "$work/line.pid" "$work/line.log" ip netns exec "$ns_wire" "$culvert_link" \
		--realtime --json "$work/line.json" "$@" linea lineb
	wait_for 5 grep -q 'linea <> lineb' "$work/line.log" ||
		fail "culvert-link: $(tail -n 1 "$work/line.log")"
}

# line_stop: statistics of the time since line_start are in $work/line.json.
line_stop() {
	[[ -e $work/line.pid ]] || return 0
	proc_stop "$work/line.pid" 5 || fail "culvert-link did not end"
	[[ ${proc_status:-0} == 0 ]] || fail "culvert-link: status $proc_status"
}

# line_stat KEY: of both directions, "down up".
line_stat() { python3 -c 'import json, sys
print(*[d[sys.argv[2]] for d in json.load(open(sys.argv[1]))["directions"]])' "$work/line.json" "$1"; }
