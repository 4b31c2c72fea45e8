# SPDX-License-Identifier: BSD-3-Clause
"""Rewrites the tables in the documentation from the results, between markers that name them:

    <!-- bench:targets -->
    ...
    <!-- /bench:targets -->

A block without figures keeps what it had.
"""
import os
import re

from . import capacity, machine, peers, targets
from .figures import Figures, quotient

FILES = ("README.md", os.path.join("docs", "performance.md"))
WAYS = ("down", "up")
SIZES = ("64", "256", "512", "1400", "imix")


def table(head, rows):
    """Markdown; nothing when there are no rows."""
    if not rows:
        return ""
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(out + ["| " + " | ".join(str(c) for c in r) + " |" for r in rows])


def num(v, digits=0):
    return "-" if v is None else "{:,.{d}f}".format(v, d=digits)


def ratio(v):
    return "-" if v is None else "%.2f" % v


def machine_block(f):
    m = f.data["machine"]
    hz = f.tsc_hz
    out = ["- " + text for text in machine.lines(m)]
    if hz:
        out.append("- time stamp counter %.3f GHz: all cycles here are its cycles" % (hz / 1e9))
    return "\n".join(out)


def targets_block(f):
    rows = [(t.what, t.target, t.show(t.value), "**%s**" % t.verdict if t.met is False else t.verdict, "`%s`" % t.where)
            for t in targets.table(f.data)]
    return table(("what", "target", "measured", "", "step"), rows)


def gbit_of(f, cycles, size):
    return f.tsc_hz / cycles * capacity.mean_size(size if size == "imix" else int(size)) * 8 / 1e9 if cycles and f.tsc_hz else None


def sizes_block(f):
    rows = []
    for step, size in [("worker/small", "64")] + [("worker/sizes", s) for s in SIZES]:
        row = [size + (" (64, 576, 1400; 7:4:1)" if size == "imix" else " bytes, receive queue full" if step == "worker/small" else " bytes")]
        for way in WAYS:
            c = f.case(step, way, size, 64)
            row += [num(c["cycles"]), num(c["anchor_seal"] + c["anchor_open"]), ratio(c["ratio"]),
                    num(f.tsc_hz / c["cycles"] / 1e6, 2), num(gbit_of(f, c["cycles"], size), 1)] if c else ["-"] * 5
        rows.append(row)
    if all(r[1] == "-" and r[6] == "-" for r in rows):
        return ""
    head = ["inner packet"]
    for way in WAYS:
        head += [way + ": cycles", "bare cipher", "ratio", "Mpps", "Gbit/s"]
    return table(head, rows)


def stages_block(f):
    columns = [(size, way, f.case("worker/sizes", way, size, 64)) for size in ("1400", "64") for way in WAYS]
    columns = [c for c in columns if c[2] and "stages" in c[2]]
    if not columns:
        return ""
    names = []
    for _, _, c in columns:
        names += [n for n in c["stages"] if n not in names]
    rows = []
    for n in names:
        values = [c["stages"].get(n, 0) for _, _, c in columns]
        if max(values) >= 0.5:
            rows.append(["`%s`" % n] + [num(v) for v in values])
    rows.append(["all"] + [num(sum(c["stages"].values())) for _, _, c in columns])
    rows.append(["of it the bare cipher"] + [num(c["anchor_seal"] + c["anchor_open"]) for _, _, c in columns])
    return table(["stage"] + ["%s bytes %s" % (s, w) for s, w, _ in columns], rows)


def sessions_cell(f, steps, way, size, n):
    """Cycles, how many times those of one session, and the bare cipher's share of them."""
    c = next((f.case(s, way, size, n) for s in steps if f.case(s, way, size, n)), None)
    if not c:
        return "-"
    times = quotient(c["cycles"], f.cycles(steps[0], way, size, 1))
    return "%s (%s), cipher %s" % (num(c["cycles"]), ratio(times), num(c["anchor_seal"] + c["anchor_open"]))


def sessions_block(f):
    columns = [("%s bytes %s" % (size, way), ("worker/sessions", "worker/sessions-100k"), way, size) for size in ("1400", "64") for way in WAYS]
    columns.append(("1400 bytes up, astride", ("worker/sessions-astride",), "up", "1400"))
    counts = sorted({c["sessions"] for _, steps, _, _ in columns for s in steps for c in f.cases(s)})
    rows = [[num(n)] + [sessions_cell(f, steps, way, size, n) for _, steps, way, size in columns] for n in counts]
    return table(["sessions"] + [c[0] for c in columns], rows)


def variants_block(f):
    """Other ciphers, libraries and ports, 1400 bytes."""
    rows = []
    for step, text in (("worker/sizes", "AES-256-GCM, fastest library, checksums by the port"), ("worker/software-checksums", "checksums in software"),
                       ("worker/ciphers-aes128", "AES-128-GCM"), ("worker/ciphers-chacha20", "ChaCha20-Poly1305"),
                       ("worker/openssl", "AES-256-GCM by OpenSSL"), ("worker/null", "no cipher at all")):
        row = [text]
        for way in WAYS:
            c = f.case(step, way, 1400)
            row += [num(c["cycles"]), num(gbit_of(f, c["cycles"], "1400"), 1)] if c else ["-", "-"]
        if row[1] != "-":
            rows.append(row)
    for way in ("both", "hairpin"):
        c = f.case("worker/hairpin", way, 1400)
        if c:
            rows.append([{"both": "down and up at once, each packet", "hairpin": "client to client (opened and sealed)"}[way],
                         num(c["cycles"]), num(gbit_of(f, c["cycles"], "1400"), 1), "", ""])
    return table(("1400 bytes, 64 sessions", "down: cycles", "Gbit/s", "up: cycles", "Gbit/s"), rows)


# Of the more than a thousand micro-benchmarks: every stage that is no cipher, with 64 connections.
STAGES_SHOWN = re.compile(r"^(lookup|mem|mbuf|netif|framing|inner|handshake)/|^(tcp|path)/.*/64(/sum)?$")
LIBRARIES = (("bare", "ipsec-mb", "bare cipher, ipsec-mb"), ("record", "ipsec-mb", "record layer, ipsec-mb"),
             ("cryptodev", "cpu", "DPDK cryptodev, synchronous"), ("cryptodev", "async", "DPDK cryptodev, by queue"),
             ("bare", "openssl", "bare cipher, OpenSSL"), ("record", "openssl", "record layer, OpenSSL"))


def micro_block(f):
    cases = {c["case"]: c for c in f.result("micro/stages").get("cases", []) if "cycles" in c}
    rows = []
    for group, library, text in LIBRARIES:
        row = [text]
        for size in (64, 1420):
            for what in ("seal", "open", "open2"):
                c = cases.get("%s/%s/%s/aes-256-gcm/%d/64" % (group, what, library, size))
                row.append(num(c["cycles"]) if c else "-")
        if any(v != "-" for v in row[1:]):
            rows.append(row)
    ciphers = table(["AES-256-GCM, 64 keys in turn, cycles"] + ["%s %d" % (w, s) for s in (64, 1420) for w in ("seal", "open", "open of two pieces")],
                    rows)
    rows = [("`%s`" % name, c.get("unit", ""), num(c["cycles"], 1), ratio(c.get("ratio")))
            for name, c in cases.items() if STAGES_SHOWN.search(name)]
    stages = table(("case", "of a", "cycles", "to the bare seal of 1420 bytes"), rows)
    return "\n\n".join(t for t in (ciphers, stages) if t)


def own_cycles(f, case, size):
    """What the same packets cost a worker whose ports are no kernel's: all that is culvertd's own."""
    way = case.split("-")[0]
    return f.cycles("worker/hairpin" if way == "hairpin" else "worker/sizes", way, size)


def veth_block(f):
    rows = []
    for size in (1400, 64):
        for case in ("hairpin-1", "hairpin-16", "up-1", "up-16", "down-1", "down-16"):
            peer = peers.SOFTETHER[(case, size)]
            for driver in ("af_xdp", "af_packet"):
                r = f.veth(driver, case, size)
                if not r:
                    continue
                s = r["load"]["server"]
                share = 100 * s["system_s"] / max(s["user_s"] + s["system_s"], 1e-9)
                busy = r["busy_cycles"] / max(r["worker_packets"], 1)
                alone = quotient(own_cycles(f, case, size), f.tsc_hz)
                rows.append((case, size, driver, num(r["load"]["rx_pps"] / 1e3), num(r["load"]["loss_percent"], 2), num(s["us_per_packet"], 2),
                             num(share), num(alone * 1e6, 2) if alone else "-", num(busy), num(s["mbit_per_cpu_s"]), "%s, %s" % (num(peer[0] / 1e3), num(peer[1], 2)),
                             num(quotient(peer[1], s["us_per_packet"]), 1)))
    return table(("load", "bytes", "driver", "kpps", "loss %", "us of processor a packet", "of it kernel %", "own code us", "worker's busy cycles",
                  "Mbit a CPU-second", "SoftEther: kpps, us", "times less"), rows)


def cipher_here(f, backend):
    """GB/s of bare seals on the machine at hand; None when it was not measured."""
    name = "bare/seal/%s/aes-256-gcm/1420/1" % backend
    cycles = next((c.get("cycles") for c in f.result("micro/stages").get("cases", []) if c["case"] == name), None)
    return 1420 * f.tsc_hz / cycles / 1e9 if cycles and f.tsc_hz else None


def peers_block(f):
    rows = [(name, what, num(us, 2), num(mbit)) for name, what, us, mbit in peers.OTHERS]
    out = table(("server", "load", "us a packet", "Mbit a CPU-second"), rows)
    there = [(backend, num(cipher_here(f, backend), 2), num(gb, 2)) for backend, gb in peers.CIPHER_GB_S.items()
             if cipher_here(f, backend)]
    if there:
        out += "\n\n" + table(("AES-256-GCM, seals of 1420 bytes", "this machine GB/s", "that machine GB/s"), there)
    return out


def latency_block(f):
    rows = []
    for c in f.cases("worker/latency"):
        lat = c.get("latency")
        if lat:
            rows.append(("%s bytes %s" % (c["size"], c["direction"]), num(lat["pps"] / 1e3), num(lat["p50_us"], 1), num(lat["p99_us"], 1),
                         num(lat["p999_us"], 1), num(lat["max_us"], 1)))
    return table(("64 sessions", "kpps (half of the highest)", "p50 us", "p99", "p99.9", "longest"), rows)


def path_block(f):
    rows = []
    for r in f.result("path/line").get("runs", []):
        ping, line = r.get("ping_ms", {}), r.get("line", {})
        rows.append((r["name"], num(r.get("mbit_s"), 1), num(ping.get("p50"), 1), num(ping.get("p99"), 1), num(line.get("wait_max_ms"), 1)))
    return table(("run", "Mbit/s", "ping p50 ms", "p99", "longest wait at the line ms"), rows)


def client_block(f):
    rows = []
    for r in f.result("client/veth").get("runs", []):
        mine = f.client("tunnel", r["way"])
        what = "culvert-client" if r["kind"] == "tunnel" else "plain TLS%s" % (", at the call's rate" if r["kind"] == "paced" else "")
        rows.append((r["way"], what, num(r["record"]), num(r["mbit_s"]), num(r["s_per_gb"], 2), num(r["process_s_per_gb"], 2),
                     num(r["receive_s_per_gb"], 2), "-" if r["kind"] == "tunnel" or not mine else num(100 * r["s_per_gb"] / mine["s_per_gb"])))
    return table(("way", "who", "record", "Mbit/s", "CPU-seconds a GByte", "of it the process", "receiving on its socket", "the client moves % of it"),
                 rows)


def setup_block(f):
    s, m = f.result("worker/setup").get("setup"), f.result("worker/memory").get("memory")
    rows = []
    if s:
        rows += [("control plane's processor for a set-up", num(s["control_us"]) + " us"),
                 ("bare OpenSSL handshake, server's side", num(s["bare_us"]) + " us"),
                 ("set-ups a second, control plane on one core", num(s["per_second"])),
                 ("of the bare handshake rate", num(100 * s["ratio"]) + " %")]
    if m:
        rows += [("idle session, control plane's heap with OpenSSL", num(m["control_heap_per_session"]) + " bytes"),
                 ("idle session, workers", num(m["workers_per_session"]) + " bytes"),
                 ("idle session, everything (%s sessions)" % num(m["sessions"]), num(m["per_session"]) + " bytes"),
                 ("beside it, whatever the sessions: packet buffers, messages", num(m["fixed_bytes"] / 1048576) + " MiB")]
    return table(("what", "figure"), rows)


def scale_block(f):
    rows = []
    for r in f.result("memif/scale").get("runs", []):
        d = r["load"]
        flows = d.get("flows", {}).values()
        rows.append(({"scale": "as fast as both programs go", "storm": "all at once, as after a restart"}.get(r["name"], r["name"]),
                     num(d["sessions"]), num(d["setup_s"], 1), num(d["setup_rate"]), num(d["setup_ms"]["p99"]), num(d["lost"]),
                     num(d["failed"]), "%s / %s" % (num(d["churn_setups"]), num(d["churn_teardowns"])),
                     "%s of %s" % (num(sum(x["lost"] for x in flows)), num(sum(x["sent"] for x in flows))),
                     num(r["culvertd_rss_kb"] / 1024)))
    return table(("bring-up", "sessions", "s", "a second", "set-up p99 ms", "sessions lost", "failed", "set up / torn down beside traffic",
                  "packets lost", "culvertd's memory MiB"), rows)


def capacity_block(f):
    rows = []
    for size in (1400, "imix"):
        for gbit in (10, 40, 100):
            p = capacity.Plan(f.data, gbit, size, 100000)
            if p.known:
                rows.append(("%d Gbit/s, %s" % (gbit, "IMIX" if size == "imix" else "%d bytes" % size), num(p.pps / 1e6, 2), num(p.worker_gbit, 1),
                             p.workers, num(p.buffers / 2 ** 30, 1), num((p.session_memory or 0) / 2 ** 30, 2) if p.session_memory else "-",
                             num(p.outer_gbit, 1), num(p.core_gbit, 1), num(p.reconnect_s) if p.reconnect_s else "-"))
    return table(("each way at once", "Mpps each way", "Gbit/s of a worker, both ways", "workers", "packet buffers GiB", "100,000 sessions GiB",
                  "access wire Gbit/s", "core wire Gbit/s", "all sessions again, s"), rows)


def readme_block(f):
    """A few lines for the front page."""
    rows = []
    for size in ("1400", "64"):
        for way in WAYS:
            c = f.case("worker/sizes", way, size, 64)
            if c:
                rows.append(("one worker, %s-byte packets %s" % (size, "to clients" if way == "down" else "from clients"),
                             "%s cycles a packet: %s Mpps, %s Gbit/s; %s x the bare cipher" % (
                                 num(c["cycles"]), num(f.tsc_hz / c["cycles"] / 1e6, 2), num(gbit_of(f, c["cycles"], size), 1), ratio(c["ratio"]))))
    s, m = f.result("worker/setup").get("setup"), f.result("worker/memory").get("memory")
    if s:
        rows.append(("set-ups, TCP to IPCP opened, MS-CHAPv2", "%s a second on one core, %s %% of OpenSSL's bare handshakes there" % (
            num(s["per_second"]), num(100 * s["ratio"]))))
    if m:
        rows.append(("an idle session", "%s KiB, everything counted" % num(m["per_session"] / 1024, 1)))
    r = f.veth("af_xdp", "down-1", 1400)
    if r:
        us = r["load"]["server"]["us_per_packet"]
        rows.append(("whole process over veth with kernel clients, 1400 bytes down", "%s us of processor a packet, kernel included (SoftEther: %s)" % (
            num(us, 2), num(peers.softether_us("down-1", 1400), 2))))
    return table(("what", "figure"), rows)


BLOCKS = {
    "machine": machine_block, "targets": targets_block, "sizes": sizes_block, "stages": stages_block, "sessions": sessions_block,
    "variants": variants_block, "micro": micro_block, "veth": veth_block, "peers": peers_block, "latency": latency_block,
    "path": path_block, "client": client_block, "scale": scale_block, "setup": setup_block, "capacity": capacity_block, "readme": readme_block,
}


def replace(text, data, where):
    """The text with every block that is named in it; an unknown or unclosed one is an error."""
    f = Figures(data)
    seen = []

    def block(m):
        name = m.group(1)
        if name not in BLOCKS:
            raise ValueError("%s: no block is called '%s'" % (where, name))
        seen.append(name)
        made = BLOCKS[name](f)
        return "<!-- bench:%s -->\n%s\n<!-- /bench:%s -->" % (name, made, name) if made else m.group(0)

    done = re.sub(r"<!-- bench:([a-z]+) -->\n(?:.*?\n)??<!-- /bench:\1 -->", block, text, flags=re.S)
    opened = re.findall(r"<!-- bench:([a-z]+) -->", text)
    if sorted(opened) != sorted(seen):
        raise ValueError("%s: blocks that are not closed: %s" % (where, sorted(set(opened) - set(seen)) or opened))
    return done


def rewrite(data, top):
    """Returns the files that changed: all of them, or with an error none."""
    done = {}
    for name in FILES:
        path = os.path.join(top, name)
        if not os.path.exists(path):
            continue
        with open(path) as f:
            text = f.read()
        new = replace(text, data, name)
        if new != text:
            done[path] = new
    for path, text in done.items():
        with open(path, "w") as f:
            f.write(text)
    return list(done)
