# SPDX-License-Identifier: BSD-3-Clause
"""What a deployment needs, from measured cycles by formula."""
import math

from .figures import Figures

MBUF = 2624  # bytes of a packet buffer with its headers
HEADROOM = 0.7  # a worker is planned to be so busy at most
ROUND_TRIP_S = 0.03  # of clients, for what TCP must keep until it is acknowledged
DESCRIPTORS = 1024  # of a queue, each way
# Around an inner packet: SSTP and PPP 8, TLS 1.3 22, TCP with timestamps 32, IPv4 20, Ethernet 18, and
# on the wire preamble and gap 20.
RECORD = 8 + 22
SEGMENT = 32 + 20 + 18 + 20
IMIX_MEAN = (7 * 64 + 4 * 576 + 1400) / 12
PLAIN = 18 + 20  # around an inner packet on the core side


def mean_size(size):
    return IMIX_MEAN if size == "imix" else float(size)


class Plan:
    """Workers, memory and ports for `gbit` of inner packets in each direction at once."""

    def __init__(self, data, gbit, size, sessions):
        f = Figures(data)
        self.gbit, self.size, self.sessions = gbit, size, sessions
        self.down, self.up = (f.cycles("worker/sizes", way, size, 64) for way in ("down", "up"))
        self.hz = f.tsc_hz
        self.per_session = f.result("worker/memory").get("memory", {}).get("per_session")
        self.setups = f.result("worker/setup").get("setup", {}).get("per_second")
        self.known = None not in (self.down, self.up, self.hz)

    @property
    def pps(self):
        """Of one direction."""
        return self.gbit * 1e9 / 8 / mean_size(self.size)

    @property
    def workers(self):
        """pps (down + up) cycles / (HEADROOM hz), rounded up."""
        return math.ceil(self.pps * (self.down + self.up) / (HEADROOM * self.hz))

    @property
    def worker_gbit(self):
        """Of one worker with nothing to spare, both directions together."""
        return 2 * self.hz / (self.down + self.up) * mean_size(self.size) * 8 / 1e9

    @property
    def buffers(self):
        """Bytes: what waits for acknowledgements, and what rings hold."""
        waiting = self.pps * ROUND_TRIP_S
        return (waiting + self.workers * DESCRIPTORS * 4) * MBUF

    @property
    def session_memory(self):
        return self.per_session * self.sessions if self.per_session else None

    @property
    def outer_gbit(self):
        """On the access wire for one direction: packets with headers, a record and a segment each."""
        return self.pps * (mean_size(self.size) + RECORD + SEGMENT) * 8 / 1e9

    @property
    def core_gbit(self):
        return self.pps * (mean_size(self.size) + PLAIN) * 8 / 1e9

    @property
    def reconnect_s(self):
        """All sessions again after a restart, control plane on one core."""
        return self.sessions / self.setups if self.setups else None
