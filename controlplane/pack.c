// SPDX-License-Identifier: BSD-3-Clause
// In turns: how many zeros, how many other bytes, those bytes.
#include "controlplane/pack.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

#define RUN_MAX 255
#define ZEROS_MIN 3 // fewer cost less as they are

// How many zeros p begins with, up to RUN_MAX.
static size_t zeros(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n && i < RUN_MAX && !p[i])
		i++;
	return i;
}

// How many bytes it begins with that are no run of zeros, up to RUN_MAX.
static size_t others(const uint8_t *p, size_t n)
{
	size_t i = 0, z;

	while (i < n && i < RUN_MAX) {
		z = zeros(p + i, n - i);
		if (z >= ZEROS_MIN || i + z == n)
			break;
		i += z + 1;
	}
	return i < RUN_MAX ? i : RUN_MAX;
}

// Returns the length; writes to `to` unless it is NULL.
static size_t encode(const uint8_t *p, size_t n, uint8_t *to)
{
	size_t len = 0;

	while (n) {
		size_t z = zeros(p, n), o = others(p + z, n - z);

		if (to) {
			to[len] = (uint8_t)z;
			to[len + 1] = (uint8_t)o;
			memcpy(to + len + 2, p + z, o);
		}
		len += 2 + o;
		p += z + o;
		n -= z + o;
	}
	return len;
}

void *pack(const void *p, size_t n, size_t *len)
{
	uint8_t *to;

	*len = encode(p, n, NULL);
	to = malloc(*len ? *len : 1);
	if (to)
		encode(p, n, to);
	return to;
}

int unpack(const void *packed, size_t len, void *p, size_t n)
{
	const uint8_t *from = packed;
	uint8_t *to = p;

	while (len) {
		size_t z, o;

		if (len < 2)
			return -EBADMSG;
		z = from[0];
		o = from[1];
		if (o > len - 2 || z > n || o > n - z)
			return -EBADMSG;
		memset(to, 0, z);
		memcpy(to + z, from + 2, o);
		from += 2 + o;
		len -= 2 + o;
		to += z + o;
		n -= z + o;
	}
	return n ? -EBADMSG : 0;
}

void pack_free(void *packed, size_t len)
{
	if (!packed)
		return;
	secret_wipe(packed, len);
	free(packed);
}
