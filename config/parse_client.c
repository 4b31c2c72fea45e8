// SPDX-License-Identifier: BSD-3-Clause
// culvert-client's connections and profiles, and the values that only they have.
#include <string.h>

#include "base/log.h"
#include "config/client.h"
#include "config/parse.h"

#define IFNAME_MAX 15
#define HOST_MAX 253 // RFC 1035 2.3.4, as text

static char *take_name(
	struct parse *p, const struct ynode *k, const char *path, char key[PARSE_KEY_MAX])
{
	parse_path(key, path, k->value);
	// The names of files and sockets are made of it.
	if (!k->len || k->len > 64 || k->value[0] == '.' || k->value[0] == '-' ||
		strspn(k->value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				 "._@-") != k->len)
		parse_error(p, k, path, "a name of letters, digits, dots, hyphens and underscores");
	return parse_copy(p, k);
}

#define FOR_EACH_KEY(k, map)                                                        \
	for (const struct ynode *k = (map) ? (map)->first : NULL; k; k = (k)->next) \
		if ((k)->kind == YNODE_SCALAR)

void parse_clients(struct parse *p, const struct ynode *n, const char *path)
{
	struct client_config *c = p->client;
	struct config_connection *connection;
	char key[PARSE_KEY_MAX];

	if (!parse_is_map(p, n, path))
		return;
	parse_refuse_duplicates(p, n, path);
	c->connections = arena_alloc(p->arena, sizeof(*c->connections) * (n->n ? n->n : 1));
	p->client_nodes = arena_alloc(p->tree, sizeof(*p->client_nodes) * (n->n ? n->n : 1));
	FOR_EACH_KEY(k, n)
	{
		p->client_nodes[c->nb_connections] = k->pair;
		connection = &c->connections[c->nb_connections++];
		connection->key = take_name(p, k, path, key);
		parse_section(p, CONFIG_SECTION_CLIENT, connection, k->pair, k->pair, key);
	}
}

static struct config_client_profile *find_profile(const struct client_config *c, const char *name)
{
	for (unsigned int i = 0; i < c->nb_profiles; i++)
		if (!strcmp(c->profiles[i].name, name))
			return &c->profiles[i];
	return NULL;
}

static void add_builtin(struct parse *p, const char *name)
{
	struct config_client_profile *profile;

	if (find_profile(p->client, name))
		return;
	profile = &p->client->profiles[p->client->nb_profiles++];
	profile->name = arena_strndup(p->arena, name, strlen(name));
	parse_section(p, CONFIG_SECTION_CLIENT_PROFILE, profile, NULL, p->root, name);
}

void parse_client_profiles(struct parse *p, const struct ynode *n, const char *path)
{
	struct client_config *c = p->client;
	struct config_client_profile *profile;
	bool map = parse_is_map(p, n, path);
	char key[PARSE_KEY_MAX];

	c->profiles = arena_alloc(p->arena, sizeof(*c->profiles) * ((map ? n->n : 0) + 2));
	p->client_profile_nodes =
		arena_alloc(p->tree, sizeof(*p->client_profile_nodes) * ((map ? n->n : 0) + 2));
	if (map)
		parse_refuse_duplicates(p, n, path);
	FOR_EACH_KEY(k, map ? n : NULL)
	{
		p->client_profile_nodes[c->nb_profiles] = k->pair;
		profile = &c->profiles[c->nb_profiles++];
		profile->name = take_name(p, k, path, key);
		parse_section(p, CONFIG_SECTION_CLIENT_PROFILE, profile, k->pair, k->pair, key);
	}
	add_builtin(p, "default");
	add_builtin(p, "default-encryption");
}

// --- values ---

static bool is_host(const struct ynode *n)
{
	return n->kind == YNODE_SCALAR && n->len && n->len <= HOST_MAX && n->value[0] != '-' &&
	       strspn(n->value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				"._:%-") == n->len;
}

static void parse_hosts(struct parse *p, const struct config_option *o, struct config_connection *c,
	const struct ynode *n, const char *key)
{
	unsigned int nb = n->kind == YNODE_LIST ? n->n : 1;

	c->nb_hosts = 0;
	if (!nb || nb > CONFIG_MAX_HOSTS) {
		parse_error_found(p, n, key, nb ? "too many servers" : "an empty list",
			"1 to %u addresses or names", CONFIG_MAX_HOSTS);
		return;
	}
	c->hosts = arena_alloc(p->arena, sizeof(*c->hosts) * nb);
	FOR_EACH(it, n)
	{
		if (it->kind == YNODE_BAD)
			continue;
		if (is_host(it))
			c->hosts[c->nb_hosts++] = parse_copy(p, it);
		else
			parse_refuse(p, o, it, key);
	}
}

// What the kernel takes (dev_valid_name()), with one %d at most.
static bool is_ifname(const char *s, size_t n)
{
	const char *percent = strchr(s, '%');

	if (!n || n > IFNAME_MAX || !strcmp(s, ".") || !strcmp(s, ".."))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] <= ' ' || s[i] == '/' || s[i] == ':' || s[i] == 0x7f)
			return false;
	return !percent || (percent[1] == 'd' && !strchr(percent + 1, '%'));
}

bool parse_client_value(struct parse *p, const struct config_option *o, void *base,
	const struct ynode *n, const char *key)
{
	char **field = (char **)((char *)base + o->offset);

	if (o->type == CONFIG_TYPE_HOSTS) {
		parse_hosts(p, o, base, n, key);
		return true;
	}
	if (o->type != CONFIG_TYPE_IFNAME && o->type != CONFIG_TYPE_HOST)
		return false;
	if (o->type == CONFIG_TYPE_HOST && parse_is_word(n, "none"))
		*field = NULL;
	else if (o->type == CONFIG_TYPE_HOST && is_host(n))
		*field = parse_copy(p, n);
	else if (o->type == CONFIG_TYPE_IFNAME && n->kind == YNODE_SCALAR &&
		 is_ifname(n->value, n->len))
		*field = parse_copy(p, n);
	else
		parse_refuse(p, o, n, key);
	return true;
}

// --- what one key alone cannot show ---

static const struct ynode *place(const struct parse *p, const struct ynode *map, const char *key)
{
	const struct ynode *v = map ? ynode_get(map, key) : NULL;

	return v ? v : map ? map : p->root;
}

static void refuse(struct parse *p, const struct ynode *map, const char *path, const char *key,
	const char *found, const char *expected)
{
	char full[PARSE_KEY_MAX];

	snprintf(full, sizeof(full), "%.200s%s%s", path, *path ? "." : "", key);
	if (found)
		parse_error_found(p, place(p, map, key), full, found, "%s", expected);
	else
		parse_error(p, place(p, map, key), full, "%s", expected);
}

static void check_password(
	struct parse *p, struct config_connection *c, const struct ynode *map, const char *path)
{
	const char *more = c->password_env ? "password-env" : "password-file";

	if (!!c->password + !!c->password_file + !!c->password_env > 1)
		refuse(p, map, path, more, "a second source",
			"one of password, password-file and password-env");
	if (c->password && p->file_mode & 077)
		refuse(p, map, path, "password", "one in a file that others may read",
			"a file with mode 0600, or password-file");
	if (c->password_file && c->key && c->password_file[0] != '/')
		refuse(p, map, path, "password-file", NULL, "an absolute file name");
}

static void check_proxy(
	struct parse *p, struct config_connection *c, const struct ynode *map, const char *path)
{
	unsigned int nb = !!c->proxy_password + !!c->proxy_password_file;

	if (c->proxy_user && !c->http_proxy)
		refuse(p, map, path, "proxy-user", "a user without a proxy", "http-proxy as well");
	if (nb && !c->proxy_user)
		refuse(p, map, path, c->proxy_password ? "proxy-password" : "proxy-password-file",
			"a password without a user", "proxy-user as well");
	if (c->proxy_user && nb != 1)
		refuse(p, map, path, "proxy-user", nb ? "two passwords" : "no password",
			"one of proxy-password and proxy-password-file as well");
	if (c->proxy_user && strchr(c->proxy_user, ':'))
		refuse(p, map, path, "proxy-user", NULL, "a name without colons");
	if (c->proxy_password && p->file_mode & 077)
		refuse(p, map, path, "proxy-password", "one in a file that others may read",
			"a file with mode 0600, or proxy-password-file");
	if (c->proxy_password_file && c->key && c->proxy_password_file[0] != '/')
		refuse(p, map, path, "proxy-password-file", NULL, "an absolute file name");
}

static void check_connection(
	struct parse *p, struct config_connection *c, const struct ynode *map, const char *path)
{
	check_password(p, c, map, path);
	check_proxy(p, c, map, path);
	if (c->mrru && c->mrru < c->max_mru)
		refuse(p, map, path, "mrru", NULL, "at least max-mru, or disabled");
	if (c->key && c->ca && !c->verify && !c->verify_address)
		refuse(p, map, path, "ca", "a file that nothing would use",
			"verify-server-certificate: yes as well");
	// Else the connection's name must do.
	if (!c->name && !c->key)
		c->name = arena_strndup(p->arena, "sstp%d", 6);
	else if (!c->name && is_ifname(c->key, strlen(c->key)))
		c->name = c->key;
	else if (!c->name)
		refuse(p, map, path, "name", "nothing",
			"an interface name: the connection's own is too long for one");
	c->ppp = c->profile ? find_profile(p->client, c->profile) : NULL;
	if (c->profile && !c->ppp)
		refuse(p, map, path, "profile", NULL, "the name of a profile in ppp-profiles");
	c->idle_s = c->ppp ? c->ppp->idle_timeout_s : 0;
	if (c->idle_s == CONFIG_UNSET)
		c->idle_s = c->dial_on_demand ? CONFIG_DEMAND_IDLE_S : 0;
}

// Not given: that of `default`; "": none, whatever that has.
static char *settle_script(char *own, char *base)
{
	char *s = own ? own : base;

	return s && *s ? s : NULL;
}

static void settle_addresses(
	struct config_client_profile *f, const struct config_client_profile *base)
{
	if (!f->local_address)
		f->local_address = base->local_address;
	if (!f->remote_address)
		f->remote_address = base->remote_address;
	if (f->nb_dns || f->nb_dns6)
		return;
	memcpy(f->dns, base->dns, sizeof(f->dns));
	memcpy(f->dns6, base->dns6, sizeof(f->dns6));
	f->nb_dns = base->nb_dns;
	f->nb_dns6 = base->nb_dns6;
}

static void settle_profiles(struct client_config *c)
{
	struct config_client_profile *base = find_profile(c, "default");

	if (base->use_ipv6 == CONFIG_DEFAULT)
		base->use_ipv6 = CONFIG_YES;
	if (base->change_tcp_mss == CONFIG_DEFAULT)
		base->change_tcp_mss = CONFIG_YES;
	if (base->session_timeout_s == CONFIG_UNSET)
		base->session_timeout_s = 0;
	for (unsigned int i = 0; i < c->nb_profiles; i++) {
		struct config_client_profile *f = &c->profiles[i];

		if (f != base)
			settle_addresses(f, base);
		if (f->use_ipv6 == CONFIG_DEFAULT)
			f->use_ipv6 = base->use_ipv6;
		if (f->change_tcp_mss == CONFIG_DEFAULT)
			f->change_tcp_mss = base->change_tcp_mss;
		if (f->session_timeout_s == CONFIG_UNSET)
			f->session_timeout_s = base->session_timeout_s;
		if (f->idle_timeout_s == CONFIG_UNSET)
			f->idle_timeout_s = base->idle_timeout_s;
		f->on_up = settle_script(f->on_up, base->on_up);
		f->on_down = settle_script(f->on_down, base->on_down);
	}
}

static bool same_interface(const struct config_connection *a, const struct config_connection *b)
{
	return a->name && b->name && !strchr(a->name, '%') && !strcmp(a->name, b->name);
}

void parse_client_check(struct parse *p)
{
	struct client_config *c = p->client;
	char path[PARSE_KEY_MAX] = "";

	settle_profiles(c);
	for (unsigned int i = 0; i < c->nb_connections; i++) {
		const struct ynode *map = p->client_nodes ? p->client_nodes[i] : NULL;

		if (c->connections[i].key)
			parse_path(path, "sstp-client", c->connections[i].key);
		check_connection(p, &c->connections[i], map, path);
		for (unsigned int j = 0; j < i; j++)
			if (same_interface(&c->connections[i], &c->connections[j]))
				refuse(p, map, path, "name", NULL, "an interface name of its own");
	}
}
