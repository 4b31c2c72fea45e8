// SPDX-License-Identifier: BSD-3-Clause
// What fuzz targets share: what must hold, and input whose end a sanitizer sees.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(cond)                                                                 \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                   \
		}                                                                  \
	} while (0)

// A copy in an allocation of just that length, so that a read behind it is seen. To be freed; n may
// be 0.
static inline uint8_t *fuzz_copy(const void *p, size_t n)
{
	uint8_t *copy = calloc(1, n ? n : 1);

	MUST(copy);
	if (n)
		memcpy(copy, p, n);
	return copy;
}
