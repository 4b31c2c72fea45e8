// SPDX-License-Identifier: BSD-3-Clause
#include "bench/gen/cut.h"

#include <string.h>

uint16_t cut_put(struct rte_mbuf **tail, uint16_t mss, const uint8_t *p, uint32_t n,
	struct rte_mbuf **spare, uint32_t *nb_spare, struct rte_mbuf **out)
{
	struct rte_mbuf *m = *tail;
	uint16_t nb = 0;
	uint32_t k;

	while (n) {
		if (m && m->data_len >= mss) { // the MSS became smaller
			out[nb++] = m;
			m = NULL;
		}
		if (!m)
			m = spare[--*nb_spare];
		k = RTE_MIN(n, (uint32_t)(mss - m->data_len));
		memcpy(rte_pktmbuf_append(m, (uint16_t)k), p, k);
		p += k;
		n -= k;
		if (m->data_len == mss) {
			out[nb++] = m;
			m = NULL;
		}
	}
	*tail = m;
	return nb;
}
