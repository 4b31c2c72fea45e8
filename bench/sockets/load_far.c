// SPDX-License-Identifier: BSD-3-Clause
#include "bench/sockets/load_int.h"

#include <string.h>

#include "bench/probe.h"

#define SAY_AGAIN_NS 200000000u
#define GIVE_UP_S 5.0
#define SOURCE_PORT 7070u
#define IPPROTO_UDP_ 17
#define CHUNK_MAX 64u

unsigned int far_chunk(const struct load_conf *conf)
{
	unsigned int n = conf->pps > 0 ? CHUNK_MAX : conf->window / 8;

	return n > CHUNK_MAX ? CHUNK_MAX : n ? n : 1;
}

static bool say(struct session *s, const struct far_msg *m)
{
	uint8_t ip[PROBE_HDR_LEN + FAR_MSG_MAX];
	size_t len = PROBE_HDR_LEN + far_encode(ip + PROBE_HDR_LEN, m);

	probe_wrap_udp(ip, len, s->addr, s->load->conf->target,
		(uint16_t)(SOURCE_PORT + s->index % 50000), s->load->conf->port);
	return traffic_give(s, ip, len);
}

static struct session *any_session(struct load *l)
{
	for (unsigned int i = 0; i < l->conf->sessions; i++)
		if (l->sessions[i].state == SESSION_UP)
			return &l->sessions[i];
	return NULL;
}

static void hello(struct session *s)
{
	struct load *l = s->load;
	struct far_msg m = {.type = FAR_HELLO, .run = l->run, .session = s->index};

	m.u.hello.boot = far_boot_id();
	m.u.hello.ack_every = far_chunk(l->conf);
	m.u.hello.sessions = l->conf->sessions;
	say(s, &m);
}

bool far_step(struct load *l, uint64_t now)
{
	struct far_msg m = {.type = FAR_ASK, .run = l->run};
	struct session *s = any_session(l);

	if (l->phase == LOAD_HELLO ? l->welcome : l->reported)
		return true;
	if (!s || load_since_s(l->phase_ns) > GIVE_UP_S) {
		l->r->no_far = true;
		load_count_reason(l->r, "no answer from the far host (culvert-bench --reflect)");
		return true;
	}
	if (now - l->said_ns < SAY_AGAIN_NS)
		return false;
	l->said_ns = now;
	if (l->phase == LOAD_HELLO) {
		hello(s);
	} else {
		m.session = s->index;
		say(s, &m);
	}
	return false;
}

void far_mark(struct load *l)
{
	struct session *s = any_session(l);

	if (s)
		hello(s);
}

bool far_ask(struct session *s, unsigned int n, uint64_t now)
{
	struct far_msg m = {.type = FAR_SEND, .run = s->load->run, .session = s->index};

	m.u.send.seq = s->next_seq;
	m.u.send.time_ns = now;
	m.u.send.count = n;
	m.u.send.size = s->load->conf->size;
	if (!say(s, &m))
		return false;
	s->next_seq += n;
	s->load->r->sent += n;
	s->load->r->tx_bytes += (uint64_t)n * s->load->conf->size;
	return true;
}

static void on_ack(struct session *s, const struct far_msg *m)
{
	struct load *l = s->load;
	uint64_t now = load_now_ns(), more;

	if (m->u.ack.next > s->next_seq || m->u.ack.received < s->far_received)
		return;
	more = m->u.ack.received - s->far_received;
	s->far_received = m->u.ack.received;
	l->received += more;
	l->r->rx_bytes += more * l->conf->size;
	if (m->u.ack.next > s->settled_seq)
		s->settled_seq = m->u.ack.next;
	s->last_rx_ns = now;
	if (!l->shared_clock && now > m->u.ack.time_ns)
		hist_add(l->r->latency, now - m->u.ack.time_ns);
	if (l->phase == LOAD_TRAFFIC && l->conf->pps <= 0)
		traffic_fill(s, now);
}

static void on_report(struct load *l, const struct far_msg *m)
{
	struct load_result *r = l->r;

	l->reported = true;
	r->far_unsent = m->u.report.unsent;
	r->far_socket_drop = m->u.report.socket_dropped;
	if (l->conf->mode != LOAD_UP)
		return;
	r->received = m->u.report.received;
	r->reordered = m->u.report.reordered;
	r->duplicated = m->u.report.duplicated;
	r->corrupt += m->u.report.corrupt;
	r->rx_bytes = m->u.report.bytes;
	if (l->shared_clock)
		r->latency_times = (struct load_times){.n = m->u.report.received,
			.mean = m->u.report.mean_ns,
			.p50 = m->u.report.p50_ns,
			.p99 = m->u.report.p99_ns,
			.p999 = m->u.report.p999_ns,
			.max = m->u.report.max_ns};
}

bool far_packet(struct session *s, const uint8_t *ip, size_t len)
{
	struct load *l = s->load;
	struct far_msg m;

	if (len < PROBE_HDR_LEN || ip[0] != 0x45 || ip[9] != IPPROTO_UDP_ ||
		far_decode(ip + PROBE_HDR_LEN, len - PROBE_HDR_LEN, &m) || m.run != l->run ||
		m.session != s->index)
		return false;
	switch (m.type) {
	case FAR_WELCOME:
		l->welcome = true;
		l->shared_clock = m.u.welcome.shared_clock;
		return true;
	case FAR_ACK:
		on_ack(s, &m);
		return true;
	case FAR_REPORT:
		if (!l->reported && l->phase == LOAD_ASK)
			on_report(l, &m);
		return true;
	case FAR_HELLO:
	case FAR_SEND:
	case FAR_ASK:
		break;
	}
	return false;
}
