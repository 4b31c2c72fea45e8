// SPDX-License-Identifier: BSD-3-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <libgen.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "config/parse.h"
#include "config/value.h"

// Where SECTION's KEY stands in the file, else the section, else the top.
static const struct ynode *place(const struct parse *p, const char *section, const char *key)
{
	const struct ynode *s = ynode_get(p->root, section);
	const struct ynode *v = s ? ynode_get(s, key) : NULL;

	return v ? v : s ? s : p->root;
}

// Where a value of a user's or profile's mapping stands.
static const struct ynode *place_in(const struct parse *p, const struct ynode *map, const char *key)
{
	const struct ynode *v = map ? ynode_get(map, key) : NULL;

	return v ? v : map ? map : p->root;
}

// The CPUs that this process may run on; without files, all that can be named.
static void usable_cpus(const struct parse *p, cpu_set_t *set)
{
	CPU_ZERO(set);
	if (p->check_files && !sched_getaffinity(0, sizeof(*set), set))
		return;
	for (int i = 0; i < CPU_SETSIZE; i++)
		CPU_SET(i, set);
}

static void choose_workers(struct parse *p, const cpu_set_t *set)
{
	struct config_dataplane *dp = &p->c->dataplane;

	for (unsigned int cpu = 0; cpu < CPU_SETSIZE && dp->nb_workers < p->worker_count; cpu++)
		if (CPU_ISSET(cpu, set) && cpu != dp->control_core)
			dp->workers[dp->nb_workers++] = cpu;
	// Not enough besides control-core: it takes a worker too.
	if (dp->nb_workers < p->worker_count && dp->control_core < CPU_SETSIZE &&
		CPU_ISSET(dp->control_core, set))
		dp->workers[dp->nb_workers++] = dp->control_core;
	if (dp->nb_workers < p->worker_count)
		parse_error(p, place(p, "dataplane", "workers"), "dataplane.workers",
			"at most %d, the CPUs of this machine", CPU_COUNT(set));
}

static void check_cpus(struct parse *p)
{
	struct config_dataplane *dp = &p->c->dataplane;
	const struct ynode *at = place(p, "dataplane", "workers");
	char found[32];
	cpu_set_t set;

	usable_cpus(p, &set);
	if (!CPU_ISSET(dp->control_core, &set))
		parse_error(p, place(p, "dataplane", "control-core"), "dataplane.control-core",
			"a CPU that this process may run on");
	if (p->worker_count) {
		choose_workers(p, &set);
		return;
	}
	for (unsigned int i = 0; i < dp->nb_workers; i++) {
		snprintf(found, sizeof(found), "CPU %u", dp->workers[i]);
		if (!CPU_ISSET(dp->workers[i], &set))
			parse_error_found(p, at, "dataplane.workers", found,
				"CPUs that this process may run on");
		else if (dp->workers[i] == dp->control_core && dp->poll == CONFIG_POLL_BUSY)
			parse_error_found(p, at, "dataplane.workers", found,
				"workers apart from control-core, or poll: adaptive");
	}
}

static void check_gateway(
	struct parse *p, const struct ynode *map, const struct config_port *port, const char *path)
{
	const struct ynode *at = place_in(p, map, "gateway");
	char key[64];

	snprintf(key, sizeof(key), "%s.gateway", path);
	if (port->has_gw4) {
		uint32_t gw = ntohl(port->gw4.s_addr), addr = ntohl(port->addr4.s_addr);

		if (!port->has4)
			parse_error(p, at, key, "an IPv4 address of the port as well");
		else if (value_ip4_network(gw, port->plen4) != value_ip4_network(addr, port->plen4))
			parse_error(p, at, key, "an address in the port's subnet");
		else if (gw == addr)
			parse_error(p, at, key, "another address than the port's own");
	}
	if (port->has_gw6) {
		if (!port->has6)
			parse_error(p, at, key, "an IPv6 address of the port as well");
		else if (!IN6_IS_ADDR_LINKLOCAL(&port->gw6) &&
			 !value_ip6_same_network(&port->gw6, &port->addr6, port->plen6))
			parse_error(p, at, key, "an address in the port's subnet");
		else if (!memcmp(&port->gw6, &port->addr6, sizeof(port->gw6)))
			parse_error(p, at, key, "another address than the port's own");
	}
}

static void check_ports(struct parse *p)
{
	const struct ynode *dataplane = ynode_get(p->root, "dataplane");
	const struct ynode *ports = dataplane ? ynode_get(dataplane, "ports") : NULL;
	const struct ynode *access = ports ? ynode_get(ports, "access") : NULL;
	const struct ynode *core = ports ? ynode_get(ports, "core") : NULL;
	const struct config_port *a = &p->c->dataplane.access, *c = &p->c->dataplane.core;

	check_gateway(p, access, a, "dataplane.ports.access");
	check_gateway(p, core, c, "dataplane.ports.core");
	if (c->has6 && !c->has4)
		parse_error(p, place_in(p, core, "address"), "dataplane.ports.core.address",
			"an IPv4 address: the inside is IPv4");
	if (a->device && c->device && !strcmp(a->device, c->device) && a->vlan == c->vlan)
		parse_error(p, place_in(p, core, "device"), "dataplane.ports.core.device",
			"another device than the access port's");
	if ((a->has4 && c->has4 && a->addr4.s_addr == c->addr4.s_addr) ||
		(a->has6 && c->has6 && !memcmp(&a->addr6, &c->addr6, sizeof(a->addr6))))
		parse_error(p, place_in(p, core, "address"), "dataplane.ports.core.address",
			"another address than the access port's");
}

struct range {
	uint32_t first, last;
	unsigned int pool, index;
};

static int by_first(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	// Of equal ones the later in the file last: that is the one to report.
	if (x->pool != y->pool)
		return x->pool < y->pool ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static void report_overlap(struct parse *p, const struct range *r, const struct range *with)
{
	const struct ynode *at = p->pool_nodes[r->pool];
	const struct ynode *ranges = ynode_get(at, "ranges");
	char a[16], b[16], key[PARSE_KEY_MAX], found[64], name[80];
	const char *pool = p->c->pools[with->pool].name;

	at = ranges ? ranges : at;
	if (at->kind == YNODE_LIST && ynode_nth(at, r->index))
		at = ynode_nth(at, r->index);
	snprintf(found, sizeof(found), "%s-%s", value_ip4_text(a, r->first),
		value_ip4_text(b, r->last));
	log_quote(name, sizeof(name), p->c->pools[r->pool].name, strlen(p->c->pools[r->pool].name));
	snprintf(key, sizeof(key), "ip-pools.%s", name);
	log_quote(name, sizeof(name), pool, strlen(pool));
	parse_error_found(p, at, key, found, "no overlap with %s-%s of pool %s",
		value_ip4_text(a, with->first), value_ip4_text(b, with->last), name);
}

// All ranges, sorted. The caller frees.
static struct range *all_ranges(const struct parse *p, unsigned int *nb)
{
	const struct config *c = p->c;
	struct range *all;

	*nb = 0;
	for (unsigned int i = 0; i < c->nb_pools; i++)
		*nb += c->pools[i].nb_ranges;
	all = calloc(*nb ? *nb : 1, sizeof(*all));
	if (!all) {
		*nb = 0;
		return NULL;
	}
	*nb = 0;
	for (unsigned int i = 0; i < c->nb_pools; i++)
		for (unsigned int j = 0; j < c->pools[i].nb_ranges; j++)
			all[(*nb)++] = (struct range){
				c->pools[i].ranges[j].first, c->pools[i].ranges[j].last, i, j};
	qsort(all, *nb, sizeof(*all), by_first);
	return all;
}

static void check_overlaps(struct parse *p, const struct range *all, unsigned int nb)
{
	const struct range *widest = all;

	for (unsigned int i = 1; i < nb; i++) {
		if (all[i].first <= widest->last)
			report_overlap(p, &all[i], widest);
		if (all[i].last > widest->last)
			widest = &all[i];
	}
}

// The pool that holds an address, or NULL. The ranges do not overlap, else the file is refused.
static const char *pool_of(
	const struct parse *p, const struct range *all, unsigned int nb, uint32_t addr)
{
	unsigned int lo = 0, hi = nb;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (all[mid].first <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && all[lo - 1].last >= addr ? p->c->pools[all[lo - 1].pool].name : NULL;
}

// An address that is this side's must not be handed out.
static void check_outside_pools(struct parse *p, const struct range *all, unsigned int nb,
	uint32_t addr, const struct ynode *at, const char *key)
{
	const char *pool = addr ? pool_of(p, all, nb, addr) : NULL;
	char name[80], text[16];

	if (!pool)
		return;
	parse_error_found(p, at, key, value_ip4_text(text, addr), "an address outside pool %s",
		log_quote(name, sizeof(name), pool, strlen(pool)));
}

static void check_port_outside_pools(struct parse *p, const struct range *all, unsigned int nb,
	const struct config_port *port, const char *name)
{
	const struct ynode *dataplane = ynode_get(p->root, "dataplane");
	const struct ynode *ports = dataplane ? ynode_get(dataplane, "ports") : NULL;
	const struct ynode *map = ports ? ynode_get(ports, name) : NULL;
	char key[64];

	snprintf(key, sizeof(key), "dataplane.ports.%s.address", name);
	if (port->has4)
		check_outside_pools(
			p, all, nb, ntohl(port->addr4.s_addr), place_in(p, map, "address"), key);
	snprintf(key, sizeof(key), "dataplane.ports.%s.gateway", name);
	if (port->has_gw4)
		check_outside_pools(
			p, all, nb, ntohl(port->gw4.s_addr), place_in(p, map, "gateway"), key);
}

// remote-address of a profile or user.
static void check_remote(
	struct parse *p, const char *pool, const struct ynode *map, const char *path)
{
	char key[PARSE_KEY_MAX];

	if (!pool || config_pool(p->c, pool))
		return;
	snprintf(key, sizeof(key), "%s.remote-address", path);
	parse_error(p, place_in(p, map, "remote-address"), key,
		"an IPv4 address or the name of a pool in ip-pools");
}

static void check_profiles(struct parse *p, const struct range *all, unsigned int nb)
{
	char path[PARSE_KEY_MAX - 32], key[PARSE_KEY_MAX], name[80];

	for (unsigned int i = 0; i < p->c->nb_profiles; i++) {
		const struct config_profile *f = &p->c->profiles[i];
		const struct ynode *map = p->profile_nodes[i];

		log_quote(name, sizeof(name), f->name, strlen(f->name));
		snprintf(path, sizeof(path), "ppp-profiles.%s", name);
		snprintf(key, sizeof(key), "%s.local-address", path);
		check_remote(p, f->remote_pool, map, path);
		check_outside_pools(
			p, all, nb, f->local_address, place_in(p, map, "local-address"), key);
		if (f->local_address && f->local_address == f->remote_address)
			parse_error(p, place_in(p, map, "remote-address"), path,
				"another remote-address than local-address");
	}
}

static int by_secret_name(const void *a, const void *b, void *c)
{
	const unsigned int *x = a, *y = b;
	const struct config_secret *s = ((const struct config *)c)->secrets;
	int d = strcmp(s[*x].name ? s[*x].name : "", s[*y].name ? s[*y].name : "");

	return d ? d : *x < *y ? -1 : 1;
}

static void check_unique_names(struct parse *p)
{
	const struct config *c = p->c;
	unsigned int *order = calloc(c->nb_secrets ? c->nb_secrets : 1, sizeof(*order));
	char key[64];

	if (!order)
		return;
	for (unsigned int i = 0; i < c->nb_secrets; i++)
		order[i] = i;
	qsort_r(order, c->nb_secrets, sizeof(*order), by_secret_name, p->c);
	for (unsigned int i = 1; i < c->nb_secrets; i++) {
		const char *a = c->secrets[order[i - 1]].name, *b = c->secrets[order[i]].name;

		if (!a || !b || strcmp(a, b))
			continue;
		snprintf(key, sizeof(key), "ppp-secrets[%u].name", order[i] + 1);
		parse_error(p, place_in(p, p->secret_nodes[order[i]], "name"), key,
			"a name that no other user has (line %u has it)",
			p->secret_nodes[order[i - 1]]->line);
	}
	free(order);
}

static void check_secrets(struct parse *p, const struct range *all, unsigned int nb)
{
	char path[64], key[PARSE_KEY_MAX];

	check_unique_names(p);
	for (unsigned int i = 0; i < p->c->nb_secrets; i++) {
		const struct config_secret *s = &p->c->secrets[i];
		const struct ynode *map = p->secret_nodes[i];

		snprintf(path, sizeof(path), "ppp-secrets[%u]", i + 1);
		snprintf(key, sizeof(key), "%s.local-address", path);
		check_remote(p, s->remote_pool, map, path);
		check_outside_pools(
			p, all, nb, s->local_address, place_in(p, map, "local-address"), key);
		if (s->local_address && s->local_address == s->remote_address)
			parse_error(p, place_in(p, map, "remote-address"), path,
				"another remote-address than local-address");
		snprintf(key, sizeof(key), "%s.profile", path);
		if (s->profile && !config_profile(p->c, s->profile))
			parse_error(p, place_in(p, map, "profile"), key,
				"the name of a profile in ppp-profiles");
	}
}

// A file that must be readable. what: for the message.
static void check_file(struct parse *p, const char *file, const char *key)
{
	const struct ynode *at = place(p, "sstp-server", "certificate");
	char quoted[128], found[320];
	struct stat st;

	if (!file || (!stat(file, &st) && S_ISREG(st.st_mode) && !access(file, R_OK)))
		return;
	snprintf(found, sizeof(found), "%s (%s)",
		log_quote(quoted, sizeof(quoted), file, strlen(file)),
		stat(file, &st) || S_ISREG(st.st_mode) ? log_strerror(errno) : "not a file");
	parse_error_found(p, at, key, found, "a readable PEM file");
}

static void check_keylog(struct parse *p)
{
	const char *file = p->c->tls.keylog_file;
	char *copy;

	if (!file || !p->check_files || !access(file, W_OK))
		return;
	copy = strdup(file);
	if (errno != ENOENT || !copy || access(dirname(copy), W_OK))
		parse_error(p, place(p, "tls", "keylog-file"), "tls.keylog-file",
			"a file that can be written");
	free(copy);
}

static void check_server(struct parse *p)
{
	const struct config_sstp_server *s = &p->c->sstp;
	const struct ynode *cert = place(p, "sstp-server", "certificate");

	if (s->default_profile && !config_profile(p->c, s->default_profile))
		parse_error(p, place(p, "sstp-server", "default-profile"),
			"sstp-server.default-profile", "the name of a profile in ppp-profiles");
	if (s->only_tls12 && s->tls_legacy)
		parse_error_found(p, place(p, "sstp-server", "tls-legacy"),
			"sstp-server.tls-legacy", "yes with tls-version: only-1.2",
			"one of the two");
	// A value that was wrong has been reported as such.
	if (s->enabled && !s->nb_certs && !s->certificate_none &&
		(cert->kind == YNODE_MAP || cert->kind == YNODE_SCALAR))
		parse_error_found(p, cert, "sstp-server.certificate", "nothing",
			"a certificate file, or none (anonymous Diffie-Hellman only): the server "
			"is enabled");
	for (unsigned int i = 0; s->enabled && p->check_files && i < s->nb_certs; i++) {
		check_file(p, s->certs[i].cert, "sstp-server.certificate");
		check_file(p, s->certs[i].key, "sstp-server.certificate");
	}
}

void parse_check(struct parse *p)
{
	unsigned int nb;
	struct range *all = all_ranges(p, &nb);

	check_cpus(p);
	check_ports(p);
	check_overlaps(p, all, nb);
	check_port_outside_pools(p, all, nb, &p->c->dataplane.access, "access");
	check_port_outside_pools(p, all, nb, &p->c->dataplane.core, "core");
	check_profiles(p, all, nb);
	check_secrets(p, all, nb);
	check_server(p);
	check_keylog(p);
	free(all);
}
