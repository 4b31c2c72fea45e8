// SPDX-License-Identifier: BSD-3-Clause
// The stand-in's workers: connections, the events that they make and the commands that they take.
#include "fake_worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_assert.h"
#include "fake_int.h"
#include "protocol/ppp/ppp.h"
#include "protocol/sstp/sstp.h"

// -- events --

static bool event_room(const struct fake_conn *c)
{
	const struct ring *r = &c->ch->ev[c->handle >> 56];

	return r->n < r->size && c->ch->in_use < c->ch->nb_msgs;
}

static struct dp_msg *event_new(struct fake_conn *c, unsigned int type)
{
	struct dp_msg *m = msg_new(c->ch, type, c->handle);

	fake_assert(m);
	m->worker = (uint16_t)(c->handle >> 56);
	return m;
}

static void event_send(struct fake_conn *c, struct dp_msg *m)
{
	uint64_t one = 1;

	fake_assert(ring_put(&c->ch->ev[m->worker], m));
	if (c->ch->armed)
		fake_assert(write(c->ch->fd, &one, sizeof(one)) == sizeof(one));
}

static bool event_data(
	struct fake_conn *c, unsigned int type, uint64_t offset, const uint8_t *p, size_t n)
{
	struct dp_msg *m;

	if (!event_room(c))
		return false;
	m = event_new(c, type);
	m->u.rx.offset = offset;
	m->len = (uint32_t)n;
	memcpy(m->data, p, n);
	event_send(c, m);
	return true;
}

void fake_conn_event(struct fake_conn *c, unsigned int type, uint32_t arg)
{
	struct dp_msg *m = event_new(c, type);

	if (type == DP_EV_KEY_UPDATE)
		m->u.key_update.request_reply = (uint8_t)arg;
	else if (type == DP_EV_HELLO_EXPIRED)
		m->u.hello.intervals = arg;
	else if (type == DP_EV_LIMIT)
		m->u.limit.rx = (uint8_t)arg;
	event_send(c, m);
}

struct fake_conn *fake_accept(struct dp_chan *ch, unsigned int worker, uint32_t ip, uint16_t port)
{
	struct fake_conn *c = calloc(1, sizeof(*c));
	uint32_t slot = ch->free_hint ? ch->free_hint : 1;

	while (slot < MAX_CONNS && ch->conn[slot])
		slot++;
	fake_assert(c && slot < MAX_CONNS);
	ch->conn[slot] = c;
	ch->free_hint = slot + 1;
	if (ch->end <= slot)
		ch->end = slot + 1;
	c->ch = ch;
	c->handle = (dp_handle)worker << 56 | (dp_handle)slot << 32 | ++ch->generation;
	c->peer_ip = ip;
	c->peer_port = port;
	return c;
}

void fake_conn_free(struct fake_conn *c)
{
	uint32_t slot = (uint32_t)(c->handle >> 32) & 0xffffff;

	fake_assert(c->closed && c->ch->conn[slot] == c);
	c->ch->conn[slot] = NULL;
	if (slot < c->ch->free_hint)
		c->ch->free_hint = slot;
	if (c->keys) {
		rec_key_remove(c->ch->rc, &c->rx);
		rec_key_remove(c->ch->rc, &c->tx);
	}
	free(c->rx_mem);
	free(c->tx_mem);
	fake_buf_free(&c->out);
	fake_buf_free(&c->raw);
	fake_buf_free(&c->plain);
	free(c);
}

void fake_conn_input(struct fake_conn *c, const void *p, size_t n)
{
	if (!c->draining && !c->closed)
		fake_buf_put(&c->raw, p, n);
}

static void send_closed(struct fake_conn *c)
{
	struct dp_msg *m;

	if (c->closed || !event_room(c))
		return;
	m = event_new(c, DP_EV_CLOSED);
	m->u.closed.reason = c->close_reason;
	m->u.closed.stats = c->stats;
	m->u.closed.stats.rx_packets += c->nb_data;
	event_send(c, m);
	c->closed = true;
}

static void drop(struct fake_conn *c, uint8_t reason)
{
	c->out_rst = true;
	c->draining = true;
	c->close_reason = reason;
}

// -- receiving --

// Bytes of a stream that begins at offset base, of which *told were told.
static void deliver_bytes(struct fake_conn *c, unsigned int type, const struct fake_buf *b,
	uint64_t base, uint64_t *told)
{
	while (*told < base + b->n) {
		size_t at = (size_t)(*told - base), n = b->n - at;
		size_t back = at < c->ch->overlap ? at : c->ch->overlap;

		n = n < c->ch->chunk ? n : c->ch->chunk;
		if (!event_data(c, type, *told - back, b->p + at - back, n + back))
			return;
		*told += n;
	}
}

static void on_record(struct fake_conn *c, uint8_t type, const uint8_t *p, size_t n)
{
	if (type == TLS_CT_APPLICATION_DATA)
		fake_buf_put(&c->plain, p, n);
	else if (type == TLS_CT_ALERT && n == 2)
		c->close_notify = true;
}

static void open_records(struct fake_conn *c)
{
	static uint8_t plain[TLS_REC_MAX_CIPHER_12 + 64];

	while (c->raw.n >= TLS_REC_HDR_LEN) {
		int len = rec_peek(&c->rx, c->raw.p);
		struct rec_slice slice = {.p = c->raw.p, .len = (uint32_t)len};
		struct rec_open_op op = {.d = &c->rx, .src = &slice, .nb_src = 1, .dst = plain};

		if (len < 0) {
			drop(c, DP_REASON_BAD_RECORD);
			return;
		}
		if (c->raw.n < (size_t)len)
			return;
		rec_open_burst(c->ch->rc, &op, 1);
		if (op.status) {
			drop(c, DP_REASON_BAD_RECORD);
			return;
		}
		on_record(c, op.type, plain, op.len);
		fake_buf_take(&c->raw, (size_t)len);
		c->raw_base += (size_t)len;
	}
}

static bool is_data(const uint8_t *pkt, uint16_t len)
{
	uint16_t proto;
	int n = ppp_parse_header(pkt + SSTP_HDR_LEN, len - SSTP_HDR_LEN, &proto);

	return n > 0 && proto == PPP_PROTO_IPV4;
}

static void deliver_sstp(struct fake_conn *c)
{
	uint16_t len;
	bool control;
	int rc;

	while (!c->undelineable) {
		rc = sstp_peek(c->plain.p, c->plain.n, &len, &control);
		if (rc == -EBADMSG) {
			if (event_data(c, DP_EV_SSTP_UNDELINEABLE, 0, c->plain.p, 0))
				c->undelineable = true;
			return;
		}
		if (rc || c->plain.n < len)
			return;
		if (!control && is_data(c->plain.p, len)) {
			c->nb_data += c->data_open;
			c->nb_early_data += !c->data_open;
		} else if (!event_data(c, DP_EV_RX_SSTP, 0, c->plain.p, len)) {
			return;
		}
		fake_buf_take(&c->plain, len);
		c->plain_base += len;
	}
}

static void leave_line(struct fake_conn *c)
{
	c->ch->waiting[c->handle >> 56] -= c->in_line;
	c->in_line = false;
}

static bool tell_accepted(struct fake_conn *c)
{
	struct dp_msg *m;

	unsigned int w = (unsigned int)(c->handle >> 56);

	if (c->accepted_told)
		return true;
	if (c->rst) { // nobody ever heard of it
		leave_line(c);
		c->draining = c->closed = true;
		return false;
	}
	if (!c->in_line) {
		c->in_line = true;
		c->ch->waiting[w]++;
	}
	if (!event_room(c) || (c->ch->admit[w] && !c->ch->credit[w]))
		return false;
	leave_line(c);
	c->ch->credit[w] -= c->ch->admit[w];
	m = event_new(c, DP_EV_ACCEPTED);
	m->u.accepted.waiting = c->ch->waiting[w];
	m->u.accepted.peer.s6_addr[10] = m->u.accepted.peer.s6_addr[11] = 0xff;
	for (unsigned int i = 0; i < 4; i++)
		m->u.accepted.peer.s6_addr[12 + i] = (uint8_t)(c->peer_ip >> (24 - 8 * i));
	m->u.accepted.peer_port = c->peer_port;
	m->u.accepted.local_port = 443;
	event_send(c, m);
	c->accepted_told = true;
	return true;
}

static void deliver(struct fake_conn *c)
{
	if (c->closed || !tell_accepted(c))
		return;
	if (c->rst && !c->draining)
		drop(c, DP_REASON_PEER_RST);
	if (c->draining) {
		send_closed(c);
		return;
	}
	if (c->keys)
		open_records(c);
	else
		deliver_bytes(c, DP_EV_RX_RAW, &c->raw, c->raw_base, &c->raw_told);
	if (c->sstp)
		deliver_sstp(c);
	else
		deliver_bytes(c, DP_EV_RX_PLAIN, &c->plain, c->plain_base, &c->plain_told);
	if (c->owe_stats && event_room(c)) {
		event_send(c, event_new(c, DP_EV_STATS));
		c->owe_stats = false;
	}
	bool all_told = c->keys || c->raw_told >= c->raw_base + c->raw.n;

	if (!c->fin_told && (c->close_notify || (c->fin && all_told)) && event_room(c)) {
		struct dp_msg *m = event_new(c, DP_EV_PEER_CLOSED);

		m->u.closed.reason =
			c->close_notify ? DP_REASON_PEER_CLOSE_NOTIFY : DP_REASON_PEER_FIN;
		event_send(c, m);
		c->fin_told = true;
	}
}

// -- commands --

static void seal(struct fake_conn *c, uint8_t type, const uint8_t *p, size_t n)
{
	static uint8_t rec[64 + TLS_REC_MAX_PLAIN + 64];
	struct rec_seal_op op = {.d = &c->tx, .p = rec + 64, .len = (uint16_t)n, .type = type};

	fake_assert(c->keys && !c->remote);
	memcpy(op.p, p, n);
	rec_seal_burst(c->ch->rc, &op, 1);
	fake_buf_put(&c->out, op.p - c->tx.prefix_len, c->tx.prefix_len + n + c->tx.suffix_len);
}

static void *key_memory(struct fake_conn *c, const struct tls_traffic_key *k)
{
	size_t n = (rec_key_size(c->ch->rc, k->aead) + REC_KEY_ALIGN - 1) / REC_KEY_ALIGN;
	void *p = aligned_alloc(REC_KEY_ALIGN, n * REC_KEY_ALIGN);

	fake_assert(p);
	return p;
}

static void consume(struct fake_conn *c, uint64_t offset)
{
	fake_assert(offset <= c->raw_told);
	if (offset <= c->raw_base)
		return;
	fake_buf_take(&c->raw, (size_t)(offset - c->raw_base));
	c->raw_base = offset;
}

static void install(struct fake_conn *c, const struct dp_msg *m)
{
	fake_assert(!c->keys && !c->remote);
	consume(c, m->u.install.rx_offset);
	if (m->u.install.record_layer == DP_RECORD_REMOTE) {
		c->remote = true;
		return;
	}
	c->rx_mem = key_memory(c, &m->u.install.rx);
	c->tx_mem = key_memory(c, &m->u.install.tx);
	fake_assert(!rec_key_install(c->ch->rc, &c->rx, &m->u.install.rx, c->rx_mem));
	fake_assert(!rec_key_install(c->ch->rc, &c->tx, &m->u.install.tx, c->tx_mem));
	c->keys = true;
}

static void rekey(struct fake_conn *c, const struct dp_msg *m)
{
	static const uint8_t key_update[] = {24, 0, 0, 1, 0};
	struct rec_dir *d = m->u.rekey.tx ? &c->tx : &c->rx;
	void *mem = m->u.rekey.tx ? c->tx_mem : c->rx_mem;

	fake_assert(c->keys && m->u.rekey.key.seq == 0);
	if (m->u.rekey.tx && m->u.rekey.send_update) {
		seal(c, TLS_CT_HANDSHAKE, key_update, sizeof(key_update));
		c->nb_send_update++;
	}
	rec_key_remove(c->ch->rc, d);
	fake_assert(!rec_key_install(c->ch->rc, d, &m->u.rekey.key, mem));
	if (m->u.rekey.tx)
		c->nb_rekey_tx++;
	else
		c->nb_rekey_rx++;
}

static void sstp_start(struct fake_conn *c, uint64_t offset)
{
	fake_assert(!c->sstp && offset >= c->plain_base && offset <= c->plain_base + c->plain.n);
	fake_buf_take(&c->plain, (size_t)(offset - c->plain_base));
	c->plain_base = offset;
	c->sstp = true;
}

static void open_data(struct fake_conn *c, const struct dp_msg *m)
{
	fake_assert(c->sstp);
	fake_assert((m->u.open.inner && m->u.open.local) || m->u.open.plen6);
	c->data_open = true;
	c->open = m->u.open;
	c->nb_open++;
	c->inner = m->u.open.inner;
	c->local = m->u.open.local;
	c->mtu = m->u.open.mtu;
	c->mss_clamp = m->u.open.mss_clamp;
}

static void close_conn(struct fake_conn *c, bool reset)
{
	static const uint8_t close_notify[] = {1, 0};

	// An address must be withdrawn before its session goes.
	for (uint32_t i = 0;
		c->inner && c->ch->nb_like[c->inner & 0xffff] && i < c->ch->nb_addresses; i++)
		fake_assert(c->ch->address[i].h != c->handle);
	for (uint32_t i = 0; i < c->ch->nb_prefixes; i++)
		fake_assert(c->ch->prefix[i].h != c->handle);
	if (!reset && c->keys && !c->draining)
		seal(c, TLS_CT_ALERT, close_notify, sizeof(close_notify));
	if (reset)
		c->out_rst = true;
	else
		c->out_fin = true;
	c->draining = true;
	c->close_reason = DP_REASON_LOCAL;
}

static void command(struct fake_conn *c, const struct dp_msg *m)
{
	switch (m->type) {
	case DP_CMD_SEND_RAW:
		fake_assert(!c->keys);
		fake_buf_put(&c->out, m->data, m->len);
		break;
	case DP_CMD_CONSUME:
		if (!c->keys)
			consume(c, m->u.consume.offset);
		break;
	case DP_CMD_INSTALL:
		install(c, m);
		break;
	case DP_CMD_SEND_APP:
		seal(c, TLS_CT_APPLICATION_DATA, m->data, m->len);
		break;
	case DP_CMD_SSTP_START:
		sstp_start(c, m->u.consume.offset);
		break;
	case DP_CMD_PLAIN_IN:
		fake_assert(c->remote);
		fake_buf_put(&c->plain, m->data, m->len);
		break;
	case DP_CMD_REKEY:
		rekey(c, m);
		break;
	case DP_CMD_OPEN_DATA:
		open_data(c, m);
		break;
	case DP_CMD_CLOSE_DATA:
		fake_assert(c->data_open);
		c->data_open = false;
		break;
	case DP_CMD_SET_HELLO:
		c->hello_ms = m->u.hello.interval_ms;
		break;
	case DP_CMD_QUERY:
		c->owe_stats = true;
		break;
	case DP_CMD_CLOSE:
		close_conn(c, m->u.close.abort);
		break;
	default:
		fake_assert(!"unexpected command");
	}
}

static struct fake_conn *find(const struct dp_chan *ch, dp_handle h)
{
	struct fake_conn *c = ch->conn[(h >> 32) & 0xffffff];

	return c && c->handle == h ? c : NULL;
}

static void listen_on(struct dp_chan *ch, unsigned int w, const struct dp_msg *m)
{
	ch->listening[w] = m->u.listen.on;
	ch->admit[w] = m->u.listen.admit;
	ch->credit[w] = 0;
	for (unsigned int i = 0; i < ch->end; i++) {
		struct fake_conn *c = ch->conn[i];

		if (!c || c->accepted_told || c->handle >> 56 != w)
			continue;
		leave_line(c);
		c->out_rst = c->draining = c->closed = true;
	}
}

void fake_step(struct dp_chan *ch)
{
	struct dp_msg *m;

	for (unsigned int w = 0; w < ch->nb_workers && !ch->stalled; w++) {
		while ((m = ring_get(&ch->cmd[w]))) {
			struct fake_conn *c = m->handle ? find(ch, m->handle) : NULL;

			if (m->type == DP_CMD_LISTEN)
				listen_on(ch, w, m);
			else if (m->type == DP_CMD_ADMIT)
				ch->credit[w] += m->u.admit.n;
			else if (c && !c->closed && (!c->draining || m->type == DP_CMD_CLOSE))
				command(c, m);
			dp_msg_free(ch, m);
		}
	}
	for (unsigned int i = 0; i < ch->end; i++)
		if (ch->conn[i])
			deliver(ch->conn[i]);
}
