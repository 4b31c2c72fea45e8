# SPDX-License-Identifier: BSD-3-Clause
"""The TRex profile against stand-ins for TRex and scapy. Run in bench/pktgen."""
import importlib
import sys
import types


class Record:
    """Remembers what it was made with; layers are joined with /."""

    def __init__(self, *args, **kwargs):
        self.args, self.kwargs, self.above = args, kwargs, None

    def __truediv__(self, other):
        top = self
        while getattr(top.above, "above", None) is not None or isinstance(top.above, Record):
            top = top.above
        top.above = other
        return self


def module(name, *classes, **more):
    m = types.ModuleType(name)
    for c in classes:
        setattr(m, c, type(c, (Record,), {}))
    for k, v in more.items():
        setattr(m, k, v)
    sys.modules[name] = m
    return m


class Profile:
    def __init__(self, streams):
        self.streams = streams

    def get_streams(self):
        return self.streams


module("trex_stl_lib")
module("trex_stl_lib.api", "STLFlowLatencyStats", "STLPktBuilder", "STLScVmRaw", "STLStream", "STLTXCont",
       "STLVmFixIpv4", "STLVmFlowVar", "STLVmWrFlowVar", STLProfile=Profile)
module("scapy")
module("scapy.layers")
module("scapy.layers.inet", "IP", "UDP")
module("scapy.layers.l2", "Ether")
sys.path.insert(0, ".")
trex = importlib.import_module("trex_downlink")


def parts(stream):
    """(IP size, packets a second, first and last address or None) of a stream."""
    builder = stream.kwargs["packet"].kwargs
    ip = builder["pkt"].above
    size = 28 + len(ip.above.above)
    if "vm" not in builder:
        return size, stream.kwargs["mode"].kwargs["pps"], None
    var = builder["vm"].args[0][0].kwargs
    return size, stream.kwargs["mode"].kwargs["pps"], (var["min_value"], var["max_value"])


def main():
    down = trex.register()
    first = 10 << 24 | 2
    one, = down.get_streams(["--size", "1400", "--sessions", "10000"])
    assert parts(one) == (1400, 1, (first, first + 9999)), parts(one)
    mix = [parts(s) for s in down.get_streams(["--size", "imix", "--pool", "10.1.2.3"])]
    assert [m[:2] for m in mix] == [(64, 7), (576, 4), (1400, 1)], mix
    assert mix[0][2] == (0x0a010203, 0x0a010203 + 63)
    two = down.get_streams(["--size", "64", "--latency", "1000"])
    assert len(two) == 2 and parts(two[1]) == (64, 1000, None)
    for bad in (["--size", "12"], ["--pool", "10.0.0"], ["--size", "x"], ["--pool", "10.0.0.256"]):
        try:
            down.get_streams(bad)
        except ValueError:
            continue
        raise AssertionError("taken: %r" % bad)
    print("trex profile: ok")


main()
