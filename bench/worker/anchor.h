// SPDX-License-Identifier: BSD-3-Clause
// The anchor: what the fastest backend takes for the same records with nothing around them, sealed
// in place and opened in place, in bursts, one key after the other. As many keys as sessions, and
// as many buffers as packets that are under way then, into which a wire has copied right before:
// what the memory of keys and packets costs any server is in it.
#pragma once

#include <stdint.h>

#include "tls/record.h"

struct anchor;

// nb_keys pairs of keys from DPDK memory. NULL with errno.
struct anchor *anchor_create(unsigned int nb_keys, uint16_t version, enum tls_aead aead);
void anchor_destroy(struct anchor *a);
const char *anchor_backend(const struct anchor *a);

struct anchor_result { // TSC cycles a record, medians of the bursts
	double seal, open;
};

// Of records with len bytes of plaintext. On the worker's CPU.
struct anchor_result anchor_run(struct anchor *a, uint16_t len);
