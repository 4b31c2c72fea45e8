// SPDX-License-Identifier: BSD-3-Clause
// A packet from either side: what counts as traffic does not depend on what is behind the header,
// and a packet from an address that is gone is only one with that address.
#include "client/demand.h"
#include "tests/fuzz/fuzz_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct demand_gone gone = {.addr = {0x0a707001u, 0x0a000002u}, .any = true};
	uint8_t *copy = fuzz_copy(data, size);
	size_t header;
	bool traffic;

	traffic = demand_is_traffic(copy, size);
	header = size && copy[0] >> 4 == 4 ? 20 : 40;
	if (traffic && size < header)
		abort();
	if (size >= header && demand_is_traffic(copy, header) != traffic)
		abort();
	if (demand_is_gone(&gone, copy, size) &&
		(header != 20 || size < header || copy[12] != 10 || (copy[13] != 112 && copy[13])))
		abort();
	free(copy);
	return 0;
}
