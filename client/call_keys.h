// SPDX-License-Identifier: BSD-3-Clause
// What a handshake tells while it runs, so that call_tls_keys() can be answered. For call_tls.c.
#pragma once

#include "client/call_tls.h"

// OpenSSL's message callback: counts records.
void call_keys_message(int write_p, int version, int content_type, const void *buf, size_t len,
	SSL *ssl, void *arg);
// A line of the key log.
void call_keys_secret(struct call_key_state *k, const char *line);
// OpenSSL wrote n bytes of its stream of records.
void call_keys_wrote(struct call_key_state *k, const uint8_t *p, size_t n);
