// SPDX-License-Identifier: BSD-3-Clause
// Traffic keys out of a client's finished handshake. Public interfaces only: TLS 1.3 secrets as the
// key log callback tells them, TLS 1.2 keys from the master secret (tls/traffic_keys.c).
#include "client/call_keys.h"

#include <errno.h>
#include <string.h>

#include "base/secret.h"
#include "tls/traffic_keys.h"

// --- while the handshake runs ---

// TLS 1.2 begins to count with ChangeCipherSpec; TLS 1.3 with each secret, see call_keys_secret().
void call_keys_message(int write_p, int version, int content_type, const void *buf, size_t len,
	SSL *ssl, void *arg)
{
	struct call_tls *t = SSL_get_app_data(ssl);
	uint64_t *seq;

	if (!t || !t->keys || content_type != SSL3_RT_HEADER || !len)
		return;
	seq = write_p ? &t->keys->tx_seq : &t->keys->rx_seq;
	if (((const uint8_t *)buf)[0] != SSL3_RT_CHANGE_CIPHER_SPEC)
		++*seq;
	else if (SSL_version(ssl) < TLS1_3_VERSION)
		*seq = 0;
}

// "LABEL <client random> <secret>", told as the secret comes into use.
void call_keys_secret(struct call_key_state *k, const char *line)
{
	static const char client[] = "CLIENT_TRAFFIC_SECRET_0 ";
	static const char server[] = "SERVER_TRAFFIC_SECRET_0 ";
	const char *secret = strrchr(line, ' ');

	if (secret && !strncmp(line, client, sizeof(client) - 1)) {
		k->len = (uint8_t)tls_secret_unhex(k->tx, secret + 1);
		k->have_tx = k->len > 0;
		k->tx_seq = 0;
	} else if (secret && !strncmp(line, server, sizeof(server) - 1)) {
		k->len = (uint8_t)tls_secret_unhex(k->rx, secret + 1);
		k->have_rx = k->len > 0;
		k->rx_seq = 0;
	}
}

// Explicit nonces of OpenSSL's own records ascend (TLS 1.2 GCM): those of whoever goes on must lie
// behind the last one. It writes as it likes, a flight at once or in pieces.
void call_keys_wrote(struct call_key_state *k, const uint8_t *p, size_t n)
{
	uint32_t skip;

	while (n) {
		skip = k->skip < n ? k->skip : (uint32_t)n;
		k->skip -= skip;
		p += skip;
		n -= skip;
		for (; n && k->nb_head < (k->protected ? sizeof(k->head) : TLS_REC_HDR_LEN); n--)
			k->head[k->nb_head++] = *p++;
		if (k->skip || k->nb_head < (k->protected ? sizeof(k->head) : TLS_REC_HDR_LEN))
			return;
		k->skip = (uint32_t)(k->head[3] << 8 | k->head[4]) + TLS_REC_HDR_LEN - k->nb_head;
		k->nb_head = 0;
		if (k->protected)
			memcpy(k->nonce, k->head + TLS_REC_HDR_LEN, sizeof(k->nonce));
		k->protected = k->protected || k->head[0] == SSL3_RT_CHANGE_CIPHER_SPEC;
	}
}

static uint64_t next_nonce(const struct call_key_state *k)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < sizeof(k->nonce); i++)
		v = v << 8 | k->nonce[i];
	return v + 1;
}

// --- what is asked for ---

static bool keys_12(SSL *ssl, struct tls_traffic_key *rx, struct tls_traffic_key *tx)
{
	EVP_KDF *prf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	bool ok = prf && tls_traffic_keys_12(ssl, prf, false, rx, tx);

	EVP_KDF_free(prf);
	return ok;
}

int call_tls_keys(const struct call_tls *t, struct tls_traffic_key *rx, struct tls_traffic_key *tx,
	struct call_secrets *secrets)
{
	const SSL_CIPHER *cipher = t->ssl ? SSL_get_current_cipher(t->ssl) : NULL;
	const struct call_key_state *k = t->keys;
	int aead = cipher ? tls_suite_aead(cipher) : -1;
	uint16_t version = t->ssl ? (uint16_t)SSL_version(t->ssl) : 0;
	bool ok;

	memset(secrets, 0, sizeof(*secrets));
	if (!k || aead < 0 || !SSL_is_init_finished(t->ssl) ||
		(version != TLS1_2_VERSION && version != TLS1_3_VERSION))
		return -ENOTSUP;
	*rx = tls_traffic_key_plain(version, aead, k->rx_seq);
	*tx = tls_traffic_key_plain(version, aead, k->tx_seq);
	if (version == TLS1_2_VERSION) {
		ok = keys_12(t->ssl, rx, tx);
		if (aead != TLS_AEAD_CHACHA20_POLY1305)
			tx->explicit_base = next_nonce(k) - k->tx_seq;
	} else {
		secrets->len = k->len;
		memcpy(secrets->rx, k->rx, sizeof(secrets->rx));
		memcpy(secrets->tx, k->tx, sizeof(secrets->tx));
		ok = k->have_rx && k->have_tx;
		if (ok) {
			tls_traffic_keys_13(secrets->rx, secrets->len, rx);
			tls_traffic_keys_13(secrets->tx, secrets->len, tx);
		}
	}
	return ok ? 0 : -ENOTSUP;
}

int call_keys_update(struct call_secrets *s, bool tx, struct rec_crypto *rc, struct rec_dir *d)
{
	struct tls_traffic_key k = tls_traffic_key_plain(TLS1_3_VERSION, d->aead, 0);
	uint8_t *secret = tx ? s->tx : s->rx;
	void *mem = d->key;
	int err;

	rec_key_remove(rc, d);
	if (!s->len)
		return -ENOTSUP;
	tls_traffic_secret_next(secret, s->len);
	tls_traffic_keys_13(secret, s->len, &k);
	err = rec_key_install(rc, d, &k, mem);
	secret_wipe(&k, sizeof(k));
	return err;
}
