// SPDX-License-Identifier: BSD-3-Clause
// The checks across keys, by subject. Not for other folders. Each reports what it finds; all run on
// whatever was parsed, however wrong. Control thread.
#pragma once

#include "config/parse.h"

// Where a port's mapping stands ("access", "core"); NULL: nowhere.
const struct ynode *check_port_node(const struct parse *p, const char *name);

// Where SECTION's KEY stands in the file, else the section, else the top.
const struct ynode *check_place(const struct parse *p, const char *section, const char *key);
// Where a value of the mapping stands, else the mapping, else the top. map may be NULL.
const struct ynode *check_place_in(const struct parse *p, const struct ynode *map, const char *key);

// Full names for errors: "SECTION.NAME", "ppp-secrets[i]" as counted in its own file, and a key
// below one.
void check_name(char dst[PARSE_KEY_MAX], const char *section, const char *name);
void check_secret_name(const struct parse *p, char dst[PARSE_KEY_MAX], unsigned int i);
void check_key(char dst[PARSE_KEY_MAX], const char *path, const char *key);

void check_addresses(struct parse *p);  // IPv4: pools, ports, fixed and local addresses
void check_addresses6(struct parse *p); // IPv6: pools, fixed prefixes
void check_filters(struct parse *p);
void check_profiles(struct parse *p);
void check_secrets(struct parse *p);
void check_files(struct parse *p); // files, folders, programs: only with p->check_files
