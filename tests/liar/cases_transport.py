# SPDX-License-Identifier: BSD-3-Clause
"""Lies below SSTP: TCP, TLS, HTTP."""
import ssl
import time

import server as sv
import wire as w
from cases import HTTP, LOST, NO_ABORT, SSTP, TCP, TLS, case, up, works

# --- TCP ---


@case('tcp-refused', TCP, 'TCP: Connection refused', listens=False)
def _(s):
    pass


@case('tcp-reset', LOST, 'connection lost during the TLS handshake: Connection reset by peer')
def _(s):
    s.raw.recv(1)
    s.reset()


@case('tcp-fin', LOST, 'the server closed the connection during the TLS handshake')
def _(s):
    s.fin()


@case('tcp-silence-hangup', 0, '', hangup=True, says='hanging up')
def _(s):
    s.ready()
    s.quiet()


# --- TLS ---

def raw_answer(name, answer, status, reason):
    @case(name, status, reason)
    def _(s):
        s.receive()
        s.send_raw(answer)
        s.quiet()


raw_answer('tls-garbage', bytes(range(200)) * 3, TLS, 'TLS: wrong version number')
raw_answer('tls-http', b'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n', TLS,
           'TLS: (wrong version number|http request)')
raw_answer('tls-ssh', b'SSH-2.0-OpenSSH_9.2p1\r\n', TLS, 'TLS: wrong version number')
raw_answer('tls-alert', b'\x15\x03\x03\0\x02\x02\x28', TLS, 'TLS: .*handshake failure')
raw_answer('tls-alert-name', b'\x15\x03\x03\0\x02\x02\x70', TLS, 'TLS: .*unrecognized name')
raw_answer('tls-alert-unknown', b'\x15\x03\x03\0\x02\x02\xfe', TLS, 'TLS: alert 254 of the server')
raw_answer('tls-alert-close', b'\x15\x03\x03\0\x02\x01\0', LOST,
           'the server closed the connection during the TLS handshake')
raw_answer('tls-record-long', b'\x16\x03\x03\xff\xff' + bytes(70000), TLS, 'TLS: .*too (long|large).*')
raw_answer('tls-empty-hello', b'\x16\x03\x03\0\x04\x02\0\0\0', TLS, 'TLS: length .*|TLS: .*mismatch.*')


@case('tls-version', TLS, 'TLS: .*(unsupported protocol|protocol version).*')
def _(s):
    s.context.minimum_version = ssl.TLSVersion.TLSv1_1
    s.context.maximum_version = ssl.TLSVersion.TLSv1_1
    s.context.set_ciphers('ALL:@SECLEVEL=0')
    s.reach('tls')


@case('tls-untrusted', TLS, 'TLS: certificate: self-signed certificate',
      args=('--verify-server-certificate',))
def _(s):
    s.reach('tls')
    s.polite()


# Bytes behind TLS's back, in either version.
def tampered(name, step, junk, reason):
    for version in ('1.2', '1.3'):
        @case('%s-%s' % (name, version), TLS, reason)
        def _(s, version=version):
            if version == '1.2':
                s.context.maximum_version = ssl.TLSVersion.TLSv1_2
            s.reach(step)
            s.send_raw(junk)
            s.quiet()


tampered('tls-bad-record', 'http', b'\x17\x03\x03\0\x40' + bytes(64), 'TLS: .*bad record mac')
tampered('tls-bad-record-up', 'up', b'\x17\x03\x03\0\x40' + bytes(64), 'TLS: .*bad record mac')
tampered('tls-plain-up', 'up', b'\x10\x01\0\x08\0\x08\0\0', 'TLS: what came is no record')

WHERE = {'tls': 'before the HTTP request was answered', 'request': 'before the HTTP request was answered',
         'asked': 'while SSTP was negotiated', 'ack': 'before authentication was over',
         'auth': 'before (authentication was over|an address was agreed)', 'up': 'while the call was up'}


def ended(step, where):
    def asked(s):
        s.reach('http')
        s.next()

    def reach(s):
        asked(s) if step == 'asked' else s.reach(step)

    @case('tls-close-notify-' + step, LOST, 'the server closed the connection ' + where)
    def _(s):
        reach(s)
        s.close_notify()

    @case('tls-truncated-' + step, LOST, 'the server closed the connection ' + where)
    def _(s):
        reach(s)
        s.fin()

    @case('tls-reset-' + step, LOST, 'connection lost %s: Connection reset by peer' % where)
    def _(s):
        reach(s)
        time.sleep(0.2)  # what was sent before is not to be lost with it
        s.reset()


for _step, _where in WHERE.items():
    ended(_step, _where)

# --- HTTP ---


def answer(name, text, status, reason, **more):
    @case('http-' + name, status, reason, abort=NO_ABORT, **more)
    def _(s):
        s.reach('request')
        s.send(text)
        if status == SSTP:
            s.done.add('http')
        s.quiet()


LENGTH = b'Content-Length: 18446744073709551615\r\n'
for _code, _text in ((301, b'Moved'), (400, b'Bad Request'), (401, b'Unauthorized'),
                     (403, b'Forbidden'), (404, b'Not Found'), (503, b'Service Unavailable')):
    answer(str(_code), b'HTTP/1.1 %d %s\r\nContent-Length: 0\r\n\r\n' % (_code, _text), HTTP,
           'HTTP: the server answered with status %d' % _code)
answer('101', b'HTTP/1.1 101 Switching Protocols\r\n\r\n', HTTP,
       'HTTP: the server answered with status 101')
answer('204', b'HTTP/1.1 204 No Content\r\n' + LENGTH + b'\r\n', HTTP,
       'HTTP: the server answered with status 204')
answer('none', b'SSH-2.0-OpenSSH_9.2p1\r\n', HTTP, 'HTTP: the answer is not HTTP/1.1')
answer('binary', bytes(range(256)) * 4, HTTP, 'HTTP: the answer is not HTTP/1.1')
answer('1.0', b'HTTP/1.0 200 OK\r\n' + LENGTH + b'\r\n', HTTP, 'HTTP: the answer is not HTTP/1.1')
answer('2', b'HTTP/2 200\r\n' + LENGTH + b'\r\n', HTTP, 'HTTP: the answer is not HTTP/1.1')
answer('malformed', b'HTTP/1.1 200 OK\r\nno colon\r\n\r\n', HTTP,
       'HTTP: the answer is malformed')
answer('no-length', b'HTTP/1.1 200 OK\r\nServer: x\r\n\r\n', HTTP,
       'HTTP: the server answered with status 200, but not as an SSTP server')
answer('wrong-length', b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', HTTP,
       'HTTP: the server answered with status 200, but not as an SSTP server')
answer('two-lengths', b'HTTP/1.1 200 OK\r\n' + LENGTH + LENGTH + b'\r\n', HTTP,
       'HTTP: the answer is malformed')
answer('chunked', b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', HTTP,
       'HTTP: the server answered with status 200, but not as an SSTP server')
answer('long-line', b'HTTP/1.1 200 OK\r\nX: ' + b'x' * 20000, HTTP, 'HTTP: the answer is too long')
answer('long-status', b'HTTP/1.1 200 ' + b'x' * 20000, HTTP, 'HTTP: the answer is too long')
answer('endless', b'HTTP/1.1 200 OK\r\n' + b'X: y\r\n' * 5000, HTTP, 'HTTP: the answer is too long')
answer('endless-100', b'HTTP/1.1 100 Continue\r\n\r\n' * 1000, HTTP, 'HTTP: the answer is too long')
answer('junk-behind', sv.HTTP_OK + b'\xff' * 65, SSTP,
       'SSTP: packet that cannot be delineated')
answer('body-behind', sv.HTTP_OK + b'<html>hello</html>', SSTP,
       'SSTP: packet that cannot be delineated')


@case('http-cut', LOST, 'the server closed the connection before the HTTP request was answered')
def _(s):
    s.reach('request')
    s.send(b'HTTP/1.1 200 OK\r\nContent-Len')
    s.close_notify()


@works('http-byte-by-byte')
def _(s):
    s.reach('request')
    for byte in sv.HTTP_OK:
        s.send(bytes([byte]))
    s.done.add('http')
    up(s)


@works('http-continue')
def _(s):
    s.reach('request')
    s.send(b'HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n' + sv.HTTP_OK)
    s.done.add('http')
    up(s)


@works('http-with-ack')
def _(s):
    """The answer and the Call Connect Ack in one record is what a server may not do before it was
    asked; an Echo Request is neither, but here it comes with the Ack."""
    s.reach('http')
    _, raw = s.next()
    assert raw[8:] == w.attrib(w.A_PROTOCOL, b'\0\1')
    s.done |= {'asked', 'ack'}
    s.send(w.control(w.CONNECT_ACK, w.binding_request()) + w.control(w.ECHO_REQUEST))
    s.send_lcp_request()
    up(s)
