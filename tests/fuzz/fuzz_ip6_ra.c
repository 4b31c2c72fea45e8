// SPDX-License-Identifier: BSD-3-Clause
// A packet that a client sends to the router: checksums are made right, so that what is behind them
// is reached; once as it is, too.
#include "protocol/ip6/ra.h"
#include "tests/fuzz/fuzz_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// What was understood can be said again, and means the same.
static void say_again(const struct ra *ra, const struct ip6_packet *k)
{
	uint8_t buf[RA_PACKET_MAX];
	size_t n = ra_packet(ra, &k->src, &k->dst, buf, sizeof(buf));
	struct ip6_packet k2;
	struct ra again;

	MUST(n && n <= sizeof(buf));
	MUST(ip6_decode(buf, n, &k2) == 0 && ra_decode(&k2, &again) == 0);
	MUST(again.lifetime_s == ra->lifetime_s && again.mtu == ra->mtu);
	MUST(again.plen == ra->plen && again.nb_dns == ra->nb_dns);
	MUST(!memcmp(again.dns, ra->dns, sizeof(ra->dns)));
	MUST(!ra->plen || ip6_in_prefix(&ra->prefix, &again.prefix, ra->plen));
}

static void judge(const uint8_t *p, size_t n)
{
	struct ra_question q;
	struct ip6_packet k;
	uint8_t buf[RA_PACKET_MAX];
	struct ra ra;

	if (ip6_decode(p, n, &k))
		return;
	MUST(k.payload.p >= p && k.payload.end <= p + n);
	if (!ra_question(&k, &q) && q.type == RA_NEIGHBOUR_SOLICIT)
		MUST(na_packet(&q.target, &k.src, buf, sizeof(buf)));
	if (!ra_decode(&k, &ra))
		say_again(&ra, &k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = fuzz_copy(data, size);
	struct writer w;

	judge(copy, size);
	if (size > IP6_HDR_LEN + IP6_UDP_HDR_LEN && size < 65535) {
		w = writer_make(copy, size);
		w.p = w.end;
		ip6_end(&w);
		judge(copy, size);
	}
	free(copy);
	return 0;
}
