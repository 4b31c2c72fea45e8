#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# scripts/host-prepare on a tree of its own instead of /sys and /proc: what --check finds, what is
# written, that a second time writes nothing, and that --undo leaves every file as it was.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

prepare=$top/scripts/host-prepare
work=$(mktemp -d /tmp/culvert-host.XXXXXX)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "FAILED: $*"
	exit 1
}

# A machine of four CPUs on two NUMA nodes with one Ethernet port.
make_tree() {
	export CULVERT_HOST_ROOT=$work/$1
	local r=$CULVERT_HOST_ROOT c n d
	for n in 0 1; do
		d=$r/sys/devices/system/node/node$n/hugepages/hugepages-2048kB
		mkdir -p "$d"
		echo 10 >"$d/nr_hugepages"
		echo 4 >"$d/free_hugepages"
	done
	d=$r/sys/kernel/mm/hugepages/hugepages-2048kB
	mkdir -p "$d"
	echo 20 >"$d/nr_hugepages"
	echo 8 >"$d/free_hugepages"
	for c in 0 1 2 3; do
		d=$r/sys/devices/system/cpu/cpu$c
		mkdir -p "$d/cpufreq" "$d/cpuidle/state0" "$d/cpuidle/state1"
		echo powersave >"$d/cpufreq/scaling_governor"
		echo 0 >"$d/cpuidle/state0/disable"
		echo 0 >"$d/cpuidle/state0/latency"
		echo 0 >"$d/cpuidle/state1/disable"
		echo 100 >"$d/cpuidle/state1/latency"
	done
	for n in 24 25; do
		mkdir -p "$r/proc/irq/$n"
		echo 0-3 >"$r/proc/irq/$n/smp_affinity_list"
	done
	mkdir -p "$r/proc/irq/26"
	echo 0 >"$r/proc/irq/26/smp_affinity_list"
	echo "BOOT_IMAGE=/vmlinuz root=/dev/vda1 quiet" >"$r/proc/cmdline"
	d=$r/sys/bus/pci/devices/0000:03:00.0
	mkdir -p "$d" "$r/sys/bus/pci/drivers/ice"
	echo 0x020000 >"$d/class"
	echo 0x8086 >"$d/vendor"
	ln -s ../../drivers/ice "$d/driver"
	mkdir -p "$r/sys/bus/pci/devices/0000:04:00.0"
	echo 0x020000 >"$r/sys/bus/pci/devices/0000:04:00.0/class"
	echo 0x15b3 >"$r/sys/bus/pci/devices/0000:04:00.0/vendor"
	mkdir -p "$r/sys/bus/pci/devices/0000:05:00.0"
	echo 0x010000 >"$r/sys/bus/pci/devices/0000:05:00.0/class"
}

# Everything in the tree but what the script keeps for itself.
sum_of() { (cd "$CULVERT_HOST_ROOT" && find sys proc etc -type f 2>/dev/null | sort | xargs sha256sum | sha256sum); }
value() { cat "$CULVERT_HOST_ROOT/$1"; }
is() { [[ $(value "$1") == "$2" ]] || fail "$1 is '$(value "$1")', expected '$2'"; }
refused() { # TEXT ARGUMENT...
	local text=$1 out
	shift
	! out=$("$prepare" "$@" 2>&1) || fail "taken: $*"
	grep -qF -- "$text" <<<"$out" || fail "$*: said '$out', expected '$text'"
}

test_check() {
	make_tree check
	local before out
	before=$(sum_of)
	out=$("$prepare" --check --hugepages 128M --cpus 2-3 --bind 0000:03:00.0) && fail "nothing was missing"
	grep -q '44 huge pages' <<<"$out" || fail "huge pages: $out"
	grep -q '2 interrupts' <<<"$out" || fail "interrupts: $out"
	grep -q 'isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 irqaffinity=0,1' <<<"$out" || fail "command line: $out"
	grep -q 'governor powersave' <<<"$out" || fail "governor: $out"
	grep -q 'has driver ice' <<<"$out" || fail "port: $out"
	[[ $(sum_of) == "$before" ]] || fail "--check changed something"
	[[ ! -e $CULVERT_HOST_ROOT/var ]] || fail "--check wrote its state"
	out=$("$prepare" --dry-run --hugepages 128M --cpus 2-3 --bind 0000:03:00.0) || fail "--dry-run failed: $out"
	[[ $(sum_of) == "$before" ]] || fail "--dry-run changed something"
	"$prepare" >/dev/null || fail "the overview failed"
	# What is so already is all right.
	echo "isolcpus=managed_irq,domain,1-3 nohz_full=2-3 rcu_nocbs=2,3 irqaffinity=0-1" >"$CULVERT_HOST_ROOT/proc/cmdline"
	out=$("$prepare" --check --hugepages 40M --cpus 2-3) && fail "interrupts were not missed"
	grep -q 'isolcpus=.*on the kernel' <<<"$out" && fail "the command line is fine: $out"
	"$prepare" --check --hugepages 40M >/dev/null || fail "20 pages are there"
	"$prepare" --check --hugepages 40M --free >/dev/null && fail "only 8 are free"
	return 0
}

test_cpus() {
	make_tree cpus
	local before
	before=$(sum_of)
	"$prepare" --cpus 2-3 >/dev/null
	is proc/irq/24/smp_affinity_list 0,1
	is proc/irq/26/smp_affinity_list 0
	is sys/devices/system/cpu/cpu2/cpufreq/scaling_governor performance
	is sys/devices/system/cpu/cpu1/cpufreq/scaling_governor powersave
	is sys/devices/system/cpu/cpu3/cpuidle/state1/disable 1
	is sys/devices/system/cpu/cpu3/cpuidle/state0/disable 0
	cp "$CULVERT_HOST_ROOT/var/lib/culvert/host-prepare/log" "$work/log"
	"$prepare" --cpus 2-3 >/dev/null
	cmp -s "$CULVERT_HOST_ROOT/var/lib/culvert/host-prepare/log" "$work/log" || fail "a second time changed something"
	# Others of the machine as well: the first value is what counts.
	"$prepare" --cpus 1-3 >/dev/null
	is proc/irq/24/smp_affinity_list 0
	"$prepare" --undo >/dev/null
	[[ $(sum_of) == "$before" ]] || fail "--undo left something"
	"$prepare" --undo | grep -q nothing || fail "there was still something to take back"
}

test_hugepages() {
	make_tree huge
	local h=sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages before
	before=$(sum_of)
	"$prepare" --hugepages 128M >/dev/null
	is $h 64
	"$prepare" --hugepages 128M >/dev/null
	is $h 64
	"$prepare" --hugepages 64M >/dev/null
	is $h 64
	# Another program takes ten more: they stay.
	echo 74 >"$CULVERT_HOST_ROOT/$h"
	"$prepare" --undo >/dev/null
	is $h 30
	echo 20 >"$CULVERT_HOST_ROOT/$h"
	# So much beside what is in use: 8 are free.
	"$prepare" --hugepages 32M --free >/dev/null
	is $h 28
	"$prepare" --undo >/dev/null
	is $h 20
	"$prepare" --hugepages 32M --per-node >/dev/null
	is sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages 16
	is sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages 16
	"$prepare" --hugepages 64M --node 1 >/dev/null
	is sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages 32
	"$prepare" --undo >/dev/null
	"$prepare" --hugepages 128M --persist >/dev/null
	grep -qx 'vm.nr_hugepages = 64' "$CULVERT_HOST_ROOT/etc/sysctl.d/80-culvert-hugepages.conf" || fail "no sysctl file"
	"$prepare" --undo >/dev/null
	[[ $(sum_of) == "$before" ]] || fail "--undo left something"
	# A state of one's own: for a bench that gives back only what is its own.
	"$prepare" --state "$work/own" --hugepages 64M >/dev/null
	"$prepare" --undo | grep -q nothing || fail "it was not in the other state"
	"$prepare" --state "$work/own" --undo >/dev/null
	is $h 20
}

test_refusals() {
	make_tree bad
	refused "no size" --hugepages 12X
	refused "--page is" --hugepages 64M --page 4K
	refused "no such page size" --hugepages 2G --page 1G
	refused "no such page size or NUMA node" --hugepages 64M --node 7
	refused "--persist is for" --hugepages 64M --node 0 --persist
	refused "no list of CPUs" --cpus two
	refused "there is no CPU 9" --cpus 9
	refused "at least one CPU" --cpus 0-3
	refused "no PCI address" --dry-run --bind 03:00.0
	refused "no PCI device" --dry-run --bind 0000:09:00.0
	refused "Mellanox" --dry-run --bind 0000:04:00.0
	refused "no network port" --dry-run --bind 0000:05:00.0
	refused "either --bind or --unbind" --bind 0000:03:00.0 --unbind 0000:03:00.0
	refused "unknown option" --nonsense
	refused "--check: of what" --check
	refused "--undo goes alone" --undo --cpus 1
	refused "needs PCI addresses" --dry-run --bind
	"$prepare" --help | grep -q -- '--per-node' || fail "no help"
}

for t in check cpus hugepages refusals; do
	("test_$t") || {
		echo "@case FAIL $t 0.0"
		exit 1
	}
	echo "@case ok $t 0.0"
done
