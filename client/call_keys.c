// SPDX-License-Identifier: BSD-3-Clause
// Traffic keys out of a client's finished handshake. Public interfaces only: TLS 1.3 secrets as the
// key log callback tells them, TLS 1.2 keys from the master secret. RFC 5246 6.3, RFC 8446 7.
#include "client/call_keys.h"

#include <errno.h>
#include <string.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/secret.h"

#define RANDOM_LEN 32
#define GCM_SALT_LEN 4

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

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Returns the secret's length, 0 when it is none.
static uint8_t parse_hex(uint8_t secret[CALL_SECRET_MAX], const char *hex)
{
	uint8_t n = 0;

	for (; hex_digit(hex[0]) >= 0 && hex_digit(hex[1]) >= 0; hex += 2) {
		if (n == CALL_SECRET_MAX)
			return 0;
		secret[n++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
	}
	return n >= 32 && !*hex ? n : 0;
}

// "LABEL <client random> <secret>", told as the secret comes into use.
void call_keys_secret(struct call_key_state *k, const char *line)
{
	static const char client[] = "CLIENT_TRAFFIC_SECRET_0 ";
	static const char server[] = "SERVER_TRAFFIC_SECRET_0 ";
	const char *secret = strrchr(line, ' ');

	if (secret && !strncmp(line, client, sizeof(client) - 1)) {
		k->len = parse_hex(k->tx, secret + 1);
		k->have_tx = k->len > 0;
		k->tx_seq = 0;
	} else if (secret && !strncmp(line, server, sizeof(server) - 1)) {
		k->len = parse_hex(k->rx, secret + 1);
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

// --- derivation ---

static bool derive(const char *kdf_name, const OSSL_PARAM *params, uint8_t *out, size_t n)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, kdf_name, NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool ok = ctx && EVP_KDF_derive(ctx, out, n, params) > 0;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok;
}

// HKDF-Expand-Label of RFC 8446 7.1, without context.
static bool expand(const struct call_secrets *s, const uint8_t *secret, const char *label,
	uint8_t *out, size_t n)
{
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	size_t label_len = strlen(label);
	uint8_t info[32] = {(uint8_t)(n >> 8), (uint8_t)n, (uint8_t)(6 + label_len), 't', 'l', 's',
		'1', '3', ' '};
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(
			OSSL_KDF_PARAM_DIGEST, (char *)EVP_MD_get0_name(s->md), 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, s->len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, 10 + label_len),
		OSSL_PARAM_construct_end(),
	};

	memcpy(info + 9, label, label_len); // and a zero: the context's length
	return derive("HKDF", params, out, n);
}

static bool keys_13(const struct call_secrets *s, bool tx, struct tls_traffic_key *k)
{
	const uint8_t *secret = tx ? s->tx : s->rx;

	return expand(s, secret, "key", k->key, k->key_len) &&
	       expand(s, secret, "iv", k->iv, sizeof(k->iv));
}

static bool key_block_12(SSL *ssl, const EVP_MD *md, uint8_t *block, size_t n)
{
	static const char label[] = "key expansion";
	enum { LABEL_LEN = sizeof(label) - 1 };
	uint8_t master[SSL_MAX_MASTER_KEY_LENGTH], seed[LABEL_LEN + 2 * RANDOM_LEN];
	size_t master_len =
		SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof(master));
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
			OSSL_KDF_PARAM_DIGEST, (char *)EVP_MD_get0_name(md), 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, master_len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof(seed)),
		OSSL_PARAM_construct_end(),
	};
	bool ok;

	memcpy(seed, label, LABEL_LEN);
	SSL_get_server_random(ssl, seed + LABEL_LEN, RANDOM_LEN);
	SSL_get_client_random(ssl, seed + LABEL_LEN + RANDOM_LEN, RANDOM_LEN);
	ok = master_len && derive("TLS1-PRF", params, block, n);
	secret_wipe(master, sizeof(master));
	return ok;
}

// Client's key, server's key, client's IV, server's IV; AEADs have no MAC keys.
static bool keys_12(
	SSL *ssl, const EVP_MD *md, struct tls_traffic_key *rx, struct tls_traffic_key *tx)
{
	size_t key = rx->key_len;
	size_t iv = rx->aead == TLS_AEAD_CHACHA20_POLY1305 ? sizeof(rx->iv) : GCM_SALT_LEN;
	uint8_t block[2 * (sizeof(rx->key) + sizeof(rx->iv))];
	bool ok = key_block_12(ssl, md, block, 2 * (key + iv));

	if (ok) {
		memcpy(tx->key, block, key);
		memcpy(rx->key, block + key, key);
		memcpy(tx->iv, block + 2 * key, iv);
		memcpy(rx->iv, block + 2 * key + iv, iv);
	}
	secret_wipe(block, sizeof(block));
	return ok;
}

// --- what is asked for ---

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

static struct tls_traffic_key plain_key(uint16_t version, int aead, uint64_t seq)
{
	return (struct tls_traffic_key){
		.version = version,
		.aead = (uint8_t)aead,
		.key_len = aead == TLS_AEAD_AES_128_GCM ? 16 : 32,
		.seq = seq,
	};
}

int call_tls_keys(const struct call_tls *t, struct tls_traffic_key *rx, struct tls_traffic_key *tx,
	struct call_secrets *secrets)
{
	const SSL_CIPHER *cipher = t->ssl ? SSL_get_current_cipher(t->ssl) : NULL;
	const struct call_key_state *k = t->keys;
	int aead = cipher ? aead_of(cipher) : -1;
	uint16_t version = t->ssl ? (uint16_t)SSL_version(t->ssl) : 0;
	bool ok;

	memset(secrets, 0, sizeof(*secrets));
	if (!k || aead < 0 || !SSL_is_init_finished(t->ssl) ||
		(version != TLS1_2_VERSION && version != TLS1_3_VERSION))
		return -ENOTSUP;
	*rx = plain_key(version, aead, k->rx_seq);
	*tx = plain_key(version, aead, k->tx_seq);
	secrets->md = SSL_CIPHER_get_handshake_digest(cipher);
	if (version == TLS1_2_VERSION) {
		ok = keys_12(t->ssl, secrets->md, rx, tx);
		if (aead != TLS_AEAD_CHACHA20_POLY1305)
			tx->explicit_base = next_nonce(k) - k->tx_seq;
	} else {
		secrets->len = k->len;
		memcpy(secrets->rx, k->rx, sizeof(secrets->rx));
		memcpy(secrets->tx, k->tx, sizeof(secrets->tx));
		ok = k->have_rx && k->have_tx && keys_13(secrets, false, rx) &&
		     keys_13(secrets, true, tx);
	}
	return ok ? 0 : -ENOTSUP;
}

int call_keys_update(struct call_secrets *s, bool tx, struct tls_traffic_key *k)
{
	uint8_t *secret = tx ? s->tx : s->rx, next[CALL_SECRET_MAX];

	if (!s->len || !expand(s, secret, "traffic upd", next, s->len))
		return -ENOTSUP;
	memcpy(secret, next, s->len);
	secret_wipe(next, sizeof(next));
	k->seq = 0;
	k->explicit_base = 0;
	return keys_13(s, tx, k) ? 0 : -ENOTSUP;
}
