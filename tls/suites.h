// SPDX-License-Identifier: BSD-3-Clause
// Cipher suites by name, as servers and clients take them from their operators: lists with colons
// between the names, and what of TLS 1.3 such a list stands for. Any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#define TLS_SUITES_MAX 4096 // bytes of a list, NUL included
#define TLS_EC_GROUPS "X25519:P-256:P-384:P-521:X448"

struct tls_suites {
	char classic[TLS_SUITES_MAX]; // OpenSSL's cipher string, without names of TLS 1.3
	char named[TLS_SUITES_MAX];   // those names
};

// Part s, names with colons, commas or blanks between: "TLS_..." is TLS 1.3, all else OpenSSL's
// cipher string. NULL is an empty list. 0, or -1 with a message: it is too long.
int tls_suites_split(struct tls_suites *l, const char *s, char *err, size_t cap);

// Append a name to a list in cap bytes.
void tls_suites_append(char *list, size_t cap, const char *name);

// A suite of TLS 1.3, where key exchange and authentication are no part of the suite.
bool tls_suites_is_13(const SSL_CIPHER *c);

// The suites of TLS 1.3 that l stands for, into list, empty before: those that it names, and when
// it has a cipher string, which ctx has been given, those with the bulk cipher of one that came of
// it. anonymous: also of one without authentication.
void tls_suites_choose_13(
	const SSL_CTX *ctx, const struct tls_suites *l, bool anonymous, char *list, size_t cap);
