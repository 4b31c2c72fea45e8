// SPDX-License-Identifier: BSD-3-Clause
// A YAML document as a tree of nodes with positions. Only plain data: anchors, aliases, tags, merge
// keys, several documents and keys that are no scalars are refused, so that no file can mean more
// than it says. Size, depth and number of nodes are bounded. Control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/arena.h"
#include "config/report.h"

#define YAML_MAX_BYTES (64u << 20)
#define YAML_MAX_DEPTH 16
#define YAML_MAX_NODES (4u << 20)

enum ynode_kind {
	YNODE_NULL, // nothing, ~ or null
	YNODE_SCALAR,
	YNODE_LIST,
	YNODE_MAP,
	YNODE_BAD, // already reported
};

struct ynode {
	uint8_t kind;              // enum ynode_kind
	uint8_t file;              // number among the report's files
	unsigned int line, column; // from 1
	unsigned int n;            // list: items; map: keys
	const char *value;         // scalar: NUL added, len bytes
	size_t len;
	struct ynode *first; // list: items; map: keys (scalars), each with its value in `pair`
	struct ynode *next;
	struct ynode *pair;
};

// Parse n bytes, those of the report's file number `file`. Every error goes to r. NULL when there
// is no usable tree. The nodes live in a.
struct ynode *yaml_tree_parse(
	struct arena *a, const char *buf, size_t n, struct report *r, unsigned int file);

// The value of key in map; NULL when map is none or lacks the key. The last of duplicates.
struct ynode *ynode_get(const struct ynode *map, const char *key);

// The i-th item of a list or value of a map, or NULL.
struct ynode *ynode_nth(const struct ynode *n, unsigned int i);

// What a node is, for "found ...": its quoted value or "a list" and so on. secret: never the value.
// Returns dst.
const char *ynode_describe(char *dst, size_t cap, const struct ynode *n, bool secret);
