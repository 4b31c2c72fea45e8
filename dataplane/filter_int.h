// SPDX-License-Identifier: BSD-3-Clause
// The inside of compiled filters.
#pragma once

#include "dataplane/filter.h"

struct filter_addr {
	uint64_t hi, lo;
};

static inline int filter_addr_cmp(const struct filter_addr *a, const struct filter_addr *b)
{
	if (a->hi != b->hi)
		return a->hi < b->hi ? -1 : 1;
	return a->lo < b->lo ? -1 : a->lo > b->lo;
}

// From the value start[i] on to the one before start[i + 1] row i is right. start[0] is 0.
struct table32 {
	uint32_t n;
	uint32_t *start;
	uint64_t *rows; // [n][words]
};

struct table128 {
	uint32_t n;
	struct filter_addr *start;
	uint64_t *rows;
};

struct filter_lists {
	uint32_t used;  // lists that any rule asks for
	uint64_t *rows; // [CONFIG_MAX_LISTS][words]: rules that ask for this one
};

struct filter {
	uint32_t nb_rules, words; // words of a row
	uint8_t *action;          // [nb_rules]
	uint64_t *protocol;       // [256][words]
	uint64_t *no_ports;       // [words]: rules that ask for no port
	struct table32 src_port, dst_port, src4, dst4;
	struct table128 src6, dst6;
	struct filter_lists src_lists, dst_lists;
};
