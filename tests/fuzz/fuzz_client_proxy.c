// SPDX-License-Identifier: BSD-3-Clause
// A proxy's answer, whole and in pieces: the parser says the same however it comes.
#include "client/proxy.h"
#include "tests/fuzz/fuzz_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_answer whole, part;
	int rc, first = 0;
	char *copy;

	if (size > 4096)
		return 0;
	copy = (char *)fuzz_copy(data, size);
	rc = proxy_answer_parse(copy, size, &whole);
	if (rc > (int)size || (rc > 0 && (whole.status < 100 || whole.status > 599)))
		abort();
	for (size_t n = 0; n <= size && !first; n++)
		first = proxy_answer_parse(copy, n, &part);
	if (first != rc || (rc > 0 && memcmp(&whole, &part, sizeof(whole))))
		abort();
	free(copy);
	return 0;
}
