// SPDX-License-Identifier: BSD-3-Clause
// Bytes on their way to a socket: appended at the end, taken from the front. One thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct outbuf {
	uint8_t *buf;
	size_t off, len, cap; // bytes waiting: buf + off, len of them
	size_t held;          // room behind them that must stay where it is
	size_t keep;          // empty, it holds up to so much memory; 0: 32 KiB
};

// Append n bytes; not while room is held. 0 or -ENOMEM.
int outbuf_put(struct outbuf *o, const void *p, size_t n);

// Room for n bytes behind the end, which stays where it is, whatever is taken, until
// outbuf_commit(); the same again while it is held. NULL: no memory.
uint8_t *outbuf_hold(struct outbuf *o, size_t n);
// The first n bytes of it are appended.
void outbuf_commit(struct outbuf *o, size_t n);
// None of it is, and it is wiped. Without room held: nothing.
void outbuf_drop(struct outbuf *o);

// The first n (at most len) bytes went out. Gives memory back when empty after a burst (`keep`).
void outbuf_take(struct outbuf *o, size_t n);

// Wipes room that is held.
void outbuf_free(struct outbuf *o);
