// SPDX-License-Identifier: BSD-3-Clause
// A record backend "null" that protects nothing: records keep their shape, the cipher costs
// nothing, so that what is measured is everything else. In the benches only: culvertd cannot name
// it.
//
// A handshake's other side speaks the real cipher to the end of the set-up. So "null" can be told
// to protect for real as well, by the fastest backend, for as long as calls come and go.
#pragma once

#include <stdbool.h>

// Make "null" known to rec_backend_get(). Before workers start. It protects nothing from the start.
void bench_null_backend_add(void);

// Protect for real (true) or not at all (false) from now on; on all threads, while no record is
// under way.
void bench_null_backend_protect(bool on);
