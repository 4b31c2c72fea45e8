// SPDX-License-Identifier: BSD-3-Clause
// A record backend "null" that protects nothing: records keep their shape, the cipher costs nothing,
// so that what is measured is everything else. In the benches only: culvertd cannot name it.
#pragma once

// Make "null" known to rec_backend_get(). Before workers start.
void bench_null_backend_add(void);
