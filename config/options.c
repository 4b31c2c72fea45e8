// SPDX-License-Identifier: BSD-3-Clause
#include "config/options.h"

#include <inttypes.h>
#include <string.h>

#include "config/client.h"

const struct config_option config_options[] = {
#define OPT(s, key, type, st, field, unit, min, max, dflt, help, example)                         \
	{CONFIG_SECTION_##s, key, CONFIG_TYPE_##type, offsetof(struct st, field), unit, min, max, \
		dflt, help, example},
// A section that continues its parent's structure (memory, tcp, ports, log) starts where that does.
#define SUB(s, key, below, st, field, help)                                                 \
	{CONFIG_SECTION_##s, key, CONFIG_TYPE_SECTION, SUB_OFFSET_##below(st, field), NULL, \
		CONFIG_SECTION_##below, 0, NULL, help, NULL},
#define SUB_OFFSET_LOG(st, field) 0
#define SUB_OFFSET_MEMORY(st, field) 0
#define SUB_OFFSET_TCP(st, field) 0
#define SUB_OFFSET_PORTS(st, field) 0
#define SUB_OFFSET_DATAPLANE(st, field) offsetof(struct st, field)
#define SUB_OFFSET_PORT(st, field) offsetof(struct st, field)
#define SUB_OFFSET_TLS(st, field) offsetof(struct st, field)
#define SUB_OFFSET_SERVER(st, field) offsetof(struct st, field)
#include "config/options.def"
#include "config/client.def"
#undef OPT
#undef SUB
};

enum {
	NB_CULVERTD = 0
#define OPT(...) +1
#define SUB(...) +1
#include "config/options.def"
#undef OPT
#undef SUB
};

const unsigned int config_nb_options = NB_CULVERTD;
const unsigned int config_nb_all_options = sizeof(config_options) / sizeof(config_options[0]);

static const char *const section_names[] = {
#define X(name, text) [CONFIG_SECTION_##name] = text,
	CONFIG_SECTION_LIST(X) CONFIG_CLIENT_SECTION_LIST(X)
#undef X
};

static const char *const type_names[] = {
#define X(name, text, expected) [CONFIG_TYPE_##name] = text,
	CONFIG_TYPE_LIST(X)
#undef X
};

static const char *const type_expected[] = {
#define X(name, text, expected) [CONFIG_TYPE_##name] = expected,
	CONFIG_TYPE_LIST(X)
#undef X
};

// Keys of RouterOS that mean nothing here, and what to write instead.
static const struct {
	enum config_section section;
	const char *key, *instead;
} routeros_only[] = {
	{CONFIG_SECTION_SERVER, "comment", NULL},
	{CONFIG_SECTION_POOL, "comment", NULL},
	{CONFIG_SECTION_PROFILE, "parent-queue", "rate-limit"},
	{CONFIG_SECTION_PROFILE, "queue-type", "rate-limit"},
	{CONFIG_SECTION_PROFILE, "insert-queue-before", "rate-limit"},
	{CONFIG_SECTION_PROFILE, "bridge", NULL},
	{CONFIG_SECTION_PROFILE, "bridge-horizon", NULL},
	{CONFIG_SECTION_PROFILE, "bridge-learning", NULL},
	{CONFIG_SECTION_PROFILE, "bridge-path-cost", NULL},
	{CONFIG_SECTION_PROFILE, "bridge-port-priority", NULL},
	{CONFIG_SECTION_PROFILE, "bridge-port-trusted", NULL},
	{CONFIG_SECTION_PROFILE, "bridge-port-vid", NULL},
	{CONFIG_SECTION_PROFILE, "interface-list", "address-list"},
	{CONFIG_SECTION_PROFILE, "use-mpls", NULL},
	{CONFIG_SECTION_PROFILE, "use-upnp", NULL},
	{CONFIG_SECTION_PROFILE, "use-vj-compression", NULL},
	{CONFIG_SECTION_PROFILE, "incoming-filter", "filter"},
	{CONFIG_SECTION_PROFILE, "outgoing-filter", "filter"},
	{CONFIG_SECTION_PROFILE, "dhcpv6-lease-time", NULL},
	{CONFIG_SECTION_PROFILE, "dhcpv6-use-radius", NULL},
	{CONFIG_SECTION_PROFILE, "remote-ipv6-prefix-reuse", NULL},
	{CONFIG_SECTION_PROFILE, "comment", NULL},
	{CONFIG_SECTION_SECRET, "ipv6-routes", "routes, which takes both families"},
	{CONFIG_SECTION_SECRET, "last-logged-out", "state-dir, where it is kept"},
	{CONFIG_SECTION_SECRET, "last-caller-id", NULL},
	{CONFIG_SECTION_SECRET, "last-disconnect-reason", NULL},
	{CONFIG_SECTION_RULE, "chain", "direction"},
	{CONFIG_SECTION_RULE, "in-interface", "direction"},
	{CONFIG_SECTION_RULE, "out-interface", "direction"},
	{CONFIG_SECTION_RULE, "port", "src-port or dst-port"},
	{CONFIG_SECTION_CLIENT, "numbers", "the connection's name"},
};

// Keys that a reader of RouterOS's documentation looks for and that this version does not have.
static const struct {
	enum config_section section;
	const char *key;
} not_supported[] = {
	{CONFIG_SECTION_ROOT, "ppp-aaa"},
};

const char *config_section_name(enum config_section s)
{
	return section_names[s];
}

const struct config_option *config_option_find(enum config_section s, const char *key)
{
	for (unsigned int i = 0; i < config_nb_all_options; i++)
		if (config_options[i].section == s && !strcmp(config_options[i].key, key))
			return &config_options[i];
	return NULL;
}

#define NEAR_MAX 32

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

// Edit distance with swaps of neighbours; NEAR_MAX for what is too long to be a slip. Underscores
// count as hyphens, capitals as small letters.
static unsigned int distance(const char *a, const char *b)
{
	unsigned int d[NEAR_MAX + 1][NEAR_MAX + 1];
	size_t na = strlen(a), nb = strlen(b);
	char x[NEAR_MAX + 1];

	if (na > NEAR_MAX || nb > NEAR_MAX)
		return NEAR_MAX;
	for (size_t i = 0; i < na; i++)
		x[i] = a[i] == '_' ? '-' : a[i] >= 'A' && a[i] <= 'Z' ? (char)(a[i] + 32) : a[i];
	for (size_t i = 0; i <= na; i++) {
		for (size_t j = 0; j <= nb; j++) {
			if (!i || !j) {
				d[i][j] = (unsigned int)(i + j);
				continue;
			}
			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1,
				d[i - 1][j - 1] + (x[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && x[i - 1] == b[j - 2] && x[i - 2] == b[j - 1])
				d[i][j] = min3(d[i][j], d[i - 2][j - 2] + 1, d[i][j]);
		}
	}
	return d[na][nb];
}

// The nearest key of a section, when it is near enough to be meant.
static const char *nearest_key(enum config_section s, const char *key)
{
	unsigned int best = strlen(key) < 5 ? 2 : 3, d;
	const char *near = NULL;

	for (unsigned int i = 0; i < config_nb_all_options; i++) {
		if (config_options[i].section != s)
			continue;
		d = distance(key, config_options[i].key);
		if (d < best) {
			best = d;
			near = config_options[i].key;
		}
	}
	return near;
}

// The section of the same program that does have a key, CONFIG_N_ALL_SECTIONS: none.
static enum config_section other_section(enum config_section s, const char *key)
{
	bool client = s >= CONFIG_SECTION_CLIENT_ROOT;
	unsigned int end = client ? config_nb_all_options : config_nb_options;

	for (unsigned int i = client ? config_nb_options : 0; i < end; i++)
		if (config_options[i].section != s && !strcmp(config_options[i].key, key))
			return config_options[i].section;
	return CONFIG_N_ALL_SECTIONS;
}

static size_t list_keys(char *dst, size_t cap, enum config_section s)
{
	size_t o = 0;

	dst[0] = '\0';
	for (unsigned int i = 0; i < config_nb_all_options && o < cap; i++)
		if (config_options[i].section == s)
			o += (size_t)snprintf(
				dst + o, cap - o, "%s%s", o ? ", " : "", config_options[i].key);
	return o;
}

const char *config_option_unknown(
	char *dst, size_t cap, enum config_section s, const char *key, const char **found)
{
	enum config_section other;
	const char *near;
	char keys[1024];

	for (unsigned int i = 0; i < sizeof(routeros_only) / sizeof(routeros_only[0]); i++) {
		if (routeros_only[i].section != s || strcmp(routeros_only[i].key, key))
			continue;
		*found = "a key of RouterOS's own, which is not supported";
		if (routeros_only[i].instead)
			snprintf(dst, cap, "none of this name: use %s", routeros_only[i].instead);
		else
			snprintf(dst, cap, "none of this name: it means nothing here");
		return dst;
	}
	*found = "an unknown key";
	for (unsigned int i = 0; i < sizeof(not_supported) / sizeof(not_supported[0]); i++) {
		if (not_supported[i].section == s && !strcmp(not_supported[i].key, key)) {
			snprintf(dst, cap, "none of this name: this version does not support it");
			return dst;
		}
	}
	near = nearest_key(s, key);
	if (near) {
		snprintf(dst, cap, "a known one (did you mean \"%s\"?)", near);
		return dst;
	}
	other = other_section(s, key);
	list_keys(keys, sizeof(keys), s);
	if (other != CONFIG_N_ALL_SECTIONS)
		snprintf(dst, cap, "one of %s (it belongs %s %s)", keys,
			*section_names[other] ? "to" : "at the",
			*section_names[other] ? section_names[other] : "top");
	else
		snprintf(dst, cap, "one of %s", keys);
	return dst;
}

// "a|b|c" as "a, b or c".
static void words_text(char *dst, size_t cap, const char *words)
{
	size_t o = 0;

	for (const char *p = words; *p && o + 5 < cap; p++) {
		if (*p != '|') {
			dst[o++] = *p;
			continue;
		}
		o += (size_t)snprintf(dst + o, cap - o, "%s", strchr(p + 1, '|') ? ", " : " or ");
	}
	dst[o] = '\0';
}

// Whether `unit` holds the words that are allowed.
static bool has_words(const struct config_option *o)
{
	return o->type == CONFIG_TYPE_CHOICE || o->type == CONFIG_TYPE_FLAG ||
	       o->type == CONFIG_TYPE_WORD || o->type == CONFIG_TYPE_YESNO ||
	       o->type == CONFIG_TYPE_DIRECTION;
}

static bool is_size(const struct config_option *o)
{
	return o->type == CONFIG_TYPE_SIZE || o->type == CONFIG_TYPE_SIZE64;
}

// A number as its type is written.
static const char *number_text(char *dst, size_t cap, const struct config_option *o, uint64_t v)
{
	if (is_size(o) && v >= 1 << 30 && !(v & ((1 << 30) - 1)))
		snprintf(dst, cap, "%" PRIu64 "G", v >> 30);
	else if (is_size(o) && v >= 1 << 20 && !(v & ((1 << 20) - 1)))
		snprintf(dst, cap, "%" PRIu64 "M", v >> 20);
	else if (is_size(o) && v >= 1 << 10 && !(v & ((1 << 10) - 1)))
		snprintf(dst, cap, "%" PRIu64 "k", v >> 10);
	else
		snprintf(dst, cap, "%" PRIu64, v);
	return dst;
}

bool config_option_may_disable(const struct config_option *o)
{
	return (o->type == CONFIG_TYPE_DURATION && !o->min) ||
	       (o->type == CONFIG_TYPE_U16 && o->dflt && !strcmp(o->dflt, "disabled"));
}

// What a number may be besides those of its range.
static const char *beside_text(const struct config_option *o)
{
	if (o->type == CONFIG_TYPE_TIMEOUT)
		return "none";
	return config_option_may_disable(o) ? "disabled" : NULL;
}

static uint64_t least(const struct config_option *o)
{
	return o->type == CONFIG_TYPE_DURATION && !o->min ? 1 : o->min;
}

const char *config_option_expected(char *dst, size_t cap, const struct config_option *o)
{
	char a[24], b[24], words[128];
	const char *beside = beside_text(o);

	if (has_words(o)) {
		words_text(words, sizeof(words), o->unit);
		snprintf(dst, cap, "%s", words);
	} else if (o->max) {
		snprintf(dst, cap, "%s from %s to %s%s%s%s%s", type_expected[o->type],
			number_text(a, sizeof(a), o, least(o)),
			number_text(b, sizeof(b), o, o->max), o->unit ? " " : "",
			o->unit ? o->unit : "", beside ? ", or " : "", beside ? beside : "");
	} else {
		snprintf(dst, cap, "%s", type_expected[o->type]);
	}
	return dst;
}

int config_words_index(const char *words, const char *word)
{
	size_t n = strlen(word);
	int i = 0;

	if (strchr(word, '|'))
		return -1;
	for (const char *p = words; p; i++) {
		if (!strncmp(p, word, n) && (p[n] == '|' || !p[n]))
			return i;
		p = strchr(p, '|');
		p = p ? p + 1 : NULL;
	}
	return -1;
}

static void range_text(char *dst, size_t cap, const struct config_option *o)
{
	const char *beside = beside_text(o);
	char a[24], b[24];

	dst[0] = '\0';
	if (has_words(o))
		words_text(dst, cap, o->unit);
	else if (o->max)
		snprintf(dst, cap, "%s..%s%s%s", number_text(a, sizeof(a), o, least(o)),
			number_text(b, sizeof(b), o, o->max), beside ? ", " : "",
			beside ? beside : "");
}

const char *config_option_default(const struct config_option *o)
{
	if (!o->dflt)
		return "not set";
	if (!strcmp(o->dflt, "^"))
		return "inherited";
	return strcmp(o->dflt, "!") ? o->dflt : "must be given";
}

static const char *unit_text(const struct config_option *o)
{
	if (has_words(o) || !o->unit)
		return "";
	return o->unit;
}

static void print_row(FILE *out, const struct config_option *o, bool markdown)
{
	const char *unit = unit_text(o);
	char range[128];

	range_text(range, sizeof(range), o);
	if (markdown) {
		fprintf(out, "| `%s` | %s | %s | %s | %s | %s | %s%s%s |\n", o->key,
			type_names[o->type], unit, range,
			o->type == CONFIG_TYPE_SECTION ? "" : config_option_default(o), o->help,
			o->example ? "`" : "", o->example ? o->example : "", o->example ? "`" : "");
		return;
	}
	fprintf(out, "  %-24s %s", o->key, type_names[o->type]);
	if (*unit)
		fprintf(out, " [%s]", unit);
	if (*range)
		fprintf(out, ", %s", range);
	if (o->type != CONFIG_TYPE_SECTION)
		fprintf(out, "; default: %s", config_option_default(o));
	fprintf(out, "\n      %s\n", o->help);
	if (o->example)
		fprintf(out, "      %s: %s\n", o->key, o->example);
}

static void print_sections(FILE *out, unsigned int first, unsigned int end, bool markdown)
{
	for (unsigned int s = first; s < end; s++) {
		const char *name = *section_names[s] ? section_names[s] : "top level";

		if (markdown)
			fprintf(out,
				"%s### %s\n\n| key | type | unit | range | default | meaning | "
				"example |\n"
				"|---|---|---|---|---|---|---|\n",
				s > first ? "\n" : "", name);
		else
			fprintf(out, "%s%s:\n", s > first ? "\n" : "", name);
		for (unsigned int i = 0; i < config_nb_all_options; i++)
			if (config_options[i].section == s)
				print_row(out, &config_options[i], markdown);
	}
}

void config_print_help(FILE *out, bool markdown)
{
	print_sections(out, 0, CONFIG_N_SECTIONS, markdown);
}

void client_config_print_help(FILE *out, bool markdown)
{
	print_sections(out, CONFIG_SECTION_CLIENT_ROOT, CONFIG_N_ALL_SECTIONS, markdown);
}

bool config_option_is_file_only(const struct config_option *o)
{
	return (o->section != CONFIG_SECTION_CLIENT &&
		       o->section != CONFIG_SECTION_CLIENT_PROFILE) ||
	       o->type == CONFIG_TYPE_PASSWORD || !strcmp(o->key, "disabled") ||
	       !strcmp(o->key, "comment") || !strcmp(o->key, "profile");
}
