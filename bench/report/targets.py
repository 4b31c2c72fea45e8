# SPDX-License-Identifier: BSD-3-Clause
"""Targets beside what was measured."""
from . import peers
from .figures import Figures, quotient

LIMIT, LEAST = "at most", "at least"
KIB = 1024


class Target:
    def __init__(self, what, bound, value, unit="", goal=None, kind=LIMIT, where=""):
        self.what, self.bound, self.value, self.unit = what, bound, value, unit
        self.goal, self.kind, self.where = goal, kind, where

    @property
    def met(self):
        """True, False, or None when it was not measured."""
        if self.value is None:
            return None
        return self.value <= self.bound if self.kind == LIMIT else self.value >= self.bound

    def show(self, v):
        if v is None:
            return "-"
        digits = 0 if abs(v) >= 100 else 1 if abs(v) >= 20 else 2
        text = "{:,.{d}f}".format(v, d=digits)
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return text + (" " + self.unit if self.unit else "")

    @property
    def verdict(self):
        return {True: "met", False: "missed", None: "not measured"}[self.met]

    @property
    def target(self):
        goal = " (goal %s)" % self.show(self.goal) if self.goal is not None else ""
        return "%s %s%s" % (self.kind, self.show(self.bound), goal)


def loaded_step(direction, size):
    """Down, small packets are measured as a loaded port brings them: with its receive queue full."""
    return "worker/small" if direction == "down" and size == 64 else "worker/sizes"


def versus_softether(f, direction, case, size):
    """How many times fewer of this machine's cycles a worker takes than SoftEther did there, by time."""
    cycles, hz = f.cycles(loaded_step(direction, size), direction, size, 64), f.tsc_hz
    if cycles is None or not hz:
        return None
    return peers.softether_us(case, size) / (cycles / hz * 1e6)


def by_sessions(f, direction, sessions):
    one = f.cycles("worker/sessions", direction, 1400, 1)
    step = "worker/sessions-100k" if sessions == 100000 else "worker/sessions"
    return quotient(f.cycles(step, direction, 1400, sessions), one)


def path_targets(f):
    base, out = f.path("base"), []
    for way in ("down", "up"):
        load = f.path("load:" + way)
        out.append(Target("ping p99 beside iperf3 %s, 50 Mbit/s and 20 ms, to the line's own median" % way, 2.0,
                          quotient(load["ping_ms"]["p99"], base["ping_ms"]["p50"]) if load and base else None, "x", where="path/line"))
    for way in ("down", "up"):
        mine, kernel = f.path("tunnel:%s:1%%" % way), f.path("kernel:%s:1%%" % way)
        out.append(Target("TCP through a call %s at 1 %% loss, to kernel TCP on that line" % way, 90.0,
                          100 * mine["mbit_s"] / kernel["mbit_s"] if mine and kernel and kernel["mbit_s"] else None, "%",
                          kind=LEAST, where="path/line"))
    return out


def memory_targets(f):
    m = f.result("worker/memory").get("memory", {})
    each, n = m.get("per_session"), m.get("sessions")
    return [
        Target("memory of an idle session, everything counted", 6.0, each / KIB if each else None, "KiB", where="worker/memory"),
        Target("100,000 sessions", 1.0, each * 100000 / KIB ** 3 if each and n else None, "GiB", where="worker/memory"),
    ]


def veth_targets(f):
    out = []
    for case in ("hairpin-1", "up-1", "down-1"):
        for size in (1400, 64):
            runs = [r for r in (f.veth(d, case, size) for d in ("af_xdp", "af_packet")) if r]
            best = min((r["load"]["server"]["us_per_packet"] for r in runs), default=None)
            out.append(Target("whole process over veth, %s, %d bytes: times less processor than SoftEther" % (case, size), 2.0,
                              quotient(peers.softether_us(case, size), best), "x", kind=LEAST, where="veth/load"))
    return out


def client_targets(f):
    out = []
    for way in ("up", "down"):
        mine = f.client("tunnel", way)
        beside = f.client("paced", way, mine["record"]) if mine else None
        out.append(Target("culvert-client over veth, 1400 bytes %s: bytes a CPU-second, to plain TLS with the same records and rate" % way, 80.0,
                          100 * beside["s_per_gb"] / mine["s_per_gb"] if beside else None, "%", kind=LEAST, where="client/veth"))
    return out


def table(data):
    """All targets with what was measured."""
    f = Figures(data)
    cyc = "cycles"
    out = [
        Target("1400 bytes down, 64 sessions, to the bare seal", 2.0, f.ratio("worker/sizes", "down", 1400), "x", 1.5, where="worker/sizes"),
        Target("1400 bytes up, records astride segments, to the bare open", 2.2, f.ratio("worker/sizes", "up", 1400), "x", 1.6,
               where="worker/sizes"),
        Target("TCP, framing and ports alone, down", 300, f.cycles("worker/null", "down", 1400), cyc, where="worker/null"),
        Target("TCP, framing and ports alone, up, a record in each segment", 300, f.cycles("worker/null-whole", "up", 1400), cyc,
               where="worker/null-whole"),
        Target("the same, records astride segments", 300, f.cycles("worker/null", "up", 1400), cyc, where="worker/null"),
        Target("64 bytes down, 64 sessions, receive queue full", 200, f.cycles("worker/small", "down", 64), cyc, where="worker/small"),
        Target("64 bytes up, a record each", 350, f.cycles("worker/sizes", "up", 64), cyc, where="worker/sizes"),
    ]
    for n, bound in ((1000, 1.2), (10000, 1.6), (100000, 2.5)):
        for way in ("down", "up"):
            out.append(Target("{:,} sessions to one, {}".format(n, way), bound, by_sessions(f, way, n), "x",
                              where="worker/sessions"))
    for way in ("down", "up"):
        out.append(Target("two workers side by side to one, %s" % way, 1.05,
                          quotient(f.cycles("worker/two", way, 1400), f.cycles("worker/one-beside", way, 1400)), "x", where="worker/two"))
    setup = f.result("worker/setup").get("setup", {})
    out += memory_targets(f)
    out.append(Target("set-ups a second to the bare handshake's", 70, 100 * setup["ratio"] if setup.get("ratio") else None, "%",
                      kind=LEAST, where="worker/setup"))
    for size, bound in ((1400, 25), (64, 40)):
        for way in ("down", "up"):
            out.append(Target("worker's time for %d bytes %s: times less than SoftEther's process" % (size, way), bound,
                              versus_softether(f, way, way + "-1", size), "x", kind=LEAST, where=loaded_step(way, size)))
    out += veth_targets(f)
    for way in ("down", "up"):
        c = f.case("worker/latency", way, 1400)
        out.append(Target("added latency p99 at half load, 1400 bytes %s" % way, 100, c["latency"]["p99_us"] if c and "latency" in c else None,
                          "us", where="worker/latency"))
    return out + path_targets(f) + client_targets(f)


def text(rows):
    """For the terminal."""
    out = ["%-86s %-26s %-14s" % ("what", "target", "measured")]
    for t in rows:
        if t.value is not None:
            out.append("%-86s %-26s %-14s %s" % (t.what, t.target, t.show(t.value), t.verdict))
    return out if len(out) > 1 else ["no target was measured"]
