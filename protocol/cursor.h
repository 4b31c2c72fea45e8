// SPDX-License-Identifier: BSD-3-Clause
// Bounds-checked reading and writing of wire formats: every byte from a peer goes through a cursor.
//
// Readers return 0, or -EBADMSG when the input is too short, and then leave the cursor where it
// was; they chain with || so that a decoder reads like the message diagram. Writers never write
// past the end: they set `overflow` and go on counting nothing, so that one check at the end is
// enough. Any thread; no allocation.
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *p;
	const uint8_t *end;
};

static inline struct cursor cursor_make(const void *p, size_t n)
{
	return (struct cursor){.p = p, .end = (const uint8_t *)p + n};
}

static inline size_t cur_left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}

// 0 when everything was read, else -EBADMSG: for blocks that must end exactly.
static inline int cur_empty(const struct cursor *c)
{
	return c->p == c->end ? 0 : -EBADMSG;
}

static inline int cur_u8(struct cursor *c, uint8_t *v)
{
	if (cur_left(c) < 1)
		return -EBADMSG;
	*v = c->p[0];
	c->p += 1;
	return 0;
}

static inline int cur_u16(struct cursor *c, uint16_t *v)
{
	if (cur_left(c) < 2)
		return -EBADMSG;
	*v = (uint16_t)(c->p[0] << 8 | c->p[1]);
	c->p += 2;
	return 0;
}

static inline int cur_u24(struct cursor *c, uint32_t *v)
{
	if (cur_left(c) < 3)
		return -EBADMSG;
	*v = (uint32_t)c->p[0] << 16 | (uint32_t)c->p[1] << 8 | c->p[2];
	c->p += 3;
	return 0;
}

static inline int cur_u32(struct cursor *c, uint32_t *v)
{
	if (cur_left(c) < 4)
		return -EBADMSG;
	*v = (uint32_t)c->p[0] << 24 | (uint32_t)c->p[1] << 16 | (uint32_t)c->p[2] << 8 | c->p[3];
	c->p += 4;
	return 0;
}

// Copy n bytes out.
static inline int cur_bytes(struct cursor *c, void *dst, size_t n)
{
	if (n > cur_left(c))
		return -EBADMSG;
	memcpy(dst, c->p, n);
	c->p += n;
	return 0;
}

static inline int cur_skip(struct cursor *c, size_t n)
{
	if (n > cur_left(c))
		return -EBADMSG;
	c->p += n;
	return 0;
}

// Split the next n bytes off as a cursor of their own; sub borrows c's bytes.
static inline int cur_sub(struct cursor *c, struct cursor *sub, size_t n)
{
	if (n > cur_left(c))
		return -EBADMSG;
	sub->p = c->p;
	sub->end = c->p + n;
	c->p += n;
	return 0;
}

struct writer {
	uint8_t *start;
	uint8_t *p;
	uint8_t *end;
	bool overflow;
};

static inline struct writer writer_make(void *p, size_t cap)
{
	return (struct writer){.start = p, .p = p, .end = (uint8_t *)p + cap};
}

static inline size_t wr_len(const struct writer *w)
{
	return (size_t)(w->p - w->start);
}

// Reserve n bytes and return their place, or NULL (and overflow) when there is no room.
static inline uint8_t *wr_reserve(struct writer *w, size_t n)
{
	uint8_t *at = w->p;

	if (w->overflow || n > (size_t)(w->end - w->p)) {
		w->overflow = true;
		return NULL;
	}
	w->p += n;
	return at;
}

static inline void wr_u8(struct writer *w, uint8_t v)
{
	uint8_t *at = wr_reserve(w, 1);

	if (at)
		at[0] = v;
}

static inline void wr_put_u16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline void wr_u16(struct writer *w, uint16_t v)
{
	uint8_t *at = wr_reserve(w, 2);

	if (at)
		wr_put_u16(at, v);
}

static inline void wr_u32(struct writer *w, uint32_t v)
{
	wr_u16(w, (uint16_t)(v >> 16));
	wr_u16(w, (uint16_t)v);
}

static inline void wr_bytes(struct writer *w, const void *src, size_t n)
{
	uint8_t *at = wr_reserve(w, n);

	if (at && n)
		memcpy(at, src, n);
}

static inline void wr_zero(struct writer *w, size_t n)
{
	uint8_t *at = wr_reserve(w, n);

	if (at)
		memset(at, 0, n);
}
