// SPDX-License-Identifier: BSD-3-Clause
// Traffic keys and sequence numbers of a finished handshake, by public interfaces only: TLS 1.3
// secrets as the key log callback tells them, TLS 1.2 keys from the master secret and the key
// derivation function. RFC 5246 6.3, RFC 8446 7.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <nettle/hmac.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/secret.h"
#include "tls/handshake_priv.h"

#define RANDOM_LEN 32
#define GCM_SALT_LEN 4

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

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool unhex_secret(uint8_t secret[TLS_SECRET_MAX], const char *hex)
{
	size_t n = 0;

	for (; hex_digit(hex[0]) >= 0 && hex_digit(hex[1]) >= 0; hex += 2) {
		if (n == TLS_SECRET_MAX)
			return false;
		secret[n++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
	}
	return n >= 32 && !*hex;
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
	hs->have_secret[dir] = unhex_secret(hs->secret[dir], secret + 1);
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

static const char *handshake_digest(const struct tls_hs *hs)
{
	const EVP_MD *md = SSL_CIPHER_get_handshake_digest(hs->cipher);

	return md ? EVP_MD_get0_name(md) : "SHA256";
}

static size_t digest_len(const struct tls_hs *hs)
{
	const EVP_MD *md = SSL_CIPHER_get_handshake_digest(hs->cipher);

	return md ? (size_t)EVP_MD_get_size(md) : 32;
}

// HKDF-Expand of RFC 5869 for at most one block of output, key given as a keyed HMAC.
union hkdf {
	struct hmac_sha256_ctx sha256;
	struct hmac_sha384_ctx sha384;
};

static void hkdf_key(union hkdf *h, const uint8_t *secret, size_t len)
{
	if (len == SHA384_DIGEST_SIZE)
		hmac_sha384_set_key(&h->sha384, len, secret);
	else
		hmac_sha256_set_key(&h->sha256, len, secret);
}

// RFC 8446 7.1 HKDF-Expand-Label, without context. h is as keyed after it.
static void expand_label(
	union hkdf *h, size_t secret_len, const char *label, uint8_t *out, size_t len)
{
	size_t n = strlen(label);
	uint8_t info[32];

	info[0] = (uint8_t)(len >> 8);
	info[1] = (uint8_t)len;
	info[2] = (uint8_t)(n + 6);
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, n);
	info[9 + n] = 0;
	info[10 + n] = 1; // the block's number
	if (secret_len == SHA384_DIGEST_SIZE) {
		hmac_sha384_update(&h->sha384, n + 11, info);
		hmac_sha384_digest(&h->sha384, len, out);
	} else {
		hmac_sha256_update(&h->sha256, n + 11, info);
		hmac_sha256_digest(&h->sha256, len, out);
	}
}

static bool keys_13(const struct tls_hs *hs, int dir, struct tls_traffic_key *k)
{
	size_t n = digest_len(hs);
	union hkdf h;

	if (!hs->have_secret[dir])
		return false;
	hkdf_key(&h, hs->secret[dir], n);
	expand_label(&h, n, "key", k->key, k->key_len);
	expand_label(&h, n, "iv", k->iv, sizeof(k->iv));
	secret_wipe(&h, sizeof(h));
	return true;
}

static bool key_block_12(const struct tls_hs *hs, uint8_t *block, size_t len)
{
	static const char label[] = "key expansion";
	uint8_t master[SSL_MAX_MASTER_KEY_LENGTH], seed[sizeof(label) - 1 + 2 * RANDOM_LEN];
	SSL *ssl = hs->live->ssl;
	size_t n = SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof(master));
	EVP_KDF_CTX *kctx = EVP_KDF_CTX_new(hs->ctx->tls1_prf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
			OSSL_KDF_PARAM_DIGEST, (char *)handshake_digest(hs), 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, n),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof(seed)),
		OSSL_PARAM_END,
	};
	bool ok;

	memcpy(seed, label, sizeof(label) - 1);
	SSL_get_server_random(ssl, seed + sizeof(label) - 1, RANDOM_LEN);
	SSL_get_client_random(ssl, seed + sizeof(label) - 1 + RANDOM_LEN, RANDOM_LEN);
	ok = kctx && n && EVP_KDF_derive(kctx, block, len, params) > 0;
	EVP_KDF_CTX_free(kctx);
	secret_wipe(master, sizeof(master));
	return ok;
}

// RFC 5246 6.3: client's key, server's key, client's IV, server's IV; AEADs have no MAC keys.
static bool keys_12(const struct tls_hs *hs, struct tls_traffic_key *rx, struct tls_traffic_key *tx)
{
	struct tls_traffic_key *client = hs->ctx->server ? rx : tx;
	struct tls_traffic_key *server = hs->ctx->server ? tx : rx;
	size_t key_len = rx->key_len;
	size_t iv_len = rx->aead == TLS_AEAD_CHACHA20_POLY1305 ? sizeof(rx->iv) : GCM_SALT_LEN;
	uint8_t block[2 * (sizeof(rx->key) + sizeof(rx->iv))];
	bool ok = key_block_12(hs, block, 2 * (key_len + iv_len));

	if (ok) {
		memcpy(client->key, block, key_len);
		memcpy(server->key, block + key_len, key_len);
		memcpy(client->iv, block + 2 * key_len, iv_len);
		memcpy(server->iv, block + 2 * key_len + iv_len, iv_len);
	}
	secret_wipe(block, sizeof(block));
	return ok;
}

static int aead_of(const SSL_CIPHER *cipher)
{
	switch (SSL_CIPHER_get_cipher_nid(cipher)) {
	case NID_aes_128_gcm:
		return TLS_AEAD_AES_128_GCM;
	case NID_aes_256_gcm:
		return TLS_AEAD_AES_256_GCM;
	case NID_chacha20_poly1305:
		return TLS_AEAD_CHACHA20_POLY1305;
	default:
		return -1;
	}
}

static int describe(const struct tls_hs *hs, int dir, struct tls_traffic_key *k)
{
	int aead = hs->cipher ? aead_of(hs->cipher) : -1;

	memset(k, 0, sizeof(*k));
	if (aead < 0 || (hs->version != TLS1_2_VERSION && hs->version != TLS1_3_VERSION))
		return -ENOTSUP;
	k->version = hs->version;
	k->aead = (uint8_t)aead;
	k->key_len = aead == TLS_AEAD_AES_128_GCM ? 16 : 32;
	k->seq = hs->seq[dir];
	if (dir == TLS_TX && hs->version == TLS1_2_VERSION && aead != TLS_AEAD_CHACHA20_POLY1305)
		k->explicit_base = hs->explicit_base;
	return 0;
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
	if (hs->version == TLS1_3_VERSION ? keys_13(hs, TLS_RX, rx) && keys_13(hs, TLS_TX, tx)
					  : keys_12(hs, rx, tx))
		return 0;
	secret_wipe(rx, sizeof(*rx));
	secret_wipe(tx, sizeof(*tx));
	return -ENOTSUP;
}

int tls_hs_key_update(struct tls_hs *hs, bool tx, struct tls_traffic_key *k)
{
	int dir = tx ? TLS_TX : TLS_RX;
	uint8_t next[TLS_SECRET_MAX];
	union hkdf h;
	size_t n;

	if (hs->version != TLS1_3_VERSION || !hs->have_secret[dir] || describe(hs, dir, k))
		return -ENOTSUP;
	n = digest_len(hs);
	hkdf_key(&h, hs->secret[dir], n);
	expand_label(&h, n, "traffic upd", next, n);
	memcpy(hs->secret[dir], next, n);
	secret_wipe(&h, sizeof(h));
	secret_wipe(next, sizeof(next));
	hs->seq[dir] = 0;
	k->seq = 0;
	return keys_13(hs, dir, k) ? 0 : -ENOTSUP;
}
