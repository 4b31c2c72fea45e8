// SPDX-License-Identifier: BSD-3-Clause
// What a session does a few times in its life: raw bytes of the handshake, alerts, KeyUpdate, the
// control plane's messages.
#include "dataplane/session.h"
#include "dataplane/worker.h"

// Told and not consumed: bounds what a handshake may cost.
#define RAW_AHEAD_MAX (48 * 1024)
#define RAW_EVENTS_MAX 32

bool session_raw_deliver(struct worker *w, struct session *s)
{
	uint64_t end = s->raw_base + tcp_rx_avail(s->conn);

	end = RTE_MIN(end, s->raw_base + RAW_AHEAD_MAX);
	while (s->raw_told < end) {
		struct tcp_slice sl[8];
		uint32_t bytes, at = 0;
		struct dp_msg *m;
		uint16_t n;

		if (s->raw_events >= RAW_EVENTS_MAX)
			return true; // CONSUME follows
		m = session_event(w, s, DP_EV_RX_RAW);
		if (!m)
			return false;
		n = tcp_peek(
			s->conn, (uint32_t)(s->raw_told - s->raw_base), sl, RTE_DIM(sl), &bytes);
		for (uint16_t i = 0; i < n && at < DP_MSG_DATA_MAX; i++) {
			uint32_t k = RTE_MIN(sl[i].len, DP_MSG_DATA_MAX - at);

			memcpy(m->data + at, sl[i].p, k);
			at += k;
		}
		m->u.rx.offset = s->raw_told;
		m->len = at;
		s->raw_told += at;
		s->raw_events++;
		dp_send_event(w->ch, w->id, m);
		s->last_rx_us = w->now_us;
	}
	return true;
}

// ---- sending

bool session_send_raw(struct worker *w, struct session *s, const uint8_t *p, uint32_t len)
{
	uint16_t mss = (uint16_t)RTE_MIN((uint32_t)tcp_snd_mss(s->conn), w->mbuf_room);

	while (len) {
		uint16_t k = (uint16_t)RTE_MIN(len, (uint32_t)mss);
		struct rte_mbuf *m = worker_mbuf_copy(w, p, k);

		if (!m || tcp_send(s->conn, m, w->now_us))
			return false;
		p += k;
		len -= k;
	}
	tcp_push(s->conn, w->now_us);
	return true;
}

static bool send_plain_remote(struct worker *w, struct session *s, const uint8_t *p, uint32_t len)
{
	struct dp_msg *m = session_event(w, s, DP_EV_TX_PLAIN);

	if (!m)
		return false;
	memcpy(m->data, p, len);
	m->len = len;
	dp_send_event(w->ch, w->id, m);
	return true;
}

bool session_send_records(
	struct worker *w, struct session *s, uint8_t type, const uint8_t *p, uint32_t len)
{
	uint32_t most;

	if (s->flags & SES_REMOTE)
		return len <= DP_MSG_DATA_MAX && send_plain_remote(w, s, p, len);
	if (!(s->flags & SES_KEYS) || s->mode == SESSION_DRAIN)
		return true; // nobody to tell any more
	most = tcp_snd_mss(s->conn);
	most = most > 256 ? most - TLS_REC_MAX_PREFIX - TLS_REC_MAX_SUFFIX : 256;
	most = RTE_MIN(most, w->mbuf_room - TLS_REC_MAX_PREFIX);
	if (unlikely(s->tx.seq + WORKER_KEY_MARGIN >= s->tx.limit))
		session_key_limit_near(w, s);
	while (len) {
		uint16_t k = (uint16_t)RTE_MIN(len, most);
		struct rte_mbuf *m = worker_mbuf_copy(w, p, k);
		struct rec_seal_op op;

		if (!m)
			return false;
		if (unlikely(s->tx.seq >= s->tx.limit)) {
			rte_pktmbuf_free(m);
			return false;
		}
		op = (struct rec_seal_op){
			.d = &s->tx, .p = rte_pktmbuf_mtod(m, uint8_t *), .len = k, .type = type};
		rec_seal_burst(w->rc, &op, 1);
		COUNT(&w->counters, rec_tx);
		rte_pktmbuf_prepend(m, s->tx.prefix_len);
		rte_pktmbuf_append(m, s->tx.suffix_len);
		if (tcp_send(s->conn, m, w->now_us))
			return false;
		p += k;
		len -= k;
	}
	tcp_push(s->conn, w->now_us);
	return true;
}

void session_key_limit_near(struct worker *w, struct session *s)
{
	if (s->flags & SES_KEY_LIMIT)
		return;
	s->flags |= SES_KEY_LIMIT | SES_OWE_KEY_LIMIT;
	session_want_run(w, s);
}

void session_send_alert(struct worker *w, struct session *s, uint8_t level, uint8_t description)
{
	uint8_t alert[2] = {level, description};

	if (s->conn && (s->flags & SES_KEYS) && !(s->flags & SES_TCP_CLOSED))
		session_send_records(w, s, TLS_CT_ALERT, alert, sizeof(alert));
}

// ---- records that are no application data

void session_fail(struct worker *w, struct session *s, uint8_t alert)
{
	COUNT(&w->counters, rec_bad);
	s->alert = alert;
	session_send_alert(w, s, TLS_ALERT_FATAL, alert);
	session_hang_up(w, s, DP_REASON_BAD_RECORD);
}

// RFC 5246 7.2, RFC 8446 6.
static void alert_record(struct worker *w, struct session *s, const uint8_t *p, uint16_t len)
{
	bool tls13 = s->rx.version == 4;

	if (len != 2 || (p[0] != TLS_ALERT_WARNING && p[0] != TLS_ALERT_FATAL)) {
		session_fail(w, s, TLS_ALERT_DECODE_ERROR);
		return;
	}
	s->alert = p[1];
	if (p[1] == TLS_ALERT_CLOSE_NOTIFY) {
		s->flags |= SES_RX_STOP;
		if (!(s->flags & SES_TOLD_PEER_CLOSED)) {
			s->peer_closed = DP_REASON_PEER_CLOSE_NOTIFY;
			s->flags |= SES_OWE_PEER_CLOSED;
		}
		session_want_run(w, s);
		return;
	}
	// The only other warning that TLS 1.3 knows is user_canceled.
	if ((tls13 && p[1] != TLS_ALERT_USER_CANCELED) || p[0] == TLS_ALERT_FATAL)
		session_abort(w, s, DP_REASON_PEER_ALERT);
	else if (++s->empty_records > 32)
		session_fail(w, s, TLS_ALERT_UNEXPECTED_MESSAGE);
}

// RFC 8446 4.6.3. Any other post-handshake message is not for a server that asked for none.
static void handshake_record_13(struct worker *w, struct session *s, const uint8_t *p, uint16_t len)
{
	static const uint8_t key_update[] = {TLS_HS_KEY_UPDATE, 0, 0, 1};

	if (len != 5 || memcmp(p, key_update, sizeof(key_update))) {
		session_fail(w, s, TLS_ALERT_UNEXPECTED_MESSAGE);
		return;
	}
	if (p[4] > 1) {
		session_fail(w, s, TLS_ALERT_ILLEGAL_PARAMETER);
		return;
	}
	if (s->rx_packets != s->key_update_rx) { // with no data in between
		s->key_update_rx = s->rx_packets;
		s->key_updates = 0;
	}
	if (++s->key_updates > 32) {
		session_fail(w, s, TLS_ALERT_UNEXPECTED_MESSAGE);
		return;
	}
	s->flags |= SES_WAIT_REKEY | SES_OWE_KEY_UPDATE | (p[4] ? SES_UPDATE_REQUESTED : 0);
	session_want_run(w, s);
}

// Renegotiation is refused with a warning (RFC 5246 7.2.2), no_renegotiation; who insists is cut
// off.
static void handshake_record_12(struct worker *w, struct session *s)
{
	static const uint8_t warning[] = {TLS_ALERT_WARNING, TLS_ALERT_NO_RENEGOTIATION};

	if (++s->renegotiations > 2)
		session_fail(w, s, TLS_ALERT_HANDSHAKE_FAILURE);
	else if (!session_send_records(w, s, TLS_CT_ALERT, warning, sizeof(warning)))
		session_abort(w, s, DP_REASON_NO_MEMORY);
}

void session_other_record(
	struct worker *w, struct session *s, uint8_t type, const uint8_t *p, uint16_t len)
{
	if (type == TLS_CT_ALERT)
		alert_record(w, s, p, len);
	else if (type == TLS_CT_HANDSHAKE && s->rx.version == 4)
		handshake_record_13(w, s, p, len);
	else if (type == TLS_CT_HANDSHAKE)
		handshake_record_12(w, s);
	else
		session_fail(w, s, TLS_ALERT_UNEXPECTED_MESSAGE);
}
