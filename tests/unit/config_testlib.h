// SPDX-License-Identifier: BSD-3-Clause
// What the tests of config/ share: files from text, and the errors they get.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

// Ports, so that a test's own section is all that is worth looking at.
#define PORTS                                                \
	"dataplane:\n"                                       \
	"  ports:\n"                                         \
	"    access: { device: a, address: 192.0.2.1/24 }\n" \
	"    core: { device: b, address: 198.51.100.1/24 }\n"

#define ROOT_KEYS                                                                          \
	"log, dataplane, tls, sstp-server, ip-pools, ipv6-pools, address-lists, filters, " \
	"ppp-profiles, ppp-secrets, ppp-secrets-file, state-dir"

// What the last parse() reported, "" when nothing.
extern char *errors;

// Parse without looking at files; a configuration, or NULL and errors.
struct config *parse_n(const char *buf, size_t n);
struct config *parse(const char *s);

// A file that gets exactly these errors.
void expect_errors(const char *file, const char *expected);

int forget_errors(void **state); // a teardown

// A file of the source tree, to be freed.
char *slurp(const char *path);

// A new file of this mode with this text; the caller unlinks and frees its name.
char *make_file(const char *text, unsigned int mode);
