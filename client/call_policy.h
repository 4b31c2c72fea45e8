// SPDX-License-Identifier: BSD-3-Clause
// What a client offers in TLS. For call_tls.c.
#pragma once

#include "client/call_tls.h"

// ciphers: OpenSSL's cipher string, also with names of TLS 1.3 suites; NULL: its default. The
// context's versions have been set. 0, or -1 with the reason in err.
int call_policy_apply(SSL_CTX *ctx, const char *ciphers, enum call_pfs pfs, bool only_tls12,
	char *err, size_t cap);
