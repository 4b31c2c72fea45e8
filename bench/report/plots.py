# SPDX-License-Identifier: BSD-3-Clause
"""The plots: cost by stage, by packet size and by number of sessions, and beside a peer's over veth."""
import os

from . import peers, svg
from .figures import Figures

NUMERIC = (64, 256, 512, 1400)
WAYS = (("down", "to the client"), ("up", "from the client"))


def anchor(case):
    return (case.get("anchor_seal") or 0) + (case.get("anchor_open") or 0)


def by_stage(f, path):
    rows, marks, parts, order = [], [], [], {}
    for size in (1400, 64):
        for way, _ in WAYS:
            c = f.case("worker/sizes", way, size, 64)
            if not c or "stages" not in c:
                continue
            marks.append((len(rows), anchor(c), "bare cipher"))
            rows.append(("%d bytes %s" % (size, way), c["stages"]))
            order.update({p: i for i, p in enumerate(c["stages"])})
            parts += [p for p in c["stages"] if p not in parts]
    # Stages that cost nothing anywhere would only make the legend longer.
    parts = [p for p in sorted(parts, key=order.get) if any(v.get(p, 0) >= 0.5 for _, v in rows)]
    return svg.bars(path, "Where a packet's cycles go (64 sessions)", "TSC cycles per inner packet", rows, parts, marks)


def by_size(f, path):
    series = []
    for way, text in WAYS:
        cases = [(s, f.case("worker/sizes", way, s, 64)) for s in NUMERIC]
        series.append((text, [(s, c["cycles"]) for s, c in cases if c], False))
        series.append(("bare %s" % ("seal" if way == "down" else "open"), [(s, anchor(c)) for s, c in cases if c], True))
    return svg.lines(path, "Cost by packet size (64 sessions, AES-256-GCM)", "inner packet, bytes", "TSC cycles per packet", series)


def by_sessions(f, path):
    series = []
    for size in (1400, 64):
        for way, text in WAYS:
            data = []
            for step in ("worker/sessions", "worker/sessions-100k"):
                data += [(c["sessions"], c["cycles"]) for c in f.cases(step) if c["direction"] == way and str(c["size"]) == str(size)]
            series.append(("%d bytes %s" % (size, text), data, size == 64))
    return svg.lines(path, "Cost by number of sessions, traffic spread evenly", "sessions with traffic", "TSC cycles per packet",
                     [s for s in series if s[1]], log_x=True)


def over_veth(f, path):
    rows, marks = [], []
    for size in (1400, 64):
        for case in ("hairpin-1", "up-1", "down-1"):
            r = f.veth("af_xdp", case, size) or f.veth("af_packet", case, size)
            if not r:
                continue
            s = r["load"]["server"]
            total = max(s["user_s"] + s["system_s"], 1e-9)
            kernel = s["us_per_packet"] * s["system_s"] / total
            marks.append((len(rows), peers.softether_us(case, size), "SoftEther"))
            rows.append(("%s, %d" % (case, size), {"kernel": kernel, "own code": s["us_per_packet"] - kernel}))
    return svg.bars(path, "Processor time of the whole process over veth", "microseconds per packet", rows, ["own code", "kernel"], marks)


PLOTS = (("cost-by-stage.svg", by_stage), ("cost-by-size.svg", by_size), ("cost-by-sessions.svg", by_sessions),
         ("veth.svg", over_veth))


def all_of(data, folder):
    """Write those for which there are figures. Returns their paths."""
    f = Figures(data)
    done = []
    for name, draw in PLOTS:
        path = os.path.join(folder, name)
        if draw(f, path):
            done.append(path)
    return done
