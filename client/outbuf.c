// SPDX-License-Identifier: BSD-3-Clause
#include "client/outbuf.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

#define KEEP_CAP 32768u
#define FIRST_CAP 4096u

// Room for n bytes behind the end. What waits is moved to the front only where that frees as much
// as it moves, so that at most a byte is moved for each that is sent.
static int make_room(struct outbuf *o, size_t n)
{
	size_t cap = o->cap ? o->cap : FIRST_CAP;
	uint8_t *buf;

	if (o->off + o->len + n <= o->cap)
		return 0;
	if (o->off >= o->len && o->len + n <= o->cap) {
		memmove(o->buf, o->buf + o->off, o->len);
		o->off = 0;
		return 0;
	}
	while (cap < o->off + o->len + n)
		cap *= 2;
	buf = realloc(o->buf, cap);
	if (!buf)
		return -ENOMEM;
	o->buf = buf;
	o->cap = cap;
	return 0;
}

int outbuf_put(struct outbuf *o, const void *p, size_t n)
{
	assert(!o->held);
	if (make_room(o, n))
		return -ENOMEM;
	memcpy(o->buf + o->off + o->len, p, n);
	o->len += n;
	return 0;
}

uint8_t *outbuf_hold(struct outbuf *o, size_t n)
{
	assert(!o->held || o->held == n);
	if (!o->held && make_room(o, n))
		return NULL;
	o->held = n;
	return o->buf + o->off + o->len;
}

// Empty, it begins at the front again.
static void rewind_empty(struct outbuf *o)
{
	if (o->len || o->held)
		return;
	o->off = 0;
	if (o->cap > (o->keep ? o->keep : KEEP_CAP))
		outbuf_free(o);
}

void outbuf_commit(struct outbuf *o, size_t n)
{
	assert(n <= o->held);
	o->held = 0;
	o->len += n;
	rewind_empty(o);
}

void outbuf_drop(struct outbuf *o)
{
	if (o->held)
		secret_wipe(o->buf + o->off + o->len, o->held);
	outbuf_commit(o, 0);
}

void outbuf_take(struct outbuf *o, size_t n)
{
	o->off += n;
	o->len -= n;
	rewind_empty(o);
}

void outbuf_free(struct outbuf *o)
{
	if (o->held)
		secret_wipe(o->buf + o->off + o->len, o->held);
	free(o->buf);
	*o = (struct outbuf){.keep = o->keep};
}
