// SPDX-License-Identifier: BSD-3-Clause
#include "client/dns.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scripts.h"

#define LOG_TYPE "client.dns"

#define RESOLVED_SOCKET "/run/systemd/resolve/io.systemd.Resolve"
#define UNIX_LISTENS 0x10000u // __SO_ACCEPTCON
#define SCRIPT_MAX 65536
#define ENVIRONMENT "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\0LC_ALL=C\0"

// --- who keeps them ---

// Sockets are listed in their own network namespace only, which is what is asked: another one's
// systemd-resolved knows nothing of this one's interfaces, and has others of the same numbers.
static bool resolved_listens(const char *root)
{
	char path[PATH_MAX], line[512], name[256];
	unsigned int flags;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/net/unix", root);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %*s %*s %x %*s %*s %*s %255s", &flags, name) == 2 &&
			(flags & UNIX_LISTENS) && !strcmp(name, RESOLVED_SOCKET);
	if (f)
		fclose(f);
	return found;
}

// The program of this name, where those of the system are.
static bool find_program(const char *root, const char *name, char program[DNS_PROGRAM_MAX])
{
	static const char *const dirs[] = {
		"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		int n = snprintf(program, DNS_PROGRAM_MAX, "%s%s/%s", root, dirs[i], name);

		if (n > 0 && n < DNS_PROGRAM_MAX && !access(program, X_OK))
			return true;
	}
	program[0] = '\0';
	return false;
}

// Another name of resolvectl is of no use without systemd-resolved.
static bool is_resolvectl(const char *program)
{
	char path[PATH_MAX];
	const char *name = realpath(program, path) ? strrchr(path, '/') : NULL;

	return name && !strcmp(name, "/resolvectl");
}

// It says its name in its own text.
static bool is_openresolv(const char *program)
{
	static const char name[] = "openresolv";
	FILE *f = fopen(program, "re");
	char *text = f ? malloc(SCRIPT_MAX) : NULL;
	size_t n = text ? fread(text, 1, SCRIPT_MAX, f) : 0;
	bool found = n && memmem(text, n, name, sizeof(name) - 1);

	free(text);
	if (f)
		fclose(f);
	return found;
}

void dns_find_keeper(const char *root, struct dns_keeper *k)
{
	*k = (struct dns_keeper){.kind = DNS_NOBODY};
	if (resolved_listens(root) && find_program(root, "resolvectl", k->program))
		k->kind = DNS_RESOLVED;
	else if (find_program(root, "resolvconf", k->program) && !is_resolvectl(k->program))
		k->kind = is_openresolv(k->program) ? DNS_OPENRESOLV : DNS_RESOLVCONF;
}

// --- what they are told ---

static bool is_record(const char *s)
{
	if (!isalnum((unsigned char)*s))
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("_.@:+-", *s))
			return false;
	return true;
}

bool dns_record(const char *interface, char record[DNS_RECORD_MAX])
{
	int n = snprintf(record, DNS_RECORD_MAX, "%s.culvert", interface);

	return n > 0 && n < DNS_RECORD_MAX && is_record(record);
}

static struct dns_command *add_command(struct dns_plan *p)
{
	struct dns_command *c = &p->command[p->nb++];

	c->argv[0] = p->program;
	return c;
}

static void start_plan(
	struct dns_plan *p, const struct dns_keeper *k, const char *record, int ifindex)
{
	memset(p, 0, sizeof(*p));
	snprintf(p->program, sizeof(p->program), "%s", k->program);
	snprintf(p->record, sizeof(p->record), "%s", record);
	snprintf(p->ifindex, sizeof(p->ifindex), "%d", ifindex);
}

static void format_address(char dst[INET6_ADDRSTRLEN], const struct in6_addr *a)
{
	if (IN6_IS_ADDR_V4MAPPED(a))
		inet_ntop(AF_INET, &a->s6_addr[12], dst, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, a, dst, INET6_ADDRSTRLEN);
}

static void plan_resolved(struct dns_plan *p, const struct dns_servers *s)
{
	struct dns_command *c = add_command(p);

	c->argv[1] = "dns";
	c->argv[2] = p->ifindex;
	for (unsigned int i = 0; i < s->nb; i++)
		c->argv[3 + i] = p->addr[i];
	if (!s->exclusively)
		return;
	// All names are routed to these servers, and no other interface is asked.
	c = add_command(p);
	c->argv[1] = "domain";
	c->argv[2] = p->ifindex;
	c->argv[3] = "~.";
	c = add_command(p);
	c->argv[1] = "default-route";
	c->argv[2] = p->ifindex;
	c->argv[3] = "yes";
}

void dns_plan_set(struct dns_plan *p, const struct dns_keeper *k, const char *record, int ifindex,
	const struct dns_servers *s)
{
	struct dns_command *c;
	unsigned int at = 1;
	size_t len = 0;

	start_plan(p, k, record, ifindex);
	for (unsigned int i = 0; i < s->nb; i++) {
		format_address(p->addr[i], &s->addr[i]);
		len += (size_t)snprintf(
			p->input + len, sizeof(p->input) - len, "nameserver %s\n", p->addr[i]);
	}
	if (k->kind == DNS_RESOLVED) {
		plan_resolved(p, s);
		return;
	}
	c = add_command(p);
	if (k->kind == DNS_OPENRESOLV && s->exclusively)
		c->argv[at++] = "-x";
	c->argv[at++] = "-a";
	c->argv[at] = p->record;
	c->input = p->input;
}

void dns_plan_unset(struct dns_plan *p, const struct dns_keeper *k, const char *record, int ifindex)
{
	struct dns_command *c;
	unsigned int at = 1;

	start_plan(p, k, record, ifindex);
	c = add_command(p);
	if (k->kind == DNS_RESOLVED) {
		c->argv[1] = "revert";
		c->argv[2] = p->ifindex;
		return;
	}
	if (k->kind == DNS_OPENRESOLV)
		c->argv[at++] = "-f"; // one that is not there is no error
	c->argv[at++] = "-d";
	c->argv[at] = p->record;
}

static char *environment(void)
{
	char *env = malloc(sizeof(ENVIRONMENT));

	return env ? memcpy(env, ENVIRONMENT, sizeof(ENVIRONMENT)) : NULL;
}

// ended (NULL: nobody) is told of the last one, in any case.
static void run_plan(struct scripts *scripts, uint64_t key, const struct dns_plan *p,
	const char *event, void (*ended)(void *user, bool well), void *user)
{
	for (unsigned int i = 0; i < p->nb; i++) {
		const struct dns_command *c = &p->command[i];
		const bool last = i + 1 == p->nb;
		const struct scripts_program program = {.argv = c->argv,
			.input = c->input,
			.env = environment(),
			.ended = last ? ended : NULL,
			.user = user};
		int rc = scripts_run_program(scripts, &program, event, key, key);

		if (rc)
			LOG_ERRNO(LOG_WARNING, rc, "%s %s was not run", c->argv[0], c->argv[1]);
		if (rc && program.ended)
			program.ended(user, false);
	}
}

// --- what a crash would leave ---

// Only resolvconf's records outlive the interface.
static void write_note(const struct dns *d)
{
	FILE *f;
	bool bad;

	if (!d->note || d->keeper.kind == DNS_RESOLVED)
		return;
	f = fopen(d->note, "we");
	bad = !f || fprintf(f, "%s\n", d->record) < 0;
	bad |= f && fclose(f);
	if (bad)
		LOG_ERRNO(LOG_WARNING, errno, "%s", d->note);
}

// One that is cut short was written before anything was set.
bool dns_noted(const char *note, char record[DNS_RECORD_MAX])
{
	FILE *f = fopen(note, "re");
	char end = 0;
	int n;

	if (!f)
		return false;
	n = fscanf(f, "%31s%c", record, &end);
	fclose(f);
	return n == 2 && end == '\n' && is_record(record);
}

// The plan to take back what is noted. False: there is nothing to do, and the note is gone.
static bool plan_of_note(const char *root, const char *note, struct dns_plan *p)
{
	char record[DNS_RECORD_MAX];
	struct dns_keeper keeper;

	dns_find_keeper(root, &keeper);
	if (!dns_noted(note, record) ||
		(keeper.kind != DNS_OPENRESOLV && keeper.kind != DNS_RESOLVCONF)) {
		unlink(note);
		return false;
	}
	LOG(LOG_INFO, "name servers of %s were left, and are taken back", record);
	dns_plan_unset(p, &keeper, record, 0);
	return true;
}

// The programs' thread.
static void on_note_done(void *user, bool well)
{
	char *note = user;

	if (well)
		unlink(note);
	free(note);
}

bool dns_take_back(const char *root, const char *note, struct scripts *scripts, uint64_t key)
{
	struct dns_plan p;
	char *copy;

	if (!plan_of_note(root, note, &p))
		return false;
	copy = strdup(note);
	if (copy)
		run_plan(scripts, key, &p, "dns-down", on_note_done, copy);
	return true;
}

// --- a tunnel's ---

void dns_open(struct dns *d, struct scripts *scripts, uint64_t key, const char *note)
{
	*d = (struct dns){
		.scripts = scripts, .key = key, .root = "", .note = note ? strdup(note) : NULL};
	atomic_init(&d->gone, true);
}

// The programs' thread. Those of one key end in order: the last one says how it is in the end.
static void on_taken_back(void *user, bool well)
{
	struct dns *d = user;

	atomic_store(&d->gone, well);
}

void dns_recover(struct dns *d)
{
	struct dns_plan p;

	if (d->note && plan_of_note(d->root, d->note, &p))
		run_plan(d->scripts, d->key, &p, "dns-down", on_taken_back, d);
}

static bool is_set(const struct dns *d)
{
	return d->servers.nb > 0;
}

// False: there is nothing that can be told.
static bool look_for_keeper(struct dns *d, const char *interface, bool exclusively)
{
	dns_find_keeper(d->root, &d->keeper);
	if (d->keeper.kind == DNS_NOBODY) {
		LOG(LOG_WARNING,
			"interface=%s its name servers are not used: there is neither "
			"systemd-resolved nor resolvconf here; on-up may set them",
			interface);
		return false;
	}
	if (!dns_record(interface, d->record) && d->keeper.kind != DNS_RESOLVED) {
		LOG(LOG_WARNING,
			"interface=%s its name servers are not used: resolvconf takes no such name",
			interface);
		return false;
	}
	if (exclusively && d->keeper.kind == DNS_RESOLVCONF)
		LOG(LOG_WARNING,
			"interface=%s %s cannot use its name servers exclusively: they go beside "
			"the others",
			interface, d->keeper.program);
	return true;
}

static bool same(const struct dns_servers *a, const struct dns_servers *b)
{
	return a->nb == b->nb && a->exclusively == b->exclusively &&
	       !memcmp(a->addr, b->addr, a->nb * sizeof(a->addr[0]));
}

void dns_unset(struct dns *d, bool interface_goes)
{
	struct dns_plan p;

	if (!is_set(d))
		return;
	d->servers.nb = 0;
	// systemd-resolved forgets an interface that goes.
	if (d->keeper.kind == DNS_RESOLVED && interface_goes)
		return;
	dns_plan_unset(&p, &d->keeper, d->record, d->ifindex);
	run_plan(d->scripts, d->key, &p, "dns-down", on_taken_back, d);
}

void dns_set(struct dns *d, const char *interface, int ifindex, const struct dns_servers *s)
{
	struct dns_plan p;

	if (!d->scripts || (same(&d->servers, s) && ifindex == d->ifindex))
		return;
	if (!s->nb || (is_set(d) && ifindex != d->ifindex))
		dns_unset(d, false);
	if (!s->nb || (!is_set(d) && !look_for_keeper(d, interface, s->exclusively)))
		return;
	snprintf(d->interface, sizeof(d->interface), "%s", interface);
	d->ifindex = ifindex;
	d->servers = *s;
	write_note(d);
	dns_plan_set(&p, &d->keeper, d->record, ifindex, s);
	run_plan(d->scripts, d->key, &p, "dns-up", NULL, NULL);
}

void dns_close(struct dns *d)
{
	if (d->note && !is_set(d) && atomic_load(&d->gone))
		unlink(d->note);
	free(d->note);
	d->note = NULL;
}
