// SPDX-License-Identifier: BSD-3-Clause
// A packet from either side: what counts as traffic does not depend on what is behind the header,
// and a packet from an address that is gone is only one with that address.
#include <stdlib.h>
#include <string.h>

#include "client/demand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct demand_gone gone = {.addr = {0x0a707001u, 0x0a000002u}, .any = true};
	// Of its own length, so that a sanitizer sees the byte behind.
	uint8_t *copy = calloc(1, size ? size : 1);
	size_t header;
	bool traffic;

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
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
