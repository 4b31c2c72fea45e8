// SPDX-License-Identifier: BSD-3-Clause
// ppp_auth_check() over any request and any password, and the conversion of the password: never a
// success that the arithmetic does not bear out.
#include <stdlib.h>
#include <string.h>

#include "protocol/cursor.h"
#include "protocol/ppp/ppp_auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A request as a link would fill it in: lengths within their arrays, NUL behind name and password.
static void fill(struct ppp_auth_request *req, struct cursor *c)
{
	uint8_t challenge_len = 0;

	memset(req, 0, sizeof(*req));
	(void)(cur_u8(c, &req->id) || cur_u8(c, &challenge_len) || cur_u8(c, &req->name_len) ||
		cur_u8(c, &req->password_len));
	req->challenge_len = challenge_len % (PPP_CHALLENGE_MAX + 1);
	(void)(cur_bytes(c, req->challenge, req->challenge_len) ||
		cur_bytes(c, req->response, sizeof(req->response)) ||
		cur_bytes(c, req->name, req->name_len) ||
		cur_bytes(c, req->password, req->password_len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_make(data, size);
	static const uint8_t zero[PPP_HLAK_LEN];
	struct ppp_auth_request req;
	struct ppp_auth_verdict v;
	uint8_t method, hash[16];
	char *password;

	if (cur_u8(&c, &method))
		return 0;
	fill(&req, &c);
	req.method = 1u << (method & 3);
	password = malloc(cur_left(&c) + 1);
	if (!password)
		abort();
	memcpy(password, c.p, cur_left(&c));
	password[cur_left(&c)] = '\0';
	(void)mschap_nt_password_hash(password, hash);
	if (ppp_auth_check(&req, password, &v))
		abort();
	if (v.has_keys != (v.ok && req.method == PPP_AUTH_MSCHAP2))
		abort();
	if (v.ok && req.method == PPP_AUTH_PAP &&
		(strlen(password) != req.password_len ||
			memcmp(password, req.password, req.password_len) != 0))
		abort();
	if (ppp_auth_check(&req, NULL, &v) || v.ok || v.has_keys ||
		memcmp(v.hlak, zero, sizeof(zero)) != 0)
		abort();
	free(password);
	return 0;
}
