// SPDX-License-Identifier: BSD-3-Clause
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/check.h"
#include "config/value.h"

// Where SECTION's KEY stands in the file, else the section, else the top.
const struct ynode *check_place(const struct parse *p, const char *section, const char *key)
{
	const struct ynode *s = ynode_get(p->root, section);
	const struct ynode *v = s ? ynode_get(s, key) : NULL;

	return v ? v : s ? s : p->root;
}

// Where a value of a user's or profile's mapping stands.
const struct ynode *check_place_in(const struct parse *p, const struct ynode *map, const char *key)
{
	const struct ynode *v = map ? ynode_get(map, key) : NULL;

	return v ? v : map ? map : p->root;
}

const struct ynode *check_port_node(const struct parse *p, const char *name)
{
	const struct ynode *dataplane = ynode_get(p->root, "dataplane");
	const struct ynode *ports = dataplane ? ynode_get(dataplane, "ports") : NULL;

	return ports ? ynode_get(ports, name) : NULL;
}

void check_name(char dst[PARSE_KEY_MAX], const char *section, const char *name)
{
	char quoted[80];

	log_quote(quoted, sizeof(quoted), name, strlen(name));
	snprintf(dst, PARSE_KEY_MAX, "%s.%s", section, quoted);
}

void check_key(char dst[PARSE_KEY_MAX], const char *path, const char *key)
{
	snprintf(dst, PARSE_KEY_MAX, "%.200s.%s", path, key);
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
		parse_error(p, check_place(p, "dataplane", "workers"), "dataplane.workers",
			"at most %d, the CPUs of this machine", CPU_COUNT(set));
}

static void check_cpus(struct parse *p)
{
	struct config_dataplane *dp = &p->c->dataplane;
	const struct ynode *at = check_place(p, "dataplane", "workers");
	char found[32];
	cpu_set_t set;

	usable_cpus(p, &set);
	if (!CPU_ISSET(dp->control_core, &set))
		parse_error(p, check_place(p, "dataplane", "control-core"),
			"dataplane.control-core", "a CPU that this process may run on");
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
	const struct ynode *at = check_place_in(p, map, "gateway");
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
	const struct ynode *access = check_port_node(p, "access");
	const struct ynode *core = check_port_node(p, "core");
	const struct config_port *a = &p->c->dataplane.access, *c = &p->c->dataplane.core;

	check_gateway(p, access, a, "dataplane.ports.access");
	check_gateway(p, core, c, "dataplane.ports.core");
	if (c->has6 && !c->has4)
		parse_error(p, check_place_in(p, core, "address"), "dataplane.ports.core.address",
			"an IPv4 address: the inside is IPv4");
	if (a->device && c->device && !strcmp(a->device, c->device) && a->vlan == c->vlan)
		parse_error(p, check_place_in(p, core, "device"), "dataplane.ports.core.device",
			"another device than the access port's");
	if ((a->has4 && c->has4 && a->addr4.s_addr == c->addr4.s_addr) ||
		(a->has6 && c->has6 && !memcmp(&a->addr6, &c->addr6, sizeof(a->addr6))))
		parse_error(p, check_place_in(p, core, "address"), "dataplane.ports.core.address",
			"another address than the access port's");
}

static const struct ynode *server(const struct parse *p, const char *key)
{
	return check_place(p, "sstp-server", key);
}

static void check_tls_policy(struct parse *p)
{
	const struct config_sstp_server *s = &p->c->sstp;

	if (s->only_tls12 && s->tls_legacy)
		parse_error_found(p, server(p, "tls-legacy"), "sstp-server.tls-legacy",
			"yes with tls-version: only-1.2", "one of the two");
	if (s->verify_client && !s->ca)
		parse_error_found(p, server(p, "verify-client-certificate"),
			"sstp-server.verify-client-certificate", "yes without ca",
			"a file of authorities in ca as well");
	if (s->verify_client && s->certificate_none)
		parse_error_found(p, server(p, "verify-client-certificate"),
			"sstp-server.verify-client-certificate", "yes with certificate: none",
			"a certificate: an anonymous server cannot ask for one");
	if (s->crl && !s->ca)
		parse_error_found(p, server(p, "crl"), "sstp-server.crl", "a file without ca",
			"a file of authorities in ca as well");
}

static void check_server(struct parse *p)
{
	const struct config_sstp_server *s = &p->c->sstp;
	const struct ynode *cert = server(p, "certificate");

	if (s->default_profile && !config_profile(p->c, s->default_profile))
		parse_error(p, server(p, "default-profile"), "sstp-server.default-profile",
			"the name of a profile in ppp-profiles");
	// A value that was wrong has been reported as such.
	if (s->enabled && !s->nb_certs && !s->certificate_none &&
		!ynode_get(ynode_get(p->root, "sstp-server"), "certificate"))
		parse_error_found(p, cert, "sstp-server.certificate", "nothing",
			"a certificate file, or none (anonymous Diffie-Hellman only): the server "
			"is enabled");
	if (s->mrru && s->mrru < s->max_mru)
		parse_error(p, server(p, "mrru"), "sstp-server.mrru",
			"at least max-mru (%u), or disabled", s->max_mru);
	check_tls_policy(p);
}

void parse_check(struct parse *p)
{
	check_cpus(p);
	check_ports(p);
	check_addresses(p);
	check_addresses6(p);
	check_filters(p);
	check_profiles(p);
	check_secrets(p);
	check_server(p);
	if (p->check_files)
		check_files(p);
}
