# SPDX-License-Identifier: BSD-3-Clause
"""What bench/run runs: a list of steps, each one command that leaves one JSON file.

A step's name is section/what. Full runs take about 29 minutes on two CPUs, small ones under two.
"""

SIZES = "64,256,512,1400,imix"


class Step:
    """One command. {json}: its result; {build}, {top}, {pages}: filled in by bench/run."""

    def __init__(self, name, about, command, limit=300, root=False, needs=()):
        self.name, self.about, self.command = name, about, command.split()
        self.limit = limit    # seconds until it is given up
        self.root = root      # skipped without it
        self.needs = needs    # programs that must be there, else it is skipped

    @property
    def section(self):
        return self.name.split("/")[0]


def worker(name, about, options, **more):
    return Step("worker/" + name, about,
                "{build}/culvert-bench worker --hugepages {pages} --json {json} " + options, **more)


def micro(options):
    return Step("micro/stages", "each stage of a packet's way alone, the bare cipher beside it",
                "{build}/culvert-bench micro {hugepages} --json {json} " + options, limit=400)


def full():
    return [
        micro("--repeats 15"),
        worker("sizes", "cost by packet size and by stage, 64 busy sessions",
               "--sessions 64 --size %s --direction down,up --seconds 0.4 --repeats 7" % SIZES, limit=400),
        worker("small", "64 bytes with full receive queues: the packets of a session share records",
               "--sessions 64 --size 64 --turn 256 --direction down,up --seconds 0.4 --repeats 7"),
        worker("null", "TCP, framing and ports alone: the null cipher",
               "--sessions 64 --size 64,1400 --direction down,up --cipher null --seconds 0.4 --repeats 7"),
        worker("null-whole", "the null cipher, up, each record in a segment of its own",
               "--sessions 64 --size 1400 --direction up --no-straddle --cipher null --seconds 0.4 --repeats 7 --no-stages"),
        worker("hairpin", "client to client, and both ways at once",
               "--sessions 64 --size 64,1400 --direction hairpin,both --seconds 0.4 --repeats 5"),
        worker("ciphers-aes128", "the other ciphers: AES-128-GCM",
               "--sessions 64 --size 1400 --cipher aes-128-gcm --seconds 0.4 --no-stages"),
        worker("ciphers-chacha20", "the other ciphers: ChaCha20-Poly1305",
               "--sessions 64 --size 1400 --cipher chacha20 --seconds 0.4 --no-stages"),
        worker("openssl", "the portable record backend",
               "--sessions 64 --size 64,1400 --backend openssl --seconds 0.4 --no-stages"),
        worker("software-checksums", "ports without checksum offload",
               "--sessions 64 --size 64,1400 --offloads off --seconds 0.4 --no-stages"),
        worker("sessions", "cost by number of sessions",
               "--sessions 1,64,1000,10000 --size 64,1400 --direction down,up --no-straddle --seconds 0.5 --repeats 5 --no-stages",
               limit=600),
        worker("sessions-astride", "the same up, with records astride segments whatever a session's rate",
               "--sessions 1,64,1000,10000 --size 1400 --direction up --straddle --seconds 0.5 --repeats 5 --no-stages",
               limit=400),
        worker("sessions-100k", "the same with 100,000",
               "--sessions 100000 --size 1400 --direction down,up --no-straddle --seconds 1 --repeats 3 --no-stages --concurrent 512",
               limit=900),
        worker("two", "two workers side by side",
               "--workers 2 --sessions 64 --size 1400 --direction down,up --seconds 0.5 --repeats 5 --no-stages"),
        worker("one-beside", "one worker in the same minute",
               "--workers 1 --sessions 64 --size 1400 --direction down,up --seconds 0.5 --repeats 5 --no-stages"),
        worker("latency", "added latency at half of the highest rate",
               "--sessions 64 --size 1400 --direction down,up --seconds 1 --repeats 3 --latency --no-stages"),
        worker("setup", "what a set-up costs the control plane, beside the bare handshake",
               "--sessions 2000 --setup --repeats 5", limit=400),
        worker("memory", "what idle sessions hold", "--sessions 100000 --memory --concurrent 512", limit=900),
        Step("memif/scale", "100,000 sessions from another program: bring-up, churn, all at once",
             "{top}/bench/memif --build {build} -o {json} --hugepages {pages}", limit=900),
        Step("veth/load", "the whole process over veth, kernel-socket clients", "{top}/bench/veth --build {build} -o {json}",
             limit=900, root=True),
        Step("path/line", "a call over 50 Mbit/s and 20 ms, and under loss", "{top}/bench/path --json {json}",
             limit=900, root=True, needs=("iperf3", "ping")),
        Step("client/veth", "culvert-client's processor time beside plain TLS", "{top}/bench/client --build {build} -o {json}",
             limit=300, root=True, needs=("iperf3", "ethtool")),
    ]


def small():
    """One of each kind, short: whether everything can run."""
    return [
        micro("--repeats 1 --seconds 0.002"),
        worker("sizes", "cost by packet size and by stage", "--sessions 8 --size 64,1400 --seconds 0.05 --repeats 1", limit=60),
        worker("null", "the null cipher", "--sessions 8 --size 1400 --cipher null --seconds 0.05 --repeats 1", limit=60),
        worker("sessions", "cost by number of sessions",
               "--sessions 1,100 --size 1400 --seconds 0.05 --repeats 1 --no-stages", limit=60),
        worker("latency", "added latency", "--sessions 8 --size 1400 --seconds 0.1 --repeats 1 --latency --no-stages", limit=60),
        worker("setup", "what a set-up costs", "--sessions 50 --setup --repeats 1", limit=60),
        worker("memory", "what idle sessions hold", "--sessions 500 --memory", limit=60),
        Step("memif/scale", "sessions from another program",
             "{top}/bench/memif --build {build} -o {json} --sessions 200 --churn 20 --storm 100 --seconds 1", limit=60),
        Step("veth/load", "the whole process over veth", "{top}/bench/veth --build {build} -o {json} --small",
             limit=90, root=True),
        Step("path/line", "a call over a line", "{top}/bench/path --json {json} --time 3 --loss 1% --only ^load:down",
             limit=60, root=True, needs=("iperf3", "ping")),
        Step("client/veth", "culvert-client beside plain TLS", "{top}/bench/client --build {build} -o {json} --small",
             limit=90, root=True, needs=("iperf3", "ethtool")),
    ]
