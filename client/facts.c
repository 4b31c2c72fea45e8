// SPDX-License-Identifier: BSD-3-Clause
#include "client/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/value.h"

#define PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// CULVERT_NAME=text. What a peer had a hand in holds no control characters.
static void fact(FILE *out, const char *name, const char *text)
{
	if (!text)
		return;
	fprintf(out, "CULVERT_%s=", name);
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
	fputc('\0', out);
}

static void fact_number(FILE *out, const char *name, unsigned long long v)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", v);
	fact(out, name, text);
}

static void fact_ip(FILE *out, const char *name, uint32_t addr)
{
	char text[16];

	if (addr)
		fact(out, name, value_ip4_text(text, addr));
}

static void fact_servers(FILE *out, const char *name, const uint32_t addr[2])
{
	char text[40], a[16], b[16];

	if (!addr[0])
		return;
	snprintf(text, sizeof(text), "%s%s%s", value_ip4_text(a, addr[0]), addr[1] ? " " : "",
		addr[1] ? value_ip4_text(b, addr[1]) : "");
	fact(out, name, text);
}

static void fact_call(FILE *out, const struct facts_of *of)
{
	fact(out, "CONNECTION", of->conf->key);
	fact(out, "INTERFACE", of->interface);
	fact(out, "USER", of->conf->user);
	fact(out, "PROFILE", of->conf->ppp->name);
	fact(out, "SERVER", of->server);
	fact(out, "AUTHENTICATION", ppp_auth_name(of->info->auth));
	fact_ip(out, "ADDRESS", of->addr.local);
	fact_ip(out, "REMOTE_ADDRESS", of->addr.remote);
	fact_servers(out, "DNS", of->addr.dns);
	fact_servers(out, "WINS", of->addr.wins);
	fact_number(out, "MTU", of->info->mtu);
	fact(out, "TLS_VERSION", of->info->tls_version);
	fact(out, "TLS_CIPHER", of->info->cipher);
}

char *facts_create(const struct facts_of *of)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return NULL;
	fwrite(PATH, 1, sizeof(PATH), out); // with its NUL
	fact(out, "EVENT", of->reason ? "down" : "up");
	fact_call(out, of);
	if (of->reason) {
		fact_number(out, "DURATION", of->duration_s);
		fact_number(out, "RX_BYTES", of->counters->rx_bytes);
		fact_number(out, "TX_BYTES", of->counters->tx_bytes);
		fact(out, "REASON", of->reason);
	}
	fputc('\0', out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
