# SPDX-License-Identifier: BSD-3-Clause
"""Access to bench/run's results: what was not measured is None, never an error."""


class Figures:
    def __init__(self, data):
        self.data = data
        self.steps = data.get("steps", {})

    def result(self, step):
        """A step's JSON; {} when it was not run."""
        return self.steps.get(step, {}).get("result") or {}

    def command(self, step):
        return " ".join(self.steps.get(step, {}).get("command", []))

    def cases(self, step):
        return self.result(step).get("cases", [])

    def case(self, step, direction, size, sessions=None):
        """One case of culvert-bench worker; None when it is not there."""
        for c in self.cases(step):
            if c["direction"] == direction and str(c["size"]) == str(size) and sessions in (None, c["sessions"]):
                return c
        return None

    def cycles(self, step, direction, size, sessions=None):
        c = self.case(step, direction, size, sessions)
        return c["cycles"] if c else None

    def ratio(self, step, direction, size, sessions=None):
        c = self.case(step, direction, size, sessions)
        return c["ratio"] if c else None

    @property
    def tsc_hz(self):
        for step in self.steps:
            hz = self.result(step).get("tsc_hz")
            if hz:
                return hz
        return None

    def veth(self, driver, case, size):
        """The run of bench/veth with the median cost; None when there is none."""
        runs = [r for r in self.result("veth/load").get("runs", [])
                if r["driver"] == driver and r["case"] == case and r["size"] == size and r["load"].get("server")]
        runs.sort(key=lambda r: r["load"]["server"]["us_per_packet"])
        return runs[len(runs) // 2] if runs else None

    def client(self, kind, way, record=None):
        """A row of bench/client: the call ("tunnel"), or plain TLS at its rate ("paced") or as fast as it goes ("plain")."""
        for r in self.result("client/veth").get("runs", []):
            if r["kind"] == kind and r["way"] == way and record in (None, r["record"]):
                return r
        return None

    def path(self, name):
        for r in self.result("path/line").get("runs", []):
            if r["name"] == name:
                return r
        return None


def quotient(a, b):
    """a / b, None when one of them is not known."""
    return a / b if a is not None and b else None


def median(values):
    v = sorted(x for x in values if x is not None)
    if not v:
        return None
    return v[len(v) // 2] if len(v) % 2 else (v[len(v) // 2 - 1] + v[len(v) // 2]) / 2
