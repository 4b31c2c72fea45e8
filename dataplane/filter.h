// SPDX-License-Identifier: BSD-3-Clause
// Packet filters: an ordered list of rules, compiled so that a packet costs the same handful of
// searches with one rule or with hundreds. For each field there is a table from its values to a row
// of bits, a bit for each rule that this value suits; the first bit that all rows have is the rule.
//
// Compiled by the control thread before workers start; nothing changes afterwards.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

#define FILTER_RULES_MAX 4096 // with which one takes 50 MB

struct filter; // of one direction

// Every filter of c, for both directions. NULL with errno: ENOMEM, E2BIG (a filter has too many
// rules).
struct filter_set *filter_set_create(const struct config *c);
void filter_set_destroy(struct filter_set *fs); // NULL is fine
bool filter_exists(const struct filter_set *fs, unsigned int number);
// number: in c->filters. NULL: none of that number, or it has no rule for that direction.
const struct filter *filter_get(
	const struct filter_set *fs, unsigned int number, bool out_to_client);

// What filters look at in a packet.
struct filter_key {
	uint64_t src_hi, src_lo, dst_hi, dst_lo; // host order, IPv4 mapped into IPv6
	uint16_t src_port, dst_port;             // host order
	uint8_t protocol;                        // behind the extension headers that can be read
	bool is4;
	bool has_ports; // no: a later fragment, or a protocol without
	bool hidden;    // cut so that protocol or ports are not where they must be (RFC 1858, 7112)
};

// p: len bytes of an IPv4 or IPv6 packet whose fixed header was checked. Any bytes may follow.
void filter_key(struct filter_key *k, const uint8_t *p, uint32_t len);

// What the first rule that suits says, or CONFIG_FILTER_ACCEPT when there is none. A packet that
// hides what rules ask for is dropped. src_lists, dst_lists: bit for each address list that its
// addresses are in, see filter_lists().
enum config_filter_action filter_match(
	const struct filter *f, const struct filter_key *k, uint32_t src_lists, uint32_t dst_lists);
// The lists that rules ask for: a bit each. 0: nobody needs to look.
uint32_t filter_src_lists(const struct filter *f);
uint32_t filter_dst_lists(const struct filter *f);
