#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# use-peer-dns with what keeps name servers on Debian: openresolv, resolvconf and systemd-resolved, each
# unpacked (scripts/deps) and laid over /usr, /etc and /run of a mount namespace that only client 1 is in.
# The machine's own /etc/resolv.conf is looked at, before and after, and never written.
#
#   c1: /etc/resolv.conf names 192.0.2.99, which does not answer, until a call is up
#   inet: a name server at 203.0.113.10, which knows every name as 203.0.113.77
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=client_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/client_lib.sh"

before=$(cat /etc/resolv.conf 2>/dev/null || true)

# inside CMD...: in client 1's network and mount namespaces.
inside() { nsenter -t "$(proc_pid "$work/inside.pid")" -m -n -- "$@"; }

is_inside() { inside test -e /run/is-inside; }

# inside_start [PACKAGE]
inside_start() {
	local pkg=${1:+$packages_unpacked/$1}
	[[ -z $pkg || -d $pkg ]] || skip "$1 is not unpacked (scripts/deps test)"
	cat >"$work/inside" <<-END
		set -e
		mount -t tmpfs none /mnt
		mkdir /mnt/up /mnt/work
		mount -t overlay none -o lowerdir=${pkg:+$pkg/etc:}/etc,upperdir=/mnt/up,workdir=/mnt/work /etc
		${pkg:+mount -t overlay none -o lowerdir=$pkg/usr:/usr /usr}
		mount -t tmpfs none /run
		rm -f /etc/resolv.conf
		echo nameserver 192.0.2.99 >/etc/resolv.conf
		echo hosts: files dns >/etc/nsswitch.conf
		touch /run/is-inside
		exec sleep 1000
	END
	proc_spawn "$work/inside.pid" "$work/$case_name.inside.log" ip netns exec "$T-c1" \
		unshare -m --propagation private bash "$work/inside"
	wait_for 5 is_inside || fail "no mount namespace: $(tail -n 1 "$work/$case_name.inside.log")"
}

start() { # PACKAGE CLIENT-LINE...
	inside_start "$1"
	shift
	server_start
	proc_spawn "$work/named.pid" "$work/$case_name.named.log" ip netns exec "$ns_inet" python3 -c '
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("203.0.113.10", 53))
while True:
    q, a = s.recvfrom(4096)
    end = q.index(b"\0", 12) + 5
    ip4 = q[end - 4:end - 2] == b"\0\1"
    s.sendto(q[:2] + b"\x81\x80\0\1" + struct.pack(">H", ip4) + b"\0\0\0\0" + q[12:end] +
        (b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\xcb\0\x71\x4d" if ip4 else b""), a)'
	wait_for 5 eval "ip netns exec '$ns_inet' ss -Hlun 'sport = :53' | grep -q ." || fail "no name server"
	client_file "connect-to: $access" 'add-default-route: yes'
	printf '%s\n' "$@" >>"$work/client.yaml"
}

# The topology's, with another name server.
eval "topology_yaml() $(declare -f server_yaml | tail -n +2)"
server_yaml() { topology_yaml | sed -e 's|dns-server: .*}|dns-server: [203.0.113.10] }|'; }

# The library's, in there.
office_spawn() {
	cl_log=$work/$case_name.client1.log
	proc_spawn "$work/client1.pid" "$cl_log" nsenter -t "$(proc_pid "$work/inside.pid")" -m -n -- \
		"$culvert_client" up office --config "$work/client.yaml" --run-dir "$work/run" --log-level debug
}
office_up() {
	office_spawn
	client_says 'office: up user='
}

office_down() {
	proc_stop "$work/client1.pid" 25 || fail "the client did not end"
	[[ $proc_status == 0 ]] || fail "the client ended with $proc_status"
	no_sanitizer_report "$cl_log"
	[[ ! -e $work/run/client-office.dns ]] || fail "the note was left"
}

end() {
	server_stop
	proc_stop "$work/named.pid" || true
	proc_stop "$work/inside.pid" || true
	[[ $(cat /etc/resolv.conf 2>/dev/null || true) == "$before" ]] || fail "the machine's own resolv.conf was written"
}

# servers: those of /etc/resolv.conf, one blank between.
servers() { inside awk '$1 == "nameserver" {printf "%s%s", n++ ? " " : "", $2}' /etc/resolv.conf; }
servers_are() { [[ $(servers) == "$1" ]]; }
# asked ADDRESS...: soon the machine asks these.
asked() { wait_for 5 servers_are "$*" || fail "it asks $(servers), not $*"; }

# A name is looked up as any program does.
looks_up() {
	[[ $(inside getent ahostsv4 "$1" | awk '{print $1; exit}') == 203.0.113.77 ]] || fail "$1 is not found"
}

test_openresolv() {
	start openresolv '    use-peer-dns: yes'
	inside resolvconf -a eth0.dhcp <<<'nameserver 192.0.2.99'
	office_up
	wait_for 5 eval '[[ $(servers) == *203.0.113.10* && $(servers) == *192.0.2.99* ]]' || fail "it asks $(servers)"
	office_down
	asked 192.0.2.99
	end
}

# Nobody else is asked; what a crash leaves is taken back by the next start; while the server is away
# its name servers are not asked.
test_exclusively() {
	start openresolv '    use-peer-dns: exclusively'
	inside resolvconf -a eth0.dhcp <<<'nameserver 192.0.2.99'
	office_up
	asked 203.0.113.10
	looks_up a.example
	[[ -s $work/run/client-office.dns ]] || fail "it is not noted"
	proc_kill client1
	asked 203.0.113.10
	office_up
	client_says 'name servers of office.culvert were left, and are taken back'
	asked 203.0.113.10
	looks_up b.example
	server_stop
	client_says 'dialing again in'
	asked 192.0.2.99
	server_start
	wait_for 20 nb_up 2 || fail "the client did not come back"
	asked 203.0.113.10
	looks_up c.example
	office_down
	asked 192.0.2.99
	! grep -qE 'script=.*(status=[1-9]|signal=|killed)' "$cl_log" || fail "resolvconf failed"
	end
}

# A profile's own servers, of both families, in place of the server's.
test_profile() {
	start openresolv '    use-peer-dns: exclusively' 'ppp-profiles:' \
		'  default: { dns-server: [203.0.113.10, 203.0.113.11, "2001:db8::53"] }'
	office_up
	asked 203.0.113.10 203.0.113.11 2001:db8::53
	looks_up d.example
	office_down
	asked 192.0.2.99
	end
}

test_resolvconf() {
	start resolvconf '    use-peer-dns: exclusively'
	inside sh -c 'mkdir -p /run/resolvconf/interface && resolvconf --enable-updates &&
		ln -sf /run/resolvconf/resolv.conf /etc/resolv.conf'
	inside resolvconf -a eth0.dhcp <<<'nameserver 192.0.2.99'
	asked 192.0.2.99
	office_up
	client_says 'interface=office .*/resolvconf cannot use its name servers exclusively'
	wait_for 5 eval '[[ $(servers) == *203.0.113.10* && $(servers) == *192.0.2.99* ]]' || fail "it asks $(servers)"
	proc_kill client1
	office_up
	client_says 'name servers of office.culvert were left'
	office_down
	asked 192.0.2.99
	end
}

resolved_answers() { inside resolvectl status; }

# systemd-resolved itself, on a bus of its own.
resolved_start() {
	command -v dbus-daemon >/dev/null || skip "dbus-daemon is not there"
	inside mkdir -p /run/dbus /run/systemd/resolve
	inside sh -c 'grep -q "^systemd-resolve:" /etc/passwd ||
		echo systemd-resolve:x:64991:64991::/:/usr/sbin/nologin >>/etc/passwd
		grep -q "^systemd-resolve:" /etc/group || echo systemd-resolve:x:64991: >>/etc/group
		chown systemd-resolve: /run/systemd/resolve'
	cat >"$work/bus.conf" <<-'END'
		<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
		 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
		<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>
		<auth>EXTERNAL</auth><policy context="default"><allow user="*"/><allow own="*"/>
		<allow send_type="*"/><allow receive_type="*"/><allow send_destination="*"/></policy></busconfig>
	END
	proc_spawn "$work/bus.pid" "$work/$case_name.bus.log" nsenter -t "$(proc_pid "$work/inside.pid")" -m -n -- \
		dbus-daemon --config-file="$work/bus.conf" --nofork --nopidfile
	wait_for 5 inside test -S /run/dbus/system_bus_socket || fail "no bus"
	proc_spawn "$work/resolved.pid" "$work/$case_name.resolved.log" \
		nsenter -t "$(proc_pid "$work/inside.pid")" -m -n -- /usr/lib/systemd/systemd-resolved
	wait_for 10 resolved_answers || {
		tail -n 5 "$work/$case_name.resolved.log"
		skip "systemd-resolved does not run here"
	}
	inside ln -sf /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
}

# resolved_has WHAT VALUE: of the interface, as resolvectl tells it.
resolved_has() { [[ $(inside resolvectl "$1" office 2>/dev/null | sed 's/.*): *//') == "$2" ]]; }

test_resolved() {
	start systemd-resolved '    use-peer-dns: exclusively'
	resolved_start
	office_up
	wait_for 5 resolved_has domain '~.' || fail "domain: $(inside resolvectl domain office)"
	wait_for 5 resolved_has default-route yes || fail "$(inside resolvectl default-route office)"
	resolved_has dns 203.0.113.10 || fail "dns: $(inside resolvectl dns office)"
	[[ ! -e $work/run/client-office.dns ]] || fail "noted, though nothing can be left"
	looks_up e.example
	inside resolvectl query f.example >"$work/query" || fail "no answer: $(<"$work/query")"
	grep -q '203.0.113.77.*link: office' "$work/query" || fail "another link answered: $(<"$work/query")"
	proc_kill client1
	wait_for 5 eval '! inside resolvectl dns | grep -q 203.0.113.10' || fail "$(inside resolvectl dns)"
	office_up
	wait_for 5 resolved_has dns 203.0.113.10 || fail "dns: $(inside resolvectl dns office)"
	looks_up g.example
	office_down
	! inside resolvectl dns | grep -q 203.0.113.10 || fail "$(inside resolvectl dns)"
	! grep -qE 'script=.*(status=[1-9]|signal=|killed)' "$cl_log" || fail "resolvectl failed"
	proc_stop "$work/resolved.pid" || true
	proc_stop "$work/bus.pid" || true
	end
}

# Not exclusively, and a systemd-resolved of another network namespace is not this one's.
test_resolved_elsewhere() {
	start systemd-resolved '    use-peer-dns: yes'
	resolved_start
	office_up
	wait_for 5 resolved_has dns 203.0.113.10 || fail "dns: $(inside resolvectl dns office)"
	resolved_has domain '' || fail "domain: $(inside resolvectl domain office)"
	office_down
	proc_spawn "$work/client1.pid" "$cl_log" nsenter -t "$(proc_pid "$work/inside.pid")" -m \
		--net="/run/netns/$T-c2" -- "$culvert_client" up office --config "$work/client.yaml" --run-dir "$work/run"
	client_says 'office: up user='
	client_says 'there is neither systemd-resolved nor resolvconf here'
	office_down
	proc_stop "$work/resolved.pid" || true
	proc_stop "$work/bus.pid" || true
	end
}

# Between the calls of a connection on demand its interface stays, and its name servers are not asked.
test_resolved_on_demand() {
	start systemd-resolved '    use-peer-dns: exclusively' '    dial-on-demand: yes' \
		'ppp-profiles: { default: { idle-timeout: 3 } }'
	resolved_start
	office_spawn
	wait_for 5 eval "ip -n '$T-c1' route show 128.0.0.0/1 | grep -q office" || fail "no route on demand"
	in_ns "$T-c1" ping -c 1 -W 1 "$host" >/dev/null 2>&1 || true
	client_says 'office: up user='
	wait_for 5 resolved_has domain '~.' || fail "domain: $(inside resolvectl domain office)"
	looks_up h.example
	client_says 'office: down reason="idle' 10
	wait_for 5 eval '! inside resolvectl dns | grep -q 203.0.113.10' || fail "$(inside resolvectl dns)"
	resolved_has domain '' || fail "domain: $(inside resolvectl domain office)"
	ip -n "$T-c1" link show office >/dev/null || fail "the interface is gone"
	in_ns "$T-c1" ping -c 1 -W 1 "$host" >/dev/null 2>&1 || true
	wait_for 10 nb_up 2 || fail "not up again"
	wait_for 5 resolved_has dns 203.0.113.10 || fail "dns: $(inside resolvectl dns office)"
	office_down
	! grep -qE 'script=.*(status=[1-9]|signal=|killed)' "$cl_log" || fail "resolvectl failed"
	proc_stop "$work/resolved.pid" || true
	proc_stop "$work/bus.pid" || true
	end
}

# Nobody keeps them; and one that hangs holds up neither packets nor commands.
test_trouble() {
	start '' '    use-peer-dns: yes'
	office_up
	client_says 'interface=office its name servers are not used: there is neither'
	asked 192.0.2.99
	office_down
	inside sh -c 'mount -t tmpfs none /usr/local && mkdir /usr/local/sbin && cd /usr/local/sbin &&
		printf "#!/bin/sh\n[ \$1 = -d ] || exec sleep 1000\n" >resolvconf && chmod 755 resolvconf'
	office_up
	ping_host 1 || fail "no ping while resolvconf hangs"
	inside timeout 3 "$culvert_client" status office --config "$work/client.yaml" --run-dir "$work/run" \
		>"$work/said" || fail "no answer while resolvconf hangs"
	office_down
	client_says 'resolvconf event=dns-up killed after ms=1'
	client_says 'resolvconf event=dns-down ended status=0'
	end
}

need "$culvertd" "$culvert_client" unshare nsenter python3
topo_up
run_cases openresolv exclusively profile resolvconf resolved resolved_elsewhere resolved_on_demand trouble
