// SPDX-License-Identifier: BSD-3-Clause
// The arithmetic of MS-CHAPv1 (RFC 2433), MS-CHAPv2 (RFC 2759) and MPPE keys (RFC 3079).
#include <nettle/des.h>
#include <nettle/md4.h>
#include <nettle/sha1.h>

#include <assert.h>

#include "base/secret.h"
#include "protocol/cursor.h"
#include "protocol/ppp/ppp_auth.h"

// UTF-8 to UTF-16LE

// The next code point of a NUL-terminated string, or -EILSEQ: overlong forms, surrogates and what
// lies beyond U+10FFFF are refused. Never reads past the NUL: it is no continuation byte.
static int32_t utf8_next(const uint8_t **p)
{
	static const int32_t least[] = {0, 0x80, 0x800, 0x10000};
	const uint8_t *s = *p;
	int32_t c = *s++;
	int extra = 0;

	if (c >= 0xf0 && c < 0xf8)
		extra = 3;
	else if (c >= 0xe0)
		extra = 2;
	else if (c >= 0xc0)
		extra = 1;
	else if (c >= 0x80)
		return -EILSEQ;
	if (c >= 0xf8)
		return -EILSEQ;
	if (extra)
		c &= 0x3f >> extra;
	for (int i = 0; i < extra; i++, s++) {
		if ((*s & 0xc0) != 0x80)
			return -EILSEQ;
		c = c << 6 | (*s & 0x3f);
	}
	if (c < least[extra] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return -EILSEQ;
	*p = s;
	return c;
}

static size_t utf16le_put(int32_t c, uint8_t out[4])
{
	uint32_t v = (uint32_t)c;
	uint16_t low;

	if (v < 0x10000) {
		out[0] = (uint8_t)v;
		out[1] = (uint8_t)(v >> 8);
		return 2;
	}
	v -= 0x10000;
	low = (uint16_t)(0xdc00 | (v & 0x3ff));
	v = 0xd800 | v >> 10;
	out[0] = (uint8_t)v;
	out[1] = (uint8_t)(v >> 8);
	out[2] = (uint8_t)low;
	out[3] = (uint8_t)(low >> 8);
	return 4;
}

int mschap_nt_password_hash(const char *password_utf8, uint8_t hash[16])
{
	const uint8_t *p = (const uint8_t *)password_utf8;
	struct md4_ctx md4;
	uint8_t unit[4];
	int rc = 0;

	md4_init(&md4);
	while (*p) {
		int32_t c = utf8_next(&p);

		if (c < 0) {
			rc = -EILSEQ;
			break;
		}
		md4_update(&md4, utf16le_put(c, unit), unit);
	}
	md4_digest(&md4, 16, hash);
	secret_wipe(&md4, sizeof(md4));
	secret_wipe(unit, sizeof(unit));
	return rc;
}

void mschap_hash_nt_password_hash(const uint8_t hash[16], uint8_t hash_hash[16])
{
	struct md4_ctx md4;

	md4_init(&md4);
	md4_update(&md4, 16, hash);
	md4_digest(&md4, 16, hash_hash);
	secret_wipe(&md4, sizeof(md4));
}

// RFC 2433 A.6 DesEncrypt: a 7-byte key, spread to 8 bytes with room for the parity bits.
static void des_encrypt7(const uint8_t clear[8], const uint8_t key7[7], uint8_t cypher[8])
{
	uint64_t bits = 0;
	struct des_ctx des;
	uint8_t key[8];

	for (int i = 0; i < 7; i++)
		bits = bits << 8 | key7[i];
	for (int i = 0; i < 8; i++)
		key[i] = (uint8_t)(bits >> (49 - 7 * i) << 1);
	(void)des_set_key(&des, key); // a weak key is the password's fault, and used all the same
	des_encrypt(&des, 8, cypher, clear);
	secret_wipe(&des, sizeof(des));
	secret_wipe(key, sizeof(key));
	secret_wipe(&bits, sizeof(bits));
}

void mschap_challenge_response(
	const uint8_t challenge[8], const uint8_t hash[16], uint8_t response[24])
{
	uint8_t padded[21] = {0};

	memcpy(padded, hash, 16);
	for (int i = 0; i < 3; i++)
		des_encrypt7(challenge, padded + 7 * i, response + 8 * i);
	secret_wipe(padded, sizeof(padded));
}

// RFC 2759 4: DOMAIN\user counts as user.
static void cut_domain(const char **name, size_t *len)
{
	for (size_t i = *len; i > 0; i--) {
		if ((*name)[i - 1] != '\\')
			continue;
		*name += i;
		*len -= i;
		return;
	}
}

void mschap2_challenge_hash(const uint8_t peer_challenge[16], const uint8_t auth_challenge[16],
	const char *user_name, size_t user_len, uint8_t challenge[8])
{
	struct sha1_ctx sha;

	cut_domain(&user_name, &user_len);
	sha1_init(&sha);
	sha1_update(&sha, 16, peer_challenge);
	sha1_update(&sha, 16, auth_challenge);
	sha1_update(&sha, user_len, (const uint8_t *)user_name);
	sha1_digest(&sha, 8, challenge);
}

void mschap2_nt_response(const uint8_t auth_challenge[16], const uint8_t peer_challenge[16],
	const char *user_name, size_t user_len, const uint8_t hash[16], uint8_t response[24])
{
	uint8_t challenge[8];

	mschap2_challenge_hash(peer_challenge, auth_challenge, user_name, user_len, challenge);
	mschap_challenge_response(challenge, hash, response);
}

void mschap2_authenticator_response(const uint8_t hash[16], const uint8_t nt_response[24],
	const uint8_t peer_challenge[16], const uint8_t auth_challenge[16], const char *user_name,
	size_t user_len, char out[43])
{
	static const char magic1[] = "Magic server to client signing constant";
	static const char magic2[] = "Pad to make it do more than one iteration";
	static const char hex[] = "0123456789ABCDEF";
	uint8_t hash_hash[16], digest[20], challenge[8];
	struct sha1_ctx sha;

	mschap_hash_nt_password_hash(hash, hash_hash);
	sha1_init(&sha);
	sha1_update(&sha, sizeof(hash_hash), hash_hash);
	sha1_update(&sha, 24, nt_response);
	sha1_update(&sha, sizeof(magic1) - 1, (const uint8_t *)magic1);
	sha1_digest(&sha, sizeof(digest), digest);

	mschap2_challenge_hash(peer_challenge, auth_challenge, user_name, user_len, challenge);
	sha1_update(&sha, sizeof(digest), digest);
	sha1_update(&sha, sizeof(challenge), challenge);
	sha1_update(&sha, sizeof(magic2) - 1, (const uint8_t *)magic2);
	sha1_digest(&sha, sizeof(digest), digest);

	out[0] = 'S';
	out[1] = '=';
	for (int i = 0; i < 20; i++) {
		out[2 + 2 * i] = hex[digest[i] >> 4];
		out[3 + 2 * i] = hex[digest[i] & 15];
	}
	out[42] = '\0';
	secret_wipe(hash_hash, sizeof(hash_hash));
	secret_wipe(&sha, sizeof(sha));
}

// RFC 3079

void mppe_master_key(const uint8_t hash_hash[16], const uint8_t nt_response[24], uint8_t master[16])
{
	static const char magic[] = "This is the MPPE Master Key";
	struct sha1_ctx sha;

	sha1_init(&sha);
	sha1_update(&sha, 16, hash_hash);
	sha1_update(&sha, 24, nt_response);
	sha1_update(&sha, sizeof(magic) - 1, (const uint8_t *)magic);
	sha1_digest(&sha, 16, master);
	secret_wipe(&sha, sizeof(sha));
}

void mppe_asymmetric_start_key(
	const uint8_t master[16], bool is_send, bool is_server, uint8_t key[16])
{
	static const char client_send[] =
		"On the client side, this is the send key; on the server side, it is the receive "
		"key.";
	static const char server_send[] =
		"On the client side, this is the receive key; on the server side, it is the send "
		"key.";
	const char *magic = is_send == is_server ? server_send : client_send;
	static const uint8_t pad1[40];
	uint8_t pad2[40];
	struct sha1_ctx sha;

	static_assert(sizeof(client_send) == 85 && sizeof(server_send) == 85, "RFC 3079 3.4");
	memset(pad2, 0xf2, sizeof(pad2));
	sha1_init(&sha);
	sha1_update(&sha, 16, master);
	sha1_update(&sha, sizeof(pad1), pad1);
	sha1_update(&sha, 84, (const uint8_t *)magic);
	sha1_update(&sha, sizeof(pad2), pad2);
	sha1_digest(&sha, 16, key);
	secret_wipe(&sha, sizeof(sha));
}

void mschap2_hlak(
	const uint8_t hash_hash[16], const uint8_t nt_response[24], uint8_t hlak[PPP_HLAK_LEN])
{
	uint8_t master[16];

	mppe_master_key(hash_hash, nt_response, master);
	mppe_asymmetric_start_key(master, false, true, hlak);
	mppe_asymmetric_start_key(master, true, true, hlak + 16);
	secret_wipe(master, sizeof(master));
}
