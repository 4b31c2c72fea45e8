# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Helpers shared by the scripts and the tests: bash, sourced. Callers have `set -euo pipefail`.
#
# What is made here is remembered nowhere but in names: namespaces and interfaces begin with the
# caller's prefix, processes have a pid file. Nothing is ever ended by name, only by the id in a pid
# file, and only while that id is still the process that was started.

if [[ -n ${CULVERT_LIB_SH:-} ]]; then
	return 0
fi
CULVERT_LIB_SH=1

lib_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # for the callers
top=$(dirname "$lib_dir")

if [[ -t 1 ]]; then
	c_bold=$'\e[1m' c_red=$'\e[31m' c_green=$'\e[32m' c_off=$'\e[0m'
else
	# shellcheck disable=SC2034 # c_green is for the callers
	c_bold='' c_red='' c_green='' c_off=''
fi

# --- printing ---------------------------------------------------------------------------------

step_nr=0
step_total=0
# shellcheck disable=SC2034 # for the callers
step_name=''

# step TEXT: the next of step_total steps begins.
step() {
	step_nr=$((step_nr + 1))
	# shellcheck disable=SC2034 # for the callers
	step_name=$1
	printf '%s[%d/%d] %s%s\n' "$c_bold" "$step_nr" "$step_total" "$1" "$c_off"
}

info() { printf '      %s\n' "$*"; }
warn() { printf '%swarning:%s %s\n' "$c_red" "$c_off" "$*" >&2; }

die() {
	printf '%serror:%s %s\n' "$c_red" "$c_off" "$*" >&2
	exit 1
}

need_root() {
	[[ $EUID == 0 ]] || die "this needs root (namespaces, interfaces, packages): sudo $0"
}

# usage: the calling script's first comment, below its licence line.
usage() { sed -n '3,/^set -/s/^# \{0,1\}//p' "$0"; }

# run_logged LOG CMD...: quiet; on failure its last lines are shown and its status returned.
run_logged() {
	local log=$1 rc=0
	shift
	"$@" >"$log" 2>&1 </dev/null || rc=$?
	if ((rc)); then
		printf '%sfailed%s (status %d): %s\n' "$c_red" "$c_off" "$rc" "$*" >&2
		show_tail "$log" 25 >&2
	fi
	return "$rc"
}

# show_tail FILE [LINES]
show_tail() {
	if [[ -s $1 ]]; then
		printf '      --- last lines of %s ---\n' "$1"
		tail -n "${2:-20}" "$1" | sed 's/^/      | /'
	fi
}

# last_line FILE WIDTH: its last line that says anything.
last_line() {
	tail -c 1000 "$1" | tr '\r' '\n' | { grep -v '^[[:space:]]*$' || true; } | tail -n 1 | cut -c1-"$2"
}

# run_progress LOG CMD...: as run_logged, but a dot every few seconds shows that it goes on, and on
# a terminal the last line of its output.
run_progress() {
	local log=$1 pid rc=0 n=0
	shift
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.5
		n=$((n + 1))
		if [[ -t 1 ]]; then
			printf '\r\e[K      %s' "$(last_line "$log" 72)"
		elif ((n % 20 == 0)); then
			printf '      ... %s\n' "$(last_line "$log" 90)"
		fi
	done
	wait "$pid" || rc=$?
	[[ -t 1 ]] && printf '\r\e[K'
	if ((rc)); then
		printf '%sfailed%s (status %d): %s\n' "$c_red" "$c_off" "$rc" "$*" >&2
		show_tail "$log" 25 >&2
	fi
	return "$rc"
}

# --- packages ---------------------------------------------------------------------------------

# packages_missing PKG...: prints those that are not installed, one a line.
packages_missing() {
	local p
	for p; do
		dpkg-query -W -f='${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed ||
			echo "$p"
	done
}

# packages_install PKG...: installs what is missing; nothing is asked, nothing else changes.
packages_install() {
	local missing log rc=0
	mapfile -t missing < <(packages_missing "$@")
	((${#missing[@]})) || return 0
	command -v apt-get >/dev/null || die "no apt-get here; needed: ${missing[*]}"
	[[ $EUID == 0 ]] || die "root is needed to install: ${missing[*]}"
	info "installing ${#missing[@]} packages: ${missing[*]}"
	log=$(mktemp /tmp/culvert-apt.XXXXXX)
	local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300
		-o Acquire::Retries=3)
	run_progress "$log" "${apt[@]}" update ||
		warn "the package lists could not be renewed; trying with the old ones"
	run_progress "$log" "${apt[@]}" install --no-install-recommends "${missing[@]}" || rc=$?
	((rc == 0)) && rm -f "$log"
	((rc == 0)) || die "packages could not be installed (log: $log)"
}

# Packages that a test looks at but that must not be installed, as they would take over parts of the
# machine: their files are here, below the package's name, with everything of /bin, /sbin and /lib in /usr.
# shellcheck disable=SC2034 # for the tests
packages_unpacked=${CULVERT_CACHE:-/var/cache/culvert}/unpacked

# packages_unpack PKG...: those that are not there yet. Status 1: one could not be had.
packages_unpack() {
	local p tmp dir rc=0
	for p; do
		[[ ! -d $packages_unpacked/$p ]] || continue
		info "unpacking $p (not installed)"
		mkdir -p "$packages_unpacked"
		tmp=$(mktemp -d "$packages_unpacked/.$p.XXXXXX")
		if (cd "$tmp" && apt-get -q -o Acquire::Retries=3 download "$p" &&
			dpkg-deb -x ./*.deb root) >"$tmp/log" 2>&1; then
			mkdir -p "$tmp/root/usr"
			for dir in bin sbin lib; do
				[[ ! -d $tmp/root/$dir ]] || cp -a "$tmp/root/$dir" "$tmp/root/usr/"
				rm -rf "${tmp:?}/root/$dir"
			done
			mv "$tmp/root" "$packages_unpacked/$p"
		else
			rc=1
			warn "$p could not be unpacked: $(tail -n 1 "$tmp/log")"
		fi
		rm -rf "$tmp"
	done
	return "$rc"
}

# --- waiting ----------------------------------------------------------------------------------

# wait_for SECONDS CMD...: until CMD succeeds; 1 when the time is over.
wait_for() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		((${EPOCHREALTIME/[.,]/} < end)) || return 1
		sleep 0.1
	done
}

# --- processes --------------------------------------------------------------------------------

# The kernel's start time of a process: with the id it names one process for good.
proc_start_time() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	# The command's name, in parentheses, may hold anything: count from behind it.
	stat=${stat##*) }
	# shellcheck disable=SC2086 # split on purpose
	set -- $stat
	echo "${20}"
}

# proc_spawn PIDFILE LOG CMD...: starts CMD in the background in a session of its own, output to LOG.
proc_spawn() {
	local pidfile=$1 log=$2
	shift 2
	: >"$log" # at once: what an earlier one said there is not this one's
	# Locks of the caller are not for what outlives it.
	setsid "$@" >"$log" 2>&1 </dev/null 8>&- 9>&- &
	proc_record "$pidfile" $!
}

# proc_record PIDFILE PID
proc_record() {
	printf '%s %s\n' "$2" "$(proc_start_time "$2" || echo gone)" >"$1"
}

# proc_pid PIDFILE: prints the id while that very process runs; else 1.
proc_pid() {
	local pid start state
	[[ -s $1 ]] || return 1
	read -r pid start <"$1"
	[[ $(proc_start_time "$pid" || echo none) == "$start" ]] || return 1
	state=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f1)
	[[ $state != Z ]] || return 1
	echo "$pid"
}

proc_gone() { ! proc_pid "$1" >/dev/null; }

# proc_stop PIDFILE [SECONDS]: SIGTERM, and SIGKILL when it is still there after that time (10).
# proc_status is its exit status then, when it was started by this shell, else empty.
# 0 ended by itself, 1 it had to be killed. A process that is gone already is no error.
proc_stop() {
	local pid rc=0 started=''
	proc_status=''
	[[ ! -s $1 ]] || read -r started _ <"$1"
	if pid=$(proc_pid "$1"); then
		kill -TERM "$pid" 2>/dev/null || true
		if ! wait_for "${2:-10}" proc_gone "$1"; then
			kill -KILL "$pid" 2>/dev/null || true
			wait_for 5 proc_gone "$1" || true
			rc=1
		fi
	fi
	if [[ -n $started ]]; then
		proc_status=0
		wait "$started" 2>/dev/null || proc_status=$?
		# 127: no child of this shell.
		[[ $proc_status != 127 ]] || proc_status=''
	fi
	rm -f "$1"
	return "$rc"
}

# --- namespaces and interfaces ------------------------------------------------------------------

# ns_add NAME: a namespace with loopback up and no IPv6 chatter on new interfaces.
ns_add() {
	ip netns add "$1"
	ip -n "$1" link set lo up
	ip netns exec "$1" sysctl -qw net.ipv6.conf.default.accept_dad=0 \
		net.ipv6.conf.default.accept_ra=0 2>/dev/null || true
}

ns_exists() { [[ -e /run/netns/$1 ]]; }

# ns_del NAME: with everything that still runs in it, by id.
ns_del() {
	local pid
	ns_exists "$1" || return 0
	for pid in $(ip netns pids "$1" 2>/dev/null); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	ip netns del "$1" 2>/dev/null || true
}

# in_ns NAME CMD...
in_ns() {
	local ns=$1
	shift
	ip netns exec "$ns" "$@"
}

# link_plain [-n NS] IFACE: no offloads, so that what leaves has its checksums and one segment a
# packet, as on a wire.
link_plain() {
	local ns=''
	if [[ $1 == -n ]]; then
		ns=$2
		shift 2
	fi
	local f
	for f in tx rx sg tso gso gro; do
		# A kind of interface may not know one of them: that is as good as off.
		${ns:+ip netns exec "$ns"} ethtool -K "$1" "$f" off >/dev/null 2>&1 || true
	done
}

# link_port [-n NS] IFACE: an interface that is culvertd's: the kernel neither answers nor routes.
link_port() {
	local ns=()
	if [[ $1 == -n ]]; then
		ns=(ip netns exec "$2")
		shift 2
	fi
	"${ns[@]}" sysctl -qw "net.ipv6.conf.$1.disable_ipv6=1" 2>/dev/null || true
	"${ns[@]}" sysctl -qw "net.ipv4.conf.$1.forwarding=0" 2>/dev/null || true
	"${ns[@]}" sysctl -qw "net.ipv4.conf.$1.arp_ignore=8" 2>/dev/null || true
	"${ns[@]}" ip link set "$1" up promisc on
}

# tcp_open NS ADDRESS PORT: whether a connection can be made.
tcp_open() {
	in_ns "$1" timeout 2 bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null
}

# tcp_listening NS PORT: whether something listens there, without a connection to it.
tcp_listening() {
	[[ -n $(in_ns "$1" ss -Hltn "sport = :$2" 2>/dev/null) ]]
}
