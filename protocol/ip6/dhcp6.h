// SPDX-License-Identifier: BSD-3-Clause
// DHCPv6 messages, RFC 8415, as far as a delegating router on a point-to-point link needs them:
// IA_PD, name servers (RFC 3646), and enough of IA_NA to say that there are no addresses. Pure; any
// thread; allocates nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "protocol/cursor.h"

#define DHCP6_SERVER_PORT 547
#define DHCP6_CLIENT_PORT 546

#define DHCP6_TYPE_LIST(X) \
	X(SOLICIT, 1)      \
	X(ADVERTISE, 2)    \
	X(REQUEST, 3)      \
	X(CONFIRM, 4)      \
	X(RENEW, 5)        \
	X(REBIND, 6)       \
	X(REPLY, 7) X(RELEASE, 8) X(DECLINE, 9) X(RECONFIGURE, 10) X(INFORMATION_REQUEST, 11)
#define X(name, value) DHCP6_##name = value,
enum dhcp6_type { DHCP6_TYPE_LIST(X) };
#undef X

enum dhcp6_option {
	DHCP6_OPT_CLIENTID = 1,
	DHCP6_OPT_SERVERID = 2,
	DHCP6_OPT_IA_NA = 3,
	DHCP6_OPT_IA_TA = 4,
	DHCP6_OPT_IAADDR = 5,
	DHCP6_OPT_ORO = 6,
	DHCP6_OPT_STATUS_CODE = 13,
	DHCP6_OPT_RAPID_COMMIT = 14,
	DHCP6_OPT_DNS_SERVERS = 23,
	DHCP6_OPT_IA_PD = 25,
	DHCP6_OPT_IAPREFIX = 26,
};

enum dhcp6_status { // 21.13
	DHCP6_SUCCESS = 0,
	DHCP6_UNSPEC_FAIL = 1,
	DHCP6_NO_ADDRS_AVAIL = 2,
	DHCP6_NO_BINDING = 3,
	DHCP6_NOT_ON_LINK = 4,
	DHCP6_USE_MULTICAST = 5,
	DHCP6_NO_PREFIX_AVAIL = 6,
};

#define DHCP6_MAX_DUID 130 // 11.1: 128 and its type
#define DHCP6_MAX_IA 4     // of each kind in one message; more are not looked at
#define DHCP6_MAX_PREFIX 4 // in one IA_PD
#define DHCP6_MAX_DNS 4
#define DHCP6_INFINITE UINT32_MAX

struct dhcp6_duid {
	uint8_t len; // 0: none
	uint8_t bytes[DHCP6_MAX_DUID];
};

struct dhcp6_prefix {
	uint32_t preferred_s, valid_s;
	uint8_t plen;
	struct in6_addr prefix;
};

struct dhcp6_ia {
	uint32_t iaid, t1_s, t2_s;
	uint16_t status; // enum dhcp6_status
	unsigned int nb_prefixes;
	struct dhcp6_prefix prefixes[DHCP6_MAX_PREFIX]; // IA_NA: addresses, plen 128
};

struct dhcp6_msg {
	uint8_t type;
	uint32_t xid; // 24 bits
	struct dhcp6_duid client, server;
	bool rapid_commit, has_oro, wants_dns;
	bool has_ta;
	uint16_t status;
	unsigned int nb_pd, nb_na, nb_dns;
	struct dhcp6_ia pd[DHCP6_MAX_IA], na[DHCP6_MAX_IA];
	struct in6_addr dns[DHCP6_MAX_DNS];
};

// Decode one message, UDP's payload. What comes twice counts once, the first time; options that are
// not known are skipped. 0, or -EBADMSG: too short, an option that does not end where it should, a
// DUID out of bounds, a relay's message.
int dhcp6_decode(struct cursor c, struct dhcp6_msg *m);
// Write one message: the fields above, in the order of the options' numbers. An IA without prefixes
// has its status, and with a status of Success none is written.
void dhcp6_encode(const struct dhcp6_msg *m, struct writer *w);

const char *dhcp6_type_name(uint8_t type); // "?": unknown
