// SPDX-License-Identifier: BSD-3-Clause
// What the parts of the parser share. Not for other folders.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "config/arena.h"
#include "config/config.h"
#include "config/options.h"
#include "config/report.h"
#include "config/yaml_tree.h"

#define PARSE_KEY_MAX 256

struct parse {
	enum config_section section; // of the root, and the structure that it fills: *c or *client
	void *base;
	struct config *c;
	struct client_config *client; // instead of c: culvert-client's file
	struct arena *arena;          // the configuration's
	void (*check)(
		struct parse *p); // what one key alone cannot show: when the root is a mapping
	config_check_fn *more;    // and then what its user checks; NULL: nothing
	bool check_files;
	unsigned int file_mode; // for passwords in it; 0: it was no file
	struct arena *tree;     // the nodes'
	struct report *report;
	const struct ynode *root;
	unsigned int worker_count; // "workers: N": the CPUs are chosen when control-core is known
	bool workers_bad;          // already reported
	// The values that became the structures of c, in their order; NULL for built-in profiles.
	const struct ynode **pool_nodes, **pool6_nodes, **filter_nodes, **profile_nodes,
		**secret_nodes, **client_nodes, **client_profile_nodes,
		*cert_nodes[CONFIG_MAX_CERTS];
	unsigned int *secret_numbers; // users counted from 1 in their own file
};

// Parse a whole file, n bytes of YAML, and check it. p: up to check_files as its caller wants it,
// the rest zero; what this sets in it is dead afterwards. Whether nothing was wrong: else every
// error is written to err, a line each, and what came into *p->base is of no use.
bool parse_document(struct parse *p, const char *name, const char *buf, size_t n, FILE *err);
// The same of a file; what was read is wiped.
bool parse_document_file(struct parse *p, const char *file, FILE *err);

// Fill the structure at base with section s's keys of the mapping n (NULL: all defaults). at: where
// to report what is missing. path: full name of the section, for errors.
void parse_section(struct parse *p, enum config_section s, void *base, const struct ynode *n,
	const struct ynode *at, const char *path);

// Sections under names and lists of sections; n may be NULL. Mappings and lists of them.
void parse_pools(struct parse *p, const struct ynode *n, const char *path);
void parse_pools6(struct parse *p, const struct ynode *n, const char *path);
void parse_address_lists(struct parse *p, const struct ynode *n, const char *path);
void parse_filters(struct parse *p, const struct ynode *n, const char *path);
void parse_profiles(struct parse *p, const struct ynode *n, const char *path);
void parse_secrets(struct parse *p, const struct ynode *n, const char *path);
void parse_secrets_file(struct parse *p, const struct ynode *n, const char *path);

void parse_clients(struct parse *p, const struct ynode *n, const char *path);
void parse_client_profiles(struct parse *p, const struct ynode *n, const char *path);
// The values of HOSTS and IFNAME.
bool parse_client_value(struct parse *p, const struct config_option *o, void *base,
	const struct ynode *n, const char *key);

// Whether n can be gone through as a mapping; an empty value is an empty one.
bool parse_is_map(struct parse *p, const struct ynode *n, const char *path);
void parse_refuse_duplicates(struct parse *p, const struct ynode *map, const char *path);
void parse_path(char dst[PARSE_KEY_MAX], const char *parent, const char *key);

// Read a whole file for the parser; the caller wipes and frees. private: refuse one that others
// than the owner may read. *st: mode and owner of what was read. NULL with what was found in *why
// (of cap bytes).
char *parse_read_file(
	const char *file, size_t *n, bool private, struct stat *st, char *why, size_t cap);

// A list's items, or the scalar itself.
#define FOR_EACH(it, n)                                                               \
	for (const struct ynode *it = (n)->kind == YNODE_LIST ? (n)->first : (n); it; \
		it = (n)->kind == YNODE_LIST ? it->next : NULL)

// Put the value n into the field of o in the structure at base. key: its full name, for errors.
void parse_value(struct parse *p, const struct config_option *o, void *base, const struct ynode *n,
	const char *key);

// The same for types that are more than one scalar in one field. false: o is not of such a type.
bool parse_tls_value(struct parse *p, const struct config_option *o, void *base,
	const struct ynode *n, const char *key);
bool parse_net_value(struct parse *p, const struct config_option *o, void *base,
	const struct ynode *n, const char *key);

// Errors at n: with a text for what was found, of n itself, or that n is not what o allows.
void parse_error_found(struct parse *p, const struct ynode *n, const char *key, const char *found,
	const char *expected_fmt, ...) __attribute__((format(printf, 5, 6)));
void parse_error(struct parse *p, const struct ynode *n, const char *key, const char *expected_fmt,
	...) __attribute__((format(printf, 4, 5)));
void parse_refuse(
	struct parse *p, const struct config_option *o, const struct ynode *n, const char *key);

bool parse_is_word(const struct ynode *n, const char *word);
char *parse_copy(struct parse *p, const struct ynode *n);
bool parse_is_host_address(uint32_t a); // one that a host may have

// What one key alone cannot show: names that must exist, overlaps, files. After parsing.
void parse_check(struct parse *p);
void parse_client_check(struct parse *p);
void parse_client_check_files(struct parse *p); // only with p->check_files
