// SPDX-License-Identifier: BSD-3-Clause
// Traffic keys and sequence numbers of a finished handshake, by public interfaces only: TLS 1.3
// secrets as the key log callback tells them, TLS 1.2 keys from the master secret
// (traffic_keys.c).
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "tls/handshake_priv.h"

// OpenSSL prints every secret it derives in hexadecimal, at a cost that shows, for whoever listens.
// A server without a key log file listens only when one of the two that it needs is next. The
// context is its thread's own.
static void listen(const struct tls_hs *hs, bool on)
{
	if (hs->ctx->server && hs->ctx->keylog_fd < 0)
		SSL_CTX_set_keylog_callback(hs->ctx->ssl, on ? tls_on_keylog : NULL);
}

// Counts records of the current key. TLS 1.2 changes keys with ChangeCipherSpec; TLS 1.3 when a
// secret is derived, see tls_on_keylog(), and its ChangeCipherSpec means nothing.
void tls_on_message(int write_p, int version, int content_type, const void *buf, size_t len,
	SSL *ssl, void *arg)
{
	struct tls_hs *hs = tls_hs_of(ssl);

	if (!hs || len < 1)
		return;
	if (write_p && content_type == SSL3_RT_HANDSHAKE && hs->ctx->server &&
		((const uint8_t *)buf)[0] == SSL3_MT_SERVER_DONE)
		tls_cert_use_plain_key(ssl); // after the last signature, before any decryption
	if (content_type == SSL3_RT_HANDSHAKE && ((const uint8_t *)buf)[0] == SSL3_MT_FINISHED)
		listen(hs, true); // each side's secret follows its Finished
	if (content_type != SSL3_RT_HEADER)
		return;
	if (((const uint8_t *)buf)[0] != TLS_CT_CHANGE_CIPHER_SPEC)
		hs->seq[write_p ? TLS_TX : TLS_RX]++;
	else if (SSL_version(ssl) < TLS1_3_VERSION)
		hs->seq[write_p ? TLS_TX : TLS_RX] = 0;
}

// "LABEL <client random> <secret>". OpenSSL calls this as it puts the secret to use, after the last
// record under the one before.
static void take_secret(struct tls_hs *hs, const char *line)
{
	static const char client[] = "CLIENT_TRAFFIC_SECRET_0 ";
	static const char server[] = "SERVER_TRAFFIC_SECRET_0 ";
	const char *secret = strrchr(line, ' ');
	bool by_client = !strncmp(line, client, sizeof(client) - 1);
	int dir = by_client == hs->ctx->server ? TLS_RX : TLS_TX;

	if (!secret || (!by_client && strncmp(line, server, sizeof(server) - 1)))
		return;
	hs->have_secret[dir] = tls_secret_unhex(hs->secret[dir], secret + 1) > 0;
	hs->seq[dir] = 0;
	listen(hs, false);
}

void tls_on_keylog(const SSL *ssl, const char *line)
{
	struct tls_hs *hs = tls_hs_of(ssl);
	size_t n = strlen(line);
	char buf[512]; // a label and two hex strings of 32 and 48 bytes

	if (!hs)
		return;
	take_secret(hs, line);
	if (hs->ctx->keylog_fd < 0 || n + 1 > sizeof(buf))
		return;
	memcpy(buf, line, n);
	buf[n++] = '\n';
	// A full disk costs the debugging aid, not the session.
	if (write(hs->ctx->keylog_fd, buf, n) != (ssize_t)n)
		errno = 0;
	secret_wipe(buf, n);
}

// The first protected record of TLS 1.2 GCM is the Finished, number 0. The nonces of OpenSSL's own
// records ascend from its explicit nonce, and so do those of the record layer that goes on.
void tls_watch_written(struct tls_hs *hs, const uint8_t *p, size_t n)
{
	struct tls_live *l = hs->live;

	while (n && !l->written.done) {
		size_t want = l->written.protected ? TLS_REC_MAX_PREFIX : TLS_REC_HDR_LEN;
		uint8_t *head = l->written.head;
		uint32_t skip = l->written.skip < n ? l->written.skip : (uint32_t)n;

		l->written.skip -= skip;
		p += skip;
		n -= skip;
		for (; n && l->written.nb_head < want; n--)
			head[l->written.nb_head++] = *p++;
		if (l->written.skip || l->written.nb_head < want)
			continue;
		l->written.nb_head = 0;
		if (l->written.protected) {
			for (int i = 0; i < 8; i++)
				hs->explicit_base = hs->explicit_base << 8 | head[5 + i];
			l->written.done = true;
		} else {
			l->written.protected = head[0] == TLS_CT_CHANGE_CIPHER_SPEC;
			l->written.skip = (uint32_t)(head[3] << 8 | head[4]);
		}
	}
}

static int describe(const struct tls_hs *hs, int dir, struct tls_traffic_key *k)
{
	int aead = hs->cipher ? tls_suite_aead(hs->cipher) : -1;

	if (aead < 0 || (hs->version != TLS1_2_VERSION && hs->version != TLS1_3_VERSION))
		return -ENOTSUP;
	*k = tls_traffic_key_plain(hs->version, aead, hs->seq[dir]);
	if (dir == TLS_TX && hs->version == TLS1_2_VERSION && aead != TLS_AEAD_CHACHA20_POLY1305)
		k->explicit_base = hs->explicit_base;
	return 0;
}

static bool derive(const struct tls_hs *hs, struct tls_traffic_key *rx, struct tls_traffic_key *tx)
{
	size_t len = tls_suite_hash_len(hs->cipher);

	if (hs->version != TLS1_3_VERSION)
		return tls_traffic_keys_12(
			hs->live->ssl, hs->ctx->tls1_prf, hs->ctx->server, rx, tx);
	if (!hs->have_secret[TLS_RX] || !hs->have_secret[TLS_TX])
		return false;
	tls_traffic_keys_13(hs->secret[TLS_RX], len, rx);
	tls_traffic_keys_13(hs->secret[TLS_TX], len, tx);
	return true;
}

int tls_hs_traffic_keys(
	const struct tls_hs *hs, struct tls_traffic_key *rx, struct tls_traffic_key *tx)
{
	const SSL_SESSION *session;
	int rc;

	if (!hs->live || hs->status != TLS_HS_DONE)
		return -EINVAL;
	session = SSL_get_session(hs->live->ssl);
	// What OpenSSL has begun to read it must finish, and a peer that asked for small records
	// (RFC 6066 4) gets them from OpenSSL alone.
	if (SSL_has_pending(hs->live->ssl) || !session ||
		SSL_SESSION_get_max_fragment_length(session))
		return -ENOTSUP;
	rc = describe(hs, TLS_RX, rx);
	if (!rc)
		rc = describe(hs, TLS_TX, tx);
	if (rc)
		return rc;
	if (derive(hs, rx, tx))
		return 0;
	secret_wipe(rx, sizeof(*rx));
	secret_wipe(tx, sizeof(*tx));
	return -ENOTSUP;
}

int tls_hs_key_update(struct tls_hs *hs, bool tx, struct tls_traffic_key *k)
{
	int dir = tx ? TLS_TX : TLS_RX;
	size_t len;

	if (hs->version != TLS1_3_VERSION || !hs->have_secret[dir] || describe(hs, dir, k))
		return -ENOTSUP;
	len = tls_suite_hash_len(hs->cipher);
	tls_traffic_secret_next(hs->secret[dir], len);
	hs->seq[dir] = 0;
	k->seq = 0;
	tls_traffic_keys_13(hs->secret[dir], len, k);
	return 0;
}
