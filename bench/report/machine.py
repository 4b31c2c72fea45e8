# SPDX-License-Identifier: BSD-3-Clause
"""The machine that figures were taken on."""
import hashlib
import os
import platform
import re
import subprocess


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def first(pattern, text, default="unknown"):
    m = re.search(pattern, text, re.M)
    return m.group(1).strip() if m else default


def said(*command):
    """A command's output; nothing when it cannot be run."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, check=False)
        return done.stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return ""


def cpu_features(flags):
    """Those that decide which code the ciphers and checksums take."""
    wanted = ("aes", "vaes", "pclmulqdq", "vpclmulqdq", "avx2", "avx512f", "gfni", "sha_ni")
    return [f for f in wanted if f in flags]


def digest(*paths):
    """Of programs: results are continued with the same ones only."""
    h = hashlib.sha256()
    for path in paths:
        try:
            with open(path, "rb") as f:
                h.update(f.read())
        except OSError:
            h.update(b"none")
    return h.hexdigest()[:16]


def same(a, b):
    """Whether results of two runs belong together: the commit may differ when the programs do not."""
    strip = lambda m: {k: v for k, v in (m or {}).items() if k != "culvert"}
    return strip(a) == strip(b)


def describe(top, build):
    """A dictionary that goes into the results, and is compared before results are continued."""
    info = read("/proc/cpuinfo")
    memory = read("/proc/meminfo")
    clock = first(r"tsc: Refined TSC clocksource calibration: ([0-9.]+) MHz", said("dmesg"), "")
    return {
        "cpu": first(r"^model name\s*:\s*(.*)$", info, platform.machine()),
        "cpus": os.cpu_count(),
        "family_model_stepping": "/".join(
            first(r"^%s\s*:\s*(\d+)$" % k, info) for k in ("cpu family", "model", "stepping")),
        "features": cpu_features(first(r"^flags\s*:\s*(.*)$", info, "").split()),
        "l2": first(r"L2 cache:\s*(.*)", said("lscpu")),
        "l3": first(r"L3 cache:\s*(.*)", said("lscpu")),
        "hypervisor": first(r"Hypervisor vendor:\s*(.*)", said("lscpu"), "none"),
        "tsc_mhz_boot": clock,
        "memory_gib": round(int(first(r"^MemTotal:\s*(\d+)", memory, "0")) / 1048576, 1),
        "kernel": platform.release(),
        "system": first(r'^PRETTY_NAME="?([^"\n]*)', read("/etc/os-release")),
        "dpdk": said("pkg-config", "--modversion", "libdpdk").strip() or "unknown",
        "openssl": first(r"^(OpenSSL \S+)", said("openssl", "version")),
        "ipsec_mb": said("dpkg-query", "-W", "-f=${Version}", "libipsec-mb1").split("-")[0] or "unknown",
        "compiler": said("cc", "--version").splitlines()[0] if said("cc", "--version") else "unknown",
        "buildtype": first(r"buildtype\s+(\S+)", said("meson", "configure", "--no-pager", build)),
        "programs": digest(os.path.join(build, "culvertd"), os.path.join(build, "culvert-bench")),
        "culvert": said("git", "-C", top, "describe", "--always", "--dirty").strip() or "unknown",
    }


def lines(m):
    """For people."""
    return [
        "%s, %d CPUs (%s), L2 %s, L3 %s, %s GiB" % (
            m["cpu"], m["cpus"], "guest of " + m["hypervisor"] if m["hypervisor"] != "none" else "no hypervisor",
            m["l2"], m["l3"], m["memory_gib"]),
        "%s, Linux %s; DPDK %s, %s, ipsec-mb %s; %s" % (
            m["system"], m["kernel"], m["dpdk"], m["openssl"], m["ipsec_mb"], m["compiler"]),
        "features %s; culvert %s, %s build" % (" ".join(m["features"]) or "none", m["culvert"], m["buildtype"]),
    ]
