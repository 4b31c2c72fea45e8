// SPDX-License-Identifier: BSD-3-Clause
// What the load generator and its far host take from the network: messages and test packets. A
// message that is taken encodes to the bytes it came from; a test packet that is taken is one that
// could have been sent.
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bench/probe.h"
#include "bench/sockets/far.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[FAR_MSG_MAX], body[PROBE_MAX_SIZE];
	struct far_msg m;
	struct probe p;

	if (!far_decode(data, size, &m))
		check(far_encode(out, &m) == size && !memcmp(out, data, size));
	// The run is what the receiver expects: take the input's word for it.
	if (size >= 8 && size <= sizeof(body) &&
		probe_body_check(data, size, size, word(data + 4), &p) == PROBE_OK) {
		probe_body_build(body, size, &p);
		check(!memcmp(body, data, size));
	}
	if (size <= PROBE_MAX_SIZE)
		probe_check(data, size, size, size > 36 ? word(data + 32) : 0, &p);
	return 0;
}
