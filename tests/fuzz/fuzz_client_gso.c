// SPDX-License-Identifier: BSD-3-Clause
// What a TUN interface gives, any header and packet: cut, and what it was cut into merged again.
// Then the same bytes as packets for the interface, one behind the other.
#include <stdlib.h>
#include <string.h>

#include "client/gro.h"
#include "client/gso.h"
#include "tests/fuzz/fuzz_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PACKETS 64u

static size_t put_bytes, got_bytes;

static void count(void *user, const struct iovec *part, unsigned int n)
{
	uint8_t vnet[GSO_VNET_LEN], *ip = malloc(1 << 17);
	struct gso g;
	size_t len = 0;

	if (!ip || part[0].iov_len != GSO_VNET_LEN || n < 2 || n > 2 + GRO_PARTS)
		abort();
	memcpy(vnet, part[0].iov_base, sizeof(vnet));
	for (unsigned int i = 1; i < n; i++) {
		memcpy(ip + len, part[i].iov_base, part[i].iov_len);
		len += part[i].iov_len;
	}
	if (gso_read(&g, vnet, ip, len) && len)
		abort();
	for (uint32_t i = 0; i < gso_count(&g, len); i++)
		got_bytes += gso_len(&g, len, i);
	free(ip);
}

static void merge(uint8_t *const *p, const size_t *len, unsigned int n)
{
	static struct gro r;

	gro_init(&r, count, NULL, true);
	put_bytes = got_bytes = 0;
	for (unsigned int i = 0; i < n; i++) {
		gro_put(&r, p[i], len[i]);
		put_bytes += len[i];
	}
	gro_flush(&r);
	if (put_bytes != got_bytes)
		abort();
}

static void cut(const uint8_t *data, size_t size)
{
	uint8_t *ip = fuzz_copy(data + GSO_VNET_LEN, size - GSO_VNET_LEN), *out[PACKETS];
	size_t n = size - GSO_VNET_LEN, len[PACKETS];
	struct gso g;
	uint32_t nb;

	if (!gso_read(&g, data, ip, n)) {
		nb = gso_count(&g, n);
		if (!nb || nb > n)
			abort();
		nb = nb < PACKETS ? nb : PACKETS;
		for (uint32_t i = 0; i < nb; i++) {
			len[i] = gso_len(&g, n, i);
			out[i] = malloc(len[i]);
			if (!out[i])
				abort();
			gso_cut(&g, ip, n, i, out[i]);
		}
		merge(out, len, nb);
		for (uint32_t i = 0; i < nb; i++)
			free(out[i]);
	}
	free(ip);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *p[PACKETS];
	size_t len[PACKETS], n;
	unsigned int nb = 0;

	if (size <= GSO_VNET_LEN || size > 70000)
		return 0;
	cut(data, size);
	for (; size > 2 && nb < PACKETS; nb++) {
		n = (size_t)(data[0] << 8 | data[1]) % (size - 2) + 1;
		p[nb] = fuzz_copy(data + 2, n);
		len[nb] = n;
		data += 2 + n;
		size -= 2 + n;
	}
	merge(p, len, nb);
	while (nb)
		free(p[--nb]);
	return 0;
}
