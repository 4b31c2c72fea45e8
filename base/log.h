// SPDX-License-Identifier: BSD-3-Clause
// Structured log of the control plane, the client and the tools. Workers never log.
//
// A line is `time level type: message`, where message is words and key=value pairs; values that
// hold spaces, quotes or control characters are quoted and escaped by log_quote(), so that nothing
// a peer sends can forge a line.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

// Every .c that logs defines LOG_TYPE first, e.g. #define LOG_TYPE "cp.session".
#define LOG(level, ...)                                                      \
	do {                                                                 \
		if ((level) <= log_threshold)                                \
			log_write((level), LOG_TYPE, __func__, __VA_ARGS__); \
	} while (0)

// The same with errno's text (of the positive or negative number err) behind the message.
#define LOG_ERRNO(level, err, fmt, ...) LOG(level, fmt ": %s", ##__VA_ARGS__, log_strerror(err))

// At most `burst` lines a second from this place; the next line let through says how many were held
// back.
#define LOG_RATELIMIT(level, burst, ...)                                        \
	do {                                                                    \
		static struct log_rate rate_;                                   \
		if ((level) <= log_threshold && log_rate_pass(&rate_, (burst))) \
			log_write((level), LOG_TYPE, __func__, __VA_ARGS__);    \
	} while (0)

struct log_rate {
	uint64_t second;
	uint32_t passed;
	uint32_t held;
};

extern enum log_level log_threshold;

// Set the threshold by name: err, warning, notice, info, debug. 0, or -EINVAL. Control thread.
int log_set_level(const char *name);

// Write one line to standard error. Any thread; one write(2) a line. func is printed at debug level
// only.
void log_write(enum log_level level, const char *type, const char *func, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

// True while fewer than burst lines passed in this second. Control thread.
bool log_rate_pass(struct log_rate *r, uint32_t burst);

// errno text of err or -err, in a per-thread buffer.
const char *log_strerror(int err);

// Quote n bytes for a log line into dst (cap bytes with the final NUL; too long is cut with "..."):
// as is when plain printable without spaces, else in double quotes with \xNN escapes. Returns dst.
const char *log_quote(char *dst, size_t cap, const void *bytes, size_t n);
