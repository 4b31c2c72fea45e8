// SPDX-License-Identifier: BSD-3-Clause
// The stand-in's channel: buffers, rings and the functions of dp_msg.h.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake_assert.h"
#include "fake_int.h"

// -- buffers --

void fake_buf_put(struct fake_buf *b, const void *p, size_t n)
{
	if (!n)
		return;
	if (b->n + n > b->cap) {
		b->cap = (b->n + n) * 2;
		b->p = realloc(b->p, b->cap);
		fake_assert(b->p);
	}
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

void fake_buf_take(struct fake_buf *b, size_t n)
{
	fake_assert(n <= b->n);
	if (n)
		memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

void fake_buf_free(struct fake_buf *b)
{
	free(b->p);
	*b = (struct fake_buf){0};
}

// -- rings --

bool ring_put(struct ring *r, struct dp_msg *m)
{
	if (r->n == r->size)
		return false;
	r->m[(r->head + r->n++) % r->size] = m;
	return true;
}

struct dp_msg *ring_get(struct ring *r)
{
	struct dp_msg *m;

	if (!r->n)
		return NULL;
	m = r->m[r->head];
	r->head = (r->head + 1) % r->size;
	r->n--;
	return m;
}

// -- dp_msg.h --

unsigned int dp_chan_nb_workers(const struct dp_chan *ch)
{
	return ch->nb_workers;
}

struct dp_msg *msg_new(struct dp_chan *ch, unsigned int type, dp_handle h)
{
	struct dp_msg *m;

	if (ch->in_use == ch->nb_msgs)
		return NULL;
	m = ch->nb_spare ? ch->spare[--ch->nb_spare] : malloc(sizeof(*m));
	if (!m)
		return NULL;
	memset(m, 0, offsetof(struct dp_msg, data));
	m->type = (uint16_t)type;
	m->handle = h;
	ch->in_use++;
	return m;
}

struct dp_msg *dp_msg_alloc(struct dp_chan *ch, unsigned int type, dp_handle h)
{
	if (ch->fail_allocs) {
		ch->fail_allocs--;
		return NULL;
	}
	return msg_new(ch, type, h);
}

void dp_msg_free(struct dp_chan *ch, struct dp_msg *m)
{
	fake_assert(ch->in_use);
	ch->in_use--;
	if (ch->nb_spare < ch->max_spare)
		ch->spare[ch->nb_spare++] = m;
	else
		free(m);
}

// A worker may be as quick as that: the answer to a client's first packet must find the way back.
static bool has_way_back(const struct dp_chan *ch, const struct dp_msg *m)
{
	uint32_t i = 0;

	while (i < ch->nb_addresses &&
		(ch->address[i].addr != m->u.open.inner || ch->address[i].h != m->handle))
		i++;
	return !m->u.open.inner || i < ch->nb_addresses;
}

int dp_send_command(struct dp_chan *ch, struct dp_msg *m)
{
	unsigned int w = m->handle ? (unsigned int)(m->handle >> 56) : m->worker;

	fake_assert(w < ch->nb_workers && m->len <= DP_MSG_DATA_MAX);
	fake_assert(m->type != DP_CMD_OPEN_DATA || has_way_back(ch, m));
	return ring_put(&ch->cmd[w], m) ? 0 : -ENOBUFS;
}

unsigned int dp_recv_events(struct dp_chan *ch, struct dp_msg **m, unsigned int n)
{
	unsigned int got = 0;

	for (unsigned int i = 0; i < ch->nb_workers && got < n; i++) {
		struct ring *r = &ch->ev[(ch->next_worker + i) % ch->nb_workers];

		while (got < n && (m[got] = ring_get(r)))
			got++;
	}
	ch->next_worker++;
	return got;
}

int dp_event_fd(const struct dp_chan *ch)
{
	return ch->fd;
}

bool dp_arm(struct dp_chan *ch)
{
	for (unsigned int w = 0; w < ch->nb_workers; w++)
		if (ch->ev[w].n)
			return false;
	ch->armed = true;
	return true;
}

void dp_disarm(struct dp_chan *ch)
{
	uint64_t v;
	ssize_t n = read(ch->fd, &v, sizeof(v));

	(void)n;
	ch->armed = false;
}

int dp_address_publish(struct dp_chan *ch, uint32_t addr, dp_handle h)
{
	for (uint32_t i = 0; ch->nb_like[addr & 0xffff] && i < ch->nb_addresses; i++)
		fake_assert(ch->address[i].addr != addr);
	if (ch->nb_addresses == MAX_ADDRESSES)
		return -ENOSPC;
	ch->nb_like[addr & 0xffff]++;
	ch->address[ch->nb_addresses].addr = addr;
	ch->address[ch->nb_addresses++].h = h;
	return 0;
}

int dp_address_withdraw(struct dp_chan *ch, uint32_t addr)
{
	for (uint32_t i = 0; i < ch->nb_addresses; i++) {
		if (ch->address[i].addr != addr)
			continue;
		ch->address[i] = ch->address[--ch->nb_addresses];
		ch->nb_like[addr & 0xffff]--;
		return 0;
	}
	fake_assert(!"withdrawn address was not published");
	return -ENOENT;
}

// The number of a prefix of a session, nb_prefixes: it has no such one.
static uint32_t prefix_at(
	const struct dp_chan *ch, const struct in6_addr *addr, uint8_t plen, dp_handle h)
{
	uint32_t i = 0;

	while (i < ch->nb_prefixes &&
		(ch->prefix[i].h != h || ch->prefix[i].plen != plen ||
			memcmp(&ch->prefix[i].addr, addr, sizeof(*addr)) != 0))
		i++;
	return i;
}

int dp_prefix_publish(struct dp_chan *ch, const struct in6_addr *prefix, uint8_t plen,
	uint32_t metric, dp_handle h)
{
	uint32_t i = prefix_at(ch, prefix, plen, h);

	fake_assert(plen <= 128);
	if (i < ch->nb_prefixes)
		return -EEXIST;
	if (i == MAX_PREFIXES)
		return -ENOSPC;
	ch->prefix[i].addr = *prefix;
	ch->prefix[i].plen = plen;
	ch->prefix[i].metric = metric;
	ch->prefix[i].h = h;
	ch->nb_prefixes++;
	return 0;
}

int dp_prefix_withdraw(struct dp_chan *ch, const struct in6_addr *prefix, uint8_t plen, dp_handle h)
{
	uint32_t i = prefix_at(ch, prefix, plen, h);

	fake_assert(i < ch->nb_prefixes);
	ch->prefix[i] = ch->prefix[--ch->nb_prefixes];
	return 0;
}

uint32_t fake_nb_prefixes(const struct dp_chan *ch)
{
	return ch->nb_prefixes;
}

uint32_t fake_prefix_metric(const struct dp_chan *ch, const char *prefix, dp_handle h)
{
	char text[INET6_ADDRSTRLEN + 8], ip[INET6_ADDRSTRLEN];

	for (uint32_t i = 0; i < ch->nb_prefixes; i++) {
		inet_ntop(AF_INET6, &ch->prefix[i].addr, ip, sizeof(ip));
		snprintf(text, sizeof(text), "%s/%u", ip, ch->prefix[i].plen);
		if (ch->prefix[i].h == h && !strcmp(text, prefix))
			return ch->prefix[i].metric;
	}
	return UINT32_MAX;
}

int dp_local_address_add(struct dp_chan *ch, uint32_t addr)
{
	for (unsigned int i = 0; i < ch->nb_locals; i++)
		if (ch->local[i] == addr)
			return 0;
	fake_assert(ch->nb_locals < 16);
	ch->local[ch->nb_locals++] = addr;
	return 0;
}

int dp_pool_range_add(struct dp_chan *ch, uint32_t first, uint32_t last)
{
	fake_assert(first <= last);
	ch->nb_ranges++;
	return 0;
}

#define X(name, help) #name,
const char *dp_event_name(unsigned int type)
{
	static const char *const names[] = {DP_EVENT_LIST(X)};

	return type < DP_N_EVENTS ? names[type] : "unknown";
}

const char *dp_command_name(unsigned int type)
{
	static const char *const names[] = {DP_COMMAND_LIST(X)};

	return type < DP_N_COMMANDS ? names[type] : "unknown";
}
#undef X

#define X(name, text) text,
const char *dp_reason_text(unsigned int reason)
{
	static const char *const texts[] = {DP_REASON_LIST(X)};

	return reason < DP_N_REASONS ? texts[reason] : "unknown";
}
#undef X

// -- set-up --

struct dp_chan *fake_create(unsigned int nb_workers, unsigned int nb_msgs, unsigned int ring_size)
{
	struct dp_chan *ch = calloc(1, sizeof(*ch));

	fake_assert(ch && nb_workers <= MAX_WORKERS);
	ch->nb_workers = nb_workers;
	ch->nb_msgs = nb_msgs;
	ch->chunk = DP_MSG_DATA_MAX;
	ch->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ch->rc = rec_crypto_create(rec_backend_get("openssl"));
	fake_assert(ch->fd >= 0 && ch->rc);
	for (unsigned int w = 0; w < nb_workers; w++) {
		ch->cmd[w].size = ch->ev[w].size = ring_size;
		ch->cmd[w].m = calloc(ring_size, sizeof(struct dp_msg *));
		ch->ev[w].m = calloc(ring_size, sizeof(struct dp_msg *));
		fake_assert(ch->cmd[w].m && ch->ev[w].m);
	}
	return ch;
}

void fake_destroy(struct dp_chan *ch)
{
	struct dp_msg *m;

	for (unsigned int w = 0; w < ch->nb_workers; w++) {
		while ((m = ring_get(&ch->cmd[w])) || (m = ring_get(&ch->ev[w])))
			dp_msg_free(ch, m);
		free(ch->cmd[w].m);
		free(ch->ev[w].m);
	}
	while (ch->nb_spare)
		free(ch->spare[--ch->nb_spare]);
	fake_assert(ch->in_use == 0);
	fake_assert(ch->nb_addresses == 0);
	fake_assert(ch->nb_prefixes == 0);
	fake_assert(fake_open_conns(ch) == 0);
	rec_crypto_destroy(ch->rc);
	close(ch->fd);
	free(ch);
}

void fake_set_chunk(struct dp_chan *ch, uint32_t chunk)
{
	ch->chunk = chunk;
}

void fake_set_overlap(struct dp_chan *ch, uint32_t overlap)
{
	ch->overlap = overlap;
}

void fake_fail_allocs(struct dp_chan *ch, unsigned int n)
{
	ch->fail_allocs = n;
}

void fake_keep_msgs(struct dp_chan *ch)
{
	ch->max_spare = MAX_SPARE;
	while (ch->nb_spare < MAX_SPARE) {
		ch->spare[ch->nb_spare] = calloc(1, sizeof(struct dp_msg));
		fake_assert(ch->spare[ch->nb_spare]);
		ch->nb_spare++;
	}
}

void fake_stall(struct dp_chan *ch, bool on)
{
	ch->stalled = on;
}

bool fake_listening(const struct dp_chan *ch)
{
	for (unsigned int w = 0; w < ch->nb_workers; w++)
		if (!ch->listening[w])
			return false;
	return true;
}

uint32_t fake_published(const struct dp_chan *ch)
{
	return ch->nb_addresses;
}

uint32_t fake_msgs_in_use(const struct dp_chan *ch)
{
	return ch->in_use;
}

unsigned int fake_nb_locals(const struct dp_chan *ch)
{
	return ch->nb_locals;
}

unsigned int fake_nb_ranges(const struct dp_chan *ch)
{
	return ch->nb_ranges;
}

uint32_t fake_open_conns(const struct dp_chan *ch)
{
	uint32_t n = 0;

	for (unsigned int i = 0; i < MAX_CONNS; i++)
		n += ch->conn[i] && !ch->conn[i]->closed;
	return n;
}

uint32_t fake_waiting(const struct dp_chan *ch)
{
	uint32_t n = 0;

	for (unsigned int w = 0; w < ch->nb_workers; w++)
		n += ch->waiting[w];
	return n;
}
