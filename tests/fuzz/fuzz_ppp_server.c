// SPDX-License-Identifier: BSD-3-Clause
// A server's PPP link: frames, timeouts, verdicts and the owner's calls in any order. The first
// byte chooses the authentication methods.
#include "ppp_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_make(data, size);
	struct fuzz_link f;
	uint8_t methods;

	if (cur_u8(&c, &methods))
		return 0;
	fuzz_link_make(&f, true, methods);
	fuzz_link_script(&f, c);
	fuzz_link_end(&f);
	return 0;
}
