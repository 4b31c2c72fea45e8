// SPDX-License-Identifier: BSD-3-Clause
// culvert-client's connections as checked structs: from a YAML file, or one from the command line.
// The rows are in config/client.def; errors read as those of config.h. Control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config/config.h"

#define CONFIG_MAX_HOSTS 16

#define CONFIG_DEMAND_IDLE_S 300 // with dial-on-demand, where no profile says

struct config_client_profile { // ppp-profiles: NAME: settled after loading
	char *name;
	uint32_t local_address, remote_address; // host order; 0: none
	uint32_t dns[CONFIG_MAX_DNS];
	struct in6_addr dns6[CONFIG_MAX_DNS];
	unsigned int nb_dns, nb_dns6;        // both 0: the server's
	enum config_tristate change_tcp_mss; // CONFIG_NO or CONFIG_YES
	uint32_t session_timeout_s;          // 0: none
	uint32_t idle_timeout_s;             // 0: none; CONFIG_UNSET: see config_connection
	enum config_tristate use_ipv6;       // never CONFIG_DEFAULT
	char *on_up, *on_down;               // programs, absolute; NULL: none
};

enum config_peer_dns { CONFIG_PEER_DNS_NO, CONFIG_PEER_DNS_YES, CONFIG_PEER_DNS_EXCLUSIVELY };

struct config_connection { // sstp-client: NAME:
	char *key;         // NAME; NULL: from the command line
	char **hosts;      // connect-to, in order
	unsigned int nb_hosts;
	uint16_t port;                              // 443
	char *http_proxy;                           // NULL: none
	uint16_t proxy_port;                        // 443
	char *proxy_user;                           // NULL: no authentication
	char *proxy_password, *proxy_password_file; // NULL: none; one of the two with a user
	char *user;
	char *password;                     // NULL: not given here
	char *password_file, *password_env; // NULL: none; at most one of the three
	uint32_t authentication;            // PPP_AUTH_* bits
	struct config_cert certificate;     // cert NULL: none
	bool verify, verify_address;        // no
	char *ca;                           // NULL: the system's
	bool add_sni, only_tls12;
	char *ciphers; // OpenSSL's string, also with names of TLS 1.3 suites; NULL: default
	enum config_pfs pfs;
	uint16_t max_mtu, max_mru; // 1460
	uint16_t mrru;             // 0: disabled
	bool mrru_short;
	uint32_t keepalive_s; // 0: disabled
	bool add_default_route;
	uint32_t distance; // default-route-distance, 1
	bool dial_on_demand;
	enum config_peer_dns peer_dns; // use-peer-dns
	uint32_t idle_s;               // the profile's idle-timeout, 0: none
	char *profile;                 // "default"
	const struct config_client_profile *ppp;
	char *name; // of the interface
	bool disabled;
	char *comment;        // NULL: none
	char *congestion;     // "auto", "system", or a kernel's name
	char *record_backend; // "auto", "ipsec-mb" or "openssl"
	char *keylog_file;    // NULL: none
};

struct client_config {
	struct config_connection *connections;
	unsigned int nb_connections;
	struct config_client_profile *profiles;
	unsigned int nb_profiles;
};

// Load and check a file. Every error is written to err, a line each. NULL when there was any.
struct client_config *client_config_load(const char *file, FILE *err);
// The same from memory. No file is looked at when check_files is false.
struct client_config *client_config_parse(
	const char *name, const char *buf, size_t n, bool check_files, FILE *err);

// One connection of options: key and value each, lists with commas. program begins the lines that
// say what is wrong.
struct config_arg {
	const char *key, *value;
};
struct client_config *client_config_args(
	const char *program, const struct config_arg *args, unsigned int nb_args, FILE *err);

void client_config_free(struct client_config *c); // wipes passwords; NULL is fine

// NULL: none of this name.
struct config_connection *client_config_find(const struct client_config *c, const char *name);

// Keep a password that was got from elsewhere in one of c's connections; wiped with the rest.
void client_config_set_password(struct client_config *c, char **field, const char *password);

// As config_print_help().
void client_config_print_help(FILE *out, bool markdown);
