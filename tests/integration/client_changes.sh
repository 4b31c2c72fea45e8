#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# culvert-client and a machine that changes under it: what is a reason to dial again at once and what is
# not, and what comes back that somebody took from its interface.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=client_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/client_lib.sh"

# demand_file PROFILE LINE...: profile_file, on demand.
demand_file() { profile_file "$@" 'dial-on-demand: yes'; }

to_host() { ip -n "$T-c1" route replace 203.0.113.0/24 dev office; }
pings() { in_ns "$T-c1" ping "$@" "$host" >"$work/ping.txt" 2>&1; }
never_said() { ! grep -E -- "$1" "$cl_log" || fail "it said so"; }

# relay SECONDS: TCP to the server by 192.0.2.12, which ends each connection after that time, or all at
# SIGUSR1.
relay() {
	cat >"$work/relay.py" <<-'END'
		import select, signal, socket, sys, threading, time
		conns = []
		def cut(*_):
		    for c in list(conns):
		        try: c.shutdown(2)
		        except OSError: pass
		signal.signal(signal.SIGUSR1, cut)
		def run(c):
		    u = socket.create_connection((sys.argv[1], 443))
		    end = time.monotonic() + float(sys.argv[2])
		    conns.append(c)
		    try:
		        while time.monotonic() < end:
		            for s in select.select([c, u], [], [], 0.05)[0]:
		                d = s.recv(65536)
		                if not d: return
		                (u if s is c else c).sendall(d)
		    except OSError: pass
		    finally:
		        conns.remove(c); c.close(); u.close()
		l = socket.create_server(("192.0.2.12", 443))
		while True:
		    try: threading.Thread(target=run, args=(l.accept()[0],), daemon=True).start()
		    except InterruptedError: pass
	END
	proc_spawn "$work/relay.pid" "$work/relay.log" ip netns exec "$T-c2" \
		python3 "$work/relay.py" "$access" "$1"
	wait_for 5 tcp_open "$T-c1" 192.0.2.12 443 || fail "the relay does not listen"
}

# A call that ends while the network looks lost: the next one is looked after all the same.
test_lost_twice() {
	server_start
	relay 1000
	client_file 'connect-to: 192.0.2.12'
	office_up
	client_says ': up user='
	ip -n "$T-c1" addr add 192.0.2.99/24 dev eth0
	ip -n "$T-c1" route replace 192.0.2.12/32 dev eth0 src 192.0.2.99
	sleep 1.2
	kill -USR1 "$(proc_pid "$work/relay.pid")"
	wait_for 10 nb_up 2 || fail "no second call"
	ip -n "$T-c1" route del 192.0.2.12/32 dev eth0
	ip -n "$T-c1" addr del 192.0.2.99/24 dev eth0
	client_says 'reason="the network changed: the local address is gone"'
	wait_for 10 nb_up 3 || fail "no third call"
	office_down
	proc_stop "$work/relay.pid" || true
	server_stop
}

# Interfaces of its own and their addresses are no change of the network: calls that end at once are dialed
# after longer and longer.
test_own_changes() {
	server_start
	relay 0.7
	client_file 'connect-to: 192.0.2.12'
	cat >>"$work/client.yaml" <<-END
		  lab: { user: $user, password: $password, connect-to: 192.0.2.12, dial-on-demand: yes }
	END
	cl_log=$work/$case_name.client1.log
	proc_spawn "$work/client1.pid" "$cl_log" ip netns exec "$T-c1" "$culvert_client" up \
		--config "$work/client.yaml" --run-dir "$work/run"
	client_says 'lab: waiting for traffic'
	ip -n "$T-c1" route replace 203.0.113.0/24 dev lab
	pings -i 0.2 -W 1 -c 55 || true
	grep -q 'lab: up user=' "$cl_log" || fail "lab was never up"
	nb_up 4 || fail "too few calls"
	never_said 'the network changed'
	# But a way that is another one is.
	wait_for 10 eval "tail -n 3 '$cl_log' | grep -E 'office: dialing again in ([3-9]|[1-9][0-9])\.'" ||
		fail "no longer delay"
	ip -n "$T-c1" addr add 192.0.2.98/24 dev eth0
	ip -n "$T-c1" route replace 192.0.2.12/32 dev eth0 src 192.0.2.98
	client_says 'office: the network changed'
	ip -n "$T-c1" route del 192.0.2.12/32 dev eth0
	ip -n "$T-c1" addr del 192.0.2.98/24 dev eth0
	proc_stop "$work/client1.pid"
	proc_stop "$work/relay.pid" || true
	no_sanitizer_report "$cl_log"
	server_stop
}

all_through_it() {
	[[ $(ip -n "$T-c1" route get 8.8.8.8 2>&1) == *"dev office"* &&
		$(ip -n "$T-c1" route get 200.8.8.8 2>&1) == *"dev office"* ]]
}

# Routes that go with the link come back with it, without a call, in one, and with the next.
test_link() {
	server_fixed
	demand_file "local-address: $fixed, remote-address: 10.0.0.1, idle-timeout: 4" "connect-to: $access" \
		'add-default-route: yes'
	office_up
	client_says 'office: waiting for traffic'
	wait_for 5 all_through_it || fail "there is no default route"
	ip -n "$T-c1" link set office down
	! all_through_it || fail "it goes to an interface that is down"
	ip -n "$T-c1" link set office up
	wait_for 5 all_through_it || fail "the routes did not come back"
	pings -c 1 -W 10 || fail "no answer"
	ip -n "$T-c1" link set office down
	ip -n "$T-c1" link set office up
	wait_for 3 all_through_it || fail "the routes did not come back in a call"
	client_says 'office: down reason="idle for 4 s"'
	# Nobody had the time to see it.
	ip -n "$T-c1" link set office down
	ip -n "$T-c1" link set office up
	pings -c 1 -W 10 -I office || fail "no answer after that"
	all_through_it || fail "a call came up without its routes"
	office_down
	server_stop
}

has_half() { ip -n "$T-c1" route show | grep '^0.0.0.0/1 dev sstp0' >/dev/null; }

# A call that is not dialed again gets lost routes back too, and ends when its way is gone.
test_one_call() {
	server_start
	client_spawn 1 --add-default-route
	wait_for 10 has_half || fail "there is no default route"
	ip -n "$T-c1" route del 0.0.0.0/1 dev sstp0
	wait_for 5 has_half || fail "the route did not come back"
	client_says 'interface=sstp0 lost addresses or routes: they are put back'
	ip -n "$T-c1" addr del 192.0.2.11/24 dev eth0
	client_says 'down reason="the network changed: ' 15
	wait_for 5 client_gone 1 || fail "the client goes on"
	proc_stop "$work/client1.pid"
	[[ $proc_status == 12 ]] || fail "status $proc_status is not that of a lost call"
	no_sanitizer_report "$cl_log"
	! has_half || fail "a route was left"
	ip -n "$T-c1" addr add 192.0.2.11/24 dev eth0
	server_stop
}

# An address that somebody else took away is gone, and no reason to end.
test_flush() {
	server_start
	client_file "connect-to: $access" 'dial-on-demand: yes'
	office_up
	client_says 'office: waiting for traffic'
	to_host
	ip -n "$T-c1" -4 addr flush dev office
	to_host
	pings -c 4 -i 0.5 -W 2 || fail "no answer in the end"
	nb_up 1 || fail "no call"
	office_down
	server_stop
}

# session-timeout is an end in order: who has packets then dials at once.
test_session_timeout() {
	server_fixed
	demand_file "local-address: $fixed, session-timeout: 1" "connect-to: $access"
	office_up
	client_says 'office: waiting for traffic'
	to_host
	pings -i 0.2 -W 1 -c 30 || true
	nb_up 3 || fail "too few calls"
	never_said 'not dialing for'
	office_down
	server_stop
}

# What waited for a call that takes less is not lost without a word.
test_too_long() {
	s_more='  max-mru: 1300'
	server_fixed
	demand_file "local-address: $fixed" "connect-to: $access"
	office_up
	client_says 'office: waiting for traffic'
	to_host
	pings -W 3 -M 'do' -s 1400 -c 1 || true
	grep -qE '[Ff]rag(mentation)? needed.*mtu = 1300' "$work/ping.txt" || fail "$(<"$work/ping.txt")"
	pings -W 3 -s 1400 -c 1 || fail "no answer in fragments"
	office_down
	s_more=
	server_stop
}

# resolvconf_start WHAT LINE...: the client with a resolvconf that does WHAT before it ends.
resolvconf_start() {
	local body=$1
	shift
	printf '#!/bin/sh\necho "start $*" >>"%s"\n%s\necho "end $*" >>"%s"\n' "$work/told" "$body" "$work/told" \
		>"$work/resolvconf"
	chmod 755 "$work/resolvconf"
	: >"$work/told"
	cl_log=$work/$case_name.client1.log
	proc_spawn "$work/client1.pid" "$cl_log" ip netns exec "$T-c1" unshare -m --propagation private bash -c '
		mount -t tmpfs none /usr/local && mkdir /usr/local/sbin && cp "$1" /usr/local/sbin/resolvconf &&
		shift && exec "$@"' - "$work/resolvconf" "$culvert_client" --run-dir "$work/run" "$@"
}

# The name servers that a crash left go before those of the same interface come.
test_name_servers_in_order() {
	server_start
	mkdir -p "$work/run"
	: >"$work/run/dial-999999.lock"
	echo sstp0.culvert >"$work/run/dial-999999.dns"
	printf '%s\n' "$password" >"$work/password"
	chmod 600 "$work/password"
	resolvconf_start 'case "$*" in *-d*) sleep 1;; esac' --connect-to "$access" --user "$user" \
		--password-file "$work/password" --name sstp0 --use-peer-dns yes
	wait_for 10 grep -q 'end -a sstp0' "$work/told" || fail "no name servers: $(<"$work/told")"
	[[ $(sed -n 2p "$work/told") == 'end -d sstp0.culvert' ]] || fail "out of order: $(<"$work/told")"
	[[ ! -e $work/run/dial-999999.dns ]] || fail "the note is still there"
	client_hangup 1
	! compgen -G "$work/run/dial-*" >/dev/null || fail "left in the run directory: $(ls "$work/run")"
	server_stop
}

# What could not be taken back is noted still.
test_name_servers_stay() {
	server_start
	client_file "connect-to: $access" 'use-peer-dns: yes'
	resolvconf_start '[ "$1" = -a ] || exit 1' up office --config "$work/client.yaml"
	client_says ': up user='
	wait_for 5 grep -q 'end -a office' "$work/told" || fail "no name servers"
	office_down
	[[ -s $work/run/client-office.dns ]] || fail "the note is gone"
	resolvconf_start 'true' up office --config "$work/client.yaml"
	wait_for 5 grep -q 'end -a office' "$work/told" || fail "no name servers"
	[[ $(head -n 1 "$work/told") == 'start -d office.culvert' ]] || fail "not taken back: $(<"$work/told")"
	office_down
	[[ ! -e $work/run/client-office.dns ]] || fail "the note is still there"
	server_stop
}

need "$culvertd" "$culvert_client" python3 unshare
topo_up
run_cases lost_twice own_changes link one_call flush session_timeout too_long name_servers_in_order name_servers_stay
