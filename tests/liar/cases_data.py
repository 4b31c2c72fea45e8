# SPDX-License-Identifier: BSD-3-Clause
"""Lies in data packets, of a call that is up: none of them comes out of the interface, and the
call goes on."""
import random

import wire as w
from cases import SSTP, case, up, works

HERE, THERE = '10.0.0.2', '10.0.0.1'


def packet(length=60, **more):
    return w.ipv4(THERE, HERE, length, **more)


def packet6(length=60, payload=None):
    payload = length - 40 if payload is None else payload
    return (b'\x60\0\0\0' + payload.to_bytes(2, 'big') + b'\x3b\x40' + bytes(15) + b'\x01' +
            bytes(15) + b'\x02').ljust(length, b'.')[:length]


@works('data-good', packets=4)
def _(s):
    """So that it is known that the others would have been seen."""
    s.reach('up')
    s.ip(packet())
    s.ip(packet(1460))
    s.send(w.data(b'\x21' + packet()))  # as ACFC and PFC would have it
    s.ip(packet() + b'padding')
    up(s)


def dropped(name, *frames, **more):
    @works('data-' + name, packets=1, **more)
    def _(s):
        s.reach('up')
        for protocol, p in frames:
            s.ip(p, protocol)
        s.ip(packet())
        up(s)


dropped('long', (w.IPV4, packet(1501)), (w.IPV4, packet(2000)), (w.IPV4, packet(4087)))
dropped('empty', (w.IPV4, b''), (w.IPV6, b''), (w.MP, b''))
dropped('short', *((w.IPV4, packet()[:n]) for n in range(20)))
dropped('version', *((w.IPV4, packet(version=v)) for v in (0, 1, 5, 6, 15)))
dropped('header-length', *((w.IPV4, bytes([0x40 | n]) + packet()[1:]) for n in range(5)))
dropped('total-length', (w.IPV4, packet(total=61)), (w.IPV4, packet(total=65535)),
        (w.IPV4, packet(total=19)), (w.IPV4, packet(total=0)))
dropped('ipv6-in-ipv4', (w.IPV4, packet6()))
dropped('ipv4-in-ipv6', (w.IPV6, packet()))
dropped('ipv6-not-agreed', (w.IPV6, packet6()))
dropped('fragments', (w.MP, b'\xc0\0\0\0' + w.IPV4.to_bytes(2, 'big') + packet()),
        (w.MP, b'\x80\0\0\1' + w.IPV4.to_bytes(2, 'big') + packet()))
dropped('compressed', (0x00fd, bytes(100)), (0x002d, bytes(40)), (0x002f, bytes(40)))


# Segments that look alike are put together on their way to the interface (client/gro.c): those
# that are not what they say must come out as they are.

def segments(name, *packets, **more):
    more.setdefault('packets', len(packets))

    @works('data-tcp-' + name, **more)
    def _(s):
        s.reach('up')
        s.send(b''.join(w.data(w.frame(w.IPV4, p)) for p in packets))
        up(s)


def tcp(seq, size=1000, **more):
    return w.tcp(THERE, HERE, seq, b'LIAR' * (size // 4), **more)


def edited(p, at, value):
    """With its header's checksum right again."""
    p = p[:at] + value + p[at + len(value):]
    head = p[:10] + b'\0\0' + p[12:20]
    return head[:10] + w.checksum(head).to_bytes(2, 'big') + head[12:] + p[20:]


# Not every kernel takes them in one.
segments('run', *(tcp(1000 * i) for i in range(12)), packets=range(1, 13))
segments('sums', *(tcp(1000 * i, wrong=i + 1) for i in range(20)))
segments('first-sum', tcp(0, wrong=1), tcp(1000), tcp(3000))
segments('offset', *(tcp(1000 * i, offset=o) for i, o in enumerate((0, 1, 4, 15) * 3)))
segments('offset-past-the-end', *(tcp(8 * i, size=8, offset=15) for i in range(8)))
segments('cut', *(tcp(0, cut=n) for n in range(20)))
segments('fragments', *(edited(tcp(1000 * i), 6, b'\x20' + bytes([i])) for i in range(8)))
segments('flags', *(tcp(1000 * i, flags=f) for i, f in enumerate((0, 2, 4, 0x12, 0x30, 0x90, 0xff))))
segments('backwards', *(tcp(-1000 * i) for i in range(8)))
segments('twice', *(tcp(0) for _ in range(8)))
segments('wrap', tcp(0xfffffc18), tcp(0), tcp(1000), packets=range(1, 4))
segments('growing', tcp(0, 100), tcp(100, 200), tcp(300, 400))
segments('empty', *(tcp(0, 0) for _ in range(8)))


@works('data-ipv6', packets=3, args=('--use-ipv6', 'yes'))
def _(s):
    """Both families, each in its own frames only."""
    def agree(ident, body):
        s.ppp(w.IPV6CP, w.ACK, body, ident)
        s.ppp(w.IPV6CP, w.REQ, w.option(1, bytes(7) + b'\x01'))

    s.on[w.IPV6CP, w.REQ] = agree
    s.on[w.IPV6CP, w.ACK] = lambda ident, body: s.done.add('ipv6')
    s.reach('up')
    while 'ipv6' not in s.done:
        s.step()
    for protocol, p in ((w.IPV6, packet6()), (w.IPV6, packet6(1460)), (w.IPV6, packet()),
                        (w.IPV4, packet6()), (w.IPV6, packet6(60, 21)), (w.IPV6, packet6(39, 0)),
                        (w.IPV6, packet6(1501)), (w.IPV6, b'\x60'), (w.IPV4, packet())):
        s.ip(p, protocol)
    up(s)


@works('data-random', packets=1)
def _(s):
    """Noise that is no packet of IP, under every protocol number of data."""
    chance = random.Random(5)
    s.reach('up')
    for _ in range(400):
        noise = bytes([chance.randrange(256) & 0xbf]) + chance.randbytes(chance.randrange(1400))
        s.ip(noise, chance.choice((w.IPV4, w.IPV6, w.MP, 0x00fd, 0x0001, 0x4021)))
        s.drain()
    s.ip(packet())
    up(s)


@case('data-noise', SSTP, 'SSTP: packet that cannot be delineated')
def _(s):
    s.reach('up')
    s.send(b'\0' + random.Random(6).randbytes(5000))
    s.quiet()


@works('data-split', packets=3)
def _(s):
    """Packets over the borders of records."""
    s.reach('up')
    for byte in w.data(w.frame(w.IPV4, packet())):
        s.send(bytes([byte]))
    both = w.data(w.frame(w.IPV4, packet(1000))) * 2
    s.send(both[:1003])
    s.send(both[1003:])
    up(s)


@works('data-multilink-lies', packets=1, args=('--mrru', '1600'))
def _(s):
    """Multilink was offered and not taken up: fragments are none of this end's promise... but this
    end's MRRU was acknowledged, so they may come; what they make must be a packet."""
    s.reach('up')
    inner = w.IPV4.to_bytes(2, 'big')
    for seq, bits, body in ((0, 0x80, inner + packet(3000)), (1, 0x40, bytes(1000)),
                            (2, 0xc0, inner + packet(version=6)), (3, 0xc0, inner),
                            (4, 0xc0, b'\0\x3d' + bytes(8)), (5, 0x40, packet()),
                            (6, 0xc0, b'\xc0\x21\x05\x01\0\x04'), (9, 0xc0, b''), (10, 0x80, b'')):
        s.ip(bytes([bits]) + seq.to_bytes(3, 'big') + body, w.MP)
    s.ip(b'\x80\0\0\x0b' + inner + packet()[:30], w.MP)
    s.ip(b'\x40\0\0\x0c' + packet()[30:], w.MP)
    up(s)
