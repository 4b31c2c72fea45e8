# SPDX-License-Identifier: BSD-3-Clause
"""Reference figures of other servers, measured once on a machine of the kind that is named here.

They are not measured again by bench/run: they are constants, with their versions and circumstances.
"""

ABOUT = ("2 virtual CPUs of an AMD EPYC (Zen 5) under KVM, Linux 6.18, Debian 12; server pinned to one CPU, clients and "
         "far host on the other; 2026-11")

SOFTETHER_VERSION = "SoftEther VPN, upstream cf559617 (April 2026)"
# case, inner size -> packets/s, microseconds of the server's processor a packet, Mbit per CPU-second.
# TLS 1.3 AES-256-GCM, closed loop as in bench/veth.
SOFTETHER = {
    ("hairpin-1", 1400): (101e3, 9.21, 1216),
    ("hairpin-1", 64): (133e3, 6.56, 78),
    ("hairpin-16", 1400): (85e3, 11.68, 959),
    ("hairpin-16", 64): (126e3, 7.93, 65),
    ("up-1", 1400): (99e3, 7.61, 1471),
    ("up-1", 64): (99e3, 6.78, 76),
    ("up-16", 1400): (89e3, 10.29, 1094),
    ("up-16", 64): (107e3, 8.78, 58),
    ("down-1", 1400): (175e3, 5.67, 1977),
    ("down-1", 64): (281e3, 3.44, 149),
    ("down-16", 1400): (135e3, 7.29, 1539),
    ("down-16", 64): (210e3, 4.77, 109),
}

# Others, for the order of magnitude: name, what, microseconds a packet, Mbit per CPU-second.
OTHERS = (
    ("OpenVPN 2.6.14, TCP, AES-256-GCM, tun", "client to server, 1400 bytes", 9.35, 1199),
    ("OpenVPN 2.6.14, TCP, AES-256-GCM, tun", "server to client, 1400 bytes", 8.4, 1334),
    ("kernel TCP and OpenSSL 3.0, no VPN, a record for each send()", "open and seal, 1400 bytes", 12.04, 976),
    ("the same, 8 records for each send()", "open and seal, 1400 bytes", 4.10, 2735),
    ("the same, 8 records for each send()", "seal only, 1400 bytes", 2.68, 4179),
)

# What that machine did with the cipher alone, for comparing it with the one at hand: GB/s of AES-256-GCM,
# seals of 1420 bytes, one key.
CIPHER_GB_S = {"openssl": 2.98, "ipsec-mb": 12.21}


def softether_us(case, size):
    """Microseconds of SoftEther's processor for a packet."""
    return SOFTETHER[(case, size)][1]
