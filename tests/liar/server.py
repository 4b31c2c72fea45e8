# SPDX-License-Identifier: BSD-3-Clause
"""One call as an SSTP server should take it, over a real socket and Python's TLS. A case lies by
doing some of the steps itself, by other handlers in `on`, or by other values in the attributes."""
import os
import socket
import ssl
import struct
import time

import wire as w

HTTP_OK = (b'HTTP/1.1 200\r\nContent-Length: 18446744073709551615\r\nServer: liar\r\n'
           b'Date: Thu, 09 Nov 2006 00:51:09 GMT\r\n\r\n')

# How far a call can get.
STEPS = ('tls', 'request', 'http', 'asked', 'ack', 'lcp', 'auth', 'connected', 'up')


TIMEOUT = 25  # seconds that a client may be silent


class Gone(Exception):
    """The client closed the connection."""


class Server:
    user, password = 'MT-User', 'StrongPass'
    local, remote = '10.0.0.1', '10.0.0.2'  # this end's address, the client's
    auth = w.AUTH_PAP  # Authentication-Protocol asked for, None: none
    mru = 1460
    hashes, nonce = 3, bytes(range(32))
    number = 0  # of the call
    asks_ipcp = True  # sends a Configure-Request of its own

    skimmed = False

    def __init__(self, sock, context, certificate, is_ready):
        sock.settimeout(TIMEOUT)
        self.is_ready = is_ready
        self.raw, self.context, self.certificate = sock, context, certificate
        self.tls = None
        self.buffer = b''
        self.done = set()
        self.on = {}  # (protocol, code) or ('sstp', message) -> function(ident, body)
        self.aborts, self.messages = [], []  # Status of each Call Abort; names of what came
        self.packets = []  # IP packets from the client
        self.hlak = bytes(32)
        self.challenge = bytes(range(16, 32))
        self.ident = 1
        self.ok = {}
        self.sent_ipcp = False
        self.steps = {'tls': self._tls, 'request': self._request, 'http': self._http}

    # --- bytes ---

    def send(self, data):
        """Plaintext, through TLS when that is up."""
        try:
            (self.tls or self.raw).sendall(data)
        except (OSError, ValueError) as e:
            raise Gone(str(e)) from e

    def send_raw(self, data):
        """Bytes behind TLS's back."""
        fd = (self.tls or self.raw).fileno()
        try:
            while data:
                data = data[os.write(fd, data):]
        except OSError as e:
            raise Gone(str(e)) from e

    def receive(self, n=65536):
        try:
            got = (self.tls or self.raw).recv(n)
        except ssl.SSLEOFError as e:
            raise Gone('no close_notify') from e
        except ssl.SSLWantReadError as e:
            raise BlockingIOError from e
        except TimeoutError as e:
            raise AssertionError('nothing came from the client') from e
        except BlockingIOError:
            raise
        except (OSError, ValueError) as e:
            raise Gone(str(e)) from e
        if not got:
            raise Gone('closed')
        return got

    def _fill(self, n):
        while len(self.buffer) < n:
            self.buffer += self.receive()

    def next(self):
        """The next SSTP packet: (is control, whole bytes). Strict about the client's framing."""
        self._fill(4)
        version, flags, length = struct.unpack_from('>BBH', self.buffer)
        assert version == 0x10 and flags in (0, 1) and 4 <= length <= 4095, 'header of the client'
        self._fill(length)
        raw, self.buffer = self.buffer[:length], self.buffer[length:]
        return flags == 1, raw

    def reset(self):
        """RST."""
        sock = self.tls or self.raw
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.close()

    def fin(self):
        """FIN without a close_notify; what still comes is read."""
        try:
            socket.socket.shutdown(self.tls or self.raw, socket.SHUT_WR)  # not TLS's own
            self.quiet()
        except OSError:
            pass

    def close(self):
        for sock in (self.tls, self.raw):
            try:
                if sock:
                    sock.close()
            except OSError:
                pass

    def close_notify(self):
        try:
            self.tls.unwrap()
        except (OSError, ValueError):
            pass
        self.close()

    # --- steps ---

    def _tls(self):
        try:
            self.tls = self.context.wrap_socket(self.raw, server_side=True)
        except (ssl.SSLError, OSError) as e:
            raise Gone(str(e)) from e
        self.tls.settimeout(self.raw.gettimeout())

    def _request(self):
        while b'\r\n\r\n' not in self.buffer:
            self.buffer += self.receive()
        request, self.buffer = self.buffer.split(b'\r\n\r\n', 1)
        line, *fields = request.decode('ascii').split('\r\n')
        names = {f.split(':', 1)[0].lower(): f.split(':', 1)[1].strip() for f in fields}
        assert line == ('SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1')
        assert names['content-length'] == '18446744073709551615' and names['host']

    def _http(self):
        self.send(HTTP_OK)

    def reach(self, step):
        """As an honest server, until this step is over."""
        for name in STEPS[:STEPS.index(step) + 1]:
            if name in self.done:
                continue
            if name in self.steps:
                self.steps[name]()
                self.done.add(name)
            while name not in self.done:
                self.step()

    def step(self):
        """One packet of the client, answered."""
        is_control, raw = self.next()
        if is_control:
            self._control(raw)
        else:
            self._frame(raw[4:])

    def polite(self):
        """Go on as an honest server until the client is gone."""
        try:
            while True:
                self.step()
        except Gone:
            pass

    def quiet(self):
        """Read on and say no more, until the client is gone."""
        try:
            while 'http' in self.done and not self.skimmed:
                is_control, raw = self.next()
                if is_control:
                    self._note(raw)
            while True:
                self.receive()
        except Gone:
            pass

    def linger(self, seconds):
        """Not even read on."""
        time.sleep(seconds)

    def ready(self):
        """The client may hang up: not before it has worked off what was sent to it."""
        if 'up' in self.done:
            self._sync()
        self.is_ready.set()

    def _sync(self):
        """An LCP Echo-Request that nobody else sent, and what comes before its answer."""
        mark = b'\x12\x34\x56\x78liar-has-said-it-all'
        self.ppp(w.LCP, w.LCP_ECHO, mark, 200)
        if not self.skimmed:
            self.on[w.LCP, w.LCP_REPLY] = lambda ident, body: self.done.add('synced')
            while 'synced' not in self.done:
                self.step()
            return
        while mark[4:] not in self.buffer:
            self.buffer = self.buffer[-64:] + self.receive()
        self.buffer = self.buffer.split(mark[4:], 1)[1]

    def drain(self):
        """Take what the client has sent by now without a look at it."""
        self.skimmed = True
        self.tls.settimeout(0)
        try:
            while True:
                self.buffer = self.buffer[-64:] + self.receive()
        except BlockingIOError:
            pass
        finally:
            self.tls.settimeout(TIMEOUT)

    def flood(self, data, read, mib=2, seconds=4):
        """`data` over and over, in all so many MiB or for so long. read: what it brings is read."""
        end = time.monotonic() + seconds
        sent = 0
        self.tls.settimeout(0.5)
        try:
            while sent < mib << 20 and time.monotonic() < end:
                self.send(data)
                sent += len(data)
                if read:
                    self.drain()
        except Gone:
            if read:
                raise
        finally:
            self.tls.settimeout(TIMEOUT)

    # --- SSTP ---

    def _note(self, raw):
        message, count = struct.unpack_from('>HH', raw, 4)
        found = w.attributes(raw[8:])
        assert len(found) == count, 'number of attributes'
        self.messages.append(message)
        if message == w.ABORT:
            assert found[0][0] == w.A_STATUS
            self.aborts.append(struct.unpack_from('>I', found[0][1], 4)[0])
        return message

    def _control(self, raw):
        message = self._note(raw)
        assert message in self.defaults, 'message %d from the client' % message
        (self.on.get(('sstp', message)) or getattr(self, self.defaults[message]))(raw)

    def _connect_request(self, raw):
        assert raw[8:] == w.attrib(w.A_PROTOCOL, b'\0\1'), 'Call Connect Request'
        self.done.add('asked')
        self.send(w.control(w.CONNECT_ACK, w.binding_request(self.hashes, self.nonce)))
        self.done.add('ack')
        self.send_lcp_request()

    def _connected(self, raw):
        wrong = w.check_connected(raw, self.nonce, self.hashes, self.certificate, self.hlak)
        assert not wrong, wrong
        assert 'auth' in self.done, 'Call Connected before authentication'
        self.done.add('connected')
        self._maybe_up()

    def _abort(self, _raw):
        self.send(w.control(w.ABORT, w.status(0, 0)))

    def _disconnect(self, _raw):
        self.send(w.control(w.DISCONNECT_ACK))

    def _echo(self, _raw):
        self.send(w.control(w.ECHO_RESPONSE))

    def _ignore(self, _raw):
        pass

    defaults = {w.CONNECT_REQUEST: '_connect_request', w.CONNECTED: '_connected',
                w.ABORT: '_abort', w.DISCONNECT: '_disconnect', w.DISCONNECT_ACK: '_ignore',
                w.ECHO_REQUEST: '_echo', w.ECHO_RESPONSE: '_ignore'}

    # --- PPP ---

    def ppp(self, protocol, code, payload=b'', ident=None, length=None):
        """A control packet of a protocol."""
        if ident is None:
            self.ident = self.ident % 255 + 1
            ident = self.ident
        self.send(w.data(w.frame(protocol, w.packet(code, ident, payload, length))))

    def ip(self, packet, protocol=w.IPV4):
        self.send(w.data(w.frame(protocol, packet)))

    def send_lcp_request(self):
        self.ppp(w.LCP, w.REQ, self.lcp_options())

    def lcp_options(self):
        asks = w.option(1, struct.pack('>H', self.mru)) + w.option(5, b'\x12\x34\x56\x78')
        return asks + (w.option(3, self.auth) if self.auth else b'')

    def _frame(self, frame):
        assert frame[:2] == b'\xff\x03', 'frame without FF 03'
        (protocol,) = struct.unpack_from('>H', frame, 2)
        body = frame[4:]
        if protocol in (w.IPV4, w.IPV6, w.MP):
            self.packets.append(body)
            return
        code, ident, length = struct.unpack_from('>BBH', body)
        assert 4 <= length <= len(body), 'length of a PPP packet'
        self.messages.append((protocol, code))
        handler = self.on.get((protocol, code)) or self.on.get(protocol)
        if handler:
            handler(ident, body[4:length])
        elif protocol == w.LCP:
            self._lcp(code, ident, body[4:length])
        elif protocol == w.PAP:
            assert code == 1 and self.auth == w.AUTH_PAP
            self.ppp(w.PAP, 2, b'\0', ident)
            self.done.add('auth')
        elif protocol == w.CHAP:
            self._chap(code, ident, body[4:length])
        elif protocol == w.IPCP:
            self._ipcp(code, ident, body[4:length])
        else:
            self.ppp(w.LCP, w.PROTO_REJ, struct.pack('>H', protocol) + body)

    def _lcp(self, code, ident, body):
        if code == w.REQ:
            w.options(body)
            self.ppp(w.LCP, w.ACK, body, ident)
            self.ok['lcp-peer'] = True
        elif code == w.ACK:
            assert body == self.lcp_options(), 'Ack of something else'
            self.ok['lcp'] = True
        elif code == w.TERM_REQ:
            self.ppp(w.LCP, w.TERM_ACK, ident=ident)
        elif code == w.LCP_ECHO:
            self.ppp(w.LCP, w.LCP_REPLY, b'\x12\x34\x56\x78' + body[4:], ident)
        if self.ok.get('lcp') and self.ok.get('lcp-peer') and 'lcp' not in self.done:
            self.done.add('lcp')
            if self.auth and self.auth[:2] == b'\xc2\x23':
                # RFC 2433 has 8 bytes of it.
                self.send_challenge(self.challenge[:8 if self.auth == w.AUTH_MSCHAP1 else None])
            elif not self.auth:
                self.done.add('auth')

    def send_challenge(self, challenge, size=None):
        size = len(challenge) if size is None else size
        self.ppp(w.CHAP, 1, bytes([size]) + challenge + b'liar', 7)

    def _chap(self, code, ident, body):
        assert code == 2 and ident == 7, 'Response to another Challenge'
        if self.auth == w.AUTH_MSCHAP2:
            assert body[0] == 49 and body[50:] == self.user.encode(), 'MS-CHAPv2 Response'
            peer, response = body[1:17], body[25:49]
            self.hlak = w.mschap2_hlak(self.password, response)
            proof = w.authenticator_response(
                self.password, self.user, self.challenge, peer, response)
            self.send_success(proof + b' M=welcome')
        else:
            self.send_success(b'')

    def send_success(self, text):
        self.ppp(w.CHAP, 3, text, 7)
        self.done.add('auth')

    def _ipcp(self, code, ident, body):
        if not self.sent_ipcp and self.asks_ipcp:
            self.sent_ipcp = True
            self.ppp(w.IPCP, w.REQ, w.option(3, w.address(self.local)))
        if code == w.REQ:
            self._ipcp_request(ident, body)
        elif code == w.ACK:
            self.ok['ipcp'] = True
        elif code == w.TERM_REQ:
            self.ppp(w.IPCP, w.TERM_ACK, ident=ident)
        self._maybe_up()

    def _ipcp_request(self, ident, body):
        asked = w.options(body)
        rejected = b''.join(w.option(k, v) for k, v in asked if k != 3)
        if rejected:
            self.ppp(w.IPCP, w.REJ, rejected, ident)
        elif dict(asked).get(3) != w.address(self.remote):
            self.ppp(w.IPCP, w.NAK, w.option(3, w.address(self.remote)), ident)
        else:
            self.ppp(w.IPCP, w.ACK, body, ident)
            self.ok['ipcp-peer'] = True

    def _maybe_up(self):
        if 'connected' in self.done and self.ok.get('ipcp') and self.ok.get('ipcp-peer'):
            self.done.add('up')
