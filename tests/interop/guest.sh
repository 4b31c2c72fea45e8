# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The host's end of the guest with Debian's sstpc and pppd; sourced behind topology.sh. The guest's
# tap is a port of the bridge in $ns_wire, its address 192.0.2.99.

# shellcheck disable=SC2154 # work and ns_wire are topology.sh's
guest_dir=$work/guest
guest_nr=$guest_dir/nr
# shellcheck disable=SC2034 # for the tests
guest_address=192.0.2.99
guest_here=$(cd "$(dirname "${BASH_SOURCE[0]}")/guest" && pwd)

# guest_boot: builds the image where needed (skips the whole file when that cannot be), and boots it.
guest_boot() {
	need qemu-system-x86_64
	# Answers of an earlier run would be taken for this one's.
	rm -rf "$guest_dir"
	mkdir -p "$guest_dir"
	if ! "$guest_here/build" >"$guest_dir/image" 2>"$guest_dir/build.log"; then
		cat "$guest_dir/build.log"
		echo "@skip the guest cannot be built: $(tail -n 1 "$guest_dir/build.log")"
		exit 77
	fi
	# shellcheck disable=SC2154
	ip netns exec "$ns_wire" ip tuntap add dev tap0 mode tap
	ip -n "$ns_wire" link set tap0 master br0 up
	cp "$guest_here/agent" "$guest_dir/job"
	echo 1 >"$guest_nr"
	# Not a *.pid of $work: it outlives the cases.
	proc_spawn "$guest_dir/guest.pid" "$guest_dir/run.log" \
		"$guest_here/run" -d "$guest_dir" -n "$ns_wire" -i tap0 -a 192.0.2.99/24 -t 1500
	wait_for 90 guest_ready || {
		tail -n 20 "$guest_dir/run.log" "$guest_dir/console" || true
		echo "FAILED: the guest did not come up within 90 s" >&2
		exit 1
	}
}

guest_ready() { [[ -e $guest_dir/ready ]] || proc_gone "$guest_dir/guest.pid"; }

# guest SECONDS SCRIPT: runs it in the guest; its output on standard output, its status returned.
# 124 when it takes longer.
guest() {
	local n
	n=$(cat "$guest_nr")
	echo $((n + 1)) >"$guest_nr"
	printf '%s\n' "$2" >"$guest_dir/cmd.$n.new"
	mv "$guest_dir/cmd.$n.new" "$guest_dir/cmd.$n"
	if ! wait_for "$1" test -e "$guest_dir/rc.$n"; then
		echo "guest: no answer within $1 s" >&2
		return 124
	fi
	cat "$guest_dir/out.$n"
	return "$(cat "$guest_dir/rc.$n")"
}

guest_halt() {
	# A guest that is busy with a dial does not hear this: it is switched off then.
	guest 3 quit >/dev/null 2>&1 || true
	wait_for 5 proc_gone "$guest_dir/guest.pid" || true
	proc_stop "$guest_dir/guest.pid" 5 || true
}
