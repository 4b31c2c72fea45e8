#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# culvert-client through squid: CONNECT with and without a password, what an ACL refuses, names that only
# the proxy knows, a proxy that stalls before a call and in one. client.sh has tinyproxy.
#
#   c1 culvert-client --- c2 squid 192.0.2.12:3128 --- culvertd
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=topology.sh
. "$(dirname "${BASH_SOURCE[0]}")/topology.sh"

proxy=192.0.2.12

squid_start() {
	local dir=$work/squid
	rm -rf "$dir"
	mkdir -p "$dir"
	chmod 711 "$work" "$dir"
	printf 'anna:%s\n' "$(openssl passwd -apr1 geheim)" >"$dir/passwd"
	echo "$access vpn.culvert.test" >"$dir/hosts"
	cat >"$dir/conf" <<-END
		http_port $proxy:3128
		visible_hostname squid.test
		hosts_file $dir/hosts
		dns_nameservers 127.0.0.1
		auth_param basic program /usr/lib/squid/basic_ncsa_auth $dir/passwd
		auth_param basic children 1
		acl tunnels port 443 4443
		acl known proxy_auth REQUIRED
		http_access deny CONNECT !tunnels
		http_access allow CONNECT known
		http_access deny all
		connect_timeout 2 seconds
		cache deny all
		access_log stdio:$dir/access.log
		cache_log $dir/cache.log
		pid_filename $dir/pid
		coredump_dir none
		shutdown_lifetime 0 seconds
		logfile_rotate 0
	END
	touch "$dir/access.log" "$dir/cache.log"
	chown -R proxy: "$dir"
	proc_spawn "$work/squid.pid" "$work/$case_name.squid.log" ip netns exec "$T-c2" squid -N -f "$dir/conf"
	wait_for 15 tcp_open "$T-c1" "$proxy" 3128 || fail "squid does not listen: $(tail -n 1 "$dir/cache.log")"
}

squid_stop() { proc_stop "$work/squid.pid" 10 || true; }

# via OPTION...: connection `office` through it, by a file.
via() {
	local line
	{
		cat <<-END
			sstp-client:
			  office:
			    user: $user
			    password: $password
			    http-proxy: $proxy
			    proxy-port: 3128
		END
		for line; do echo "    $line"; done
	} >"$work/client.yaml"
	chmod 600 "$work/client.yaml"
	cl_log=$work/$case_name.client1.log
	proc_spawn "$work/client1.pid" "$cl_log" ip netns exec "$T-c1" "$culvert_client" up office \
		--config "$work/client.yaml" --run-dir "$work/run"
}
says() { wait_for "${2:-10}" grep -qE -- "$1" "$cl_log" || fail "the client never said: $1"; }
down() {
	proc_stop "$work/client1.pid" 12 || fail "the client did not end"
	[[ $proc_status == "${1:-0}" ]] || fail "the client ended with $proc_status"
	no_sanitizer_report "$cl_log"
}
ends() { # STATUS: by itself
	wait_for 20 client_gone 1 || fail "the client goes on"
	down "$1"
}
squid_saw() { wait_for 5 grep -qE -- "$1" "$work/squid/access.log" || fail "squid never saw: $1"; }

known=('proxy-user: anna' 'proxy-password: geheim')

# The tunnel, the host route to the proxy, and a name that only the proxy knows.
test_call() {
	server_start
	squid_start
	via "connect-to: vpn.culvert.test" "${known[@]}" 'add-default-route: yes' 'verify-server-certificate: yes' \
		'verify-server-address-from-certificate: no' "ca: $work/server.crt"
	says "up user=$user server=vpn.culvert.test:443 proxy=$proxy:3128 "
	ping_host 1 || fail "no ping through the tunnel"
	logged "peer=192\\.0\\.2\\.12|192\\.0\\.2\\.12:"
	ip -n "$T-c1" route show "$proxy" | grep -q "^$proxy dev eth0" || fail "no host route to the proxy"
	iperf "$ns_inet" "$host" "$T-c1" -t 2 >"$work/mbits"
	note "$(<"$work/mbits") Mbit/s"
	down
	squid_saw 'TCP_TUNNEL/200 .* CONNECT vpn.culvert.test:443 anna '
	via "connect-to: [192.0.2.99, $access]" "${known[@]}"
	says "server=192.0.2.99:443 proxy=$proxy:3128 proxy: it answered with status 50[0-9].*trying the next server"
	says "up user=$user server=$access:443"
	down
	squid_stop
	server_stop
}

# 407 ends it, as a password goes on being wrong; 403 is dialed again, as a rule may change.
test_refused() {
	server_start
	squid_start
	via "connect-to: [$access, $access]" 'proxy-user: anna' 'proxy-password: falsch'
	ends 14
	says 'call failed .*proxy: it answered with status 407'
	(($(grep -c 'CONNECT' "$work/squid/access.log") == 1)) || fail "a wrong password was tried again"
	via "connect-to: $access"
	ends 14
	says 'call failed .*proxy: it answered with status 407'
	via "connect-to: $access" 'port: 444' "${known[@]}"
	says 'call failed .*proxy: it answered with status 403'
	says 'dialing again in'
	down
	squid_saw 'TCP_DENIED/403 .* CONNECT 192.0.2.1:444 '
	! grep -q geheim "$work/$case_name".*.log || fail "the password is in a log"
	squid_stop
	server_stop
}

# Before the call: the client waits, can be asked, and goes on when the proxy does; or is hung up.
# In a call: silence ends it, and it is dialed again.
test_stalls() {
	local pid rc=0
	server_start
	squid_start
	pid=$(proc_pid "$work/squid.pid")
	kill -STOP "$pid"
	via "connect-to: $access" "${known[@]}"
	says 'dialing server='
	sleep 2
	in_ns "$T-c1" timeout 3 "$culvert_client" status office --config "$work/client.yaml" --run-dir "$work/run" \
		>"$work/said" || rc=$?
	[[ $rc == 3 ]] && grep -q 'state=dialing' "$work/said" || fail "status $rc: $(<"$work/said")"
	down
	via "connect-to: $access" "${known[@]}" 'keepalive-timeout: 1'
	sleep 1
	kill -CONT "$pid"
	says 'office: up user='
	kill -STOP "$pid"
	says 'office: down reason="' 15
	kill -CONT "$pid"
	wait_for 20 eval "((\$(grep -c ': up user=' '$cl_log') == 2))" || fail "it did not come back"
	ping_host 1 || fail "no ping"
	down
	squid_stop
	server_stop
}

ping_host() {
	ip -n "$T-c1" route replace 203.0.113.0/24 dev office
	in_ns "$T-c1" ping -c 3 -i 0.2 -W 2 "$host" >"$work/ping.txt" 2>&1
}

need "$culvertd" "$culvert_client" squid openssl
topo_up
run_cases call refused stalls
