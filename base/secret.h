// SPDX-License-Identifier: BSD-3-Clause
// Secrets: wiping, and comparison in constant time. Any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// Overwrite n bytes in a way the compiler keeps.
void secret_wipe(void *p, size_t n);

// Whether n bytes are equal, in time that depends on n alone.
bool secret_equal(const void *a, const void *b, size_t n);
