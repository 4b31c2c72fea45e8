# SPDX-License-Identifier: BSD-3-Clause
"""Lies in SSTP itself. [MS-SSTP] 2.2, 3.2."""
import wire as w
from cases import ADDRESS, AUTH, LOST, NO_ABORT, SERVER, SSTP, case, up, works

IP = w.ipv4('10.0.0.1', '10.0.0.2')


def asked(s):
    """Up to the Call Connect Request, unanswered."""
    s.reach('http')
    control, raw = s.next()
    assert control and raw[8:] == w.attrib(w.A_PROTOCOL, b'\0\1')
    s.done.add('asked')


def reach(s, step):
    asked(s) if step == 'asked' else s.reach(step)


def acked(s, *packets):
    """These in place of the Call Connect Ack."""
    asked(s)
    for p in packets:
        s.send(p)
    s.polite()


# --- packets that cannot be told apart: dropped without a word, 3.1.5.1 ---

def broken(name, raw):
    for step in ('asked', 'ack', 'up'):
        @case('sstp-%s-%s' % (name, step), SSTP, 'SSTP: packet that cannot be delineated',
              abort=NO_ABORT)
        def _(s, step=step):
            reach(s, step)
            s.send(raw)
            s.polite()


broken('version', w.control(w.ECHO_REQUEST, version=0x11))
broken('length-0', w.control(w.ECHO_REQUEST, length=0))
broken('length-3', w.data(b'', length=3))
broken('control-7', w.control(w.ECHO_REQUEST, length=7))


# --- attributes ---

def bad_ack(name, packet, status, why='crypto binding failed'):
    @case('ack-' + name, SSTP, 'SSTP: %s, status %s' % (why, w.STATUS[status]), abort=status,
          connected=False)
    def _(s):
        acked(s, packet)


def ack(*attribs, **more):
    return w.control(w.CONNECT_ACK, *attribs, **more)


MALFORMED = 'malformed CALL_CONNECT_ACK'
bad_ack('no-binding', ack(), 0xa)
bad_ack('nonce-31', ack(w.binding_request(nonce=bytes(31))), 3)
bad_ack('nonce-33', ack(w.binding_request(nonce=bytes(33))), 3)
bad_ack('nonce-0', ack(w.binding_request(nonce=b'')), 3)
bad_ack('hash-none', ack(w.binding_request(hashes=0)), 4)
bad_ack('hash-unknown', ack(w.binding_request(hashes=0xfc)), 4)
bad_ack('attribute-length-0', ack(w.binding_request(length=0)), 3)
bad_ack('attribute-length-3', ack(w.binding_request(length=3)), 3)
bad_ack('attribute-length-41', ack(w.binding_request(length=41)), 3)
bad_ack('attribute-length-4095', ack(w.binding_request(length=4095)), 3)
bad_ack('attribute-length-39', ack(w.binding_request(length=39)), 7, MALFORMED)
bad_ack('attribute-unknown', ack(w.binding_request(), w.attrib(9, b'what')), 2)
bad_ack('attribute-0', ack(w.binding_request(), w.attrib(0, b'')), 2)
bad_ack('attribute-of-another', ack(w.binding_request(), w.status(0, 0)), 9)
bad_ack('binding-twice', ack(w.binding_request(), w.binding_request()), 1)
bad_ack('count-more', ack(w.binding_request(), count=2), 7, MALFORMED)
bad_ack('count-less', ack(w.binding_request(), count=0), 7, MALFORMED)
bad_ack('count-65535', ack(w.binding_request(), count=65535), 7, MALFORMED)
bad_ack('junk-behind', ack(w.binding_request(), length=60) + bytes(12), 7, MALFORMED)
bad_ack('4095', ack(w.binding_request(), length=4095) + b'\xff' * (4095 - 48), 7, MALFORMED)


@works('ack-reserved-bits', packets=1)
def _(s):
    """3.1.5.1: what is reserved is ignored on receipt."""
    asked(s)
    s.send(w.control(w.CONNECT_ACK, b'\xff\x04\xf0\x28\xff\xff\xff\x03' + s.nonce, flags=0xff,
                     reserved=0xf))
    s.done.add('ack')
    s.send_lcp_request()
    s.reach('up')
    s.send(w.data(w.frame(w.IPV4, IP), flags=0xfe, reserved=0xf))
    up(s)


ALL_HASHES = {'sha1': 1, 'sha256': 2, 'both': 3, 'unknown-too': 0xff}
for _name, _hashes in ALL_HASHES.items():
    @works('ack-hash-' + _name, connected=True)
    def _(s, hashes=_hashes):
        s.hashes = hashes
        up(s)


@works('ack-byte-by-byte')
def _(s):
    asked(s)
    for byte in ack(w.binding_request()):
        s.send(bytes([byte]))
    s.done.add('ack')
    s.send_lcp_request()
    up(s)


# --- Naks ---

def nak(code):
    return w.control(w.CONNECT_NAK, w.status(w.A_PROTOCOL, code, b'\0\1'))


for _code in list(range(1, 12)) + [0x99]:
    _text = w.STATUS[_code] if _code < 12 else '0x99'

    @case('nak-%d' % _code, SSTP, 'SSTP: refused by the server, status %s' % _text, abort=6,
          connected=False)
    def _(s, code=_code):
        s.on['sstp', w.CONNECT_REQUEST] = lambda raw: s.send(nak(code))
        s.reach('http')
        s.polite()


@works('nak-twice-and-ack')
def _(s):
    acks = s._connect_request
    s.naks = 0

    def answer(raw):
        s.naks += 1
        s.send(nak(4)) if s.naks < 3 else acks(raw)

    s.on['sstp', w.CONNECT_REQUEST] = answer
    up(s)


@case('nak-flood', SSTP, 'SSTP: refused by the server, status VALUE_NOT_SUPPORTED', abort=6)
def _(s):
    acked(s, nak(4) * 500)


@case('nak-empty', SSTP, 'SSTP: malformed CALL_CONNECT_NAK, status REQUIRED_ATTRIBUTE_MISSING',
      abort=0xa)
def _(s):
    acked(s, w.control(w.CONNECT_NAK))


# --- messages at the wrong time: Call Abort with UNACCEPTED_FRAME_RECEIVED, 3.2.5.3 ---

MESSAGES = {'request': ('CALL_CONNECT_REQUEST', w.control(w.CONNECT_REQUEST,
                                                          w.attrib(w.A_PROTOCOL, b'\0\1'))),
            'ack': ('CALL_CONNECT_ACK', ack(w.binding_request())),
            'nak': ('CALL_CONNECT_NAK', nak(4)),
            'connected': ('CALL_CONNECTED', w.control(w.CONNECTED, w.attrib(
                w.A_BINDING, b'\0\0\0\x02' + bytes(96)))),
            'disconnect-ack': ('CALL_DISCONNECT_ACK', w.control(w.DISCONNECT_ACK)),
            'echo-request': ('ECHO_REQUEST', w.control(w.ECHO_REQUEST)),
            'echo-response': ('ECHO_RESPONSE', w.control(w.ECHO_RESPONSE))}
UNTIMELY = {'asked': ('request', 'connected', 'disconnect-ack', 'echo-request', 'echo-response'),
            'ack': ('request', 'ack', 'nak', 'connected', 'disconnect-ack', 'echo-response'),
            'up': ('request', 'ack', 'nak', 'connected', 'disconnect-ack')}
for _step, _names in UNTIMELY.items():
    for _name in _names:
        _text, _raw = MESSAGES[_name]

        @case('untimely-%s-%s' % (_name, _step), SSTP,
              'SSTP: %s not allowed in this state, status UNACCEPTED_FRAME_RECEIVED' % _text, abort=5)
        def _(s, step=_step, raw=_raw):
            reach(s, step)
            s.send(raw)
            s.polite()

for _step in ('asked', 'ack', 'up'):
    for _type in (0, 10, 0xffff):
        @case('unknown-message-%d-%s' % (_type, _step), SSTP,
              'SSTP: message of unknown type 0x%x, status INVALID_FRAME_RECEIVED' % _type, abort=7)
        def _(s, step=_step, kind=_type):
            reach(s, step)
            s.send(w.control(kind))
            s.polite()


@works('echo-while-negotiating')
def _(s):
    s.reach('ack')
    s.send(w.control(w.ECHO_REQUEST))
    s.reach('up')
    assert w.ECHO_RESPONSE in s.messages
    s.send(w.control(w.ECHO_RESPONSE) * 3)
    up(s)


# --- data before its time goes nowhere, and ends nothing: 3.2.7.2 ---

@works('data-before-ack')
def _(s):
    asked(s)
    s.ip(IP)
    s.ppp(w.LCP, w.REQ, w.option(5, bytes(4)))
    s._connect_request(w.control(1, w.attrib(w.A_PROTOCOL, b'\0\1')))
    up(s)


@works('data-before-connected')
def _(s):
    for step in ('ack', 'lcp', 'auth'):
        s.reach(step)
        s.ip(IP)
        s.ip(IP, w.MP)
        s.ip(b'\x60' + bytes(59), w.IPV6)
    up(s)


# --- ends ---

def abort(code):
    return w.control(w.ABORT, w.status(0, code))


for _step in ('asked', 'ack', 'up'):
    for _code in list(range(1, 12)) + [0x12345678] if _step == 'asked' else (5, 8):
        _text = w.STATUS[_code] if _code < 12 else '0x12345678'

        @case('abort-%s-%s' % (_text.lower(), _step), SSTP,
              'SSTP: aborted by the peer, status ' + _text, abort=0)
        def _(s, step=_step, code=_code):
            reach(s, step)
            s.send(abort(code))
            s.polite()


@case('abort-bare', SSTP, 'SSTP: aborted by the peer')
def _(s):
    s.reach('ack')
    s.send(w.control(w.ABORT))
    s.polite()


@case('abort-malformed', SSTP, 'SSTP: aborted by the peer')
def _(s):
    s.reach('ack')
    s.send(w.control(w.ABORT, w.attrib(w.A_STATUS, b'', length=3), count=9))
    s.polite()


@case('abort-flood', SSTP, 'SSTP: aborted by the peer, status VALUE_NOT_SUPPORTED')
def _(s):
    s.reach('up')
    s.send(abort(4) * 1000)
    s.polite()


@case('abort-unanswered', SSTP, 'SSTP: crypto binding failed, status REQUIRED_ATTRIBUTE_MISSING',
      abort=0xa, slow=True)
def _(s):
    """Its own Call Abort gets no answer: TIMER_VAL_ABORT_STATE_TIMER_1."""
    asked(s)
    s.send(ack())
    s.quiet()


ENDS = {'asked': (SERVER, 'the server disconnected the call'),
        'ack': (AUTH, 'the server disconnected the call before authentication was over'),
        'auth': (ADDRESS, 'the server disconnected the call before an address was agreed'),
        'up': (SERVER, 'the server disconnected the call')}
for _step, (_end, _reason) in ENDS.items():
    @case('disconnect-' + _step, _end, _reason)
    def _(s, step=_step):
        s.asks_ipcp = False
        if step == 'auth':
            s.on[w.IPCP] = lambda ident, body: None
            s.reach('connected')
        elif step == 'up':
            s.asks_ipcp = True
        reach(s, step)
        s.send(w.control(w.DISCONNECT, w.status(0, 0)))
        s.polite()
        assert w.DISCONNECT_ACK in s.messages


@case('disconnect-status', SERVER, 'the server disconnected the call, status NEGOTIATION_TIMEOUT')
def _(s):
    s.reach('up')
    s.send(w.control(w.DISCONNECT, w.status(0, 8)))
    s.polite()


@case('disconnect-and-on', SERVER, 'the server disconnected the call', mib=8)
def _(s):
    """It goes on as if it had not."""
    s.reach('up')
    s.send(w.control(w.DISCONNECT))
    for _ in range(200):
        s.send(w.data(w.frame(w.IPV4, IP)) * 20 + w.control(w.DISCONNECT) + w.control(w.ECHO_REQUEST))
    s.quiet()


@case('disconnect-unanswered', 0, 'hung up', hangup=True, slow=True)
def _(s):
    s.reach('up')
    s.ready()
    s.quiet()


# --- hanging up on a server that says nothing, 8 s at the most ---

for _step in ('tls', 'http', 'asked', 'ack', 'lcp', 'auth'):
    @case('hangup-silence-' + _step, 0, '', hangup=True, says='hanging up', slow=True)
    def _(s, step=_step):
        s.on[w.PAP] = (lambda ident, body: None) if step == 'lcp' else None
        reach(s, step)
        s.ready()
        s.quiet()


@case('hangup-deaf', 0, 'hung up', hangup=True, mib=8, slow=True)
def _(s):
    """It has not read for so long that nothing fits any more."""
    s.reach('up')
    s.flood(w.control(w.ECHO_REQUEST) * 1000, read=False, mib=64)
    s.is_ready.set()
    s.linger(12)


# --- calls that are dialed again: nothing of those before is left ---

def again(name, lie):
    @case('again-' + name, 0, 'hung up', hangup=True, args=('--reconnect', 'yes'), calls=3, mib=8,
          says='dialing again in', slow=True)
    def _(s):
        if s.number < 2:
            lie(s)
            s.quiet()
        else:
            up(s)


again('after-noise', lambda s: (s.reach('up'), s.flood(w.control(w.ECHO_RESPONSE) * 1000, read=True),
                                s.send(b'\0' * 5000)))
again('after-abort', lambda s: (s.reach('ack'), s.send(abort(4))))
again('after-disconnect', lambda s: (s.reach('up'), s.send(w.control(w.DISCONNECT))))
again('after-reset', lambda s: (s.reach('up'), s.reset()))
again('after-no-tls', lambda s: (s.receive(), s.send_raw(b'HTTP/1.1 400 Bad Request\r\n\r\n')))

# --- silence and floods ---

@case('hello-silence', LOST, r'the server no longer answers \(SSTP Echo Request\)',
      args=('--keepalive-timeout', '1'), abort=NO_ABORT, slow=True)
def _(s):
    s.reach('up')
    s.quiet()


@case('hello-deaf', LOST, r'(the server no longer answers \(SSTP Echo Request\)|connection lost .*)',
      args=('--keepalive-timeout', '1'), mib=8, slow=True)
def _(s):
    """It talks without end and reads nothing: what it is owed piles up."""
    s.reach('up')
    s.flood(w.control(w.ECHO_REQUEST) * 1000, read=False, mib=64)
    s.linger(4)
    s.close()


def flood(name, raw, more=None):
    @works('flood-' + name, mib=12, **(more or {}))
    def _(s):
        s.reach('up')
        s.flood(raw, read=True)
        up(s)


flood('echo-request', w.control(w.ECHO_REQUEST) * 1000)
flood('echo-response', w.control(w.ECHO_RESPONSE) * 1000)
flood('empty-data', w.data(b'') * 2000)
flood('lcp-echo', w.data(w.frame(w.LCP, w.packet(9, 1, bytes(200)))) * 70)
flood('unknown-protocol', w.data(b'\x09') * 2000)
flood('unknown-ncp', w.data(w.frame(w.CCP, w.packet(1, 1, bytes(8)))) * 500)
flood('unknown-code', w.data(w.frame(w.LCP, w.packet(99, 1, bytes(8)))) * 500)
flood('terminate-ack', w.data(w.frame(w.IPV6CP, w.packet(6, 1))) * 500)
