// SPDX-License-Identifier: BSD-3-Clause
// An assertion that stands in every build type and says where.
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define fake_assert(cond)                                                                        \
	do {                                                                                     \
		if (!(cond)) {                                                                   \
			fprintf(stderr, "%s:%d: %s: failed: %s\n", __FILE__, __LINE__, __func__, \
				#cond);                                                          \
			abort();                                                                 \
		}                                                                                \
	} while (0)
