# SPDX-License-Identifier: BSD-3-Clause
"""TRex, stateless: downlink to all sessions, one size or IMIX, and a latency stream beside it.

Where Pktgen's sequence knows a dozen destinations, TRex changes the address in every packet of
every stream: the choice for IMIX over thousands of sessions.

    trex-console> start -f trex_downlink.py -m 50% -p 0 -t size=1400,pool=10.0.0.2,sessions=10000
    trex-console> start -f trex_downlink.py -m 1mpps -p 0 -t size=imix,sessions=100000

-m is the rate of all streams together. Tunables: size (inner IP packet, or imix), pool, sessions,
src (this host's address on the core side), latency (packets a second of a stream that a client must
send back to port 1; 0: none).
"""
import argparse

from trex_stl_lib.api import (
    STLFlowLatencyStats,
    STLPktBuilder,
    STLProfile,
    STLScVmRaw,
    STLStream,
    STLTXCont,
    STLVmFixIpv4,
    STLVmFlowVar,
    STLVmWrFlowVar,
)
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

IMIX = ((64, 7), (576, 4), (1400, 1))
HEADERS = 20 + 8  # IP and UDP


def address(text):
    """An IPv4 address as a number."""
    octets = [int(o) for o in text.split(".")]
    if len(octets) != 4 or not all(0 <= o <= 255 for o in octets):
        raise ValueError("%r is no IPv4 address" % text)
    return octets[0] << 24 | octets[1] << 16 | octets[2] << 8 | octets[3]


def dotted(n):
    return ".".join(str(n >> s & 255) for s in (24, 16, 8, 0))


def sizes_of(text):
    """Pairs of inner packet size and weight."""
    if text == "imix":
        return IMIX
    size = int(text)
    if not 46 <= size <= 9000:
        raise ValueError("size: found %d, expected 46 to 9000 or imix" % size)
    return ((size, 1),)


class Downlink:
    """Streams from the core side to addresses pool .. pool + sessions - 1."""

    def stream(self, size, weight, args, latency=0):
        first = address(args.pool)
        payload = "x" * (size - HEADERS)
        vm = STLScVmRaw([
            STLVmFlowVar("session", min_value=first, max_value=first + args.sessions - 1, size=4, op="inc"),
            STLVmWrFlowVar("session", pkt_offset="IP.dst"),
            STLVmFixIpv4(offset="IP"),
        ])
        packet = Ether() / IP(src=args.src, dst=dotted(first)) / UDP(sport=1234, dport=9) / payload
        if latency:
            return STLStream(packet=STLPktBuilder(pkt=packet), mode=STLTXCont(pps=latency),
                             flow_stats=STLFlowLatencyStats(pg_id=1))
        return STLStream(packet=STLPktBuilder(pkt=packet, vm=vm), mode=STLTXCont(pps=weight))

    def get_streams(self, tunables=(), **_):
        parser = argparse.ArgumentParser(prog="trex_downlink")
        parser.add_argument("--size", default="1400")
        parser.add_argument("--pool", default="10.0.0.2")
        parser.add_argument("--sessions", type=int, default=64)
        parser.add_argument("--src", default="198.51.100.254")
        parser.add_argument("--latency", type=int, default=0)
        args = parser.parse_args(list(tunables))
        pairs = sizes_of(args.size)
        streams = [self.stream(size, weight, args) for size, weight in pairs]
        if args.latency:
            streams.append(self.stream(pairs[-1][0], 1, args, latency=args.latency))
        return STLProfile(streams).get_streams()


def register():
    return Downlink()
