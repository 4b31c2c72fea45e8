// SPDX-License-Identifier: BSD-3-Clause
// The option table: a row per key (options.def). Parser, defaults, help and documentation come from
// it. Read only; any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config/config.h"

// Sections, with the name they have in the documentation.
#define CONFIG_SECTION_LIST(X)                                     \
	X(ROOT, "")                                                \
	X(LOG, "log")                                              \
	X(DATAPLANE, "dataplane")                                  \
	X(MEMORY, "dataplane.memory")                              \
	X(TCP, "dataplane.tcp")                                    \
	X(PORTS, "dataplane.ports")                                \
	X(PORT, "dataplane.ports.access and dataplane.ports.core") \
	X(TLS, "tls")                                              \
	X(SERVER, "sstp-server")                                   \
	X(POOL, "ip-pools.NAME")                                   \
	X(POOL6, "ipv6-pools.NAME")                                \
	X(RULE, "filters.NAME, each")                              \
	X(PROFILE, "ppp-profiles.NAME")                            \
	X(SECRET, "ppp-secrets, each")

// culvert-client's, behind them: CONFIG_N_SECTIONS and config_nb_options are culvertd's own.
#define CONFIG_CLIENT_SECTION_LIST(X) \
	X(CLIENT_ROOT, "")            \
	X(CLIENT, "sstp-client.NAME") \
	X(CLIENT_PROFILE, "ppp-profiles.NAME")

#define X(name, text) CONFIG_SECTION_##name,
enum config_section {
	CONFIG_SECTION_LIST(X) CONFIG_N_SECTIONS,
	CONFIG_SECTION_BEFORE_CLIENT = CONFIG_N_SECTIONS - 1,
	CONFIG_CLIENT_SECTION_LIST(X) CONFIG_N_ALL_SECTIONS
};
#undef X

// Types: the field's C type, the name in the documentation, and what "expected" says (without
// range).
#define CONFIG_TYPE_LIST(X)                                                                        \
	X(SECTION, "section", "a mapping")                                                         \
	X(POOLS, "NAME: section, or its ranges", "a mapping of NAME: [RANGE, ...]")                \
	X(POOLS6, "NAME: section", "a mapping of NAME: { prefix: ..., prefix-length: ... }")       \
	X(LISTS, "NAME: list of addresses and prefixes", "a mapping of NAME: [PREFIX, ...]")       \
	X(FILTERS, "NAME: list of sections", "a mapping of NAME: [{ action: ... }, ...]")          \
	X(PROFILES, "NAME: section", "a mapping of NAME: { ... }")                                 \
	X(SECRETS, "list of sections", "a list of { name: ..., password: ... }")                   \
	X(SECRETS_FILE, "file name, none", "a file name or none")                                  \
	X(BOOL, "yes, no", "yes or no") /* bool */                                                 \
	X(YESNO, "word", "one of")      /* enum: the word's position; also true, false, on, off */ \
	X(U8, "number", "a number")     /* uint8_t */                                              \
	X(U16, "number", "a number")    /* uint16_t; default "disabled": that too, 0 */            \
	X(U32, "number", "a number")    /* uint32_t, unsigned int */                               \
	X(SIZE, "size", "a size such as 65536, 64k or 1M") /* uint32_t */                          \
	X(SIZE64, "size, none",                                                                    \
		"a size such as 65536, 10M or 2G, or none")         /* uint64_t, 0: none */        \
	X(DURATION, "time", "a time such as 60, 60s or 1m")         /* uint32_t, seconds */        \
	X(TIMEOUT, "time, none", "a time such as 60, 60s or 1h30m") /* uint32_t, 0: none */        \
	X(CHOICE, "word", "one of")    /* enum: the word's position */                             \
	X(FLAG, "word", "one of")      /* bool: the same */                                        \
	X(DIRECTION, "word", "one of") /* uint8_t: position + 1, which is CONFIG_DIR_* */          \
	X(WORD, "word", "one of")      /* char *: the word */                                      \
	X(TEXT, "text", "text")        /* char *, NULL: not given */                               \
	X(OPTNAME, "name, none", "a name or none")        /* char *, NULL: none */                 \
	X(NAME, "name", "a name")                         /* char *, not empty */                  \
	X(REF, "name, none", "a name or none")            /* char *, NULL: not given, "": none */  \
	X(PASSWORD, "text", "text of at most 255 bytes")  /* char *, never shown */                \
	X(PATH, "file name, none", "a file name or none") /* char *, NULL: none */                 \
	X(SCRIPT, "file name, none", "the absolute name of a program, or none") /* as REF */       \
	X(CPUS, "CPUs, or how many", "CPU numbers such as [1, 2] or [1-3], or a count")            \
	X(CERTS, "file name, { cert, key, ocsp }, or a list of these; none",                       \
		"a certificate file, { cert: FILE, key: FILE } or a list of these")                \
	X(AUTH, "list of pap, chap, mschap1, mschap2; or all",                                     \
		"a list of pap, chap, mschap1, mschap2, or all")                                   \
	X(CIPHERS, "list of cipher names", "cipher names or default")                              \
	X(PREFIXES, "ADDRESS/LENGTH, or a list", "an IPv4 and/or an IPv6 ADDRESS/LENGTH")          \
	X(GATEWAYS, "address, or a list", "an IPv4 and/or an IPv6 address")                        \
	X(IP4, "IPv4 address", "an IPv4 address") /* uint32_t, host order */                       \
	X(IP4_LIST, "IPv4 address, or a list of up to two", "up to two IPv4 addresses")            \
	X(IP_LIST, "address, or a list", "up to two IPv4 and two IPv6 addresses")                  \
	X(IP4_OR_POOL, "IPv4 address or name of a pool", "an IPv4 address or the name of a pool")  \
	X(RANGES, "range, or a list", "an address, a range a-b with a <= b, or a prefix d/n")      \
	X(NETWORK6, "IPv6 prefix", "an IPv6 ADDRESS/LENGTH without host bits")                     \
	X(PREFIX6, "IPv6 prefix", "an IPv6 ADDRESS/LENGTH up to /64, without host bits")           \
	X(CALLER_ID, "address or prefix", "an address, or ADDRESS/LENGTH without host bits")       \
	X(RULE_PREFIX, "address or prefix", "an address, or ADDRESS/LENGTH without host bits")     \
	X(RULE_LIST, "name, none", "the name of a list in address-lists, or none")                 \
	X(PROTOCOL, "name or 0..255, any",                                                         \
		"a protocol such as tcp, udp or icmp, its number, or any")                         \
	X(PORTS, "0..65535, a range a-b, any", "a port, a range a-b with a <= b, or any")          \
	X(RATE, "rates, none",                                                                     \
		"rx[/tx] [rx-burst[/tx-burst] [rx-threshold[/tx-threshold] "                       \
		"[rx-time[/tx-time]]]], or none")                                                  \
	X(ROUTES, "route, or a list", "PREFIX [gateway] [metric], or a list of these")             \
	X(CLIENTS, "NAME: section", "a mapping of NAME: { connect-to: ..., user: ... }")           \
	X(CLIENT_PROFILES, "NAME: section", "a mapping of NAME: { ... }")                          \
	X(HOSTS, "address or name, or a list", "an address or a host name, or a list of these")    \
	X(HOST, "address or name, none", "an address, a host name, or none")                       \
	X(CERT, "file name, { cert, key }, none",                                                  \
		"a certificate file, { cert: FILE, key: FILE }, or none")                          \
	X(IFNAME, "name",                                                                          \
		"an interface name: up to 15 bytes without blanks, slashes and colons, one %d")

#define X(name, text, expected) CONFIG_TYPE_##name,
enum config_type { CONFIG_TYPE_LIST(X) CONFIG_N_TYPES };
#undef X

struct config_option {
	enum config_section section;
	const char *key;
	enum config_type type;
	size_t offset;     // of the field in the section's structure
	const char *unit;  // SECTION: NULL; CHOICE, WORD and such: the words, with | between
	uint64_t min, max; // numbers; max 0: no range. Sections: min is the enum config_section
	const char *dflt;  // as in a file; NULL: nothing; "!": must be given; "^": inherited
	const char *help;
	const char *example; // a value as in a file; NULL for SECTION
};

extern const struct config_option config_options[];
extern const unsigned int config_nb_options;     // culvertd's rows, which come first
extern const unsigned int config_nb_all_options; // and culvert-client's

const char *config_section_name(enum config_section s);

// A key of culvert-client that is no option of its command line: what must not be seen there, and
// what means something in a file only.
bool config_option_is_file_only(const struct config_option *o);

// The row of a key, or NULL.
const struct config_option *config_option_find(enum config_section s, const char *key);

// What is expected instead of a key that has no row: which key is near, or what there is. *found:
// what it is taken for. Returns dst.
const char *config_option_unknown(
	char *dst, size_t cap, enum config_section s, const char *key, const char **found);

// The default for a reader.
const char *config_option_default(const struct config_option *o);

// The values a row allows, for "expected ...". Returns dst.
const char *config_option_expected(char *dst, size_t cap, const struct config_option *o);

// Whether "disabled" is a value too, as 0.
bool config_option_may_disable(const struct config_option *o);

// Position of word among "a|b|c", or -1.
int config_words_index(const char *words, const char *word);
