// SPDX-License-Identifier: BSD-3-Clause
// Passwords from where they do not show: a file, the environment, a terminal without echo.
// Each writes a NUL-terminated text of at most cap - 1 bytes and returns 0, -errno, or -E2BIG when
// it is longer.
#pragma once

#include <stddef.h>

// The first line of a file ("-": standard input).
int password_from_file(const char *file, char *dst, size_t cap);
int password_from_env(const char *name, char *dst, size_t cap); // -ENOENT: not set; unset after
int password_from_terminal(const char *prompt, char *dst, size_t cap);
