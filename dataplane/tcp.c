// SPDX-License-Identifier: BSD-3-Clause
// The stack as a whole: memory, ports, opening, the clock.
#include <errno.h>
#include <string.h>
#include <rte_errno.h>
#include <rte_ip.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_random.h>

#include "dataplane/tcp_int.h"

#define EPHEMERAL_FIRST 32768u
#define EPHEMERAL_COUNT 28232u
#define TICK_MAX 1024 // timers a call

void tcp_config_default(struct tcp_config *c)
{
	*c = (struct tcp_config){
		.max_conns = 65536,
		.max_half_open = 4096,
		.max_time_wait = 16384,
		.rcv_wnd_max = 1 << 20,
		.snd_buf_max = 4 << 20,
		.mem_max_mbufs = 32768,
		.ooo_max_segs = 1024,
		.mtu = 1500,
		.time_wait_ms = 60000,
		.syn_timeout_ms = 30000,
		.user_timeout_ms = 0,
		.keepalive_idle_ms = 60000,
		.keepalive_interval_ms = 10000,
		.keepalive_probes = 6,
		.min_rto_ms = 200,
		.max_rto_ms = 60000,
		.delack_ms = 40,
	};
}

static int check_config(const struct tcp_config *c)
{
	bool ok = c->max_conns && c->max_conns < TCP_REF_TW && c->max_time_wait < TCP_REF_TW &&
		  c->rcv_wnd_max && c->rcv_wnd_max <= 1u << 30 && c->snd_buf_max &&
		  c->snd_buf_max <= 1u << 30 && c->mem_max_mbufs && c->mtu >= 576 &&
		  c->min_rto_ms && c->max_rto_ms >= c->min_rto_ms && c->max_rto_ms <= 600000 &&
		  c->pool && c->counters && c->output;

	return ok ? 0 : -EINVAL;
}

static void *alloc_array(const char *name, size_t n, size_t size)
{
	return rte_zmalloc_socket(
		name, RTE_MAX(n, (size_t)1) * size, RTE_CACHE_LINE_SIZE, (int)rte_socket_id());
}

static int alloc_conns(struct tcp_stack *s)
{
	uint32_t n = s->cfg.max_conns;

	s->conns = alloc_array("tcp_conn", n, sizeof(*s->conns));
	s->free_conns = alloc_array("tcp_free", n, sizeof(*s->free_conns));
	if (!s->conns || !s->free_conns)
		return -ENOMEM;
	if (s->cc->state_size)
		s->cc_state = alloc_array("tcp_cc", n, s->cc->state_size);
	if (s->cc->state_size && !s->cc_state)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		s->free_conns[i] = n - 1 - i;
	s->nb_free = n;
	return 0;
}

static void take_secret(struct tcp_stack *s)
{
	static const uint8_t none[16];

	if (!memcmp(s->cfg.secret, none, sizeof(none))) {
		uint64_t r[2] = {rte_rand(), rte_rand()};

		memcpy(s->cfg.secret, r, sizeof(r));
	}
	memcpy(&s->k0, s->cfg.secret, 8);
	memcpy(&s->k1, s->cfg.secret + 8, 8);
}

struct tcp_stack *tcp_create(const struct tcp_config *c, uint64_t now_us)
{
	struct tcp_stack *s;

	if (check_config(c)) {
		rte_errno = EINVAL;
		return NULL;
	}
	s = alloc_array("tcp_stack", 1, sizeof(*s));
	if (!s)
		goto nomem;
	s->cfg = *c;
	s->cc = c->cc ? c->cc : &tcp_cc_cubic;
	s->counters = c->counters;
	s->delack_us = c->delack_ms * 1000;
	take_secret(s);
	tcp_hash_keys(s);
	s->prng = (uint32_t)(s->k0 ^ s->k1 ^ now_us) | 1;
	while (s->rcv_wscale < 14 && c->rcv_wnd_max >> s->rcv_wscale > UINT16_MAX)
		s->rcv_wscale++;
	s->wheel = wheel_create(TCP_WHEEL_TICK_US, c->max_conns, now_us);
	if (!s->wheel || alloc_conns(s) || tcp_tw_create(s) ||
		tcp_table_create(s, c->max_conns + c->max_time_wait))
		goto nomem;
	return s;
nomem:
	tcp_destroy(s);
	rte_errno = ENOMEM;
	return NULL;
}

void tcp_destroy(struct tcp_stack *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; s->conns && i < s->cfg.max_conns; i++) {
		struct tcp_conn *c = &s->conns[i];

		if (!(c->flags & TF_USED))
			continue;
		tcp_rcv_drop(c);
		tcp_snd_drop(c);
	}
	tcp_flush_gone(s);
	rte_pktmbuf_free_bulk(s->tx, s->nb_tx);
	wheel_destroy(s->wheel);
	rte_free(s->table);
	rte_free(s->free_tw);
	rte_free(s->tw);
	rte_free(s->free_conns);
	rte_free(s->cc_state);
	rte_free(s->conns);
	rte_free(s);
}

bool tcp_is_listening(const struct tcp_stack *s, uint16_t port)
{
	for (uint16_t i = 0; i < s->nb_listen; i++)
		if (s->listen[i] == port)
			return true;
	return false;
}

int tcp_listen(struct tcp_stack *s, uint16_t port)
{
	if (tcp_is_listening(s, port))
		return -EADDRINUSE;
	if (s->nb_listen == TCP_MAX_LISTEN)
		return -ENOSPC;
	s->listen[s->nb_listen++] = port;
	return 0;
}

void tcp_unlisten(struct tcp_stack *s, uint16_t port)
{
	for (uint16_t i = 0; i < s->nb_listen; i++)
		if (s->listen[i] == port)
			s->listen[i--] = s->listen[--s->nb_listen];
}

// RFC 6056 3.3.1: a random start, then the next free one. Few ports are tried: the rest are taken
// too.
static int choose_port(struct tcp_stack *s, struct tcp_key *k, uint32_t *hash)
{
	uint64_t r = tcp_key_secret(s, k, TCP_HASH_PORT, s->prng++);

	for (uint32_t i = 0; i < EPHEMERAL_COUNT; i++) {
		k->lport = (uint16_t)(EPHEMERAL_FIRST + (r + i) % EPHEMERAL_COUNT);
		*hash = tcp_key_hash(s, k);
		if (!tcp_is_listening(s, k->lport) && !tcp_table_find(s, k, *hash))
			return 0;
	}
	return -EADDRINUSE;
}

struct tcp_conn *tcp_connect(struct tcp_stack *s, const struct ipaddr *local, uint16_t lport,
	const struct ipaddr *remote, uint16_t rport, void *user, uint64_t now_us)
{
	struct tcp_key k = {.remote = *remote, .local = *local, .rport = rport, .lport = lport};
	uint32_t hash = tcp_key_hash(s, &k);
	struct tcp_conn *c;

	if (lport ? tcp_table_find(s, &k, hash) != 0 : choose_port(s, &k, &hash) != 0) {
		errno = EADDRINUSE;
		return NULL;
	}
	c = tcp_conn_alloc(s, &k, hash, now_us);
	if (!c) {
		errno = ENOBUFS;
		return NULL;
	}
	c->user = user;
	c->flags |= TF_ACTIVE;
	c->state = TCP_SYN_SENT;
	c->ts_offset = tcp_ts_offset(s, &k);
	c->iss = tcp_isn(s, &k, now_us);
	c->snd_una = c->iss;
	c->snd_nxt = c->snd_end = c->iss + 1;
	COUNT(s->counters, tcp_active_open);
	tcp_send_syn(c, now_us);
	tcp_rtx_update(c, now_us);
	tcp_misc_update(c, now_us);
	tcp_flush(s);
	return c;
}

uint64_t tcp_tick(struct tcp_stack *s, uint64_t now_us)
{
	uint64_t tw = tcp_tw_expire(s, now_us), next;

	s->now_us = now_us;
	if (s->nb_gone)
		tcp_flush_gone(s);
	wheel_advance(s->wheel, now_us, TICK_MAX, tcp_timer_expired, s);
	tcp_timers_run(s);
	tcp_flush(s);
	next = wheel_next(s->wheel);
	return RTE_MIN(next, tw);
}

void tcp_icmp_error(struct tcp_stack *s, const struct ipaddr *local, uint16_t lport,
	const struct ipaddr *remote, uint16_t rport, uint32_t seq, uint32_t mtu, bool hard,
	uint64_t now_us)
{
	struct tcp_key k = {.remote = *remote, .local = *local, .rport = rport, .lport = lport};
	uint32_t ref = tcp_table_find(s, &k, tcp_key_hash(s, &k));
	struct tcp_conn *c;

	if (!ref || ref & TCP_REF_TW)
		return;
	c = &s->conns[ref - 1];
	// RFC 5927 4.1: it must speak of what is in flight.
	if (seq_lt(seq, c->snd_una) || !seq_lt(seq, c->snd_nxt))
		return;
	if (mtu) {
		if (mtu < c->pmtu) {
			tcp_conn_set_pmtu(c, (uint16_t)mtu, now_us);
			tcp_output(c, now_us);
			tcp_flush(s);
		}
		return;
	}
	// RFC 5927 5.2: hard errors are taken at their word only while connecting.
	if (hard && c->state == TCP_SYN_SENT)
		tcp_conn_close(c, ECONNREFUSED);
	else
		c->soft_error = EHOSTUNREACH;
}

struct tcp_conn *tcp_poll(struct tcp_stack *s, unsigned int *events)
{
	while (s->ev_head) {
		struct tcp_conn *c = &s->conns[s->ev_head - 1];

		s->ev_head = c->ev_next;
		c->flags &= ~(uint32_t)TF_EVENT;
		if (likely(c->events)) { // none any more when it was muted
			*events = c->events;
			c->events = 0;
			return c;
		}
	}
	return NULL;
}

void tcp_stack_levels(const struct tcp_stack *s, struct tcp_levels *l)
{
	*l = (struct tcp_levels){
		.conns = s->nb_conns,
		.half_open = s->nb_half_open,
		.time_wait = s->nb_tw,
		.mbufs_held = s->mbufs_held,
		.conns_max = s->nb_conns_max,
	};
}
