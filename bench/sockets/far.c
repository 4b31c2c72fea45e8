// SPDX-License-Identifier: BSD-3-Clause
#include "bench/sockets/far.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "protocol/cursor.h"

#define MAGIC 0x43756c66u

// One function lists each message's fields, for both ways.
struct coder {
	struct cursor in;
	uint8_t *out; // NULL: reading
	size_t room;
	int rc;
};

static void code_u32(struct coder *c, uint32_t *v)
{
	uint32_t wire = htonl(*v);

	if (!c->out) {
		c->rc = c->rc || cur_u32(&c->in, v);
	} else if (c->room >= sizeof(wire)) {
		memcpy(c->out, &wire, sizeof(wire));
		c->out += sizeof(wire);
		c->room -= sizeof(wire);
	}
}

static void code_u64(struct coder *c, uint64_t *v)
{
	uint32_t high = (uint32_t)(*v >> 32), low = (uint32_t)*v;

	code_u32(c, &high);
	code_u32(c, &low);
	*v = (uint64_t)high << 32 | low;
}

static void code_report(struct coder *c, struct far_msg *m)
{
	code_u64(c, &m->u.report.received);
	code_u64(c, &m->u.report.bytes);
	code_u64(c, &m->u.report.reordered);
	code_u64(c, &m->u.report.duplicated);
	code_u64(c, &m->u.report.corrupt);
	code_u64(c, &m->u.report.unsent);
	code_u64(c, &m->u.report.socket_dropped);
	code_u64(c, &m->u.report.p50_ns);
	code_u64(c, &m->u.report.p99_ns);
	code_u64(c, &m->u.report.p999_ns);
	code_u64(c, &m->u.report.max_ns);
	code_u64(c, &m->u.report.mean_ns);
}

static void code_body(struct coder *c, struct far_msg *m)
{
	switch (m->type) {
	case FAR_HELLO:
		code_u64(c, &m->u.hello.boot);
		code_u32(c, &m->u.hello.ack_every);
		code_u32(c, &m->u.hello.sessions);
		break;
	case FAR_WELCOME:
		code_u32(c, &m->u.welcome.shared_clock);
		break;
	case FAR_SEND:
		code_u64(c, &m->u.send.seq);
		code_u64(c, &m->u.send.time_ns);
		code_u32(c, &m->u.send.count);
		code_u32(c, &m->u.send.size);
		break;
	case FAR_ACK:
		code_u64(c, &m->u.ack.next);
		code_u64(c, &m->u.ack.received);
		code_u64(c, &m->u.ack.time_ns);
		break;
	case FAR_ASK:
		break;
	case FAR_REPORT:
		code_report(c, m);
		break;
	default:
		c->rc = -1;
	}
}

size_t far_encode(uint8_t *dst, const struct far_msg *m)
{
	struct coder c = {.out = dst, .room = FAR_MSG_MAX};
	uint32_t magic = MAGIC, type = (uint32_t)m->type;
	struct far_msg copy = *m;

	code_u32(&c, &magic);
	code_u32(&c, &type);
	code_u32(&c, &copy.run);
	code_u32(&c, &copy.session);
	code_body(&c, &copy);
	return FAR_MSG_MAX - c.room;
}

int far_decode(const uint8_t *p, size_t n, struct far_msg *m)
{
	struct coder c = {.in = cursor_make(p, n)};
	uint32_t magic = 0, type = 0;

	memset(m, 0, sizeof(*m));
	code_u32(&c, &magic);
	code_u32(&c, &type);
	code_u32(&c, &m->run);
	code_u32(&c, &m->session);
	if (c.rc || magic != MAGIC)
		return -EBADMSG;
	m->type = (enum far_type)type;
	code_body(&c, m);
	return c.rc || cur_empty(&c.in) ? -EBADMSG : 0;
}

uint64_t far_boot_id(void)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	uint64_t h = 0xcbf29ce484222325u;
	int c, n = 0;

	if (!f)
		return 0;
	for (; (c = fgetc(f)) != EOF && c != '\n'; n++)
		h = (h ^ (uint64_t)c) * 0x100000001b3u; // FNV-1a
	fclose(f);
	return n ? h : 0;
}
