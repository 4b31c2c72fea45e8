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
	// TCP
	uint32_t rcv_window;      // tcp.receive-window, 1 MiB
	uint32_t snd_buffer;      // tcp.send-buffer, 1 MiB
	uint32_t keepalive_s;     // tcp.keepalive, 0: off
	char *congestion_control; // tcp.congestion-control: "bbr" | "cubic" | "newreno"
};

struct config_cert {
	char *cert, *key; // key NULL: in cert
};

struct config_tls {                 // tls:
	char *engine, *provider;    // NULL: none
	unsigned int async_threads; // 1
	bool async_ecdsa;           // no
	char *keylog_file;          // debugging; warned about at start
	bool session_tickets;       // yes
};

struct config_sstp_server { // sstp-server:
	bool enabled;       // no
	uint16_t port;      // 443
	struct config_cert certs[CONFIG_MAX_CERTS];
	unsigned int nb_certs;
	uint32_t authentication;   // PPP_AUTH_* bits
	char *default_profile;     // "default"
	uint32_t keepalive_s;      // 60; 0: disabled
	uint16_t max_mtu, max_mru; // 1460
	bool only_tls12;           // tls-version
	bool tls_legacy;
	char *ciphers;                  // NULL: default
	uint32_t handshake_timeout_s;   // handshake-timeout, 30: from the TCP connection to a
					// complete HTTP request
	uint32_t negotiation_timeout_s; // negotiation-timeout, 60: the specification's timer
	uint32_t auth_timeout_s;        // authentication-timeout, 60
	uint32_t max_half_open;         // calls in progress at once, 4096
};

struct config_pool { // ip-pools: NAME: [a-b, c, d/e]
	char *name;
	struct {
		uint32_t first, last; // host order, both included
	} * ranges;
	unsigned int nb_ranges;
};

struct config_profile { // ppp-profiles: NAME:
	char *name;
	uint32_t local_address;  // host order; 0: not set (inherited from the default profile)
	uint32_t remote_address; // an address; 0: see remote_pool
	char *remote_pool;       // NULL: none
	uint32_t dns[CONFIG_MAX_DNS], wins[CONFIG_MAX_DNS];
	unsigned int nb_dns, nb_wins;
	bool change_tcp_mss; // yes
};

struct config_secret {                          // ppp-secrets: one
	char *name, *password;                  // password is wiped at the end of the process
	char *profile;                          // NULL: default-profile
	bool service_any, disabled;             // service: any | sstp
	uint32_t local_address, remote_address; // 0: from the profile
	char *remote_pool;                      // remote-address may name a pool
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
	struct config_profile *profiles; // "default" and "default-encryption" always exist
	unsigned int nb_profiles;
	struct config_secret *secrets;
	unsigned int nb_secrets;
};

// Load and check a file. Every error found is written to err, a line each (not only the first).
// NULL when there was any.
struct config *config_load(const char *file, FILE *err);
// The same from memory; name is for messages. For tests and the fuzzer. Nothing outside buf is
// touched when check_files is false.
struct config *config_parse(
	const char *name, const char *buf, size_t n, bool check_files, FILE *err);
void config_free(struct config *c); // wipes passwords; NULL is fine

const struct config_profile *config_profile(const struct config *c, const char *name); // NULL: none
const struct config_pool *config_pool(const struct config *c, const char *name);
const struct config_secret *config_secret(const struct config *c, const char *name); // O(1)

// Print every key with type, unit, range, default and help: text for --help-config, or Markdown for
// the documentation.
void config_print_help(FILE *out, bool markdown);
