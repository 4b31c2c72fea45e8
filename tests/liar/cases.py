# SPDX-License-Identifier: BSD-3-Clause
"""The table of lies. Each is a function that plays the server, with what the client must make of
it: its exit status (client/call.h, CALL_END_LIST) and the reason it gives."""

ALL = {}

# Exit statuses.
HANGUP, LOCAL, TCP, TLS, HTTP, SSTP, AUTH, PPP = 0, 1, 4, 5, 6, 7, 8, 9
ADDRESS, TIMEOUT, LOST, SERVER, PROXY = 10, 11, 12, 13, 14

NO_ABORT = 'none'


class Case:
    # status and reason: how it ends; reason is a regular expression that the whole text must match.
    # abort: the status in the client's Call Abort, NO_ABORT: there must be none; None: whatever.
    # hangup: SIGTERM when the case says so (Server.ready). packets: that many (or a range) come out of
    # the interface. says: an expression that must be in the client's log. mib: the most it may take in
    # memory, above a client that was never lied to. listens: False: nothing at the port. connected:
    # whether Call Connected was sent, None: whatever. slow: it waits for timers, and goes first.
    # calls: that many are taken, one after the other (Server.number); what is judged is the last one.
    def __init__(self, name, lie, status, reason, abort=None, args=(), hangup=False, packets=0,
                 says=None, mib=None, listens=True, connected=None, limit=20, slow=False, calls=1):
        self.name, self.lie, self.status, self.reason, self.abort = name, lie, status, reason, abort
        self.group = lie.__module__.replace('cases_', '')
        self.args, self.hangup, self.packets, self.says = tuple(args), hangup, packets, says
        self.mib, self.listens, self.connected, self.limit = mib, listens, connected, limit
        self.slow, self.calls = slow, calls


def case(name, status, reason, **more):
    def add(lie):
        assert name not in ALL, name
        ALL[name] = Case(name, lie, status, reason, **more)
        return lie
    return add


def works(name, **more):
    """What looks odd and is right: the call comes up, and is hung up."""
    more.setdefault('abort', NO_ABORT)
    return case(name, HANGUP, 'hung up', hangup=True, **more)


def up(server):
    """The end of a case that works: up, told so, and hung up in order."""
    server.reach('up')
    server.ready()
    server.polite()
