// SPDX-License-Identifier: BSD-3-Clause
// The configuration file as checked structs. parse > validate > freeze: after config_load() nothing
// changes it. One table (config/options.c) has a row per key: type, unit, range, default, help;
// parser, `--help-config` and docs/configuration.md's table come from it. Every error says
// file:line:column: key: found, expected.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <netinet/in.h>

#define CONFIG_MAX_WORKERS 32
#define CONFIG_MAX_CERTS 16
#define CONFIG_MAX_DNS 2
#define CONFIG_MAX_LISTS 32 // address-lists
#define CONFIG_MAX_FILTERS 65535
#define CONFIG_MAX_RULES 4096      // of a filter
#define CONFIG_MAX_ROUTES 1024     // of a user
#define CONFIG_MAX_POOL (1u << 24) // addresses of one of ip-pools
#define CONFIG_MAX_RANGES 256      // of all ip-pools together

struct config_port {
	char *device;         // DPDK's own string
	uint16_t mtu;         // 0: the device's
	uint16_t vlan;        // 0: untagged
	uint16_t descriptors; // per queue, 1024
	bool has4, has6, has_gw4, has_gw6;
	struct in_addr addr4, gw4;
	uint8_t plen4;
	struct in6_addr addr6, gw6;
	uint8_t plen6;
};

enum config_poll { CONFIG_POLL_BUSY, CONFIG_POLL_ADAPTIVE };

struct config_dataplane {
	unsigned int workers[CONFIG_MAX_WORKERS]; // CPU numbers ("workers: 2" takes the first two
						  // besides control-core where there are enough)
	unsigned int nb_workers;
	unsigned int control_core;
	enum config_poll poll; // adaptive
	bool hugepages;        // memory.hugepages, no
	uint32_t mbufs;        // memory.mbufs, for all workers together, 65536
	uint32_t max_sessions; // 16384: connections and sessions, all workers together
	char *record_backend;  // "auto" | "ipsec-mb" | "openssl"
	struct config_port access, core;
	// No keys of their own: what sstp-server's max-mtu, max-mru and mrru come to for workers.
	uint16_t packet_max; // largest packet in one frame
	uint16_t mrru;       // largest in fragments, 0: none
	bool policies;       // any session may have a rate limit, a filter, limits or idle-timeout
	// And what all sessions may publish at once: routes and IPv6 prefixes, members of lists.
	uint32_t prefixes, list_members;
	// TCP
	uint32_t rcv_window;      // tcp.receive-window, 1 MiB
	uint32_t snd_buffer;      // tcp.send-buffer, 1 MiB
	uint32_t keepalive_s;     // tcp.keepalive, 0: off
	char *congestion_control; // tcp.congestion-control: "bbr" | "cubic" | "newreno"
};

struct config_cert {
	char *cert, *key; // key NULL: in cert
	char *ocsp;       // DER response to staple, NULL: none
};

struct config_tls {                 // tls:
	char *engine, *provider;    // NULL: none
	unsigned int async_threads; // 1
	bool async_ecdsa;           // no
	char *keylog_file;          // debugging; warned about at start
	bool session_tickets;       // yes
};

enum config_pfs { CONFIG_PFS_NO, CONFIG_PFS_YES, CONFIG_PFS_REQUIRED };

struct config_sstp_server { // sstp-server:
	bool enabled;       // no
	uint16_t port;      // 443
	struct config_cert certs[CONFIG_MAX_CERTS];
	unsigned int nb_certs;     // 0 with certificate: none, which is anonymous DH only
	bool certificate_none;     // written, not only left out
	uint32_t authentication;   // PPP_AUTH_* bits
	char *default_profile;     // "default"
	uint32_t keepalive_s;      // 60; 0: disabled
	uint16_t max_mtu, max_mru; // 1460
	uint16_t mrru;             // 512..65535; 0: disabled
	bool only_tls12;           // tls-version
	bool tls_legacy;
	enum config_pfs pfs;            // no
	bool verify_client;             // verify-client-certificate, no
	char *ca, *crl;                 // files, NULL: none
	char *ciphers;                  // NULL: default
	uint32_t handshake_timeout_s;   // handshake-timeout, 30: from the TCP connection to a
					// complete HTTP request
	uint32_t negotiation_timeout_s; // negotiation-timeout, 60: the specification's timer
	uint32_t auth_timeout_s;        // authentication-timeout, 60
	uint32_t max_half_open;         // calls in progress at once, 4096
};

// Addresses. An IPv4 one is ::ffff:a.b.c.d, its prefix length 96 longer, so that both families go
// through the same tables.
struct config_prefix {
	struct in6_addr addr;
	uint8_t plen; // 0..128; IPv4: 96..128
};

struct config_pool { // ip-pools: NAME: [a-b, c, d/e], or { ranges: [...], next-pool: NAME }
	char *name;
	char *next_pool; // where to go on when all are taken, NULL: nowhere. No cycles.
	struct {
		uint32_t first, last; // host order, both included
	} * ranges;
	unsigned int nb_ranges;
};

struct config_pool6 { // ipv6-pools: NAME: { prefix: 2001:db8::/40, prefix-length: 64 }
	char *name;
	struct in6_addr prefix;
	uint8_t plen;   // of prefix
	uint8_t length; // of what is handed out, plen..64
};

struct config_address_list { // address-lists: NAME: [prefix, ...]
	char *name;
	struct config_prefix *prefixes;
	unsigned int nb_prefixes;
};

enum config_filter_action {
	CONFIG_FILTER_ACCEPT,
	CONFIG_FILTER_DROP,
	CONFIG_FILTER_REJECT, // with ICMP administratively prohibited
};

#define CONFIG_DIR_IN 1  // from the client
#define CONFIG_DIR_OUT 2 // to the client

// One line of a filter: all that is given must be so. First match decides; without one the packet
// passes.
struct config_filter_rule {
	enum config_filter_action action;
	uint8_t direction; // CONFIG_DIR_*, both when not given
	bool has_src, has_dst;
	struct config_prefix src, dst;
	int src_list, dst_list;            // number in config.address_lists, -1: none
	int protocol;                      // IP protocol, ICMP means both families' ones; -1: any
	uint16_t src_port[2], dst_port[2]; // first, last; 0, 65535: any
};

struct config_filter { // filters: NAME: [ rules ]
	char *name;
	struct config_filter_rule *rules;
	unsigned int nb_rules;
};

// rate-limit: rx[/tx] [rx-burst[/tx-burst] [rx-threshold[/tx-threshold] [rx-time[/tx-time]]]], as
// RouterOS writes it. rx is what the client sends. Bits and seconds.
struct config_rate {
	uint64_t bps;           // 0: no limit
	uint64_t burst_bps;     // 0: no burst
	uint64_t threshold_bps; // average below which the burst rate is allowed
	uint32_t time_s;        // over which the average is taken
};

// A property that a profile may leave to the profile "default".
enum config_tristate { CONFIG_DEFAULT, CONFIG_NO, CONFIG_YES, CONFIG_REQUIRED };
enum config_only_one {
	CONFIG_ONLY_ONE_DEFAULT,
	CONFIG_ONLY_ONE_NO,
	CONFIG_ONLY_ONE_YES,     // a second log-in is refused
	CONFIG_ONLY_ONE_REPLACE, // the old session goes
};

#define CONFIG_UNSET UINT32_MAX // a time not given: that of the profile "default"

// What a profile does not give (0, NULL, CONFIG_UNSET, *_DEFAULT) comes from the profile "default";
// what that one does not give either has the value here. Of prefix_pool, pd_pool, filter,
// address_list, on_up and on_down the text "" means none, whatever the profile "default" has;
// has_rate with rates of 0 likewise.
struct config_profile { // ppp-profiles: NAME:
	char *name;
	uint32_t local_address;  // host order; 0: not set (inherited from the default profile)
	uint32_t remote_address; // an address; 0: see remote_pool
	char *remote_pool;       // NULL: none
	uint32_t dns[CONFIG_MAX_DNS], wins[CONFIG_MAX_DNS];
	struct in6_addr dns6[CONFIG_MAX_DNS]; // dns-server may name both families
	unsigned int nb_dns, nb_wins, nb_dns6;
	enum config_tristate change_tcp_mss; // yes
	// IPv6
	enum config_tristate use_ipv6; // yes; required: a session without it ends
	char *prefix_pool;             // remote-ipv6-prefix-pool, NULL: none
	char *pd_pool;                 // dhcpv6-pd-pool, NULL: none
	// limits
	bool has_rate;
	struct config_rate rate_rx, rate_tx;
	uint32_t session_timeout_s, idle_timeout_s; // 0: none
	enum config_only_one only_one;              // no
	// policy
	char *filter;       // name in filters:, NULL: none
	char *address_list; // name in address-lists: that the session's addresses join, NULL: none
	enum config_tristate use_compression, use_encryption; // no; required: calls are refused
	char *on_up, *on_down;                                // programs, absolute; NULL: none
};

struct config_route { // routes: "10.1.0.0/16 [gateway] [metric]"; also IPv6
	struct config_prefix prefix;
	bool has_gateway; // only said to scripts: a session is a link of its own
	struct in6_addr gateway;
	uint32_t metric; // 1; the lowest of equal prefixes wins
};

struct config_secret {                          // ppp-secrets: one
	char *name, *password;                  // password is wiped at the end of the process
	char *profile;                          // NULL: default-profile
	bool service_any, disabled;             // service: any | sstp
	uint32_t local_address, remote_address; // 0: from the profile
	char *remote_pool;                      // remote-address may name a pool
	bool has_prefix6;
	struct config_prefix prefix6; // remote-ipv6-prefix
	struct config_route *routes;
	unsigned int nb_routes;
	uint64_t limit_bytes_in, limit_bytes_out; // of a session; in: from the client; 0: none
	bool has_caller_id;
	struct config_prefix caller_id; // the client's outer address must lie in it
	char *comment;
};

struct config {
	char *file;
	char *log_level; // log: level; "info"
	struct config_dataplane dataplane;
	struct config_tls tls;
	struct config_sstp_server sstp;
	struct config_pool *pools;
	unsigned int nb_pools;
	struct config_pool6 *pools6;
	unsigned int nb_pools6;
	struct config_address_list *address_lists; // at most CONFIG_MAX_LISTS
	unsigned int nb_address_lists;
	struct config_filter *filters;
	unsigned int nb_filters;
	struct config_profile *profiles; // "default" and "default-encryption" always exist
	unsigned int nb_profiles;
	struct config_secret
		*secrets; // of ppp-secrets: and of the file that ppp-secrets-file: names
	unsigned int nb_secrets;
	char *secrets_file; // ppp-secrets-file, NULL: none
	char *state_dir;    // state-dir: where last-logged-out is kept, NULL: nowhere
};

// Load and check a file. Every error found is written to err, a line each (not only the first).
// NULL when there was any.
struct config *config_load(const char *file, FILE *err);
// The same with further checks by who knows more than the file does (what is in certificates, what
// a cipher string leaves): more() is called when the file's own checks are through, whatever they
// found, with what could be read. NULL: none.
struct config_report;
typedef void config_check_fn(const struct config *c, struct config_report *r);
struct config *config_load_checked(const char *file, config_check_fn *more, FILE *err);
// What more() found wrong with SECTION's KEY, or with item i of its list (-1: all of it).
void config_problem(struct config_report *r, const char *section, const char *key, int item,
	const char *found, const char *expected);

// The same from memory; name is for messages. For tests and the fuzzer. Nothing outside buf is
// touched when check_files is false.
struct config *config_parse(
	const char *name, const char *buf, size_t n, bool check_files, FILE *err);
void config_free(struct config *c); // wipes passwords; NULL is fine

const struct config_profile *config_profile(const struct config *c, const char *name); // NULL: none
const struct config_pool *config_pool(const struct config *c, const char *name);
const struct config_pool6 *config_pool6(const struct config *c, const char *name);
int config_filter(const struct config *c, const char *name);       // number, -1: none
int config_address_list(const struct config *c, const char *name); // number, -1: none
const struct config_secret *config_secret(const struct config *c, const char *name); // O(1)

// Read a rate limit as RouterOS writes it: `rx[/tx] [rx-burst[/tx-burst]
// [rx-threshold[/tx-threshold] [rx-time[/tx-time] [priority [rx-min[/tx-min]]]]]]`, rates with k,
// M, G (powers of 1000). What has no tx is the same both ways. Burst without threshold: the rate
// itself; without time: 1 s. Priority and least rates are checked and have no effect, as in
// RouterOS without a parent queue. "none": no limit. 0, or -EINVAL and *why says what is wrong
// (static text). Pure; any thread.
int config_rate_limit(
	const char *s, struct config_rate *rx, struct config_rate *tx, const char **why);

// Read a route: `PREFIX [gateway] [metric]`. An unspecified gateway is none. As above.
int config_route_parse(const char *s, struct config_route *r, const char **why);

// Print every key with type, unit, range, default and help: text for --help-config, or Markdown for
// the documentation.
void config_print_help(FILE *out, bool markdown);
