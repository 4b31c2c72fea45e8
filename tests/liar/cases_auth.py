# SPDX-License-Identifier: BSD-3-Clause
"""Lies about who is who. RFC 1334, 1994, 2433, 2759."""
import wire as w
from cases import AUTH, case, up, works

FAILED = 'authentication: authentication failed'
NO_PROOF = 'authentication: the server could not prove that it knows the password'
MALFORMED = 'authentication: malformed challenge'

# --- right ones: what the lies differ from ---

for _name, _auth in (('pap', w.AUTH_PAP), ('chap', w.AUTH_MD5), ('mschap1', w.AUTH_MSCHAP1),
                     ('mschap2', w.AUTH_MSCHAP2)):
    for _hashes in (1, 3):
        @works('auth-%s-%d' % (_name, _hashes), says=' auth=%s ' % _name, connected=True)
        def _(s, auth=_auth, hashes=_hashes):
            s.auth, s.hashes = auth, hashes
            up(s)

# --- PAP ---


def pap_nak(name, text, reason, size=None):
    @case('pap-' + name, AUTH, reason, connected=False)
    def _(s):
        body = bytes([len(text) & 0xff if size is None else size]) + text
        s.on[w.PAP, 1] = lambda ident, _: s.ppp(w.PAP, w.NAK, body, ident)
        s.reach('ack')
        s.polite()


pap_nak('refused', b'go away', FAILED + ', server\'s message "go away"')
pap_nak('refused-silently', b'', FAILED)
pap_nak('size-past-the-end', b'short', FAILED + ', server\'s message short', size=200)
pap_nak('controls', b'a\nb\x1b[2Jc\0d"e', FAILED + r', server\'s message "a\\x0ab\\x1b\[2Jcd\\.*e"')
pap_nak('long', b'y' * 255, FAILED + r', server\'s message y{50,200}(\.\.\.)?')


@works('pap-twice')
def _(s):
    s.on[w.PAP, 1] = lambda ident, _: [s.ppp(w.PAP, 2, b'\0', ident) for _ in range(5)] and \
        s.done.add('auth')
    up(s)


@works('pap-nak-after-ack')
def _(s):
    """Once is once."""
    s.on[w.PAP, 1] = lambda ident, _: (s.ppp(w.PAP, 2, b'\0', ident), s.ppp(w.PAP, 3, b'\0', ident),
                                       s.done.add('auth'))
    up(s)


@works('pap-of-another')
def _(s):
    """Results under identifiers that were not asked under."""
    s.on[w.PAP, 1] = lambda ident, _: (s.ppp(w.PAP, 3, b'\0', ident ^ 0x55),
                                       s.ppp(w.PAP, 2, b'\0', ident), s.done.add('auth'))
    up(s)


# --- MS-CHAPv2: the server has to prove itself ---

def success(name, text, reason=NO_PROOF):
    @case('mschap2-' + name, AUTH, reason, connected=False)
    def _(s):
        s.auth = w.AUTH_MSCHAP2
        s.on[w.CHAP, 2] = lambda ident, body: s.ppp(w.CHAP, 3, text, 7)
        s.reach('ack')
        s.polite()


success('no-proof', b'')
success('short-proof', b'S=' + b'0' * 39)
success('wrong-proof', b'S=' + b'0' * 40 + b' M=welcome')
success('long-proof', b'S=' + b'0' * 4000)
success('welcome', b'M=welcome')
success('binary', bytes(range(256)))


@case('mschap2-other-password', AUTH, NO_PROOF, connected=False)
def _(s):
    """Somebody who does not know it, but knows how it goes."""
    s.auth, s.password = w.AUTH_MSCHAP2, 'WrongPass'
    s.reach('ack')
    s.polite()


@works('mschap2-lower-case')
def _(s):
    """RFC 2759 wants capitals; not every server obeys."""
    send = s.send_success
    s.auth, s.send_success = w.AUTH_MSCHAP2, lambda t: send(t[:2] + t[2:42].lower() + t[42:])
    up(s)


def failure(name, text, reason, method=w.AUTH_MSCHAP2):
    @case('mschap2-' + name, AUTH, FAILED + reason, connected=False)
    def _(s):
        s.auth = method
        s.on[w.CHAP, 2] = lambda ident, body: s.ppp(w.CHAP, 4, text, 7)
        s.reach('ack')
        s.polite()


C = b'C=000102030405060708090A0B0C0D0E0F'
failure('691', b'E=691 R=0 ' + C + b' V=3 M=Access denied', r', server\'s message "E=691 R=0 V=3 M=Access denied"')
failure('retry', b'E=691 R=1 ' + C + b' V=3 M=Try again', r', server\'s message "E=691 R=1 V=3 M=Try again"')
failure('expired', b'E=648 R=0 ' + C + b' V=3 M=expired', r', server\'s message "E=648 R=0 V=3 M=expired"')
failure('silent', b'', '')
failure('challenge-only', C, '')
failure('controls', b'E=691 R=0 ' + C + b' V=3 M=\x07\x1b]0;owned\x07\r\n\0"\\\x9b2J\xff',
        r', server\'s message "E=691 R=0 V=3 M=\\x07\\x1b\]0;owned\\x07\\x0d\\x0a[^\x00-\x1f\x7f-\xff]*"')
failure('long', b'E=691 R=0 ' + C + b' V=3 M=' + b'z' * 4000, r', server\'s message "E=691 R=0 V=3 M=z{20,200}(\.\.\.)?"?')
failure('v1', b'E=691 R=0 C=0001020304050607 V=2', r', server\'s message "E=691 R=0 V=2"', w.AUTH_MSCHAP1)
failure('md5', b'no', r', server\'s message no', w.AUTH_MD5)


def challenge(name, method, value, size=None):
    @case('challenge-' + name, AUTH, MALFORMED, connected=False)
    def _(s):
        honest = s.send_challenge
        s.auth, s.send_challenge = method, lambda _: honest(value, size)
        s.reach('ack')
        s.polite()


challenge('empty', w.AUTH_MSCHAP2, b'')
challenge('15', w.AUTH_MSCHAP2, bytes(15))
challenge('17', w.AUTH_MSCHAP2, bytes(17))
challenge('255', w.AUTH_MSCHAP2, bytes(255))
challenge('v1-16', w.AUTH_MSCHAP1, bytes(16))
challenge('md5-empty', w.AUTH_MD5, b'')
challenge('past-the-end', w.AUTH_MD5, bytes(9), 100)
challenge('mschap2-past-the-end', w.AUTH_MSCHAP2, bytes(3), 16)


@works('challenge-md5-255')
def _(s):
    s.auth, s.challenge = w.AUTH_MD5, bytes(range(255))
    up(s)


@works('challenge-twice')
def _(s):
    """The same one again: the same Response, or the proof would not fit."""
    honest = s.send_challenge
    s.auth, s.send_challenge = w.AUTH_MSCHAP2, lambda c: (honest(c), honest(c))
    responses = []

    def response(ident, body):
        responses.append(body)
        if len(responses) == 2:
            assert responses[0] == responses[1], 'another Response to the same Challenge'
            s._chap(2, ident, body)

    s.on[w.CHAP, 2] = response
    up(s)


@works('challenge-again-when-up')
def _(s):
    """RFC 1994 allows it at any time."""
    s.auth = w.AUTH_MSCHAP2
    s.reach('up')
    s.done.discard('auth')
    s.send_challenge(s.challenge)
    while 'auth' not in s.done:
        s.step()
    up(s)


@case('challenge-again-no-proof', AUTH, NO_PROOF)
def _(s):
    s.auth = w.AUTH_MSCHAP2
    s.reach('up')
    s.on[w.CHAP, 2] = lambda ident, body: s.ppp(w.CHAP, 3, b'S=' + b'0' * 40, 7)
    s.send_challenge(s.challenge)
    s.polite()


@works('success-unasked')
def _(s):
    """Before there was a Response; Success of other methods; to other identifiers."""
    honest = s.send_challenge

    def lies(c):
        s.ppp(w.CHAP, 3, b'S=' + b'0' * 40, 7)
        s.ppp(w.CHAP, 4, b'E=691', 7)
        s.ppp(w.PAP, 2, b'\0', 1)
        honest(c)
        s.ppp(w.CHAP, 3, b'', 8)
        s.ppp(w.CHAP, 4, b'', 9)
        s.ppp(w.PAP, 3, b'\0', 1)

    s.auth, s.send_challenge = w.AUTH_MSCHAP2, lies
    up(s)


@case('no-result', AUTH, NO_PROOF, connected=False)
def _(s):
    """IPCP where the result of the authentication is owed."""
    s.auth = w.AUTH_MSCHAP2
    s.on[w.CHAP, 2] = lambda ident, body: s.ppp(w.IPCP, w.REQ, w.option(3, w.address('10.0.0.1')))
    s.reach('ack')
    s.polite()


@works('wrong-way-round')
def _(s):
    """A server that authenticates itself, unasked."""
    s.on[w.PAP] = lambda ident, body: (s.ppp(w.PAP, 1, b'\4root\4toor'), s.ppp(
        w.CHAP, 2, bytes(50)), s.ppp(w.PAP, 2, b'\0', ident), s.done.add('auth'))
    up(s)


# --- a log-in that was refused stays one, however the server goes on ---

def refused_and(name, go_on):
    @case('refused-and-' + name, AUTH, FAILED + ', server\'s message "E=691 R=0 V=3 M=no"',
          slow=name == 'silence')
    def _(s):
        def fail(ident, body):
            s.ppp(w.CHAP, 4, b'E=691 R=0 ' + C + b' V=3 M=no', 7)
            go_on(s)

        s.auth = w.AUTH_MSCHAP2
        s.on[w.CHAP, 2] = fail
        s.reach('ack')
        s.polite()


refused_and('abort', lambda s: s.send(w.control(w.ABORT, w.status(0, 4))))
refused_and('disconnect', lambda s: s.send(w.control(w.DISCONNECT)))
refused_and('close', lambda s: s.close_notify())
refused_and('fin', lambda s: s.fin())
refused_and('terminate', lambda s: s.ppp(w.LCP, w.TERM_REQ, b'bye'))
refused_and('nonsense', lambda s: s.send(b'nonsense'))
refused_and('unexpected', lambda s: s.send(w.control(w.CONNECT_REQUEST)))
refused_and('silence', lambda s: s.quiet())
