// SPDX-License-Identifier: BSD-3-Clause
// A session's life: slots, commands, timers, the end.
#include "dataplane/session.h"

#include <errno.h>
#include <string.h>

#include "base/secret.h"
#include "dataplane/session_mp.h"
#include "dataplane/session_policy.h"
#include "dataplane/worker.h"

static dp_handle session_handle(const struct worker *w, const struct session *s)
{
	return dp_handle_make(w->id, s->slot, s->gen);
}

// A handle's session, or NULL when it is gone.
static struct session *session_find(struct worker *w, dp_handle h)
{
	uint32_t slot = dp_handle_slot(h);
	struct session *s;

	if (!slot || slot > w->max_sessions)
		return NULL;
	s = &w->sessions[slot];
	if (s->mode == SESSION_FREE || s->gen != dp_handle_gen(h))
		return NULL;
	return s;
}

struct dp_msg *session_event(struct worker *w, struct session *s, enum dp_event_type type)
{
	// What a peer can make many of leaves room to what it cannot.
	static const unsigned int reserved[DP_N_EVENTS] = {
		[DP_EV_RX_SSTP] = DP_RING_SIZE / 4,
		[DP_EV_TX_PLAIN] = DP_RING_SIZE / 4,
		[DP_EV_RX_RAW] = DP_RING_SIZE / 8,
		[DP_EV_RX_PLAIN] = DP_RING_SIZE / 8,
	};
	struct dp_msg *m;

	if (unlikely(dp_event_room(w->ch, w->id) <= reserved[type]))
		goto full;
	m = dp_msg_alloc(w->ch, type, session_handle(w, s));
	if (likely(m))
		return m;
full:
	COUNT(&w->counters, event_ring_full);
	return NULL;
}

void session_want_run(struct worker *w, struct session *s)
{
	if (s->flags & SES_ON_RUN)
		return;
	s->flags |= SES_ON_RUN;
	s->run_next = NULL;
	w->nb_run++;
	session_prefetch_rx(s);
	if (w->run_tail)
		w->run_tail->run_next = s;
	else
		w->run_head = s;
	w->run_tail = s;
}

struct session *session_open(struct worker *w, struct tcp_conn *c)
{
	struct session *s;
	uint32_t slot = w->free_head, gen;

	if (!slot)
		return NULL;
	s = &w->sessions[slot];
	w->free_head = s->slot;
	w->nb_free--;
	gen = s->gen + 1;
	memset(s, 0, sizeof(*s));
	s->slot = slot;
	s->gen = gen ? gen : 1;
	s->conn = c;
	s->mode = SESSION_RAW;
	s->flags = SES_OWE_ACCEPTED;
	s->last_rx_us = w->now_us;
	tcp_conn_set_user(c, s);
	if (w->admit.on)
		session_admit_new(w, s);
	else
		session_want_run(w, s);
	return s;
}

static void session_remove_keys(struct worker *w, struct session *s)
{
	void *rx, *tx;

	if (!(s->flags & SES_KEYS))
		return;
	rx = s->rx.key;
	tx = s->tx.key;
	rec_key_remove(w->rc, &s->rx);
	rec_key_remove(w->rc, &s->tx);
	rte_mempool_put(w->keys, rx);
	rte_mempool_put(w->keys, tx);
	s->flags &= ~SES_KEYS;
}

void session_stats(const struct session *s, struct dp_session_stats *st)
{
	memset(st, 0, sizeof(*st));
	st->rx_packets = s->rx_packets;
	st->rx_bytes = s->rx_bytes;
	st->tx_packets = s->tx_packets;
	st->tx_bytes = s->tx_bytes;
	st->rx_drops = s->rx_drops;
	st->tx_drops = s->tx_drops;
	st->alert = s->alert;
	st->tcp_retransmits = s->retransmits;
	st->srtt_us = s->srtt_us;
	if (s->conn) {
		struct tcp_info i;

		tcp_conn_info(s->conn, &i);
		st->tcp_retransmits = i.retransmits;
		st->srtt_us = i.srtt_us;
	}
}

void session_abort(struct worker *w, struct session *s, enum dp_reason why)
{
	if (s->conn)
		tcp_abort(s->conn, w->now_us);
	session_end(w, s, why);
}

void session_hang_up(struct worker *w, struct session *s, enum dp_reason why)
{
	if (s->conn) {
		tcp_shutdown(s->conn, w->now_us);
		tcp_discard(s->conn, w->now_us);
	}
	session_end(w, s, why);
}

void session_end(struct worker *w, struct session *s, enum dp_reason why)
{
	if (s->mode == SESSION_GONE || s->mode == SESSION_FREE)
		return;
	if (s->conn) {
		struct dp_session_stats st;

		session_admit_leave(w, s);
		session_stats(s, &st);
		s->retransmits = st.tcp_retransmits;
		s->srtt_us = st.srtt_us;
		tcp_release(s->conn, w->now_us);
		s->conn = NULL;
	}
	wheel_stop(w->wheel, &s->hello);
	wheel_stop(w->wheel, &s->linger);
	session_remove_keys(w, s);
	session_stash_drop(w, s);
	session_plainq_free(s);
	session_txq_free(w, s);
	session_mp_end(w, s);
	session_policy_end(w, s);
	s->flags &= ~(SES_DATA_OPEN | SES_OWE_HELLO | SES_OWE_KEY_LIMIT | SES_OWE_KEY_UPDATE);
	s->inner = 0;
	s->close_reason = (uint8_t)why;
	s->mode = SESSION_GONE;
	COUNT(&w->counters, session_closed);
	session_want_run(w, s);
}

// ---- commands

static void cmd_consume(struct worker *w, struct session *s, uint64_t offset)
{
	uint64_t most = s->raw_base + tcp_rx_avail(s->conn);

	if ((s->mode != SESSION_RAW && !(s->flags & SES_REMOTE)) || offset <= s->raw_base)
		return;
	offset = RTE_MIN(offset, most);
	tcp_consume(s->conn, (uint32_t)(offset - s->raw_base), w->now_us);
	s->raw_base = offset;
	s->raw_told = RTE_MAX(s->raw_told, offset);
	s->raw_events = 0;
	session_want_run(w, s);
}

static bool session_install_keys(struct worker *w, struct session *s,
	const struct tls_traffic_key *rx, const struct tls_traffic_key *tx)
{
	void *key[2];

	if (rte_mempool_get(w->keys, &key[0]))
		return false;
	if (rte_mempool_get(w->keys, &key[1]))
		goto fail_1;
	if (rec_key_install(w->rc, &s->rx, rx, key[0]))
		goto fail_2;
	if (rec_key_install(w->rc, &s->tx, tx, key[1])) {
		rec_key_remove(w->rc, &s->rx);
		goto fail_2;
	}
	s->flags |= SES_KEYS;
	return true;
fail_2:
	rte_mempool_put(w->keys, key[1]);
fail_1:
	rte_mempool_put(w->keys, key[0]);
	return false;
}

static void cmd_install(struct worker *w, struct session *s, const struct dp_msg *m)
{
	if (s->mode != SESSION_RAW || (s->flags & (SES_KEYS | SES_REMOTE)))
		return;
	cmd_consume(w, s, m->u.install.rx_offset);
	if (m->u.install.record_layer == DP_RECORD_REMOTE) {
		s->flags |= SES_REMOTE;
	} else if (!session_install_keys(w, s, &m->u.install.rx, &m->u.install.tx)) {
		session_abort(w, s, DP_REASON_NO_MEMORY);
		return;
	}
	s->mode = SESSION_HTTP;
	COUNT(&w->counters, session_install);
	session_want_run(w, s);
}

// False: the KeyUpdate was not sent.
static bool cmd_rekey(struct worker *w, struct session *s, const struct dp_msg *m)
{
	static const uint8_t key_update[] = {
		TLS_HS_KEY_UPDATE, 0, 0, 1, 0}; // RFC 8446 4.6.3: update_not_requested
	struct rec_dir *d = m->u.rekey.tx ? &s->tx : &s->rx;
	void *key;

	if (!(s->flags & SES_KEYS))
		return true;
	if (m->u.rekey.tx && m->u.rekey.send_update &&
		!session_send_records(w, s, TLS_CT_HANDSHAKE, key_update, sizeof(key_update)))
		return false;
	key = d->key;
	rec_key_remove(w->rc, d);
	if (rec_key_install(w->rc, d, &m->u.rekey.key, key)) {
		// The other direction's key must still be given back: put a key there that nothing
		// uses.
		d->key = key;
		session_abort(w, s, DP_REASON_NO_MEMORY);
		return true;
	}
	if (m->u.rekey.tx)
		s->flags &= ~SES_KEY_LIMIT;
	else
		s->flags &= ~SES_WAIT_REKEY;
	session_want_run(w, s);
	return true;
}

// IPv6 as the message says. Returns what becomes of SES_IP6 and SES_NO_IP4.
static uint32_t open_ip6(struct session *s, const struct dp_msg *m)
{
	struct ipaddr ll = ipaddr_from6(&m->u.open.local_ll);
	uint32_t flags = s->inner ? 0 : SES_NO_IP4;

	s->prefix6 = ipaddr_from6(&m->u.open.prefix6);
	s->plen6 = RTE_MIN(m->u.open.plen6, 128);
	s->local_id6 = ll.d[1];
	return ll.d[0] ? flags | SES_IP6 : flags;
}

// Whether m takes an address away from s: what is queued may be for it, or from it, and with IPv6
// gone would go as IPv4.
static bool open_takes_away(const struct session *s, const struct dp_msg *m)
{
	struct ipaddr prefix = ipaddr_from6(&m->u.open.prefix6),
		      ll = ipaddr_from6(&m->u.open.local_ll);

	if (s->inner && s->inner != m->u.open.inner)
		return true;
	if (s->flags & SES_IP6 && !ll.d[0])
		return true;
	return s->plen6 && (s->plen6 != m->u.open.plen6 || !ipaddr_equal(&s->prefix6, &prefix));
}

static void cmd_open_data(struct worker *w, struct session *s, const struct dp_msg *m)
{
	uint32_t mss = tcp_snd_mss(s->conn);
	uint32_t over =
		(s->flags & SES_KEYS ? (uint32_t)s->tx.prefix_len + s->tx.suffix_len : 64) + 8 + 40;

	if (open_takes_away(s, m)) {
		session_txq_free(w, s);
		session_policy_unqueue(w, s);
	}
	s->inner = m->u.open.inner;
	s->local = m->u.open.local;
	s->mtu = m->u.open.mtu;
	s->mss_clamp = m->u.open.mss_clamp;
	// A full inner segment fills its outer segments: one that is a little more than what fits
	// costs another.
	if (s->mss_clamp && mss > over + 536)
		s->mss_clamp = (uint16_t)RTE_MIN(
			s->mss_clamp, RTE_MAX((s->mss_clamp + over) / mss, 1u) * mss - over);
	s->flags = (s->flags & ~(SES_IP6 | SES_NO_IP4)) | SES_DATA_OPEN | open_ip6(s, m);
	tcp_set_rcv_wnd(s->conn, UINT32_MAX);
	if (!session_mp_set(w, s, &m->u.open.mp, false) || !session_policy_set(w, s, m))
		session_abort(w, s, DP_REASON_NO_MEMORY);
}

// Half an interval to a whole one. A session that is silent from its beginning is probed after this
// time first, so that the probes of thousands that dialled in at once do not come at once; those
// after it follow the answer's own time.
static uint64_t first_interval(const struct session *s)
{
	uint32_t at = (s->slot * 2654435761u ^ s->gen * 2246822519u) >> 16;

	return (uint64_t)s->hello_ms * 500 + (uint64_t)s->hello_ms * 500 * at / 65536;
}

static void session_set_hello(struct worker *w, struct session *s, uint32_t interval_ms)
{
	s->hello_ms = interval_ms;
	s->hello_intervals = 0;
	s->hello_at_us = 0;
	wheel_stop(w->wheel, &s->hello);
	if (interval_ms)
		wheel_start(w->wheel, &s->hello, s->last_rx_us + first_interval(s));
}

static void cmd_close(struct worker *w, struct session *s, const struct dp_msg *m)
{
	if (m->u.close.abort) {
		session_abort(w, s, DP_REASON_LOCAL);
		return;
	}
	if (s->mode == SESSION_DRAIN)
		return;
	if (s->flags & SES_KEYS)
		session_send_alert(w, s, TLS_ALERT_WARNING, TLS_ALERT_CLOSE_NOTIFY);
	s->flags &= ~SES_DATA_OPEN;
	session_policy_stop(w, s);
	session_txq_free(w, s);
	session_plainq_free(s);
	s->mode = SESSION_DRAIN;
	tcp_shutdown(s->conn, w->now_us);
	wheel_stop(w->wheel, &s->hello);
	wheel_start(w->wheel, &s->linger, w->now_us + (uint64_t)m->u.close.linger_ms * 1000);
	session_want_run(w, s);
}

void session_command(struct worker *w, struct dp_msg *m)
{
	struct session *s = session_find(w, m->handle);
	bool sent = true;

	if (!s || !s->conn) {
		COUNT(&w->counters, command_stale);
		dp_msg_free(w->ch, m);
		return;
	}
	switch (m->type) {
	case DP_CMD_SEND_RAW:
		sent = session_send_raw(w, s, m->data, m->len);
		s->remote_ahead -= RTE_MIN(s->remote_ahead, m->len);
		if (s->txq.head)
			session_want_tx(w, s);
		break;
	case DP_CMD_SEND_APP:
		sent = session_send_records(w, s, TLS_CT_APPLICATION_DATA, m->data, m->len);
		break;
	case DP_CMD_CONSUME:
		cmd_consume(w, s, m->u.consume.offset);
		break;
	case DP_CMD_INSTALL:
		cmd_install(w, s, m);
		break;
	case DP_CMD_SSTP_START:
		session_sstp_start(w, s, m->u.consume.offset);
		break;
	case DP_CMD_PLAIN_IN: {
		struct rte_mbuf *b;

		for (uint32_t at = 0; at < m->len; at += w->mbuf_room) {
			b = worker_mbuf_copy(
				w, m->data + at, (uint16_t)RTE_MIN(m->len - at, w->mbuf_room));
			if (!b) {
				sent = false;
				break;
			}
			session_plain_in(w, s, b);
			if (!s->conn)
				break;
		}
		break;
	}
	case DP_CMD_REKEY:
		sent = cmd_rekey(w, s, m);
		break;
	case DP_CMD_OPEN_DATA:
		cmd_open_data(w, s, m);
		break;
	case DP_CMD_CLOSE_DATA:
		s->flags &= ~(SES_DATA_OPEN | SES_IP6);
		s->inner = 0;
		s->plen6 = 0;
		session_policy_stop(w, s);
		session_txq_free(w, s);
		break;
	case DP_CMD_SET_MP:
		if (!session_mp_set(w, s, &m->u.mp, true))
			session_abort(w, s, DP_REASON_NO_MEMORY);
		break;
	case DP_CMD_SET_HELLO:
		session_set_hello(w, s, m->u.hello.interval_ms);
		break;
	case DP_CMD_CLOSE:
		cmd_close(w, s, m);
		break;
	case DP_CMD_QUERY:
		s->flags |= SES_OWE_STATS;
		session_want_run(w, s);
		break;
	default:
		break;
	}
	dp_msg_free(w->ch, m);
	if (sent || !s->conn || s->mode == SESSION_DRAIN)
		return;
	if (s->flags & SES_TCP_CLOSED) {
		session_want_run(w, s); // its end is on the way, with its own reason
		return;
	}
	// A byte of the stream is lost for want of memory: nothing sound can follow it.
	session_abort(w, s, DP_REASON_NO_MEMORY);
}

// ---- timers

void session_hello_expired(struct worker *w, struct session *s)
{
	uint64_t interval = (uint64_t)s->hello_ms * 1000;
	uint64_t silence = s->hello_at_us ? interval : first_interval(s);

	if (w->now_us - s->last_rx_us < silence) {
		s->hello_intervals = 0;
		s->hello_at_us = 1; // long ago: the first one is over
		wheel_start(w->wheel, &s->hello, s->last_rx_us + interval);
		return;
	}
	// An answer to the last Echo Request ends that silence, even when another interval has
	// passed since.
	if (s->last_rx_us >= s->hello_at_us)
		s->hello_intervals = 0;
	s->hello_at_us = w->now_us;
	s->hello_intervals++;
	s->flags |= SES_OWE_HELLO;
	wheel_start(w->wheel, &s->hello, w->now_us + interval);
	session_want_run(w, s);
}

void session_linger_expired(struct worker *w, struct session *s)
{
	session_abort(w, s, DP_REASON_LOCAL);
}
