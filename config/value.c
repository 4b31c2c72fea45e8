// SPDX-License-Identifier: BSD-3-Clause
#include "config/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

// Digits at *s; *s moves behind them.
static int scan_uint(const char **s, uint64_t *v)
{
	const char *p = *s;
	uint64_t x = 0;
	bool over = false;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		over = over || x > (UINT64_MAX - 9) / 10;
		x = over ? 0 : x * 10 + (uint64_t)(*p - '0');
	}
	*s = p;
	*v = x;
	return over ? -ERANGE : 0;
}

int value_uint(const char *s, uint64_t *v)
{
	int rc = scan_uint(&s, v);

	return rc == -EINVAL || *s ? -EINVAL : rc;
}

// A number, and k, M or G for one, two or three steps.
static int scaled(const char *s, uint64_t step, uint64_t *v)
{
	uint64_t unit = 1;
	int rc = scan_uint(&s, v);

	if (rc == -EINVAL)
		return rc;
	if (*s == 'k' || *s == 'K')
		unit = step;
	else if (*s == 'M')
		unit = step * step;
	else if (*s == 'G')
		unit = step * step * step;
	if (s[unit != 1])
		return -EINVAL;
	if (rc || *v > UINT64_MAX / unit)
		return -ERANGE;
	*v *= unit;
	return 0;
}

int value_size(const char *s, uint64_t *bytes)
{
	return scaled(s, 1024, bytes);
}

int value_bitrate(const char *s, uint64_t *bps)
{
	return scaled(s, 1000, bps);
}

static uint64_t unit_seconds(char c)
{
	switch (c) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	case 'w':
		return 604800;
	default:
		return 0;
	}
}

// hh:mm:ss, to the end.
static int clock_time(const char *s, uint64_t *seconds)
{
	uint64_t h, m, sec;
	int rc = scan_uint(&s, &h);

	if (*s++ != ':' || scan_uint(&s, &m) || *s++ != ':' || scan_uint(&s, &sec) || *s)
		return -EINVAL;
	if (m > 59 || sec > 59)
		return -EINVAL;
	if (rc || h > UINT32_MAX)
		return -ERANGE;
	*seconds = h * 3600 + m * 60 + sec;
	return 0;
}

int value_duration(const char *s, uint64_t *seconds)
{
	uint64_t last = UINT64_MAX, n, unit;
	bool over = false;
	int rc;

	*seconds = 0;
	do {
		const char *start = s;

		rc = scan_uint(&s, &n);
		if (rc == -EINVAL)
			return rc;
		over = over || rc;
		if (*s == ':') {
			// Only days and weeks go in front.
			rc = last < 86400 ? -EINVAL : clock_time(start, &n);
			if (rc == -EINVAL)
				return rc;
			over = over || rc || n > UINT64_MAX - *seconds;
			*seconds += over ? 0 : n;
			break;
		}
		// A bare number is seconds, but only when it is all there is.
		unit = *s ? unit_seconds(*s) : last == UINT64_MAX;
		if (!unit || unit >= last)
			return -EINVAL;
		last = unit;
		over = over || n > (UINT64_MAX - *seconds) / unit;
		*seconds += over ? 0 : n * unit;
		s += *s != '\0';
	} while (*s);
	return over ? -ERANGE : 0;
}

int value_bool(const char *s, bool *v)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcmp(s, words[i])) {
			*v = i & 1;
			return 0;
		}
	}
	return -EINVAL;
}

int value_ip4(const char *s, uint32_t *addr)
{
	struct in_addr a;

	if (inet_pton(AF_INET, s, &a) != 1)
		return -EINVAL;
	*addr = ntohl(a.s_addr);
	return 0;
}

int value_ip6(const char *s, struct in6_addr *addr)
{
	return inet_pton(AF_INET6, s, addr) == 1 ? 0 : -EINVAL;
}

// Split "ADDRESS/LENGTH" into text (cap bytes) and *len (0..max).
static int split_prefix(const char *s, char *text, size_t cap, unsigned int max, uint8_t *len)
{
	const char *slash = strchr(s, '/');
	uint64_t n;

	if (!slash || (size_t)(slash - s) >= cap || value_uint(slash + 1, &n) || n > max)
		return -EINVAL;
	memcpy(text, s, (size_t)(slash - s));
	text[slash - s] = '\0';
	*len = (uint8_t)n;
	return 0;
}

int value_ip4_prefix(const char *s, uint32_t *addr, uint8_t *len)
{
	char text[INET_ADDRSTRLEN];

	if (split_prefix(s, text, sizeof(text), 32, len))
		return -EINVAL;
	return value_ip4(text, addr);
}

int value_ip6_prefix(const char *s, struct in6_addr *addr, uint8_t *len)
{
	char text[INET6_ADDRSTRLEN];

	if (split_prefix(s, text, sizeof(text), 128, len))
		return -EINVAL;
	return value_ip6(text, addr);
}

uint32_t value_ip4_network(uint32_t addr, uint8_t len)
{
	return len ? addr & ~(uint32_t)0 << (32 - len) : 0;
}

bool value_ip6_same_network(const struct in6_addr *a, const struct in6_addr *b, uint8_t len)
{
	unsigned int bytes = len / 8, bits = len % 8;

	if (memcmp(a->s6_addr, b->s6_addr, bytes))
		return false;
	return !bits || !((a->s6_addr[bytes] ^ b->s6_addr[bytes]) >> (8 - bits));
}

int value_ip4_range(const char *s, uint32_t *first, uint32_t *last)
{
	const char *dash = strchr(s, '-');
	char text[INET_ADDRSTRLEN];
	uint32_t addr;
	uint8_t len;

	if (strchr(s, '/')) {
		if (value_ip4_prefix(s, &addr, &len))
			return -EINVAL;
		*first = value_ip4_network(addr, len);
		*last = *first | (len ? (uint32_t)((UINT64_C(1) << (32 - len)) - 1) : UINT32_MAX);
		if (addr != *first)
			return -EINVAL;
		if (len <= 30) {
			(*first)++;
			(*last)--;
		}
		return 0;
	}
	if (!dash) {
		if (value_ip4(s, first))
			return -EINVAL;
		*last = *first;
		return 0;
	}
	if ((size_t)(dash - s) >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, (size_t)(dash - s));
	text[dash - s] = '\0';
	if (value_ip4(text, first) || value_ip4(dash + 1, last) || *last < *first)
		return -EINVAL;
	return 0;
}

int value_address(const char *s, struct in6_addr *addr)
{
	struct in_addr a4;

	if (inet_pton(AF_INET, s, &a4) == 1) {
		*addr = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
		memcpy(addr->s6_addr + 12, &a4, sizeof(a4));
		return 0;
	}
	// A mapped one is written as IPv4.
	if (value_ip6(s, addr) || IN6_IS_ADDR_V4MAPPED(addr))
		return -EINVAL;
	return 0;
}

bool value_host_bits(const struct in6_addr *addr, uint8_t len)
{
	for (unsigned int i = len; i < 128; i++)
		if (addr->s6_addr[i / 8] & 0x80 >> i % 8)
			return true;
	return false;
}

int value_network(const char *s, struct in6_addr *addr, uint8_t *len)
{
	char text[INET6_ADDRSTRLEN];

	*len = 128;
	if (!strchr(s, '/'))
		return value_address(s, addr);
	if (split_prefix(s, text, sizeof(text), 128, len) || value_address(text, addr))
		return -EINVAL;
	if (IN6_IS_ADDR_V4MAPPED(addr)) {
		if (*len > 32)
			return -EINVAL;
		*len = (uint8_t)(*len + 96);
	}
	return value_host_bits(addr, *len) ? -EINVAL : 0;
}

// A, or A-B with B not below A.
static int scan_range(const char *s, uint64_t max, uint64_t range[2])
{
	if (scan_uint(&s, &range[0]))
		return -EINVAL;
	range[1] = range[0];
	if (*s == '-') {
		s++;
		if (scan_uint(&s, &range[1]))
			return -EINVAL;
	}
	if (*s || range[1] < range[0])
		return -EINVAL;
	return range[1] > max ? -ERANGE : 0;
}

int value_port_range(const char *s, uint16_t range[2])
{
	uint64_t v[2];
	int rc = scan_range(s, UINT16_MAX, v);

	if (rc)
		return rc;
	range[0] = (uint16_t)v[0];
	range[1] = (uint16_t)v[1];
	return 0;
}

int value_protocol(const char *s, int *protocol)
{
	static const struct {
		const char *name;
		int number;
	} known[] = {
		{"icmp", 1},
		{"igmp", 2},
		{"ipip", 4},
		{"tcp", 6},
		{"udp", 17},
		{"dccp", 33},
		{"ipv6", 41},
		{"gre", 47},
		{"esp", 50},
		{"ah", 51},
		{"icmpv6", 58},
		{"ospf", 89},
		{"pim", 103},
		{"vrrp", 112},
		{"l2tp", 115},
		{"sctp", 132},
		{"udplite", 136},
	};
	uint64_t n;

	for (unsigned int i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!strcmp(s, known[i].name)) {
			*protocol = known[i].number;
			return 0;
		}
	}
	if (value_uint(s, &n))
		return -EINVAL;
	if (n > 255)
		return -ERANGE;
	*protocol = (int)n;
	return 0;
}

int value_cpu_range(const char *s, unsigned int *first, unsigned int *last)
{
	uint64_t v[2];
	int rc = scan_range(s, 1023, v);

	if (rc)
		return rc;
	*first = (unsigned int)v[0];
	*last = (unsigned int)v[1];
	return 0;
}

const char *value_ip4_text(char dst[16], uint32_t addr)
{
	snprintf(dst, 16, "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255, addr >> 8 & 255, addr & 255);
	return dst;
}

const char *value_prefix_text(char dst[VALUE_PREFIX_TEXT], const struct in6_addr *addr, uint8_t len)
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(addr) && len >= 96;
	size_t n;

	if (v4)
		inet_ntop(AF_INET, addr->s6_addr + 12, dst, VALUE_PREFIX_TEXT);
	else
		inet_ntop(AF_INET6, addr, dst, VALUE_PREFIX_TEXT);
	n = strlen(dst);
	if (len < 128)
		snprintf(dst + n, VALUE_PREFIX_TEXT - n, "/%u", v4 ? len - 96u : len);
	return dst;
}
