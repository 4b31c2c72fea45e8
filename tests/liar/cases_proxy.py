# SPDX-License-Identifier: BSD-3-Clause
"""Lies of a proxy in front of the server. [MS-SSTP] 3.2.4.1, RFC 9110 9.3.6."""
import itertools
import time

from cases import LOST, PROXY, TCP, TLS, case, up, works

ARGS = ('--http-proxy', '{address}', '--proxy-port', '{port}')


def asked(s):
    """The client's CONNECT, unanswered."""
    while b'\r\n\r\n' not in s.buffer:
        s.buffer += s.receive()
    request, s.buffer = s.buffer.split(b'\r\n\r\n', 1)
    line, *fields = request.decode('ascii').split('\r\n')
    where = line.split(' ')[1]
    assert line == 'CONNECT %s HTTP/1.1' % where and where.count(':') == 1, line
    assert 'SSTPVERSION: 1.0' in fields and 'Host: ' + where in fields, fields
    assert not s.buffer, 'more than it was asked for'


def answers(name, text, reason, end=PROXY):
    @case('proxy-' + name, end, reason, args=ARGS)
    def _(s):
        asked(s)
        s.send(text)
        s.quiet()


for _code, _text in ((301, b'Moved'), (403, b'Forbidden'), (407, b'Proxy Authentication Required'),
                     (502, b'Bad Gateway'), (503, b'')):
    _reason = 'proxy: it answered with status %d' % _code
    answers(str(_code), b'HTTP/1.1 %d %s\r\n\r\n' % (_code, _text),
            _reason + (' "?%s"?' % _text.decode() if _text else ''))
answers('101', b'HTTP/1.1 101 Switching\r\n\r\n', 'proxy: it answered with status 101 Switching')
answers('forged', b'HTTP/1.1 403 no\x1b[2J\n2026 err client: forged\r\n\r\n',
        r'proxy: it answered with status 403 "no\\x1b\[2J"')
answers('long', b'HTTP/1.1 403 ' + b'x' * 3000 + b'\r\n\r\n',
        r'proxy: it answered with status 403 x{20,200}')
answers('none', b'220 mail.example.net ESMTP\r\n', 'proxy: it does not answer as one')
answers('tls', b'\x15\x03\x01\0\x02\x02\x46', 'proxy: it does not answer as one')
answers('endless', b'HTTP/1.1 200 OK\r\n' + b'X: y\r\n' * 5000, 'proxy: it does not answer as one')
answers('endless-100', b'HTTP/1.1 100 Continue\r\n\r\n' * 1000, 'proxy: it does not answer as one')
answers('page-behind', b'HTTP/1.1 200 OK\r\n\r\n<html>hello</html>',
        'TLS: (wrong version number|http request)', TLS)


@case('proxy-close', PROXY, 'proxy: it closed the connection', args=ARGS)
def _(s):
    asked(s)
    s.send(b'HTTP/1.1 200 O')
    s.fin()


@case('proxy-reset', PROXY, 'proxy: Connection reset by peer', args=ARGS)
def _(s):
    asked(s)
    s.reset()


@case('proxy-refused', TCP, 'TCP: Connection refused', args=ARGS, listens=False)
def _(s):
    pass


@case('proxy-close-behind', LOST, 'the server closed the connection during the TLS handshake',
      args=ARGS)
def _(s):
    asked(s)
    s.send(b'HTTP/1.1 200 Connection established\r\n\r\n')
    s.fin()


@case('proxy-silence-hangup', 0, '', args=ARGS, hangup=True, says='hanging up')
def _(s):
    asked(s)
    s.ready()
    s.quiet()


@case('proxy-trickle-hangup', 0, '', args=ARGS, hangup=True, says='hanging up')
def _(s):
    asked(s)
    s.send(b'HTTP/1.1 200 OK\r\n')
    s.ready()
    for byte in itertools.cycle(b'X: y\r\n'):
        s.send(bytes([byte]))
        time.sleep(0.01)


def passes(name, text, chunk=None):
    @works('proxy-' + name, args=ARGS)
    def _(s):
        asked(s)
        for at in range(0, len(text), chunk or len(text)):
            s.send(text[at:at + (chunk or len(text))])
        up(s)


passes('right', b'HTTP/1.1 200 Connection established\r\n\r\n')
passes('old', b'HTTP/1.0 200 OK\r\nVia: 1.0 x\r\n\r\n')
passes('bare-lines', b'HTTP/1.1 200 OK\nX: y\n\n')
passes('byte-by-byte', b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n', 1)
passes('continue', b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: y\r\n\r\n'
       b'HTTP/1.1 200 OK\r\n\r\n')
