// SPDX-License-Identifier: BSD-3-Clause
// Handle -> session: arrays indexed by worker and slot, generation checked. One thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dp_msg.h"

#define CP_TABLE_MAX_WORKERS 256

struct cp_session;

struct cp_slot {
	struct cp_session *s;
	uint32_t generation;
	bool close_owed; // a CLOSE for this handle could not even be queued
};

struct cp_table {
	struct {
		struct cp_slot *slot;
		uint32_t size;
	} worker[CP_TABLE_MAX_WORKERS];
	uint32_t nb_close_owed;
};

static inline unsigned int cp_handle_worker(dp_handle h)
{
	return (unsigned int)(h >> 56);
}

static inline uint32_t cp_handle_slot(dp_handle h)
{
	return (uint32_t)(h >> 32) & 0xffffff;
}

static inline uint32_t cp_handle_generation(dp_handle h)
{
	return (uint32_t)h;
}

// The session of h, NULL: none, or another generation.
struct cp_session *cp_table_find(const struct cp_table *t, dp_handle h);

// The session in the place of h, of whatever generation.
struct cp_session *cp_table_at(const struct cp_table *t, dp_handle h);

// Make room for h and put s there (NULL: only make room). Whoever was there is forgotten. 0 or
// -ENOMEM.
int cp_table_put(struct cp_table *t, dp_handle h, struct cp_session *s);
void cp_table_remove(struct cp_table *t, dp_handle h);

// Note, or find and take back, that h is owed a CLOSE. take: 0 when none is left.
void cp_table_owe_close(struct cp_table *t, dp_handle h);
dp_handle cp_table_take_owed(struct cp_table *t);

void cp_table_free(struct cp_table *t);
