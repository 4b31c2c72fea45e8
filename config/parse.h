// SPDX-License-Identifier: BSD-3-Clause
// What the parts of the parser share. Not for other folders.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/arena.h"
#include "config/config.h"
#include "config/options.h"
#include "config/report.h"
#include "config/yaml_tree.h"

#define PARSE_KEY_MAX 256

struct parse {
	struct arena *arena; // the configuration's
	struct report *report;
	struct config *c;
	bool check_files;
	const struct ynode *root;
	unsigned int worker_count; // "workers: N": the CPUs are chosen when control-core is known
	bool workers_bad;          // already reported
	// The values that became c->pools, profiles and secrets; NULL for built-in profiles.
	const struct ynode **pool_nodes, **profile_nodes, **secret_nodes;
};

// Put the value n into the field of o in the structure at base. key: its full name, for errors.
void parse_value(struct parse *p, const struct config_option *o, void *base, const struct ynode *n,
	const char *key);

// The value of one pool.
void parse_pool(struct parse *p, struct config_pool *pool, const struct ynode *n, const char *key);

// An error at n.
void parse_error(struct parse *p, const struct ynode *n, const char *key, const char *expected_fmt,
	...) __attribute__((format(printf, 4, 5)));
// The same with a text for what was found.
void parse_error_found(struct parse *p, const struct ynode *n, const char *key, const char *found,
	const char *expected_fmt, ...) __attribute__((format(printf, 5, 6)));

// What one key alone cannot show: names that must exist, overlaps, files. After parsing.
void parse_check(struct parse *p);
