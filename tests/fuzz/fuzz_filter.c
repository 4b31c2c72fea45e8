// SPDX-License-Identifier: BSD-3-Clause
// What filters read in a packet: one byte says how many bytes of rules follow, then the packet. A
// rule is made of four bytes.
#include "dataplane/filter.h"
#include "tests/fuzz/fuzz_util.h"

#define RULE 4
#define RULES_MAX 63

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config_filter_rule rule(const uint8_t *p)
{
	struct config_filter_rule r = {.action = p[0] % 3,
		.direction = CONFIG_DIR_IN | CONFIG_DIR_OUT,
		.src_list = p[0] & 0x40 ? p[3] % 32 : -1,
		.dst_list = p[0] & 0x80 ? p[3] % 32 : -1,
		.protocol = p[0] & 4 ? p[1] : -1,
		.src_port = {0, UINT16_MAX},
		.dst_port = {p[0] & 8 ? p[2] : 0, UINT16_MAX},
		.has_src = p[0] & 0x10,
		.has_dst = p[0] & 0x20};

	r.src.addr =
		(struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = p[1], [15] = p[2]}};
	r.src.plen = p[3] % 129;
	r.dst.addr = (struct in6_addr){.s6_addr = {p[1], p[2]}};
	r.dst.plen = p[2] % 129;
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_filter_rule rules[RULES_MAX + 1];
	struct config_filter f = {.rules = rules};
	struct config c = {.filters = &f, .nb_filters = 1};
	enum config_filter_action action;
	struct filter_set *fs;
	struct filter_key k;
	uint8_t *pkt;

	if (size < 1)
		return 0;
	f.nb_rules = data[0] % (RULES_MAX + 1);
	data++;
	size--;
	if (size < f.nb_rules * RULE + 20)
		return 0;
	for (unsigned int i = 0; i < f.nb_rules; i++, data += RULE, size -= RULE)
		rules[i] = rule(data);
	pkt = fuzz_copy(data, size); // forwarding has checked the fixed header
	filter_key(&k, pkt, (uint32_t)size);
	MUST(!(k.has_ports && k.hidden));
	fs = filter_set_create(&c);
	MUST(fs);
	for (int out = 0; out < 2; out++) {
		const struct filter *one = filter_get(fs, 0, out);

		MUST(!one == !f.nb_rules);
		if (!one)
			continue;
		action = filter_match(one, &k, filter_src_lists(one), 0);
		MUST(action <= CONFIG_FILTER_REJECT && (!k.hidden || action == CONFIG_FILTER_DROP));
	}
	filter_set_destroy(fs);
	free(pkt);
	return 0;
}
