// SPDX-License-Identifier: BSD-3-Clause
// A network namespace of the test's own. TUN interfaces with nobody behind stand for the networks
// in it. Where there is none to be had, what needs it is skipped.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdbool.h>

#include "client/tunnel.h"

static bool netns_is_ours;
static char err[200]; // what a function of the tunnel said last

// With n (at most 10) interfaces out0, out1 and so on, which are down. Returns whether there is
// one.
static inline bool netns_enter(struct tunnel *out, unsigned int n)
{
	char name[] = "out0";

	for (unsigned int i = 0; i < n; i++)
		out[i] = (struct tunnel){.fd = -1, .net = {.fd = -1}};
	if (unshare(CLONE_NEWNET))
		return false;
	for (unsigned int i = 0; i < n; i++) {
		name[3] = (char)('0' + i);
		if (tunnel_open(&out[i], name, err, sizeof(err)))
			return false;
	}
	netns_is_ours = true;
	return true;
}

static inline void netns_leave(struct tunnel *out, unsigned int n)
{
	while (n--)
		tunnel_close(&out[n]);
}

// Of a test, first: it is skipped without a namespace.
static inline void netns_need(void)
{
	if (!netns_is_ours)
		skip();
}

// An interface that is up.
static inline void netns_open(struct tunnel *t, const char *name, uint16_t mtu)
{
	assert_int_equal(tunnel_open(t, name, err, sizeof(err)), 0);
	assert_int_equal(tunnel_up(t, mtu, err, sizeof(err)), 0);
}
