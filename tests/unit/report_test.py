# SPDX-License-Identifier: BSD-3-Clause
"""bench/report on made-up results: targets, tables, plots and the formula for a deployment.
Run in bench."""
import os
import sys
import tempfile
import xml.dom.minidom

sys.path.insert(0, ".")
sys.dont_write_bytecode = True
from report import capacity, doc, peers, plots, targets  # noqa: E402

HZ = 2.5e9


def case(direction, size, sessions, cycles, anchor, **more):
    down = direction == "down"
    return dict({"sessions": sessions, "direction": direction, "size": str(size), "cycles": cycles, "ratio": cycles / anchor,
                 "anchor_seal": anchor if down else 0, "anchor_open": 0 if down else anchor}, **more)


def worker(*cases, **more):
    return {"ok": True, "command": ["culvert-bench", "worker"], "result": dict({"tsc_hz": HZ, "cases": list(cases)}, **more)}


def veth(driver, name, size, us):
    return {"driver": driver, "case": name, "size": size, "busy_cycles": 1000, "worker_packets": 10,
            "load": {"rx_pps": 1e5, "loss_percent": 0.0,
                     "server": {"us_per_packet": us, "user_s": 1.0, "system_s": 3.0, "mbit_per_cpu_s": 3000}}}


def client(kind, way, record, cost):
    return {"kind": kind, "name": kind, "way": way, "record": record, "mbit_s": 1000.0, "s_per_gb": cost, "process_s_per_gb": cost * 0.7,
            "receive_s_per_gb": cost * 0.3}


def results():
    stages = {"rx": 50.0, "seal": 300.0, "nothing": 0.0, "tx": 50.0}
    sizes = [case(w, s, 64, 400 if w == "down" else 600, 250, stages=stages) for w in ("down", "up") for s in (64, 256, 512, 1400, "imix")]
    return {"machine": {k: "x" for k in ("cpu", "hypervisor", "l2", "l3", "memory_gib", "system", "kernel", "dpdk", "openssl", "ipsec_mb",
                                         "compiler", "culvert", "buildtype")} | {"cpus": 2, "features": ["vaes"]},
            "small": False,
            "steps": {
                "worker/sizes": worker(*sizes),
                "worker/small": worker(case("down", 64, 64, 200, 80), case("up", 64, 64, 500, 80)),
                "worker/sessions": worker(*[case(w, 1400, n, c, 250) for w in ("down", "up") for n, c in ((1, 400), (1000, 440), (10000, 700))]),
                "worker/setup": worker(setup={"ratio": 0.8, "control_us": 200, "bare_us": 160, "per_second": 5000}),
                "worker/memory": worker(memory={"sessions": 100000, "per_session": 5120.0, "control_heap_per_session": 2000.0,
                                                "workers_per_session": 3000.0, "fixed_bytes": 1 << 26}),
                "veth/load": {"ok": True, "result": {"runs": [veth("af_xdp", "down-1", 1400, us) for us in (2.0, 9.0, 2.5)]}},
                "path/line": {"ok": True, "result": {"runs": [
                    {"name": "base", "ping_ms": {"p50": 20.0, "p99": 21.0}},
                    {"name": "load:down", "mbit_s": 45.0, "ping_ms": {"p50": 25.0, "p99": 30.0}},
                    {"name": "tunnel:up:1%", "mbit_s": 8.0}, {"name": "kernel:up:1%", "mbit_s": 10.0}]}},
                "client/veth": {"ok": True, "result": {"runs": [
                    client("tunnel", "up", 15488, 1.0), client("paced", "up", 15488, 0.9), client("plain", "up", 15488, 0.6),
                    client("tunnel", "down", 1408, 2.0), client("paced", "down", 16384, 1.9), client("paced", "down", 1408, 1.5)]}},
            }}


def by_what(data):
    return {t.what: t for t in targets.table(data)}


def test_targets():
    t = by_what(results())
    seal = t["1400 bytes down, 64 sessions, to the bare seal"]
    assert abs(seal.value - 1.6) < 1e-9 and seal.met and seal.verdict == "met"
    assert t["1400 bytes up, records astride segments, to the bare open"].met is False
    assert abs(t["1,000 sessions to one, down"].value - 1.1) < 1e-9
    assert t["10,000 sessions to one, down"].met is False
    assert t["100,000 sessions to one, down"].met is None and t["100,000 sessions to one, down"].show(None) == "-"
    assert abs(t["memory of an idle session, everything counted"].value - 5) < 1e-9
    assert t["set-ups a second to the bare handshake's"].met is True
    # Small packets down: as a full queue brings them.
    small = t["64 bytes down, 64 sessions, receive queue full"]
    assert small.met and abs(small.value - 200) < 1e-9 and small.where == "worker/small"
    assert t["64 bytes up, a record each"].where == "worker/sizes"
    peer = t["worker's time for 64 bytes down: times less than SoftEther's process"]
    assert peer.where == "worker/small" and abs(peer.value - peers.softether_us("down-1", 64) / 0.08) < 1e-6
    # 400 cycles at 2.5 GHz are 0.16 us.
    peer = t["worker's time for 1400 bytes down: times less than SoftEther's process"]
    assert abs(peer.value - peers.softether_us("down-1", 1400) / 0.16) < 1e-6 and peer.met
    # The median of three runs.
    over = t["whole process over veth, down-1, 1400 bytes: times less processor than SoftEther"]
    assert abs(over.value - peers.softether_us("down-1", 1400) / 2.5) < 1e-9
    assert abs(t["ping p99 beside iperf3 down, 50 Mbit/s and 20 ms, to the line's own median"].value - 1.5) < 1e-9
    assert t["TCP through a call up at 1 % loss, to kernel TCP on that line"].met is False
    # Beside plain TLS with the same records and rate, not with others.
    up, down = (t["culvert-client over veth, 1400 bytes %s: bytes a CPU-second, to plain TLS with the same records and rate" % w]
                for w in ("up", "down"))
    assert abs(up.value - 90) < 1e-9 and up.met and abs(down.value - 75) < 1e-9 and down.met is False
    assert all(x.met is None for x in targets.table({"steps": {}}))


def test_capacity():
    p = capacity.Plan(results(), 100, 1400, 100000)
    assert abs(p.pps - 100e9 / 11200) < 1
    # 8.93 Mpps x 1000 cycles / (0.7 x 2.5 GHz) = 5.1
    assert p.workers == 6
    assert abs(p.worker_gbit - 2 * 2.5e6 * 11200 / 1e9) < 1e-6
    assert p.outer_gbit > p.core_gbit > 100
    assert abs(p.session_memory - 5120 * 100000) < 1 and abs(p.reconnect_s - 20) < 1e-9
    assert not capacity.Plan({"steps": {}}, 100, 1400, 1).known


def test_doc():
    text = "a\n" + "".join("<!-- bench:%s -->\nold\n<!-- /bench:%s -->\n" % (n, n) for n in doc.BLOCKS) + "z\n"
    done = doc.replace(text, results(), "t")
    assert done.startswith("a\n") and done.endswith("z\n")
    # What was not measured keeps what it had; everything else is new.
    assert done.count("\nold\n") == len([n for n in doc.BLOCKS if n in ("micro", "latency", "scale")]), done.count("\nold\n")
    assert "| 1,000 | 440 (1.10), cipher 250 |" in done and "| 64 bytes, receive queue full | 200 |" in done and "`nothing`" not in done
    assert doc.replace(done, results(), "t") == done, "a second time changes something"
    empty = "<!-- bench:sizes -->\n<!-- /bench:sizes -->\n"
    assert "| 1400 bytes | 400 | 250 | 1.60 | 6.25 | 70.0 |" in doc.replace(empty, results(), "t")
    assert doc.replace(empty, {"steps": {}}, "t") == empty
    for bad in ("<!-- bench:nonsense -->\n<!-- /bench:nonsense -->\n", "<!-- bench:sizes -->\n| x |\n"):
        try:
            doc.replace(bad, results(), "t")
        except ValueError:
            continue
        raise AssertionError("taken: " + bad)


def test_pages():
    """The pages themselves name blocks that there are, each once."""
    for name in doc.FILES:
        with open(os.path.join("..", name)) as f:
            text = f.read()
        doc.replace(text, {"steps": {}, "machine": results()["machine"]}, name)
        assert "bench:" in text, name


def test_plots():
    with tempfile.TemporaryDirectory() as folder:
        made = plots.all_of(results(), folder)
        assert len(made) == len(plots.PLOTS)
        for path in made:
            root = xml.dom.minidom.parse(path).documentElement
            assert root.tagName == "svg"
            text = [t.firstChild.data for t in root.getElementsByTagName("text")]
            assert any("per" in t for t in text), "no unit in " + path
            x = [float(r.getAttribute("x") or 0) + float(r.getAttribute("width")) for r in root.getElementsByTagName("rect")]
            assert max(x) <= 760.01, "something is drawn outside of " + path
        assert plots.all_of({"steps": {}}, folder) == []


for name, test in sorted(globals().copy().items()):
    if name.startswith("test_"):
        test()
        print("ok", name)
