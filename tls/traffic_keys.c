// SPDX-License-Identifier: BSD-3-Clause
#include "tls/traffic_keys.h"

#include <string.h>

#include <nettle/hmac.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "base/secret.h"

#define RANDOM_LEN 32
#define GCM_SALT_LEN 4

int tls_suite_aead(const SSL_CIPHER *cipher)
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

size_t tls_suite_hash_len(const SSL_CIPHER *cipher)
{
	const EVP_MD *md = SSL_CIPHER_get_handshake_digest(cipher);

	return md ? (size_t)EVP_MD_get_size(md) : SHA256_DIGEST_SIZE;
}

struct tls_traffic_key tls_traffic_key_plain(uint16_t version, int aead, uint64_t seq)
{
	return (struct tls_traffic_key){
		.version = version,
		.aead = (uint8_t)aead,
		.key_len = aead == TLS_AEAD_AES_128_GCM ? 16 : 32,
		.seq = seq,
	};
}

// -- TLS 1.2 --

static bool key_block(SSL *ssl, EVP_KDF *prf, uint8_t *block, size_t len)
{
	static const char label[] = "key expansion";
	enum { LABEL_LEN = sizeof(label) - 1 };
	const EVP_MD *md = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl));
	uint8_t master[SSL_MAX_MASTER_KEY_LENGTH], seed[LABEL_LEN + 2 * RANDOM_LEN];
	size_t n = SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof(master));
	EVP_KDF_CTX *kctx = EVP_KDF_CTX_new(prf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
			OSSL_KDF_PARAM_DIGEST, (char *)(md ? EVP_MD_get0_name(md) : "SHA256"), 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, n),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof(seed)),
		OSSL_PARAM_END,
	};
	bool ok;

	memcpy(seed, label, LABEL_LEN);
	SSL_get_server_random(ssl, seed + LABEL_LEN, RANDOM_LEN);
	SSL_get_client_random(ssl, seed + LABEL_LEN + RANDOM_LEN, RANDOM_LEN);
	ok = kctx && n && EVP_KDF_derive(kctx, block, len, params) > 0;
	EVP_KDF_CTX_free(kctx);
	secret_wipe(master, sizeof(master));
	return ok;
}

// Client's key, server's key, client's IV, server's IV; AEADs have no MAC keys.
bool tls_traffic_keys_12(
	SSL *ssl, EVP_KDF *prf, bool server, struct tls_traffic_key *rx, struct tls_traffic_key *tx)
{
	struct tls_traffic_key *by_client = server ? rx : tx, *by_server = server ? tx : rx;
	size_t key_len = rx->key_len;
	size_t iv_len = rx->aead == TLS_AEAD_CHACHA20_POLY1305 ? sizeof(rx->iv) : GCM_SALT_LEN;
	uint8_t block[2 * (sizeof(rx->key) + sizeof(rx->iv))];
	bool ok = key_block(ssl, prf, block, 2 * (key_len + iv_len));

	if (ok) {
		memcpy(by_client->key, block, key_len);
		memcpy(by_server->key, block + key_len, key_len);
		memcpy(by_client->iv, block + 2 * key_len, iv_len);
		memcpy(by_server->iv, block + 2 * key_len + iv_len, iv_len);
	}
	secret_wipe(block, sizeof(block));
	return ok;
}

// -- TLS 1.3 --

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

void tls_traffic_keys_13(const uint8_t *secret, size_t len, struct tls_traffic_key *k)
{
	union hkdf h;

	hkdf_key(&h, secret, len);
	expand_label(&h, len, "key", k->key, k->key_len);
	expand_label(&h, len, "iv", k->iv, sizeof(k->iv));
	secret_wipe(&h, sizeof(h));
}

void tls_traffic_secret_next(uint8_t *secret, size_t len)
{
	uint8_t next[TLS_SECRET_MAX];
	union hkdf h;

	hkdf_key(&h, secret, len);
	expand_label(&h, len, "traffic upd", next, len);
	memcpy(secret, next, len);
	secret_wipe(&h, sizeof(h));
	secret_wipe(next, sizeof(next));
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t tls_secret_unhex(uint8_t secret[TLS_SECRET_MAX], const char *hex)
{
	size_t n = 0;

	for (; hex_digit(hex[0]) >= 0 && hex_digit(hex[1]) >= 0; hex += 2) {
		if (n == TLS_SECRET_MAX)
			return 0;
		secret[n++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
	}
	return !*hex && (n == SHA256_DIGEST_SIZE || n == SHA384_DIGEST_SIZE) ? n : 0;
}
