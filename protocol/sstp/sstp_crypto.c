// SPDX-License-Identifier: BSD-3-Clause
// The crypto binding's Compound MAC. [MS-SSTP] 3.2.5.2.1 to 3.2.5.2.4
#include <nettle/hmac.h>

#include "base/secret.h"
#include "protocol/sstp/sstp_ctrl.h"

static const char cmk_seed[] = "SSTP inner method derived CMK";

// One HMAC of two parts; key and digest are as long as the hash says.
static void hmac(uint8_t hash, size_t key_len, const uint8_t *key, size_t n1, const void *p1,
	size_t n2, const void *p2, uint8_t *digest)
{
	if (hash == CERT_HASH_PROTOCOL_SHA1) {
		struct hmac_sha1_ctx ctx;

		hmac_sha1_set_key(&ctx, key_len, key);
		hmac_sha1_update(&ctx, n1, p1);
		hmac_sha1_update(&ctx, n2, p2);
		hmac_sha1_digest(&ctx, SHA1_DIGEST_SIZE, digest);
		secret_wipe(&ctx, sizeof(ctx));
	} else {
		struct hmac_sha256_ctx ctx;

		hmac_sha256_set_key(&ctx, key_len, key);
		hmac_sha256_update(&ctx, n1, p1);
		hmac_sha256_update(&ctx, n2, p2);
		hmac_sha256_digest(&ctx, SHA256_DIGEST_SIZE, digest);
		secret_wipe(&ctx, sizeof(ctx));
	}
}

int sstp_compound_mac(const uint8_t msg[SSTP_CALL_CONNECTED_LEN], uint8_t hash,
	const uint8_t hlak[SSTP_HLAK_LEN], uint8_t mac[32])
{
	static const uint8_t zero[SSTP_CALL_CONNECTED_LEN - SSTP_CONNECTED_MAC_OFF];
	uint8_t cmk[SHA256_DIGEST_SIZE];
	uint8_t tail[3]; // LEN, little-endian, and the block counter
	size_t len;

	if (hash != CERT_HASH_PROTOCOL_SHA1 && hash != CERT_HASH_PROTOCOL_SHA256)
		return -EINVAL;
	len = hash == CERT_HASH_PROTOCOL_SHA1 ? SHA1_DIGEST_SIZE : SHA256_DIGEST_SIZE;
	tail[0] = (uint8_t)len;
	tail[1] = 0;
	tail[2] = 1;
	memset(mac, 0, 32);

	hmac(hash, SSTP_HLAK_LEN, hlak, sizeof(cmk_seed) - 1, cmk_seed, sizeof(tail), tail, cmk);
	hmac(hash, len, cmk, SSTP_CONNECTED_MAC_OFF, msg, sizeof(zero), zero, mac);
	secret_wipe(cmk, sizeof(cmk));
	return 0;
}
