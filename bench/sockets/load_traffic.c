// SPDX-License-Identifier: BSD-3-Clause
#include "bench/sockets/load_int.h"

#include "bench/probe.h"

#define LOSS_TIMEOUT_NS \
	1000000000ull // closed loop: what has not come back by then is not waited for

static void mark_dirty(struct session *s)
{
	if (s->dirty)
		return;
	s->dirty = true;
	s->next_dirty = s->load->dirty;
	s->load->dirty = s;
}

void traffic_flush(struct load *l)
{
	struct session *s;

	while ((s = l->dirty)) {
		l->dirty = s->next_dirty;
		s->dirty = false;
		s->in_record = 0;
		if (s->conn)
			conn_flush(s->conn);
	}
}

bool traffic_give(struct session *s, const uint8_t *ip, size_t len)
{
	if (conn_send_ip(s->conn, ip, len)) {
		s->load->r->refused++;
		return false;
	}
	if (++s->in_record == s->load->conf->per_record) {
		conn_seal(s->conn);
		s->in_record = 0;
	}
	mark_dirty(s);
	return true;
}

// Where a session's packets go; 0: nowhere.
static uint32_t target_of(const struct session *s)
{
	const struct load *l = s->load;
	unsigned int partner = s->index ^ 1;

	if (l->conf->mode != LOAD_PAIR)
		return l->conf->target;
	if (partner >= l->conf->sessions || l->sessions[partner].state != SESSION_UP ||
		(l->conf->one_way && s->index % 2))
		return 0;
	return l->sessions[partner].addr;
}

// One packet. False when the session cannot take one now.
static bool send_one(struct session *s, uint64_t now)
{
	struct load *l = s->load;
	struct probe p = {.run = l->run, .session = s->index, .seq = s->next_seq, .sent_ns = now};
	uint8_t packet[PROBE_MAX_SIZE];
	uint32_t target;

	if (s->state != SESSION_UP)
		return false;
	target = target_of(s);
	if (!target)
		return false;
	if (l->conf->mode == LOAD_UP) {
		probe_body_build(packet + PROBE_HDR_LEN, l->conf->size - PROBE_HDR_LEN, &p);
		probe_wrap_udp(packet, l->conf->size, s->addr, target,
			(uint16_t)(40000 + s->index % 20000), l->conf->port);
	} else {
		probe_build(packet, l->conf->size,
			l->conf->mode == LOAD_PING ? PROBE_ICMP : PROBE_UDP, s->addr, target, &p);
	}
	if (!traffic_give(s, packet, l->conf->size))
		return false;
	s->next_seq++;
	l->r->sent++;
	l->r->tx_bytes += l->conf->size;
	return true;
}

// Up to n packets (of the far host: asked for together). Returns how many.
static unsigned int send_some(struct session *s, unsigned int n, uint64_t now)
{
	unsigned int done = 0;

	if (s->load->conf->mode == LOAD_DOWN)
		return s->state == SESSION_UP && far_ask(s, n, now) ? n : 0;
	while (done < n && send_one(s, now))
		done++;
	return done;
}

void traffic_fill(struct session *s, uint64_t now)
{
	const struct load_conf *conf = s->load->conf;
	unsigned int chunk = conf->mode == LOAD_DOWN ? far_chunk(conf) : 1;

	if (s->settled_seq < s->next_seq && now - s->last_rx_ns > LOSS_TIMEOUT_NS) {
		s->settled_seq = s->next_seq;
		s->last_rx_ns = now;
	}
	while (s->next_seq - s->settled_seq + chunk <= conf->window && send_some(s, chunk, now))
		;
}

static void send_paced(struct load *l, uint64_t now)
{
	const struct load_conf *conf = l->conf;
	unsigned int idle = 0, most = conf->burst;

	l->budget += conf->pps * (double)(now - l->tick_ns) / 1e9;
	// A generator that was held up does not make up for it with a flood.
	if (l->budget > conf->pps * 0.05 + conf->burst)
		l->budget = conf->pps * 0.05 + conf->burst;
	// Asking costs the server a packet as well: more at once, when one session has to carry it.
	if (conf->mode == LOAD_DOWN && l->budget / conf->sessions > most)
		most = (unsigned int)(l->budget / conf->sessions);
	if (conf->mode == LOAD_DOWN && most > far_chunk(conf))
		most = far_chunk(conf);
	while (l->budget >= conf->burst && idle < conf->sessions) {
		struct session *s = &l->sessions[l->turn];
		unsigned int done = send_some(s, l->budget < most ? conf->burst : most, now);

		l->turn = (l->turn + 1) % conf->sessions;
		idle = done ? 0 : idle + 1;
		l->budget -= done;
	}
}

void traffic_send(struct load *l, uint64_t now)
{
	if (l->conf->mode == LOAD_IDLE)
		return;
	if (l->conf->pps > 0) {
		send_paced(l, now);
		return;
	}
	for (unsigned int i = 0; i < l->conf->sessions; i++)
		if (l->sessions[i].state == SESSION_UP)
			traffic_fill(&l->sessions[i], now);
}

// The session that a received packet was sent by, or NULL when it should not have come here.
static struct session *sender_of(struct session *s, const struct probe *p)
{
	struct load *l = s->load;

	if (p->session >= l->conf->sessions || l->conf->mode == LOAD_UP)
		return NULL;
	if (p->session != (l->conf->mode == LOAD_PAIR ? s->index ^ 1 : s->index))
		return NULL;
	return &l->sessions[p->session];
}

void traffic_packet(void *user, const uint8_t *ip, size_t len)
{
	struct session *s = user, *from;
	struct load *l = s->load;
	struct probe p;
	uint64_t now;

	switch (probe_check(ip, len, l->conf->size, l->run, &p)) {
	case PROBE_OTHER:
		if (!load_has_far(l->conf) || !far_packet(s, ip, len))
			l->r->other++;
		return;
	case PROBE_CORRUPT:
		l->r->corrupt++;
		return;
	case PROBE_OK:
		break;
	}
	from = sender_of(s, &p);
	if (!from || p.seq >= from->next_seq) { // somebody else's, or never sent
		l->r->corrupt++;
		return;
	}
	if (!seq_window_add(&from->window, p.seq))
		return;
	now = load_now_ns();
	l->received++;
	l->r->rx_bytes += len;
	hist_add(l->r->latency, now - p.sent_ns);
	from->last_rx_ns = now;
	if (from->window.next > from->settled_seq)
		from->settled_seq = from->window.next;
	if (l->phase == LOAD_TRAFFIC && l->conf->pps <= 0)
		traffic_fill(from, now);
}
