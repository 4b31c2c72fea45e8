// SPDX-License-Identifier: BSD-3-Clause
// A local user's answer to a challenge, checked. Every path does the same work and compares in
// constant time.
#include <nettle/md5.h>
#include <nettle/sha1.h>

#include "base/secret.h"
#include "protocol/ppp/ppp_internal.h"

#define ERROR_AUTHENTICATION_FAILURE 691

const char *ppp_auth_name(uint32_t method)
{
	switch (method) {
	case 0:
		return "none";
	case PPP_AUTH_PAP:
		return "pap";
	case PPP_AUTH_CHAP_MD5:
		return "chap";
	case PPP_AUTH_MSCHAP1:
		return "mschap1";
	case PPP_AUTH_MSCHAP2:
		return "mschap2";
	default:
		return "unknown";
	}
}

uint32_t ppp_auth_strongest(uint32_t methods)
{
	for (uint32_t bit = PPP_AUTH_MSCHAP2; bit; bit >>= 1)
		if (methods & bit)
			return bit;
	return 0;
}

static void sha1_of(const void *p, size_t n, uint8_t digest[20])
{
	struct sha1_ctx sha;

	sha1_init(&sha);
	sha1_update(&sha, n, p);
	sha1_digest(&sha, 20, digest);
	secret_wipe(&sha, sizeof(sha));
}

// Digests are compared, so that not even the length of the right password shows.
static bool check_pap(const struct ppp_auth_request *req, const char *password)
{
	uint8_t given[20], right[20];
	bool ok;

	sha1_of(req->password, req->password_len, given);
	sha1_of(password, strlen(password), right);
	ok = secret_equal(given, right, sizeof(right));
	secret_wipe(given, sizeof(given));
	secret_wipe(right, sizeof(right));
	return ok;
}

static bool check_chap_md5(const struct ppp_auth_request *req, const char *password)
{
	uint8_t right[PPP_CHAP_MD5_LEN];

	ppp_chap_md5(req->id, password, req->challenge, req->challenge_len, right);
	return secret_equal(req->response, right, sizeof(right));
}

// RFC 2433 4: 24 bytes LAN Manager response (not used), 24 bytes NT response, "use NT" flag.
static bool check_mschap1(const struct ppp_auth_request *req, const char *password)
{
	uint8_t hash[16], right[24];
	bool ok = !mschap_nt_password_hash(password, hash);

	mschap_challenge_response(req->challenge, hash, right);
	ok &= secret_equal(req->response + 24, right, sizeof(right));
	secret_wipe(hash, sizeof(hash));
	return ok && req->response[48] == 1 && req->challenge_len == 8;
}

// RFC 2759 4: 16 bytes peer challenge, 8 reserved, 24 bytes NT response, flags (zero).
static bool check_mschap2(
	const struct ppp_auth_request *req, const char *password, struct ppp_auth_verdict *v)
{
	const uint8_t *peer_challenge = req->response, *nt_response = req->response + 24;
	uint8_t hash[16], hash_hash[16], right[24];
	bool ok = !mschap_nt_password_hash(password, hash);

	mschap2_nt_response(req->challenge, peer_challenge, req->name, req->name_len, hash, right);
	ok &= secret_equal(nt_response, right, sizeof(right));
	mschap2_authenticator_response(hash, nt_response, peer_challenge, req->challenge, req->name,
		req->name_len, v->mschap2_success);
	mschap_hash_nt_password_hash(hash, hash_hash);
	mschap2_hlak(hash_hash, nt_response, v->hlak);
	secret_wipe(hash, sizeof(hash));
	secret_wipe(hash_hash, sizeof(hash_hash));
	return ok && req->challenge_len == 16;
}

int ppp_auth_check(
	const struct ppp_auth_request *req, const char *password, struct ppp_auth_verdict *v)
{
	const char *known = password ? password : "";
	bool ok;

	*v = (struct ppp_auth_verdict){0};
	switch (req->method) {
	case PPP_AUTH_PAP:
		ok = check_pap(req, known);
		break;
	case PPP_AUTH_CHAP_MD5:
		ok = check_chap_md5(req, known);
		break;
	case PPP_AUTH_MSCHAP1:
		ok = check_mschap1(req, known);
		break;
	case PPP_AUTH_MSCHAP2:
		ok = check_mschap2(req, known, v);
		break;
	default:
		return -EINVAL;
	}
	if (ok && password) {
		v->ok = true;
		v->has_keys = req->method == PPP_AUTH_MSCHAP2;
		return 0;
	}
	secret_wipe(v, sizeof(*v));
	v->error = ERROR_AUTHENTICATION_FAILURE;
	v->may_retry = true;
	return 0;
}
