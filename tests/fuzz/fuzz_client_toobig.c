// SPDX-License-Identifier: BSD-3-Clause
// Any packet and any MTU (the first two bytes): the answer goes back to where the packet came from,
// quotes its beginning, is no longer than it may be, and is answered by nothing itself.
#include "client/toobig.h"
#include "tests/fuzz/fuzz_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t answer[TOOBIG_MAX], again[TOOBIG_MAX], *ip;
	size_t n, len = size - 2, at;
	uint16_t mtu;

	if (size < 3 || size > 70000)
		return 0;
	mtu = (uint16_t)(data[0] << 8 | data[1]);
	ip = fuzz_copy(data + 2, len);
	n = toobig_answer(answer, ip, len, mtu);
	at = ip[0] >> 4 == 6 ? 48 : 28;
	if (n && (n > TOOBIG_MAX || n <= at || n - at > len || memcmp(answer + at, ip, n - at) ||
			 toobig_answer(again, answer, n, 68) || answer[0] >> 4 != ip[0] >> 4))
		abort();
	free(ip);
	return 0;
}
