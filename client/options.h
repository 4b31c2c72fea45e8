// SPDX-License-Identifier: BSD-3-Clause
// culvert-client's command line. RouterOS's property names.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <net/if.h>

#include "protocol/ppp/ppp.h"

#define OPTIONS_PASSWORD_MAX 255

struct client_options {
	const char *connect_to, *port;
	const char *user;
	char password[OPTIONS_PASSWORD_MAX + 1];
	uint32_t auth_methods; // PPP_AUTH_* bits
	bool verify_certificate, verify_address;
	const char *ca, *ciphers, *keylog_file;
	const char *name;       // of the interface
	const char *congestion; // control of the TCP connection: a name, "system" or "auto"
	uint16_t max_mtu, max_mru;
	uint16_t mrru; // 0: disabled
	bool mrru_short;
	enum ppp_ipv6_mode ipv6;
	bool add_default_route, add_sni, only_tls12;
	uint32_t keepalive_s; // 0: disabled
};

// Parse argv and get the password from where it says (a prompt when it does not say). Returns 0;
// 1: help or version was printed; -EINVAL with a line in err. Strings borrow argv.
int client_options_parse(struct client_options *o, int argc, char **argv, FILE *err);

void client_options_wipe(struct client_options *o);
