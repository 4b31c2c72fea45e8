# SPDX-License-Identifier: BSD-3-Clause
"""SSTP, PPP and MS-CHAPv2 on the wire, written from the specifications alone: it shares nothing
with protocol/, so that it checks that rather than mirrors it. [MS-SSTP] 2.2, 3.2.5.2; RFC 1661,
1334, 1994, 1332, 2759, 3079, 1320."""
import hashlib
import hmac
import struct

CONNECT_REQUEST, CONNECT_ACK, CONNECT_NAK, CONNECTED, ABORT = 1, 2, 3, 4, 5
DISCONNECT, DISCONNECT_ACK, ECHO_REQUEST, ECHO_RESPONSE = 6, 7, 8, 9

A_PROTOCOL, A_STATUS, A_BINDING, A_BINDING_REQUEST = 1, 2, 3, 4

STATUS = ('NO_ERROR', 'DUPLICATE_ATTRIBUTE', 'UNRECOGNIZED_ATTRIBUTE', 'INVALID_ATTRIB_VALUE_LENGTH',
          'VALUE_NOT_SUPPORTED', 'UNACCEPTED_FRAME_RECEIVED', 'RETRY_COUNT_EXCEEDED',
          'INVALID_FRAME_RECEIVED', 'NEGOTIATION_TIMEOUT', 'ATTRIB_NOT_SUPPORTED_IN_MSG',
          'REQUIRED_ATTRIBUTE_MISSING', 'STATUS_INFO_NOT_SUPPORTED_IN_MSG')

IPV4, IPV6, MP = 0x0021, 0x0057, 0x003d
LCP, PAP, CHAP, EAP, IPCP, IPV6CP, CCP = 0xc021, 0xc023, 0xc223, 0xc227, 0x8021, 0x8057, 0x80fd

# Codes of LCP and the NCPs.
REQ, ACK, NAK, REJ, TERM_REQ, TERM_ACK, CODE_REJ, PROTO_REJ, LCP_ECHO, LCP_REPLY = range(1, 11)

AUTH_PAP = b'\xc0\x23'
AUTH_MD5 = b'\xc2\x23\x05'
AUTH_MSCHAP1 = b'\xc2\x23\x80'
AUTH_MSCHAP2 = b'\xc2\x23\x81'
AUTH_EAP = b'\xc2\x27'


# --- SSTP ---

def attrib(ident, value, length=None):
    return struct.pack('>BBH', 0, ident, len(value) + 4 if length is None else length) + value


def control(message, *attribs, count=None, length=None, version=0x10, flags=1, reserved=0):
    body = b''.join(attribs)
    length = len(body) + 8 if length is None else length
    return struct.pack('>BBHHH', version, flags, reserved << 12 | length, message,
                       len(attribs) if count is None else count) + body


def binding_request(hashes=3, nonce=bytes(range(32)), length=None):
    return attrib(A_BINDING_REQUEST, struct.pack('>3xB', hashes) + nonce, length)


def status(attribute, code, value=b''):
    return attrib(A_STATUS, struct.pack('>3xBI', attribute, code) + value)


def data(frame, version=0x10, flags=0, reserved=0, length=None):
    length = len(frame) + 4 if length is None else length
    return struct.pack('>BBH', version, flags, reserved << 12 | length) + frame


def attributes(body):
    """Of a control packet's body behind its 8 bytes: (ID, value), strictly."""
    found = []
    while body:
        _, ident, length = struct.unpack_from('>BBH', body)
        assert 4 <= length <= len(body), 'attribute length %d of %d' % (length, len(body))
        found.append((ident, body[4:length]))
        body = body[length:]
    return found


# --- PPP ---

def frame(protocol, payload):
    return b'\xff\x03' + struct.pack('>H', protocol) + payload


def packet(code, ident, payload=b'', length=None):
    length = len(payload) + 4 if length is None else length
    return struct.pack('>BBH', code, ident, length) + payload


def option(kind, value=b'', length=None):
    return bytes([kind, len(value) + 2 if length is None else length]) + value


def options(body):
    found = []
    while body:
        assert len(body) >= 2 and 2 <= body[1] <= len(body), 'option length'
        found.append((body[0], body[2:body[1]]))
        body = body[body[1]:]
    return found


def address(text):
    return bytes(int(part) for part in text.split('.'))


def ipv4(source, destination, length=60, mark=b'LIAR', version=4, total=None):
    """A UDP packet of `length` bytes, its checksum right, the payload's beginning is `mark`."""
    total = length if total is None else total
    head = struct.pack('>BBHHHBBH4s4s', version << 4 | 5, 0, total & 0xffff, 1, 0, 64, 17, 0,
                       address(source), address(destination))
    total = sum(struct.unpack('>10H', head))
    total = (total & 0xffff) + (total >> 16)
    total = ~((total & 0xffff) + (total >> 16)) & 0xffff
    head = head[:10] + struct.pack('>H', total) + head[12:]
    body = struct.pack('>HHHH', 7, 7, max(length - 20, 8) & 0xffff, 0) + mark
    return (head + body).ljust(length, b'.')[:length]


def checksum(data):
    total = sum(struct.unpack('>%dH' % (len(data) // 2), data[:len(data) & ~1]))
    total += data[-1] << 8 if len(data) & 1 else 0
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def tcp(source, destination, seq, payload, offset=5, flags=0x10, wrong=0, cut=None):
    """A TCP segment in IPv4. wrong: what its checksum is off by. cut: bytes of it that are left."""
    head = struct.pack('>HHIIBBHHH', 80, 4000, seq & 0xffffffff, 1, offset << 4, flags, 1000, 0, 0)
    pseudo = address(source) + address(destination) + struct.pack('>HH', 6, len(head + payload))
    total = (checksum(pseudo + head + payload) + wrong) & 0xffff
    segment = (head[:16] + struct.pack('>H', total) + head[18:] + payload)[:cut]
    packet = ipv4(source, destination, 20 + len(segment))[:20]
    packet = packet[:6] + b'\x40\0\x40\x06\0\0' + packet[12:]  # don't fragment
    return packet[:10] + struct.pack('>H', checksum(packet)) + packet[12:] + segment


# --- MS-CHAPv2 ---

def md4(message):
    """RFC 1320: nobody else has it any more."""
    def left(value, n):
        value &= 0xffffffff
        return (value << n | value >> (32 - n)) & 0xffffffff

    rounds = (
        (lambda x, y, z: x & y | ~x & z, 0, (3, 7, 11, 19), range(16)),
        (lambda x, y, z: x & y | x & z | y & z, 0x5a827999, (3, 5, 9, 13),
         (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)),
        (lambda x, y, z: x ^ y ^ z, 0x6ed9eba1, (3, 9, 11, 15),
         (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15)))
    state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]
    bits = len(message) * 8
    message += b'\x80' + bytes((55 - len(message)) % 64) + struct.pack('<Q', bits)
    for at in range(0, len(message), 64):
        x = struct.unpack_from('<16I', message, at)
        a, b, c, d = state
        for function, constant, shifts, order in rounds:
            for i, k in enumerate(order):
                a, b, c, d = d, left(a + function(b, c, d) + x[k] + constant, shifts[i % 4]), b, c
        state = [(s + v) & 0xffffffff for s, v in zip(state, (a, b, c, d))]
    return struct.pack('<4I', *state)


def sha1(*parts):
    return hashlib.sha1(b''.join(parts)).digest()


def authenticator_response(password, user, challenge, peer_challenge, nt_response):
    """RFC 2759 8.7: the server's proof that it knows the password."""
    twice = md4(md4(password.encode('utf-16-le')))
    digest = sha1(twice, nt_response, b'Magic server to client signing constant')
    short = sha1(peer_challenge, challenge, user.encode())[:8]
    digest = sha1(digest, short, b'Pad to make it do more than one iteration')
    return b'S=' + digest.hex().upper().encode()


def mschap2_hlak(password, nt_response):
    """RFC 3079 3.3; [MS-SSTP] 3.2.5.2: the server's receive key and its send key."""
    twice = md4(md4(password.encode('utf-16-le')))
    master = sha1(twice, nt_response, b'This is the MPPE Master Key')[:16]
    return b''.join(sha1(master, bytes(40), magic, b'\xf2' * 40)[:16] for magic in (
        b'On the client side, this is the send key; on the server side, it is the receive key.',
        b'On the client side, this is the receive key; on the server side, it is the send key.'))


def check_connected(raw, nonce, offered, certificate, hlak):
    """[MS-SSTP] 3.2.5.2: Call Connected as it came, against what it has to be. A reason, or None."""
    if len(raw) != 112:
        return 'Call Connected of %d bytes' % len(raw)
    ((ident, value),) = attributes(raw[8:])
    if ident != A_BINDING or len(value) != 100:
        return 'Call Connected without a crypto binding'
    used = value[3]
    if used not in (1, 2) or not used & offered:
        return 'hash %d was not offered' % used
    if used == 1 and offered & 2:
        return 'SHA-1 although SHA-256 was offered'
    name, size = ('sha1', 20) if used == 1 else ('sha256', 32)
    if value[4:36] != nonce:
        return 'another nonce'
    if value[36:68] != hashlib.new(name, certificate).digest().ljust(32, b'\0'):
        return 'another certificate'
    seed = b'SSTP inner method derived CMK' + struct.pack('<H', size) + b'\x01'
    key = hmac.new(hlak, seed, name).digest()
    mac = hmac.new(key, raw[:80] + bytes(32), name).digest().ljust(32, b'\0')
    return None if value[68:100] == mac else 'another compound MAC'
