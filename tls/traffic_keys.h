// SPDX-License-Identifier: BSD-3-Clause
// Traffic keys from the secrets of a handshake, for servers and clients: RFC 5246 6.3 and
// RFC 8446 7. Nothing here keeps state. Control thread (or a client's only thread).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/kdf.h>
#include <openssl/ssl.h>

#include "tls/record.h"

#define TLS_SECRET_MAX 48 // SHA-384

// The enum tls_aead of a suite, or -1: its records are OpenSSL's to make.
int tls_suite_aead(const SSL_CIPHER *cipher);

// Bytes of the suite's hash, which is that of its secrets.
size_t tls_suite_hash_len(const SSL_CIPHER *cipher);

// A key without its bytes, for the record with number seq.
struct tls_traffic_key tls_traffic_key_plain(uint16_t version, int aead, uint64_t seq);

// TLS 1.2: key and iv of both directions, from the master secret of a finished handshake. rx and tx
// come from tls_traffic_key_plain(). prf: "TLS1-PRF", fetched. server: whether this end is it.
// False when OpenSSL refuses.
bool tls_traffic_keys_12(SSL *ssl, EVP_KDF *prf, bool server, struct tls_traffic_key *rx,
	struct tls_traffic_key *tx);

// TLS 1.3: key and iv from an application traffic secret of len (32 or 48) bytes.
void tls_traffic_keys_13(const uint8_t *secret, size_t len, struct tls_traffic_key *k);

// TLS 1.3: the traffic secret that follows this one, in its place.
void tls_traffic_secret_next(uint8_t *secret, size_t len);

// A secret at the end of a key log line, in hexadecimal. Returns its length, 0: it is none.
size_t tls_secret_unhex(uint8_t secret[TLS_SECRET_MAX], const char *hex);
