// SPDX-License-Identifier: BSD-3-Clause
// Any packet and any MTU (the first two bytes): at most an MSS and a checksum change, a checksum
// that was right stays right, and a second time there is nothing to do.
#include "client/mss.h"
#include "tests/fuzz/fuzz_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = size - 2, first = 0, last = 0, nb = 0;
	uint16_t mtu;
	uint8_t *ip;
	bool large;

	if (size < 3 || size > 4096)
		return 0;
	mtu = (uint16_t)(data[0] << 8 | data[1]);
	ip = fuzz_copy(data + 2, n);
	large = mss_is_large(ip, n, mtu);
	if (memcmp(ip, data + 2, n) != 0)
		abort();
	mss_clamp(ip, n, mtu);
	for (size_t i = 0; i < n; i++) {
		if (ip[i] == data[2 + i])
			continue;
		first = nb++ ? first : i;
		last = i;
	}
	if (nb > 4 || (nb && !large) || (!nb && large) || last - first > 60 ||
		mss_is_large(ip, n, mtu))
		abort();
	// The difference of all words is a multiple of 0xffff: bytes weigh by their place in the
	// packet, as headers in front of TCP are even.
	if (nb) {
		int64_t diff = 0;

		for (size_t i = first; i <= last; i++)
			diff += ((int64_t)ip[i] - data[2 + i]) * (i & 1 ? 1 : 256);
		if (diff % 0xffff)
			abort();
	}
	free(ip);
	return 0;
}
