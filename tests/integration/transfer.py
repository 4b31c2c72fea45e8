# SPDX-License-Identifier: BSD-3-Clause
"""Moves bytes both ways at once over one TCP connection and checks that each of them is right.

transfer.py serve ADDRESS PORT            one connection, then ends
transfer.py run ADDRESS PORT BYTES SEED   sends BYTES up while as many come down

Both ends make the same pseudo-random stream from the seed and compare what arrives block by block, so
that a wrong byte is reported with its position. Status 0: everything arrived, nothing was wrong.
"""
import hashlib
import socket
import struct
import sys
import threading

BLOCK = 32 * 1024


def block(seed, direction, nr):
    """Block nr of a direction's stream: reproducible anywhere."""
    return hashlib.shake_128(b"%d %d %d" % (seed, direction, nr)).digest(BLOCK)


def send(sock, seed, direction, total):
    for nr in range((total + BLOCK - 1) // BLOCK):
        sock.sendall(block(seed, direction, nr)[: total - nr * BLOCK])
    sock.shutdown(socket.SHUT_WR)


def receive(sock, seed, direction, total):
    """Returns None, or what was wrong."""
    at = 0
    pending = b""
    while True:
        data = sock.recv(1 << 18)
        pending += data
        while len(pending) >= BLOCK or (not data and pending):
            want = block(seed, direction, at // BLOCK)[: max(0, total - at)]
            got, pending = pending[:BLOCK], pending[BLOCK:]
            if got != want:
                bad = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
                return "byte %d is wrong" % (at + bad)
            at += len(got)
        if not data:
            return None if at == total else "%d of %d bytes" % (at, total)


def exchange(sock, seed, total, out, back):
    sock.settimeout(120)
    wrong = []

    def sender():
        try:
            send(sock, seed, out, total)
        except OSError as e:
            wrong.append("sending: %s" % e)

    t = threading.Thread(target=sender)
    t.start()
    try:
        bad = receive(sock, seed, back, total)
        if bad:
            wrong.append("receiving: " + bad)
    except OSError as e:
        wrong.append("receiving: %s" % e)
    t.join()
    return wrong


def main(argv):
    address = (argv[2], int(argv[3]))
    if argv[1] == "serve":
        with socket.create_server(address) as listener:
            sock, _ = listener.accept()
        head = b""
        while len(head) < 16:
            more = sock.recv(16 - len(head))
            if not more:
                raise SystemExit("no request")
            head += more
        seed, total = struct.unpack(">QQ", head)
        wrong = exchange(sock, seed, total, 2, 1)
    else:
        total, seed = int(argv[4]), int(argv[5])
        sock = socket.create_connection(address, 30)
        sock.sendall(struct.pack(">QQ", seed, total))
        wrong = exchange(sock, seed, total, 1, 2)
    sock.close()
    for w in wrong:
        print(argv[1], w)
    if not wrong:
        print(argv[1], "ok:", total, "bytes each way")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
