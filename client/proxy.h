// SPDX-License-Identifier: BSD-3-Clause
// The way through an HTTP proxy: CONNECT, as a client of SSTP asks for it. [MS-SSTP] 3.2.4.1,
// RFC 9110 9.3.6, RFC 7617. Pure; allocates nothing. Any thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PROXY_ANSWER_MAX 8192  // of its header
#define PROXY_REQUEST_MAX 2048 // with 255 bytes each of name, user and password

struct proxy_conf {
	const char *host; // of the server behind: a name or an address
	uint16_t port;
	const char *user, *password; // Basic, NULL: no authentication
};

// Write the request. Returns its length (< cap), -EINVAL: something cannot stand in it, or -ENOSPC.
// The caller wipes it.
int proxy_format_request(char *buf, size_t cap, const struct proxy_conf *p);

struct proxy_answer {
	unsigned int status; // 100..599
	char reason[80];     // as the proxy wrote it, cut; not to be trusted with a terminal
};

// Parse the answer at the start of buf, of which n bytes are there; those of 1xx in front of it are
// skipped. > 0: the length of it all with the blank line, *a is filled in; what follows a status of
// 2xx is the server's. 0: incomplete. -EBADMSG: no answer of HTTP/1, or longer than
// PROXY_ANSWER_MAX.
int proxy_answer_parse(const char *buf, size_t n, struct proxy_answer *a);
