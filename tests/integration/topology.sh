# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the end-to-end tests stand on: a small network of namespaces, culvertd in the middle of it, and
# checks that every test ends with. Sourced; needs root. Nothing is made outside namespaces whose
# names begin with $T.
#
#   $T-c1  eth0 192.0.2.11/24 --+
#   $T-c2  eth0 192.0.2.12/24 --+-- br0 -- acc0 [culvertd] core0 ---- eth0 198.51.100.254/24  $T-inet
#   guest  tap0 (interop)     --+   $T-wire    $T-dut                 lo   203.0.113.10/32
#
#   c1, c2   clients: kernel TCP, culvert-client makes sstp0 in them
#   wire     a bridge: the place to lose packets (wire_loss) and to capture them
#   dut      culvertd: acc0 192.0.2.1, core0 198.51.100.1; the kernel has no address there
#   inet     a host behind: echo, iperf3, files
#
# A test file sources this, defines test_NAME functions and ends with `run_cases NAME...`. Each case
# is one subshell with `set -e` and one line `@case ok|FAIL|skip NAME SECONDS [why]`.

# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

[[ $EUID == 0 ]] || {
	echo "@skip needs root"
	exit 77
}

build=${CULVERT_BUILD:-$top/build}
culvertd=$build/culvertd
culvert_client=$build/culvert-client
# shellcheck disable=SC2034 # for the tests
culvert_bench=$build/culvert-bench
T=culvert-t$$
access=192.0.2.1 core=198.51.100.1 inet_gw=198.51.100.254 host=203.0.113.10
user=MT-User password=StrongPass
ns_wire=$T-wire ns_dut=$T-dut ns_inet=$T-inet
# Where logs go; kept when the runner gave it, else with a failure only.
work=${CULVERT_TEST_DIR:-}
if [[ -z $work ]]; then
	work=$(mktemp -d "/tmp/$T.XXXXXX")
fi
mkdir -p "$work"

# need PROGRAM...: the whole file is skipped when a program is not there.
need() {
	local p
	for p; do
		command -v "$p" >/dev/null || {
			echo "@skip $p is not there"
			exit 77
		}
	done
}

# --- the network --------------------------------------------------------------------------------

topo_up() {
	trap topo_exit EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	local ns
	for ns in "$ns_wire" "$ns_dut" "$ns_inet"; do
		ns_add "$ns"
	done
	ip -n "$ns_wire" link add br0 type bridge stp_state 0 forward_delay 0
	ip netns exec "$ns_wire" sysctl -qw net.ipv6.conf.br0.disable_ipv6=1
	ip -n "$ns_wire" link set br0 up
	wire_attach acc0 "$ns_dut"
	link_port -n "$ns_dut" acc0
	ip -n "$ns_dut" link add core0 type veth peer name eth0 netns "$ns_inet"
	link_plain -n "$ns_dut" core0
	link_port -n "$ns_dut" core0
	link_plain -n "$ns_inet" eth0
	ip -n "$ns_inet" link set eth0 up
	ip -n "$ns_inet" addr add "$inet_gw/24" dev eth0
	ip -n "$ns_inet" addr add "$host/32" dev lo
	ip -n "$ns_inet" route add 10.0.0.0/16 via "$core"
	topo_client 1
	topo_client 2
}

# wire_attach IFACE NS: a cable from the bridge to IFACE in NS.
wire_attach() {
	ip -n "$ns_wire" link add "p-$1" type veth peer name "$1" netns "$2"
	link_plain -n "$ns_wire" "p-$1"
	link_plain -n "$2" "$1"
	ip -n "$ns_wire" link set "p-$1" master br0 up
}

# topo_client N: the namespace $T-cN with address 192.0.2.(10+N).
topo_client() {
	local ns=$T-c$1
	ns_add "$ns"
	ip -n "$ns_wire" link add "p-c$1" type veth peer name eth0 netns "$ns"
	link_plain -n "$ns_wire" "p-c$1"
	link_plain -n "$ns" eth0
	ip -n "$ns_wire" link set "p-c$1" master br0 up
	ip -n "$ns" link set eth0 up
	ip -n "$ns" addr add "192.0.2.$((10 + $1))/24" dev eth0
}

# Commands for the end of the file, before the network goes.
topo_hooks=()

topo_exit() {
	local rc=$? ns hook
	trap - EXIT INT TERM
	for hook in "${topo_hooks[@]}"; do
		"$hook" || true
	done
	for ns in /run/netns/"$T"-*; do
		[[ ! -e $ns ]] || ns_del "$(basename "$ns")"
	done
	if ((rc == 0)) && [[ -z ${CULVERT_TEST_DIR:-} ]]; then
		rm -rf "$work"
	elif ((rc && rc != 77)); then
		echo "logs: $work" >&2
	fi
	exit "$rc"
}

# wire_loss PERMILLE: that many of 1000 packets through the bridge are lost, both ways; 0: none.
wire_loss() {
	in_ns "$ns_wire" nft 'add table bridge loss; delete table bridge loss'
	(($1)) || return 0
	in_ns "$ns_wire" nft -f - <<-EOF
		table bridge loss {
			chain c {
				type filter hook forward priority 0; policy accept;
				ether type ip numgen random mod 1000 < $1 counter drop
			}
		}
	EOF
}

# --- culvertd -----------------------------------------------------------------------------------

# Knobs of server_yaml, to be set by a case before server_start.
s_auth='mschap2'
s_tls=any
s_keepalive=60
s_negotiation=60
s_cert=server
s_certs=''    # certificate:'s value, when more than one file
s_pool=10.0.0.2-10.0.255.254
s_log=debug
s_more=''    # further lines of sstp-server:, two blanks in front
s_users=''   # the secrets, when others than the one
d_more=''    # further lines of dataplane:
d_workers='[1]'
d_mbufs=32768
more=''      # further sections
(($(nproc) > 1)) || d_workers='[0]'

server_yaml() {
	local users=$s_users
	[[ -n $users ]] || users="  - { name: $user, password: $password, service: sstp, profile: default }"
	cat <<-EOF
		log: { level: $s_log }
		dataplane:
		  workers: $d_workers
		  control-core: 0
		  poll: adaptive
		  memory: { hugepages: no, mbufs: $d_mbufs }
		  ports:
		    access: { device: "net_af_packet0,iface=acc0", address: $access/24 }
		    core: { device: "net_af_packet1,iface=core0", address: $core/24, gateway: $inet_gw }
		$d_more
		sstp-server:
		  enabled: yes
		  port: 443
		  certificate: ${s_certs:-$work/$s_cert.pem}
		  authentication: [$s_auth]
		  default-profile: default
		  keepalive-timeout: $s_keepalive
		  negotiation-timeout: $s_negotiation
		  tls-version: $s_tls
		$s_more
		ppp-profiles:
		  default: { local-address: 10.0.0.1, remote-address: clients, dns-server: [10.0.0.1] }
		ip-pools:
		  clients: [$s_pool]
		ppp-secrets:
		$users
		$more
	EOF
}

server_gone() { proc_gone "$work/culvertd.pid"; }
server_answers() { in_ns "$T-c1" ping -c 1 -W 1 "$access" && tcp_open "$T-c1" "$access" 443; }
server_settled() { server_gone || server_answers; }

# Every case has culvertd's log of its own: $log.
log=''
cl_log=''

server_start() {
	log=$work/${case_name:-setup}.culvertd.log
	"$lib_dir/certs" --name culvert.test --address "$access" "$work"
	server_yaml >"$work/${case_name:-setup}.yaml"
	chmod 600 "$work/${case_name:-setup}.yaml"
	proc_spawn "$work/culvertd.pid" "$log" ip netns exec "$ns_dut" "$culvertd" \
		-c "$work/${case_name:-setup}.yaml"
	wait_for 30 server_settled || fail "culvertd does not answer on $access:443"
	! server_gone || fail "culvertd ended at its start"
}

# server_stop: an orderly end with status 0, every pool full again, no sanitizer's report.
server_stop() {
	! server_gone || fail "culvertd was gone before it was asked to end"
	proc_stop "$work/culvertd.pid" 25 || fail "culvertd did not end within 25 s of SIGTERM"
	[[ $proc_status == 0 ]] || fail "culvertd ended with status $proc_status"
	server_clean
}

# server_clean: what the log of an ended culvertd must say and what it must not.
server_clean() {
	local leak
	no_sanitizer_report "$log"
	leak=$(grep -E 'pool[ =][^ ]+ in_use=[1-9]' "$log" || true)
	[[ -z $leak ]] || fail "leaked: $leak"
	grep -qE 'stopped: .* left=0 addresses=0' "$log" || fail "sessions or addresses were left"
	# At less than debug only pools that are not full are named.
	[[ $s_log != debug ]] || grep -qE 'pool[ =][^ ]+ in_use=0( |$)' "$log" ||
		fail "no line about the pools at the end"
}

no_sanitizer_report() {
	local found
	found=$(grep -E 'ERROR: (Address|Leak|Undefined)|runtime error:|SUMMARY: ' "$1" || true)
	[[ -z $found ]] || fail "sanitizer: $found"
}

# logged PATTERN [SECONDS]: culvertd's log has the (extended) pattern, soon.
logged() {
	wait_for "${2:-5}" grep -qE -- "$1" "$log" || fail "the log never said: $1"
}

# --- clients ------------------------------------------------------------------------------------

tunnel_address() {
	ip -n "$T-c$1" -4 -o addr show dev sstp0 2>/dev/null | awk '{print $4; exit}' | cut -d/ -f1
}
has_tunnel() { [[ -n $(tunnel_address "$1") ]]; }
client_gone() { proc_gone "$work/client$1.pid"; }
client_settled() { has_tunnel "$1" || client_gone "$1"; }

# client_spawn N [OPTION...]: culvert-client in $T-cN as $user with $password.
client_spawn() {
	local n=$1
	shift
	cl_log=$work/${case_name:-setup}.client$n.log
	(umask 077 && printf '%s\n' "$password" >"$work/password$n")
	proc_spawn "$work/client$n.pid" "$cl_log" ip netns exec "$T-c$n" "$culvert_client" \
		--connect-to "$access" --user "$user" --password-file "$work/password$n" --name sstp0 \
		--run-dir "$work/run" "$@"
}

# client_dial N [OPTION...]: and wait until it has an address and a route to what is behind.
client_dial() {
	client_spawn "$@"
	wait_for 30 client_settled "$1" || fail "client $1 has no address after 30 s"
	has_tunnel "$1" || fail "client $1 ended instead of dialing in"
	ip -n "$T-c$1" route replace 203.0.113.0/24 dev sstp0
	ip -n "$T-c$1" route replace 198.51.100.0/24 dev sstp0
	ip -n "$T-c$1" route replace 10.0.0.0/16 dev sstp0
}

# client_fails N [OPTION...]: it must end by itself with a status other than 0 within 60 s.
client_fails() {
	local n=$1
	client_spawn "$@"
	wait_for 60 client_gone "$n" || fail "client $n still runs"
	proc_stop "$work/client$n.pid"
	[[ $proc_status != 0 ]] || fail "client $n ended with status 0"
	no_sanitizer_report "$cl_log"
	! has_tunnel "$n" || fail "client $n left its interface behind"
}

# client_hangup N: SIGTERM; it must end with status 0 and take its interface along.
client_hangup() {
	cl_log=$work/${case_name:-setup}.client$1.log
	! client_gone "$1" || fail "client $1 is gone already"
	proc_stop "$work/client$1.pid" 10 || fail "client $1 did not end within 10 s of SIGTERM"
	[[ $proc_status == 0 ]] || fail "client $1 ended with status $proc_status"
	no_sanitizer_report "$cl_log"
	! has_tunnel "$1" || fail "client $1 left its interface behind"
}

ping_host() { in_ns "$T-c$1" ping -c "${2:-3}" -i 0.2 -W 2 "$host" >"$work/ping.txt" 2>&1; }

# iperf SERVER-NS ADDRESS CLIENT-NS OPTION...: one run; the receiver's Mbit/s on standard output.
# iperf_port: for a second one at the same time.
iperf() {
	local server_ns=$1 address=$2 client_ns=$3 port=${iperf_port:-5201}
	local out=$work/${case_name:-setup}.iperf3${iperf_port:+.$port} pid=$work/iperf3.$port.pid
	shift 3
	proc_spawn "$pid" "$out.server" ip netns exec "$server_ns" iperf3 -s -1 -p "$port" -B "$address"
	wait_for 5 tcp_listening "$server_ns" "$port" || fail "iperf3's server did not start"
	in_ns "$client_ns" timeout "${iperf_limit:-90}" iperf3 -c "$address" -p "$port" -f m "$@" >"$out" 2>&1 </dev/null || {
		proc_stop "$pid" || true
		fail "iperf3 $*: $(tail -n 1 "$out")"
	}
	proc_stop "$pid" || true
	awk '/receiver/ {for (i = 1; i < NF; i++) if ($(i + 1) == "Mbits/sec") v = $i}
		END {if (v == "" || v + 0 <= 0) exit 1; print v}' "$out" || fail "iperf3 $*: no throughput"
}

# transferred BYTES [SEED]: so many each way, at the same time, through the tunnel of client 1; every
# byte is checked.
transferred() {
	local port=7001 start rc=0 transfer
	transfer=$(dirname "${BASH_SOURCE[0]}")/transfer.py
	proc_spawn "$work/serve.pid" "$work/$case_name.serve.log" \
		ip netns exec "$ns_inet" python3 "$transfer" serve "$host" $port
	wait_for 10 tcp_listening "$ns_inet" $port || fail "the file server did not start"
	start=${EPOCHREALTIME/[.,]/}
	in_ns "$T-c1" timeout 300 python3 "$transfer" run "$host" $port "$1" "${2:-1}" \
		>"$work/$case_name.run.log" 2>&1 || rc=$?
	((rc == 0)) || fail "transfer (status $rc): $(tail -n 1 "$work/$case_name.run.log")"
	wait_for 10 proc_gone "$work/serve.pid" || fail "the server's end did not finish"
	proc_stop "$work/serve.pid"
	[[ $proc_status == 0 ]] || fail "the server's end: $(tail -n 1 "$work/$case_name.serve.log")"
	note "$(awk -v b="$1" -v us=$((${EPOCHREALTIME/[.,]/} - start)) \
		'BEGIN {printf "%.1f Mbit/s each way", b * 8 / us}')"
}

# --- cases --------------------------------------------------------------------------------------

case_name=''

# fail TEXT: the case ends here.
fail() {
	printf 'FAILED: %s\n' "$*" >&2
	echo "$*" >"$work/why"
	exit 1
}

# skip TEXT: the case cannot run here.
skip() {
	echo "$*" >"$work/why"
	exit 77
}

# note TEXT: a figure to show behind the case's name.
note() { printf '%s\n' "$*" >>"$work/note"; }

# What a case may have left running; its subshell is gone, so by pid files.
case_cleanup() {
	local f
	for f in "$work"/*.pid; do
		[[ ! -e $f ]] || proc_stop "$f" 5 || true
	done
	wire_loss 0 2>/dev/null || true
}

# run_cases NAME...: all of them (or those that CULVERT_CASE matches), then exit.
run_cases() {
	local rc failed=0 start verdict why ended=0 ran=0
	for case_name; do
		[[ $case_name =~ ${CULVERT_CASE:-.} ]] || continue
		ran=$((ran + 1))
		rm -f "$work/why" "$work/note"
		start=${EPOCHREALTIME/[.,]/}
		printf '=== %s\n' "$case_name"
		set +e
		(
			set -euo pipefail
			trap - EXIT INT TERM
			"test_$case_name"
		)
		rc=$?
		set -e
		case_cleanup
		why=''
		case $rc in
		0) verdict=ok ;;
		77) verdict=skip ;;
		*)
			verdict=FAIL
			failed=$((failed + 1))
			echo "status $rc" >>"$work/why"
			for f in "$work/$case_name".*.log; do
				[[ ! -e $f ]] || show_tail "$f" 25
			done
			;;
		esac
		[[ $rc == 0 || ! -s $work/why ]] || why=$(head -n 1 "$work/why")
		[[ ! -s $work/note ]] || why=$(paste -sd, "$work/note")
		ended=$((${EPOCHREALTIME/[.,]/} - start))
		printf '@case %s %s %d.%d %s\n' "$verdict" "$case_name" $((ended / 1000000)) \
			$((ended / 100000 % 10)) "$why"
	done
	((ran)) || {
		echo "no case matches '${CULVERT_CASE:-}'"
		exit 1
	}
	((failed == 0)) || exit 1
	exit 0
}
