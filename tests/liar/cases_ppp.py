# SPDX-License-Identifier: BSD-3-Clause
"""Lies in LCP, IPCP, IPV6CP and CCP. RFC 1661, 1332, 5072."""
import struct

import wire as w
from cases import ADDRESS, AUTH, PPP, SERVER, case, up, works

NO_CONVERGENCE = 'PPP: LCP did not converge'


def on(s, protocol, code, answer):
    s.on[protocol, code] = answer


# --- LCP that does not come to an end ---

@case('lcp-naks', PPP, NO_CONVERGENCE)
def _(s):
    values = iter(range(1000, 9000))
    on(s, w.LCP, w.REQ, lambda ident, body: s.ppp(
        w.LCP, w.NAK, w.option(1, struct.pack('>H', next(values))) + w.option(5, bytes(4)), ident))
    s.reach('ack')
    s.polite()


@case('lcp-naks-of-nothing', PPP, NO_CONVERGENCE)
def _(s):
    on(s, w.LCP, w.REQ, lambda ident, body: s.ppp(w.LCP, w.NAK, b'', ident))
    s.reach('ack')
    s.polite()


@case('lcp-rejects', PPP, NO_CONVERGENCE)
def _(s):
    on(s, w.LCP, w.REQ, lambda ident, body: s.ppp(w.LCP, w.REJ, body or w.option(5, bytes(4)), ident))
    s.reach('ack')
    s.polite()


def insists(name, options, status, reason, **more):
    """It asks for the same, whatever the client thinks of it."""
    @case('lcp-' + name, status, reason, connected=False, **more)
    def _(s):
        s.lcp_options = lambda: options
        s.asked_for = 0

        def again(ident, body):
            s.asked_for += 1
            assert s.asked_for < 100, 'asked 100 times'
            s.send_lcp_request()

        on(s, w.LCP, w.NAK, again)
        on(s, w.LCP, w.REJ, again)
        s.reach('ack')
        s.polite()


insists('mru-tiny', w.option(1, b'\0\x40') + w.option(3, w.AUTH_PAP), PPP, NO_CONVERGENCE)
insists('option-unknown', w.option(200, bytes(8)) + w.option(3, w.AUTH_PAP), PPP, NO_CONVERGENCE)
insists('magic-zero', w.option(5, bytes(4)) + w.option(3, w.AUTH_PAP), PPP, NO_CONVERGENCE)
insists('callback', w.option(13, b'\x06') + w.option(3, w.AUTH_PAP), PPP, NO_CONVERGENCE)
NO_METHOD = 'authentication: no authentication method both sides allow'
insists('auth-eap', w.option(3, w.AUTH_EAP), AUTH, NO_METHOD + ', the server wants EAP')
insists('auth-none', b'', AUTH, NO_METHOD + ', the server wants none')
insists('auth-pap', w.option(3, w.AUTH_PAP), AUTH, NO_METHOD + ', the server wants pap',
        args=('--authentication', 'mschap2'))
insists('auth-unknown-chap', w.option(3, b'\xc2\x23\x06'), AUTH,
        NO_METHOD + ', the server wants CHAP with algorithm 6')
insists('auth-unknown', w.option(3, b'\xc0\x27\x01'), AUTH, NO_METHOD + ', the server wants 0xc027')
insists('auth-empty', w.option(3), AUTH, NO_METHOD)


@works('lcp-auth-third-choice')
def _(s):
    """EAP first, and PAP when the client will not have that."""
    s.auth = w.AUTH_EAP

    def other(ident, body):
        assert w.options(body)[0][0] == 3
        s.auth = w.AUTH_PAP
        s.send_lcp_request()

    on(s, w.LCP, w.NAK, other)
    up(s)


@works('lcp-mru-128', says=r' mtu=128 ')
def _(s):
    s.mru = 128
    up(s)


@works('lcp-mru-65535', says=r' mtu=1460 ')
def _(s):
    s.mru = 65535
    up(s)


@works('lcp-mru-500-ipv6', says=r' mtu=500 ', args=('--use-ipv6', 'yes'))
def _(s):
    """IPv6 needs 1280."""
    s.mru = 500
    on(s, w.IPV6CP, w.REQ, lambda ident, body: ipv6cp(s, ident, body, 7))
    up(s)


@case('lcp-mru-500-ipv6-required', PPP, 'PPP: IPv6 needs packets of 1280 bytes, the server takes less',
      args=('--use-ipv6', 'required'))
def _(s):
    s.mru = 500
    on(s, w.IPV6CP, w.REQ, lambda ident, body: ipv6cp(s, ident, body, 7))
    s.reach('connected')
    s.polite()


@case('lcp-echo-of-all', PPP, 'PPP: looped-back link')
def _(s):
    """A line that is connected to itself."""
    s.send_lcp_request = lambda: None

    def back(code):
        on(s, w.LCP, code, lambda ident, body: s.ppp(w.LCP, code, body, ident))

    for code in (w.REQ, w.ACK, w.NAK, w.REJ):
        back(code)
    s.reach('ack')
    s.polite()


@case('lcp-magic', PPP, 'PPP: looped-back link')
def _(s):
    def mine(ident, body):
        s.ppp(w.LCP, w.REQ, w.option(5, dict(w.options(body))[5]))

    s.send_lcp_request = lambda: None
    on(s, w.LCP, w.REQ, mine)
    on(s, w.LCP, w.NAK, lambda ident, body: s.ppp(w.LCP, w.NAK, w.option(5, b'aaaa'), s.last))
    on(s, w.LCP, w.REQ, lambda ident, body: (setattr(s, 'last', ident), mine(ident, body)))
    s.reach('ack')
    s.polite()


# --- LCP packets that end ---

for _code in (w.REQ, w.ACK, w.TERM_REQ, w.TERM_ACK, w.CODE_REJ):
    for _step, _end in (('ack', PPP), ('up', PPP)):
        @case('lcp-code-reject-%d-%s' % (_code, _step), _end, 'PPP: LCP was rejected by the peer')
        def _(s, code=_code, step=_step):
            s.reach(step)
            s.ppp(w.LCP, w.CODE_REJ, w.packet(code, 1))
            s.polite()


@works('lcp-code-reject-others')
def _(s):
    """An Echo-Request is one that it may not know."""
    s.reach('up')
    for code in (w.LCP_ECHO, 12, 13, 200):
        s.ppp(w.LCP, w.CODE_REJ, w.packet(code, 1))
    s.ppp(w.IPCP, 99, bytes(9))
    up(s)


def protocol_reject(protocol):
    return lambda s: s.ppp(w.LCP, w.PROTO_REJ, struct.pack('>H', protocol) + bytes(10))


def rejected(name, protocol, step, status, reason):
    @case('protocol-reject-' + name, status, reason)
    def _(s):
        if step == 'connected':
            s.on[w.IPCP] = lambda ident, body: None
        if name == 'pap':
            s.on[w.PAP] = lambda ident, body: None
        s.reach(step)
        protocol_reject(protocol)(s)
        s.polite()


rejected('lcp', w.LCP, 'up', PPP, 'PPP: LCP was rejected by the peer')
rejected('ipcp', w.IPCP, 'connected', ADDRESS, 'address: IPCP was rejected by the peer')
rejected('ipcp-up', w.IPCP, 'up', ADDRESS, 'address: IPCP was rejected by the peer')
rejected('pap', w.PAP, 'lcp', AUTH, NO_METHOD)

BYE = 'terminated by the peer, server\'s message "bye bye"'
for _step, _status, _reason in (('ack', AUTH, 'authentication: ' + BYE),
                                ('lcp', AUTH, 'authentication: ' + BYE),
                                ('connected', ADDRESS, 'address: ' + BYE),
                                ('up', SERVER, 'PPP: ' + BYE)):
    @case('lcp-terminate-' + _step, _status, _reason)
    def _(s, step=_step):
        if step == 'connected':
            s.on[w.IPCP] = lambda ident, body: None
        if step == 'lcp':
            s.on[w.PAP] = lambda ident, body: None
        if step == 'ack':
            s.on[w.LCP, w.REQ] = lambda ident, body: None
        s.reach(step)
        s.ppp(w.LCP, w.TERM_REQ, b'bye bye')
        if step == 'ack':
            s.next()
            s.close_notify()
        s.polite()


@case('lcp-terminate-forged', SERVER,
      r'PPP: terminated by the peer, server\'s message "bye\\x0a2026-01-01 err client: forged\\x1b\[2J.*"')
def _(s):
    s.reach('up')
    s.ppp(w.LCP, w.TERM_REQ, b'bye\n2026-01-01 err client: forged\x1b[2J\0\r' + bytes(range(128, 256)))
    s.polite()


@case('lcp-terminate-long', SERVER, r'PPP: terminated by the peer, server\'s message x{50,200}')
def _(s):
    s.reach('up')
    s.ppp(w.LCP, w.TERM_REQ, b'x' * 4000)
    s.polite()


@works('lcp-malformed')
def _(s):
    s.reach('up')
    for protocol in (w.LCP, w.IPCP, w.IPV6CP, w.PAP, w.CHAP):
        for length in (0, 3, 5, 40, 65535):
            s.ppp(protocol, w.TERM_REQ, b'', length=length) if length > 4 else s.send(w.data(
                w.frame(protocol, w.packet(w.TERM_REQ, 1, length=length))))
        for n in range(4):
            s.send(w.data(w.frame(protocol, w.packet(w.TERM_REQ, 1)[:n])))
    for bad in (w.option(1, b'\x05', length=0), w.option(1, length=1), w.option(5, b'', length=6), b'\x05'):
        s.ppp(w.LCP, w.REQ, bad)
        s.ppp(w.LCP, w.NAK, bad, 1)
        s.ppp(w.LCP, w.REJ, bad, 1)
    for raw in (b'', b'\xff', b'\xff\x03', b'\xff\x03\xc0', b'\xc0', b'\xc0\x20', b'\0'):
        s.send(w.data(raw))
    up(s)


@works('lcp-answers-of-others')
def _(s):
    """Acks, Naks and Rejects that nobody asked for."""
    s.reach('ack')
    for ident in (0, 77, 255):
        for code in (w.ACK, w.NAK, w.REJ):
            s.ppp(w.LCP, code, w.option(5, b'abcd'), ident)
            s.ppp(w.IPCP, code, w.option(3, bytes(4)), ident)
    up(s)


def again(s):
    """LCP from the beginning, and everything behind it."""
    s.done -= {'lcp', 'auth', 'up'}
    s.ok.clear()
    s.sent_ipcp = False
    s.send_lcp_request()
    s.done.add('auth')
    while not (s.ok.get('ipcp') and s.ok.get('ipcp-peer')):
        s.step()


@works('lcp-again')
def _(s):
    s.reach('up')
    again(s)
    s.done.add('up')
    up(s)


@case('lcp-again-and-again', SERVER, 'the server negotiates the addresses all the time')
def _(s):
    s.reach('up')
    while True:
        again(s)


# --- IPCP ---

def gives(name, text, reason=None):
    @case('address-' + name, ADDRESS, reason or
          r'address: the server gives %s, which is no host\'s' % text.replace('.', r'\.'))
    def _(s):
        s.remote = text
        s.reach('connected')
        s.polite()


gives('zero-net', '0.1.2.3')
gives('loopback', '127.0.0.1')
gives('loopback-net', '127.8.8.8')
gives('multicast', '224.0.0.1')
gives('reserved', '240.0.0.1')
gives('broadcast', '255.255.255.255')
gives('its-own', '10.0.0.1', r'address: the server gives 10\.0\.0\.1, which is its own')
gives('outer', '192.0.2.1', 'address: the server gives the one it is dialed by')


@case('address-none', ADDRESS, 'address: no address for this session')
def _(s):
    s.remote = '0.0.0.0'
    s.reach('connected')
    s.polite()


@case('address-rejected', ADDRESS, 'address: no address for this session')
def _(s):
    on(s, w.IPCP, w.REQ, lambda ident, body: (
        s.ppp(w.IPCP, w.REJ, body, ident) if body else s.ppp(w.IPCP, w.ACK, b'', ident),
        s.sent_ipcp or s.ppp(w.IPCP, w.REQ, w.option(3, w.address('10.0.0.1'))),
        setattr(s, 'sent_ipcp', True)))
    s.reach('connected')
    s.polite()


def peer(text, seen):
    """The server's own address is no host's: it is told so, and does without one."""
    @works('peer-' + text, says=' peer=%s ' % seen)
    def _(s):
        s.local = text

        def without(ident, body):
            assert dict(w.options(body)).get(3) == w.address(text)
            s.ppp(w.IPCP, w.REQ)

        on(s, w.IPCP, w.REJ, without)
        up(s)


for _text in ('0.0.0.0', '0.0.0.1', '127.0.0.1', '224.0.0.5', '255.255.255.255'):
    peer(_text, r'0\.0\.0\.0')


@case('peer-insists', ADDRESS, 'address: IPCP did not converge')
def _(s):
    s.local = '127.0.0.1'
    on(s, w.IPCP, w.REJ, lambda ident, body: s.ppp(
        w.IPCP, w.REQ, w.option(3, w.address(s.local))))
    s.reach('connected')
    s.polite()


def dns(text, seen):
    @works('dns-' + text, says=' dns=%s ' % seen)
    def _(s):
        def request(ident, body):
            asked = dict(w.options(body))
            right = {3: w.address(s.remote), 129: w.address(text), 131: w.address('10.0.0.9')}
            wins = b''.join(w.option(k, v) for k, v in asked.items() if k not in right)
            wrong = b''.join(w.option(k, right[k]) for k, v in asked.items()
                             if k in right and v != right[k])
            if wins:
                s.ppp(w.IPCP, w.REJ, wins, ident)
            elif wrong:
                s.ppp(w.IPCP, w.NAK, wrong, ident)
            else:
                s.ppp(w.IPCP, w.ACK, body, ident)
                s.ok['ipcp-peer'] = True

        s._ipcp_request = request
        up(s)


dns('10.0.0.8', r'10\.0\.0\.8,10\.0\.0\.9')
for _text in ('0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255', '0.0.0.9'):
    dns(_text, r'10\.0\.0\.9')


@case('ipcp-naks', ADDRESS, 'address: IPCP did not converge')
def _(s):
    hosts = iter(range(2, 250))
    on(s, w.IPCP, w.REQ, lambda ident, body: s.ppp(
        w.IPCP, w.NAK, w.option(3, bytes([10, 0, 0, next(hosts)])), ident))
    s.reach('connected')
    s.polite()


@works('ipcp-odd-requests')
def _(s):
    """Compression, both addresses of old, an option nobody knows, one of no length."""
    s.reach('connected')
    for asked in (w.option(2, b'\0\x2d\x0f\x01'), w.option(1, bytes(8)), w.option(200, b'x'),
                  w.option(3, b''), w.option(3, bytes(5)), b'\x03\x00', b'\x03'):
        s.ppp(w.IPCP, w.REQ, asked)
    up(s)


@case('ipcp-terminate', SERVER, 'PPP: terminated by the peer, server\'s message nomore')
def _(s):
    s.reach('up')
    s.ppp(w.IPCP, w.TERM_REQ, b'nomore')
    s.polite()


@case('ipcp-code-reject', ADDRESS, 'address: IPCP was rejected by the peer')
def _(s):
    s.reach('up')
    s.ppp(w.IPCP, w.CODE_REJ, w.packet(w.REQ, 1))
    s.polite()


@case('address-changes', SERVER, 'the server negotiates the addresses all the time')
def _(s):
    """Another address, again and again."""
    s.reach('up')
    for host in range(3, 250):
        s.remote = '10.0.0.%d' % host
        s.ok.clear()
        s.ppp(w.IPCP, w.REQ, w.option(3, w.address(s.local)))
        while not (s.ok.get('ipcp') and s.ok.get('ipcp-peer')):
            s.step()


@works('address-change-once', says=r'the address is 10\.0\.0\.77 now')
def _(s):
    s.reach('up')
    s.remote = '10.0.0.77'
    s.ok.clear()
    s.ppp(w.IPCP, w.REQ, w.option(3, w.address(s.local)))
    while not (s.ok.get('ipcp') and s.ok.get('ipcp-peer')):
        s.step()
    up(s)


# --- others ---

@works('ccp-asked')
def _(s):
    s.reach('up')
    s.ppp(w.CCP, w.REQ, w.option(18, b'\x01\0\0\x20'))
    refused = []
    on(s, w.LCP, w.PROTO_REJ, lambda ident, body: refused.append(body[:2]))
    while not refused:
        s.step()
    assert refused == [b'\x80\xfd']
    up(s)


def ipv6cp(s, ident, body, mine):
    """Acks what the client wants and insists on an identifier of its own."""
    s.ppp(w.IPV6CP, w.ACK, body, ident)
    s.ppp(w.IPV6CP, w.REQ, w.option(1, mine if isinstance(mine, bytes) else mine.to_bytes(8, 'big')))


def identifier(name, mine):
    @works('ipv6cp-' + name, args=('--use-ipv6', 'yes'))
    def _(s):
        s.wanted = []

        def request(ident, body):
            s.wanted.append(dict(w.options(body)).get(1))
            ipv6cp(s, ident, body, mine(s))

        def insist(ident, body):
            s.wanted.append(None)
            assert len(s.wanted) < 50, 'asked 50 times'
            s.ppp(w.IPV6CP, w.REQ, w.option(1, mine(s)))

        on(s, w.IPV6CP, w.REQ, request)
        on(s, w.IPV6CP, w.NAK, insist)
        on(s, w.IPV6CP, w.REJ, insist)
        up(s)


identifier('zero', lambda s: bytes(8))
identifier('the-clients', lambda s: s.wanted[0])


@works('ipv6cp-naks', args=('--use-ipv6', 'yes'))
def _(s):
    numbers = iter(range(1, 1000))
    on(s, w.IPV6CP, w.REQ, lambda ident, body: s.ppp(
        w.IPV6CP, w.NAK, w.option(1, next(numbers).to_bytes(8, 'big')), ident))
    up(s)
