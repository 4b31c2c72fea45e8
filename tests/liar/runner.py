# SPDX-License-Identifier: BSD-3-Clause
"""Dials the cases and judges what came of each."""
import concurrent.futures
import fcntl
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

import cases
import server as sv

# A process that is being started holds copies of what is open: an interface would be busy.
STARTING = threading.Lock()
TUNSETIFF, TUNSETPERSIST = 0x400454ca, 0x400454cb
IFF_TUN, IFF_NO_PI = 1, 0x1000
LINES_MAX, LINE_MAX = 60, 1500  # of a client's log, whatever it was told
SANITIZER = re.compile(r'ERROR: (Address|Leak|Undefined)|runtime error:|SUMMARY: ')


def matching(all_cases, pattern):
    return [c for c in all_cases.values() if re.search(pattern, c.group + '/' + c.name)]


# --- the server's side ---

class Identity:
    """A certificate of a day, made once."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix='liar.')
        self.pem = os.path.join(self.dir, 'liar.pem')
        subprocess.run(
            ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
             '-nodes', '-days', '1', '-subj', '/CN=liar.test', '-keyout', self.pem, '-out',
             self.pem + '.crt'], check=True, stderr=subprocess.DEVNULL)
        with open(self.pem + '.crt') as f:
            text = f.read()
        with open(self.pem, 'a') as f:
            f.write(text)
        self.der = ssl.PEM_cert_to_DER_cert(text)
        self.password = os.path.join(self.dir, 'password')
        with open(os.open(self.password, os.O_WRONLY | os.O_CREAT, 0o600), 'w') as f:
            f.write(sv.Server.password + '\n')

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem)
        return context

    def remove(self):
        for name in os.listdir(self.dir):
            os.unlink(os.path.join(self.dir, name))
        os.rmdir(self.dir)


class Liar(threading.Thread):
    """One call as its case says."""

    def __init__(self, case, identity, address, port=0):
        super().__init__(daemon=True)
        self.case, self.identity = case, identity
        self.ready = threading.Event()
        self.server, self.complaint = None, None
        self.listener = socket.create_server((address, port))
        self.listener.settimeout(sv.TIMEOUT)
        self.port = self.listener.getsockname()[1]
        if not case.listens:
            self.listener.close()

    def run(self):
        if not self.case.listens:
            return
        try:
            for number in range(self.case.calls):
                self._take(number)
        except sv.Gone:
            pass
        except Exception as e:  # whatever it is: the case has not gone as it should
            self.complaint = '%s: %s' % (type(e).__name__, e)
        finally:
            self.stop()

    def _take(self, number):
        sock, _ = self.listener.accept()
        self.server = sv.Server(sock, self.identity.context(), self.identity.der, self.ready)
        self.server.number = number
        try:
            self.case.lie(self.server)
        except sv.Gone:
            if number + 1 == self.case.calls:
                raise
        self.server.close()

    def stop(self):
        self.listener.close()
        if self.server:
            self.server.close()


def serve(case, address, port):
    identity = Identity()
    liar = Liar(case, identity, address, port)
    print('%s: waiting on %s port %d; it should end with status %d and: %s' % (
        case.name, address, port, case.status, case.reason))
    sys.stdout.flush()
    liar.listener.settimeout(None)
    liar.run()
    identity.remove()
    print('client: messages %s, Call Abort %s, %d packets; %s' % (
        liar.server.messages, liar.server.aborts, len(liar.server.packets),
        liar.complaint or 'no complaint'))
    return 1 if liar.complaint else 0


# --- what comes out of an interface ---

class Interface:
    """Made before the client attaches to it, so that nothing gets past the socket."""
    ALL, OUTGOING = 3, 4

    def __init__(self, name):
        self.name = name
        self._tun(1)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind((name, self.ALL))

    def _tun(self, stays):
        request = struct.pack('16sH22x', self.name.encode(), IFF_TUN | IFF_NO_PI)
        with STARTING:
            fd = os.open('/dev/net/tun', os.O_RDWR)
            fcntl.ioctl(fd, TUNSETIFF, request)
            fcntl.ioctl(fd, TUNSETPERSIST, stays)
            os.close(fd)

    def received(self):
        """How many packets came from the client. The kernel's own do not count."""
        count, idle = 0, 0
        while idle < 2:  # that it went down is told once, in front of what is queued
            try:
                _, source = self.socket.recvfrom(1)
                count += source[2] != self.OUTGOING
            except OSError:
                idle += 1
        return count

    def remove(self):
        self.socket.close()
        self._tun(0)


# --- one case ---

class Client:
    def __init__(self, case, options, identity, port, interface):
        self.log = tempfile.TemporaryFile()
        self.peak_kib = self.nb_open = 0
        self.began = time.monotonic()
        environment = dict(os.environ)
        # What was freed counts as memory of the client's, with a sanitizer.
        environment['ASAN_OPTIONS'] = environment.get('ASAN_OPTIONS', '') + ':quarantine_size_mb=1'
        arguments = [options.client, '--connect-to', options.address, '--port', str(port),
                     '--user', sv.Server.user, '--password-file', identity.password,
                     '--name', interface, '--use-ipv6', 'no']
        arguments += [a.format(address=options.address, port=port) for a in case.args]
        with STARTING:
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=self.log,
                                            stderr=self.log, env=environment)

    def wait(self, ready, limit):
        """Its exit status, None: it did not end. SIGTERM as soon as `ready` says so."""
        while self.process.poll() is None:
            if time.monotonic() > self.began + limit:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()
                return None
            self._look_at_memory()
            if ready and ready.is_set():
                self.nb_open = len(os.listdir('/proc/%d/fd' % self.process.pid))
                self.process.send_signal(signal.SIGTERM)
                ready = None
            time.sleep(0.02)
        return self.process.returncode

    def _look_at_memory(self):
        try:
            with open('/proc/%d/status' % self.process.pid) as f:
                found = re.search(r'VmHWM:\s+(\d+)', f.read())
        except OSError:
            return
        if found:
            self.peak_kib = max(self.peak_kib, int(found.group(1)))

    def text(self):
        self.log.seek(0)
        return self.log.read().decode('utf-8', 'surrogateescape')


def reason_of(text):
    found = re.findall(r'(?:call failed server=\S+(?: proxy=\S+)?: |down reason=")(.*)', text)
    if not found:
        return ''
    return re.sub(r'" rx_packets=\d+ rx_bytes=\d+ tx_packets=\d+ tx_bytes=\d+$', '', found[-1])


def judge_log(case, text):
    lines = text.split('\n')
    if SANITIZER.search(text):
        yield 'sanitizer'
    if len(lines) > LINES_MAX or any(len(line) > LINE_MAX for line in lines):
        yield 'a log of %d lines' % len(lines)
    if re.search(r'[^\n\t\x20-\x7e]', text):
        yield 'control characters in the log'
    if 'was refused' in text:
        yield 'the kernel did not take a packet'
    if case.says and not re.search(case.says, text):
        yield 'the log does not say %s' % case.says


def judge_messages(case, server):
    if not server:
        return
    if case.abort == cases.NO_ABORT and server.aborts:
        yield 'Call Abort with status %s' % server.aborts
    if isinstance(case.abort, int) and server.aborts[:1] != [case.abort]:
        yield 'Call Abort %s, not with status %d' % (server.aborts, case.abort)
    if case.connected is not None and case.connected != (4 in server.messages):
        yield 'Call Connected was %ssent' % ('' if 4 in server.messages else 'not ')
    if case.connected is False and server.packets:
        yield 'packets of IP were sent'


def judge(case, status, text, liar, packets, mib):
    """What is wrong, line by line."""
    reason = reason_of(text)
    if status is None:
        yield 'it did not end within %d s' % case.limit
    elif status != case.status:
        yield 'status %d, not %d' % (status, case.status)
    if not re.fullmatch(case.reason, reason, re.DOTALL):
        yield 'reason: %s\n      not: %s' % (reason, case.reason)
    yield from judge_log(case, text)
    yield from judge_messages(case, liar.server)
    if liar.complaint:
        yield 'the server: ' + liar.complaint
    if packets not in (case.packets if isinstance(case.packets, range) else (case.packets,)):
        yield '%d packets on the interface, not %s' % (packets, case.packets)
    if case.mib and mib > case.mib:
        yield '%.1f MiB more than usual' % mib


class Run:
    def __init__(self, options):
        self.options, self.identity, self.usual_kib = options, Identity(), None
        self.count = iter(range(10**6))

    def one(self, case):
        """(case, seconds, what is wrong, the client's log)"""
        interface = Interface('liar%d' % next(self.count))
        liar = Liar(case, self.identity, self.options.address)
        liar.start()
        began = time.monotonic()
        client = Client(case, self.options, self.identity, liar.port, interface.name)
        status = client.wait(liar.ready if case.hangup else None, case.limit)
        took = time.monotonic() - began
        liar.join(2)
        liar.stop()
        packets, text = interface.received(), client.text()
        interface.remove()
        if self.usual_kib is None:
            self.usual_kib, self.usual_open = client.peak_kib, client.nb_open
        mib = (client.peak_kib - self.usual_kib) / 1024
        wrong = list(judge(case, status, text, liar, packets, mib))
        if case.calls > 1 and client.nb_open > self.usual_open + 2:  # it watches the network, too
            wrong.append('%d files are open, not %d' % (client.nb_open, self.usual_open))
        return case, took, wrong, text


def report(case, took, wrong, text, keep):
    if keep or wrong:
        print('%-4s %s %.1f s' % ('FAIL' if wrong else 'ok', case.name, took))
        for line in wrong:
            print('    ' + line)
        for line in text.rstrip('\n').split('\n')[-12:]:
            print('    | ' + line)
        sys.stdout.flush()


def run(chosen, options):
    if not chosen:
        print('no such case')
        return 77
    r = Run(options)
    failed, longest = 0, (0, '')
    # How much memory is usual, first and alone.
    report(*r.one(cases.ALL['data-good']), keep=options.keep)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        chosen = sorted(chosen, key=lambda c: not c.slow)
        for f in concurrent.futures.as_completed([pool.submit(r.one, c) for c in chosen]):
            case, took, wrong, text = f.result()
            failed += bool(wrong)
            longest = max(longest, (took, case.name))
            report(case, took, wrong, text, options.keep)
    r.identity.remove()
    print('%d cases, %d wrong; longest %s %.1f s' % (len(chosen), failed, longest[1], longest[0]))
    return 1 if failed else 0
