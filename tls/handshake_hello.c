// SPDX-License-Identifier: BSD-3-Clause
// A first look at each ClientHello: the name asked for, which OpenSSL tells of some handshakes only
// (not of resumed ones), and the version, on which the security level depends.
#include <string.h>

#include "protocol/cursor.h"
#include "tls/handshake_priv.h"

#define NAME_TYPE_HOST 0

// RFC 6066 3. The first host name, or "" when there is none or it makes no sense: OpenSSL refuses
// what it cannot read.
static void read_sni(SSL *ssl, char *dst, size_t cap)
{
	struct cursor c, name;
	const unsigned char *p;
	uint16_t list_len, len;
	uint8_t type;
	size_t n;

	dst[0] = 0;
	if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n))
		return;
	c = cursor_make(p, n);
	if (cur_u16(&c, &list_len) || list_len != cur_left(&c) || cur_u8(&c, &type) ||
		cur_u16(&c, &len) || cur_sub(&c, &name, len) || type != NAME_TYPE_HOST ||
		len >= cap || memchr(name.p, 0, len))
		return;
	memcpy(dst, name.p, len);
	dst[len] = 0;
}

// The best version that a client speaks, by what it says: RFC 8446 4.2.1.
static uint16_t best_version(SSL *ssl)
{
	uint16_t best = (uint16_t)SSL_client_hello_get0_legacy_version(ssl), v;
	const unsigned char *p;
	struct cursor c;
	uint8_t len;
	size_t n;

	if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &p, &n))
		return best;
	best = 0;
	c = cursor_make(p, n);
	if (cur_u8(&c, &len))
		return TLS1_2_VERSION;
	while (!cur_u16(&c, &v))
		if (v >> 8 == 3 && v > best) // no GREASE
			best = v;
	return best;
}

static int on_hello(SSL *ssl, int *alert, void *arg)
{
	struct tls_hs *hs = tls_hs_of(ssl);

	if (!hs || !hs->live)
		return SSL_CLIENT_HELLO_SUCCESS;
	read_sni(ssl, hs->live->sni, sizeof(hs->live->sni));
	// OpenSSL's lowest level is the only one that knows TLS 1.0 and 1.1 and their signatures
	// with SHA-1; whoever can do better is held to the ordinary one.
	if (hs->ctx->legacy && best_version(ssl) < TLS1_2_VERSION)
		SSL_set_security_level(ssl, 0);
	return SSL_CLIENT_HELLO_SUCCESS;
}

void tls_hello_install(struct tls_ctx *ctx)
{
	SSL_CTX_set_client_hello_cb(ctx->ssl, on_hello, NULL);
}
