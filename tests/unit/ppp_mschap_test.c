// SPDX-License-Identifier: BSD-3-Clause
// The vectors of RFC 2433, RFC 2759 and RFC 3079, and the check of local users.
#include "ppp_harness.h"

static const char auth_challenge_hex[] = "5B5D7C7D7B3F2F3E3C2C602132262628";
static const char peer_challenge_hex[] = "21402324255E262A28295F2B3A337C7E";
static const char nt_response_hex[] = "82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF";

static void equal_hex(const uint8_t *got, const char *hex)
{
	uint8_t want[64];
	size_t n = hex_bytes(hex, want, sizeof(want));

	assert_memory_equal(got, want, n);
}

// RFC 2433 appendix: "MyPw".
static void rfc2433(void **state)
{
	uint8_t hash[16], challenge[8], response[24];

	assert_int_equal(mschap_nt_password_hash("MyPw", hash), 0);
	equal_hex(hash, "FC156AF7EDCD6C0EDDE3337D427F4EAC");
	hex_bytes("102DB5DF085D3041", challenge, sizeof(challenge));
	mschap_challenge_response(challenge, hash, response);
	equal_hex(response, "4E9D3C8F9CFD385D5BF4D3246791956CA4C351AB409A3D61");
}

static void rfc2759_section_9_2(void **state)
{
	static const char *const names[] = {"User", "DOMAIN\\User", "a\\b\\User"};
	uint8_t auth[16], peer[16], challenge[8], hash[16], hash_hash[16], response[24];
	char text[43];

	hex_bytes(auth_challenge_hex, auth, sizeof(auth));
	hex_bytes(peer_challenge_hex, peer, sizeof(peer));
	for (size_t i = 0; i < 3; i++) {
		const char *name = names[i];

		mschap2_challenge_hash(peer, auth, name, strlen(name), challenge);
		equal_hex(challenge, "D02E4386BCE91226");
		assert_int_equal(mschap_nt_password_hash("clientPass", hash), 0);
		equal_hex(hash, "44EBBA8D5312B8D611474411F56989AE");
		mschap2_nt_response(auth, peer, name, strlen(name), hash, response);
		equal_hex(response, nt_response_hex);
		mschap_hash_nt_password_hash(hash, hash_hash);
		equal_hex(hash_hash, "41C00C584BD2D91C4017A2A12FA59F3F");
		mschap2_authenticator_response(
			hash, response, peer, auth, name, strlen(name), text);
		assert_string_equal(text, "S=407A5589115FD0D6209F510FE9C04566932CDA56");
	}
}

static void rfc3079_section_3_5_3(void **state)
{
	uint8_t hash_hash[16], response[24], master[16], key[16], other[16], hlak[32];

	hex_bytes("41C00C584BD2D91C4017A2A12FA59F3F", hash_hash, sizeof(hash_hash));
	hex_bytes(nt_response_hex, response, sizeof(response));
	mppe_master_key(hash_hash, response, master);
	equal_hex(master, "FDECE3717A8C838CB388E527AE3CDD31");
	// The RFC's SendStartKey128 is that of a client, which is the server's receive key.
	mppe_asymmetric_start_key(master, true, true, key);
	equal_hex(key, "8B7CDC149B993A1BA118CB153F56DCCB");
	mppe_asymmetric_start_key(master, false, false, other);
	assert_memory_equal(key, other, 16);
	mppe_asymmetric_start_key(master, true, false, key);
	mppe_asymmetric_start_key(master, false, true, other);
	assert_memory_equal(key, other, 16);
	// HLAK: server MasterReceiveKey | MasterSendKey.
	mschap2_hlak(hash_hash, response, hlak);
	assert_memory_equal(hlak, key, 16);
	equal_hex(hlak + 16, "8B7CDC149B993A1BA118CB153F56DCCB");
}

// MD4 over UTF-16LE: an independent reckoning of "Grüße€𝄞", and what is not UTF-8.
static void utf8(void **state)
{
	static const char *const bad[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80",
		"\xf8\x88\x80\x80\x80", "\xff", "ab\xc3", "ab\xe2\x82", "ab\xf0\x9d\x84", "\xc3(",
		"\xe2\x28\xa1", "\xbf\xbf"};
	static const char *const good[] = {"\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
		"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf", ""};
	uint8_t hash[16];

	assert_int_equal(mschap_nt_password_hash("Gr\xc3\xbc\xc3\x9f"
						 "e\xe2\x82\xac\xf0\x9d\x84\x9e",
				 hash),
		0);
	equal_hex(hash, "3C6785129DA489CFDC21255EA08C6613");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *copy = strdup(bad[i]); // exact size, for the sanitizer

		assert_int_equal(mschap_nt_password_hash(copy, hash), -EILSEQ);
		free(copy);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(mschap_nt_password_hash(good[i], hash), 0);
	mschap_nt_password_hash("", hash);
	equal_hex(hash, "31D6CFE0D16AE931B73C59D7E0C089C0");
}

static void request(struct ppp_auth_request *req, uint32_t method)
{
	uint8_t hash[16];

	*req = (struct ppp_auth_request){.method = method, .id = 0x27, .name_len = 4};
	memcpy(req->name, "User", 5);
	memcpy(req->password, "clientPass", 10);
	req->password_len = 10;
	mschap_nt_password_hash("clientPass", hash);
	switch (method) {
	case PPP_AUTH_CHAP_MD5:
		req->challenge_len = 16;
		hex_bytes(auth_challenge_hex, req->challenge, 16);
		// MD5(27 | "clientPass" | challenge), reckoned elsewhere.
		hex_bytes("5F2199AA4425354661759491CA3FC61C", req->response, 16);
		break;
	case PPP_AUTH_MSCHAP1:
		req->challenge_len = 8;
		hex_bytes("102DB5DF085D3041", req->challenge, 8);
		mschap_challenge_response(req->challenge, hash, req->response + 24);
		req->response[48] = 1;
		break;
	case PPP_AUTH_MSCHAP2:
		req->challenge_len = 16;
		hex_bytes(auth_challenge_hex, req->challenge, 16);
		hex_bytes(peer_challenge_hex, req->response, 16);
		hex_bytes(nt_response_hex, req->response + 24, 24);
		break;
	}
}

static void refused(const struct ppp_auth_request *req, const char *password)
{
	static const uint8_t zero[PPP_HLAK_LEN];
	struct ppp_auth_verdict v;

	assert_int_equal(ppp_auth_check(req, password, &v), 0);
	assert_false(v.ok || v.has_keys);
	assert_int_equal(v.error, 691);
	assert_memory_equal(v.hlak, zero, sizeof(zero));
	assert_string_equal(v.mschap2_success, "");
}

static void check(void **state)
{
	struct ppp_auth_request req;
	struct ppp_auth_verdict v;

	for (uint32_t method = PPP_AUTH_PAP; method <= PPP_AUTH_MSCHAP2; method <<= 1) {
		request(&req, method);
		assert_int_equal(ppp_auth_check(&req, "clientPass", &v), 0);
		assert_true(v.ok);
		assert_int_equal(v.has_keys, method == PPP_AUTH_MSCHAP2);
		refused(&req, "clientPas");
		refused(&req, "clientPass ");
		refused(&req, "");
		refused(&req, NULL);
		for (size_t i = 0; i < sizeof(req.response); i++) {
			// Every bit that counts: PAP has none here, MS-CHAPv1 ignores the LM half,
			// MS-CHAPv2 the reserved bytes and the flags.
			bool counts = method == PPP_AUTH_CHAP_MD5  ? i < 16
				      : method == PPP_AUTH_MSCHAP1 ? i >= 24
				      : method == PPP_AUTH_MSCHAP2 ? i < 48 && (i < 16 || i >= 24)
								   : false;

			if (!counts)
				continue;
			req.response[i] ^= 0x10;
			refused(&req, "clientPass");
			req.response[i] ^= 0x10;
		}
	}
	assert_string_equal(v.mschap2_success, "S=407A5589115FD0D6209F510FE9C04566932CDA56");
	equal_hex(v.hlak + 16, "8B7CDC149B993A1BA118CB153F56DCCB");
	req.method = 0x10;
	assert_int_equal(ppp_auth_check(&req, "clientPass", &v), -EINVAL);
	req.method = PPP_AUTH_MSCHAP2 | PPP_AUTH_PAP;
	assert_int_equal(ppp_auth_check(&req, "clientPass", &v), -EINVAL);
}

// An unknown user is refused even with the password that stands in for the missing one.
static void unknown_user_with_empty_password(void **state)
{
	struct ppp_auth_request req;
	struct ppp_auth_verdict v;

	request(&req, PPP_AUTH_PAP);
	req.password_len = 0;
	refused(&req, NULL);
	assert_int_equal(ppp_auth_check(&req, "", &v), 0);
	assert_true(v.ok);
}

static void names(void **state)
{
	assert_string_equal(ppp_auth_name(0), "none");
	assert_string_equal(ppp_auth_name(PPP_AUTH_PAP), "pap");
	assert_string_equal(ppp_auth_name(PPP_AUTH_CHAP_MD5), "chap");
	assert_string_equal(ppp_auth_name(PPP_AUTH_MSCHAP1), "mschap1");
	assert_string_equal(ppp_auth_name(PPP_AUTH_MSCHAP2), "mschap2");
	assert_int_equal(ppp_auth_strongest(PPP_AUTH_PAP | PPP_AUTH_MSCHAP1), PPP_AUTH_MSCHAP1);
	assert_int_equal(ppp_auth_strongest(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc2433),
		cmocka_unit_test(rfc2759_section_9_2),
		cmocka_unit_test(rfc3079_section_3_5_3),
		cmocka_unit_test(utf8),
		cmocka_unit_test(check),
		cmocka_unit_test(unknown_user_with_empty_password),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
