// SPDX-License-Identifier: BSD-3-Clause
#include "client/call_records.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/ssl.h>

#include "base/secret.h"
#include "client/call_tls.h"

#define RECORD_OVERHEAD (TLS_REC_MAX_PREFIX + TLS_REC_MAX_SUFFIX)
#define KEY_MARGIN 1024 // records before a key's limit at which the next one is taken

// How many of each may come with no data in between before the server is taken for an attacker.
#define EMPTY_MAX 32
#define WARNINGS_MAX 4
#define KEY_UPDATES_MAX 32
#define HELLO_REQUESTS_MAX 4

#define HS_HEADER 4
#define ANSWER_MAX 5 // bytes of a KeyUpdate; an alert has two

struct call_records {
	struct rec_crypto *rc;
	struct rec_dir rx, tx;
	struct call_secrets secrets;
	int over;      // what every read says from now on: -EPIPE, -EPROTO
	uint8_t alert; // owed since reading failed
	uint8_t told;  // the server's alert that ended it
	const char *error;
	bool closed;                          // the last record is out
	bool owes_key_update, owes_no_renego; // before the next data
	uint8_t empty, warnings, key_updates, hello_requests;
	// A handshake message of TLS 1.3 that is being read: its header so far, and behind that how
	// much is to come.
	uint8_t hs_head[HS_HEADER], nb_hs_head;
	uint32_t hs_left;
	uint32_t part_len;
	uint8_t part[CALL_READ_MIN]; // of a record whose rest has not come
	_Alignas(REC_KEY_ALIGN) uint8_t keys[2][REC_KEY_SIZE_MAX];
};

// --- keys ---

struct call_records *call_records_create(const struct rec_backend *b,
	const struct tls_traffic_key *rx, const struct tls_traffic_key *tx,
	const struct call_secrets *secrets)
{
	struct call_records *r = aligned_alloc(REC_KEY_ALIGN, sizeof(*r));
	int err;

	if (!r)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->rc = rec_crypto_create(b);
	if (!r->rc) {
		free(r);
		return NULL;
	}
	r->secrets = *secrets;
	err = rec_key_install(r->rc, &r->rx, rx, r->keys[0]);
	if (!err)
		err = rec_key_install(r->rc, &r->tx, tx, r->keys[1]);
	if (err) {
		call_records_free(r);
		errno = -err;
		return NULL;
	}
	return r;
}

void call_records_free(struct call_records *r)
{
	if (!r)
		return;
	rec_key_remove(r->rc, &r->rx);
	rec_key_remove(r->rc, &r->tx);
	rec_crypto_destroy(r->rc);
	secret_wipe(r, sizeof(*r));
	free(r);
}

// --- sending ---

// A record of what TLS says of its own; len 0: none.
struct answer {
	size_t len;
	uint8_t bytes[RECORD_OVERHEAD + ANSWER_MAX];
};

static void say(struct call_records *r, struct answer *a, uint8_t type, const uint8_t *p, size_t n)
{
	struct rec_seal_op op = {
		.d = &r->tx, .p = a->bytes + r->tx.prefix_len, .len = (uint16_t)n, .type = type};

	memcpy(op.p, p, n);
	rec_seal_burst(r->rc, &op, 1);
	a->len = r->tx.prefix_len + n + r->tx.suffix_len;
}

// Whether one more record may be sealed at all: TLS 1.2 has no other key.
static bool may_seal(const struct call_records *r)
{
	return r->tx.key && r->tx.seq + 1 < r->tx.limit;
}

// What is owed, and a key for what follows: an alert in TLS 1.2, a KeyUpdate in TLS 1.3.
static int answer(struct call_records *r, struct answer *a)
{
	static const uint8_t no_renegotiation[2] = {TLS_ALERT_WARNING, TLS_ALERT_NO_RENEGOTIATION};
	static const uint8_t key_update[ANSWER_MAX] = {TLS_HS_KEY_UPDATE, 0, 0, 1, 0};

	a->len = 0;
	if (!may_seal(r))
		return -EPROTO;
	if (r->owes_no_renego)
		say(r, a, TLS_CT_ALERT, no_renegotiation, sizeof(no_renegotiation));
	r->owes_no_renego = false;
	if (r->tx.version != 4 || (!r->owes_key_update && r->tx.seq + KEY_MARGIN < r->tx.limit))
		return 0;
	r->owes_key_update = false;
	say(r, a, TLS_CT_HANDSHAKE, key_update, sizeof(key_update));
	return call_keys_update(&r->secrets, true, r->rc, &r->tx) ? -EPROTO : 0;
}

// In front of a record there is room for an answer that is owed by then.
static uint8_t *hold(struct call_records *r, struct outbuf *out)
{
	return outbuf_hold(
		out, sizeof(((struct answer *)NULL)->bytes) + RECORD_OVERHEAD + TLS_REC_MAX_PLAIN);
}

uint8_t *call_records_room(struct call_records *r, struct outbuf *out)
{
	uint8_t *at = hold(r, out);

	return at ? at + r->tx.prefix_len : NULL;
}

int call_records_write(struct call_records *r, struct outbuf *out, const uint8_t *p, size_t n)
{
	struct rec_seal_op op = {.d = &r->tx, .len = (uint16_t)n, .type = TLS_CT_APPLICATION_DATA};
	uint8_t *at = hold(r, out);
	struct answer a;
	int rc;

	if (!at)
		return -ENOMEM;
	rc = r->closed ? -EPROTO : answer(r, &a);
	if (rc) {
		outbuf_drop(out);
		return rc;
	}
	op.p = at + a.len + r->tx.prefix_len;
	if (op.p != p)
		memmove(op.p, p, n);
	memcpy(at, a.bytes, a.len);
	rec_seal_burst(r->rc, &op, 1);
	outbuf_commit(out, a.len + r->tx.prefix_len + n + r->tx.suffix_len);
	return 0;
}

int call_records_answer(struct call_records *r, struct outbuf *out)
{
	struct answer a;
	uint8_t *at;
	int rc;

	if (!r->owes_key_update && !r->owes_no_renego)
		return 0;
	at = hold(r, out); // before a key moves on
	if (!at)
		return -ENOMEM;
	rc = answer(r, &a);
	memcpy(at, a.bytes, a.len);
	outbuf_commit(out, a.len);
	return rc;
}

void call_records_close(struct call_records *r, struct outbuf *out)
{
	uint8_t alert[2] = {r->alert ? TLS_ALERT_FATAL : TLS_ALERT_WARNING,
		r->alert ? r->alert : TLS_ALERT_CLOSE_NOTIFY};
	struct answer a;

	outbuf_drop(out);
	if (r->closed || r->told || !may_seal(r))
		return;
	r->closed = true;
	say(r, &a, TLS_CT_ALERT, alert, sizeof(alert));
	outbuf_put(out, a.bytes, a.len); // without memory the socket just ends
}

// --- receiving ---

static int fail(struct call_records *r, unsigned int alert, const char *error)
{
	r->alert = (uint8_t)alert;
	r->error = error ? error : SSL_alert_desc_string_long((int)alert);
	r->over = -EPROTO;
	return r->over;
}

// RFC 5246 7.2, RFC 8446 6.
static int alert_in(struct call_records *r, const uint8_t *p, size_t n)
{
	if (n != 2 || (p[0] != TLS_ALERT_WARNING && p[0] != TLS_ALERT_FATAL))
		return fail(r, TLS_ALERT_DECODE_ERROR, NULL);
	if (p[1] == TLS_ALERT_CLOSE_NOTIFY) {
		r->over = -EPIPE;
		return r->over;
	}
	// The only other warning that TLS 1.3 knows is user_canceled.
	if (p[0] == TLS_ALERT_FATAL || (r->rx.version == 4 && p[1] != TLS_ALERT_USER_CANCELED)) {
		r->told = p[1];
		r->over = -EPROTO;
		return r->over;
	}
	if (++r->warnings > WARNINGS_MAX)
		return fail(r, TLS_ALERT_UNEXPECTED_MESSAGE, "too many warning alerts");
	return 0;
}

// RFC 8446 4.6.3. Behind it the key is another one, so it must be the last of its record (5.1): n
// bytes from its only one on.
static int key_update_in(struct call_records *r, const uint8_t *p, size_t n)
{
	if (n != 1)
		return fail(r, TLS_ALERT_UNEXPECTED_MESSAGE, NULL);
	if (*p > 1)
		return fail(r, TLS_ALERT_ILLEGAL_PARAMETER, NULL);
	if (++r->key_updates > KEY_UPDATES_MAX)
		return fail(r, TLS_ALERT_UNEXPECTED_MESSAGE, "too many key updates");
	if (*p)
		r->owes_key_update = true;
	r->nb_hs_head = 0;
	if (call_keys_update(&r->secrets, false, r->rc, &r->rx))
		return fail(r, TLS_ALERT_INTERNAL_ERROR, "keys could not be updated");
	return 0;
}

// A message's header is there. A ticket is of no use here.
static int hs_head_in(struct call_records *r)
{
	r->hs_left = (uint32_t)r->hs_head[1] << 16 | (uint32_t)r->hs_head[2] << 8 | r->hs_head[3];
	if (r->hs_head[0] == TLS_HS_NEW_SESSION_TICKET ||
		(r->hs_head[0] == TLS_HS_KEY_UPDATE && r->hs_left == 1))
		return 0;
	return fail(r, TLS_ALERT_UNEXPECTED_MESSAGE, NULL);
}

// Messages behind the handshake in n bytes, which may begin and end within one.
static int handshake_in_13(struct call_records *r, const uint8_t *p, size_t n)
{
	size_t take;

	while (n) {
		if (r->nb_hs_head < HS_HEADER) {
			r->hs_head[r->nb_hs_head++] = *p++;
			n--;
			if (r->nb_hs_head == HS_HEADER && hs_head_in(r))
				return r->over;
			continue;
		}
		if (r->hs_head[0] == TLS_HS_KEY_UPDATE)
			return key_update_in(r, p, n);
		take = r->hs_left < n ? r->hs_left : n;
		p += take;
		n -= take;
		r->hs_left -= (uint32_t)take;
		if (!r->hs_left)
			r->nb_hs_head = 0;
	}
	return 0;
}

// Renegotiation is refused with a warning (RFC 5246 7.2.2); who insists is left.
static int handshake_in_12(struct call_records *r, const uint8_t *p, size_t n)
{
	static const uint8_t hello_request[HS_HEADER] = {TLS_HS_HELLO_REQUEST};

	if (n != sizeof(hello_request) || memcmp(p, hello_request, n))
		return fail(r, TLS_ALERT_UNEXPECTED_MESSAGE, NULL);
	if (++r->hello_requests > HELLO_REQUESTS_MAX)
		return fail(r, TLS_ALERT_HANDSHAKE_FAILURE, "it insists on renegotiation");
	r->owes_no_renego = true;
	return 0;
}

static int data_in(struct call_records *r, size_t n)
{
	if (!n && ++r->empty > EMPTY_MAX)
		return fail(r, TLS_ALERT_UNEXPECTED_MESSAGE, "too many empty records");
	if (n)
		r->empty = r->warnings = r->key_updates = r->hello_requests = 0;
	return (int)n;
}

static int opened(struct call_records *r, const struct rec_open_op *op)
{
	if (op->status)
		return fail(r, op->status, NULL);
	if (op->type == TLS_CT_HANDSHAKE)
		return r->rx.version == 4 ? handshake_in_13(r, op->dst, op->len)
					  : handshake_in_12(r, op->dst, op->len);
	if (r->nb_hs_head) // RFC 8446 5.1: nothing in between
		return fail(r, TLS_ALERT_UNEXPECTED_MESSAGE, NULL);
	return op->type == TLS_CT_ALERT ? alert_in(r, op->dst, op->len) : data_in(r, op->len);
}

// Where the next record lies. Returns how many pieces; 0: it is not whole, and all there is is
// kept; negative: it is none, minus the alert.
static int next_record(
	struct call_records *r, const uint8_t **in, size_t *in_len, struct rec_slice src[2])
{
	size_t have = r->part_len + *in_len, take;
	uint8_t head[TLS_REC_HDR_LEN];
	int len = 0, n = 0;

	if (have >= sizeof(head)) {
		take = r->part_len < sizeof(head) ? r->part_len : sizeof(head);
		memcpy(head, r->part, take);
		memcpy(head + take, *in, sizeof(head) - take);
		len = rec_peek(&r->rx, head);
		if (len < 0)
			return len;
	}
	if (have < sizeof(head) || have < (size_t)len) {
		memcpy(r->part + r->part_len, *in, *in_len);
		r->part_len += (uint32_t)*in_len;
		*in += *in_len;
		*in_len = 0;
		return 0;
	}
	take = (size_t)len - r->part_len;
	if (r->part_len)
		src[n++] = (struct rec_slice){r->part, r->part_len};
	src[n++] = (struct rec_slice){*in, (uint32_t)take};
	r->part_len = 0;
	*in += take;
	*in_len -= take;
	return n;
}

int call_records_read(struct call_records *r, const uint8_t **in, size_t *in_len, uint8_t *dst)
{
	struct rec_open_op op = {.d = &r->rx, .dst = dst};
	struct rec_slice src[2];
	int n;

	while (!r->over && *in_len) {
		n = next_record(r, in, in_len, src);
		if (!n)
			return 0;
		if (n < 0)
			return fail(r, (unsigned int)-n,
				n == -TLS_ALERT_UNEXPECTED_MESSAGE ? "what came is no record"
								   : NULL);
		op.src = src;
		op.nb_src = (uint16_t)n;
		rec_open_burst(r->rc, &op, 1);
		n = opened(r, &op);
		if (n)
			return n;
	}
	return r->over;
}

const char *call_records_error(const struct call_records *r, uint8_t *alert)
{
	*alert = r->told;
	return r->error;
}
