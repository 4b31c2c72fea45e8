// SPDX-License-Identifier: BSD-3-Clause
#include "config/yaml_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct build {
	struct arena *arena;
	struct report *report;
	unsigned int file;
	struct ynode *root;
	struct {
		struct ynode *node;
		struct ynode **tail; // where the next item or key goes
		struct ynode *key;   // map: key that waits for its value
	} stack[YAML_MAX_DEPTH];
	unsigned int depth;
	unsigned int nb_nodes;
	unsigned int nb_documents;
	bool stop;
};

static void bad(struct build *b, const yaml_mark_t *m, const char *found, const char *expected)
{
	report_add(b->report, b->file, (unsigned int)m->line + 1, (unsigned int)m->column + 1,
		"yaml", found, expected);
}

static struct ynode *node_create(struct build *b, enum ynode_kind kind, const yaml_mark_t *m)
{
	struct ynode *n = arena_alloc(b->arena, sizeof(*n));

	n->kind = (uint8_t)kind;
	n->file = (uint8_t)b->file;
	n->line = (unsigned int)m->line + 1;
	n->column = (unsigned int)m->column + 1;
	if (++b->nb_nodes > YAML_MAX_NODES) {
		bad(b, m, "more than 4194304 values", "a smaller file");
		b->stop = true;
	}
	return n;
}

// Hang a finished scalar or a just opened list or map into its parent.
static void attach(struct build *b, struct ynode *n, const yaml_mark_t *m)
{
	unsigned int top = b->depth - 1;
	struct ynode *parent;

	if (!b->depth) {
		if (!b->root)
			b->root = n;
		return;
	}
	parent = b->stack[top].node;
	if (parent->kind == YNODE_MAP && b->stack[top].key) {
		b->stack[top].key->pair = n;
		b->stack[top].key = NULL;
		return;
	}
	if (parent->kind == YNODE_MAP) {
		if (n->kind != YNODE_SCALAR && n->kind != YNODE_BAD) {
			bad(b, m, "a key that is no text", "KEY: VALUE");
			n->kind = YNODE_BAD;
		} else if (n->kind == YNODE_SCALAR && !strcmp(n->value, "<<")) {
			bad(b, m, "a merge key (<<)",
				"keys written out: merge keys are not supported");
			n->kind = YNODE_BAD;
		}
		b->stack[top].key = n;
	}
	*b->stack[top].tail = n;
	b->stack[top].tail = &n->next;
	parent->n++;
}

static void push(struct build *b, struct ynode *n, const yaml_mark_t *m)
{
	attach(b, n, m);
	if (b->depth == YAML_MAX_DEPTH) {
		bad(b, m, "more than 16 levels", "less nesting");
		b->stop = true;
		return;
	}
	b->stack[b->depth].node = n;
	b->stack[b->depth].tail = &n->first;
	b->stack[b->depth].key = NULL;
	b->depth++;
}

static void check_plain_data(
	struct build *b, const yaml_mark_t *m, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		bad(b, m, "an anchor (&)", "plain values: anchors and aliases are not supported");
	if (tag)
		bad(b, m, "a tag (!)", "plain values: tags are not supported");
}

static void on_scalar(struct build *b, const yaml_event_t *e)
{
	const char *v = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct ynode *n;

	check_plain_data(b, &e->start_mark, e->data.scalar.anchor, e->data.scalar.tag);
	n = node_create(b, YNODE_SCALAR, &e->start_mark);
	n->value = arena_strndup(b->arena, v, len);
	n->len = len;
	if (plain && (!len || !strcmp(n->value, "~") || !strcmp(n->value, "null")))
		n->kind = YNODE_NULL;
	if (memchr(v, 0, len)) {
		bad(b, &e->start_mark, "a NUL character", "text without it");
		n->kind = YNODE_BAD;
	}
	attach(b, n, &e->start_mark);
}

static void on_event(struct build *b, const yaml_event_t *e)
{
	const yaml_mark_t *m = &e->start_mark;

	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->nb_documents++) {
			bad(b, m, "a second document (---)", "one document");
			b->stop = true;
		}
		break;
	case YAML_ALIAS_EVENT:
		bad(b, m, "an alias (*)", "plain values: anchors and aliases are not supported");
		attach(b, node_create(b, YNODE_BAD, m), m);
		break;
	case YAML_SCALAR_EVENT:
		on_scalar(b, e);
		break;
	case YAML_SEQUENCE_START_EVENT:
		check_plain_data(b, m, e->data.sequence_start.anchor, e->data.sequence_start.tag);
		push(b, node_create(b, YNODE_LIST, m), m);
		break;
	case YAML_MAPPING_START_EVENT:
		check_plain_data(b, m, e->data.mapping_start.anchor, e->data.mapping_start.tag);
		push(b, node_create(b, YNODE_MAP, m), m);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		break;
	default:
		break;
	}
}

// Line and column of a byte offset: for errors of libyaml's reader, which have no mark.
static yaml_mark_t mark_of(const char *buf, size_t n, size_t offset)
{
	yaml_mark_t m = {0};

	for (size_t i = 0; i < offset && i < n; i++) {
		if (buf[i] == '\n') {
			m.line++;
			m.column = 0;
		} else if (((unsigned char)buf[i] & 0xc0) != 0x80) {
			m.column++;
		}
	}
	return m;
}

// Whether the character at a mark (whose column counts characters) is c.
static bool char_at(const char *buf, size_t n, const yaml_mark_t *m, char c)
{
	size_t line = 0, column = 0, i = 0;

	for (; i < n && line < m->line; i++)
		line += buf[i] == '\n';
	for (; i < n && column < m->column && buf[i] != '\n'; i++)
		column += i + 1 == n || ((unsigned char)buf[i + 1] & 0xc0) != 0x80;
	return i < n && line == m->line && column == m->column && buf[i] == c;
}

static void syntax_error(struct build *b, const yaml_parser_t *p, const char *buf, size_t n)
{
	yaml_mark_t m = p->problem_mark;
	char found[256];

	if (p->error == YAML_READER_ERROR) {
		m = mark_of(buf, n, p->problem_offset);
		snprintf(found, sizeof(found), "a byte that is no UTF-8 text (%s)",
			p->problem ? p->problem : "?");
		bad(b, &m, found, "UTF-8 without control characters");
		return;
	}
	if (char_at(buf, n, &m, '\t')) {
		bad(b, &m, "a tab", "spaces for indentation");
		return;
	}
	snprintf(found, sizeof(found), "a syntax error (%s%s%s)", p->problem ? p->problem : "?",
		p->context ? " " : "", p->context ? p->context : "");
	bad(b, &m, found, "YAML");
}

struct ynode *yaml_tree_parse(
	struct arena *a, const char *buf, size_t n, struct report *r, unsigned int file)
{
	struct build b = {.arena = a, .report = r, .file = file};
	yaml_parser_t parser;
	yaml_event_t e;
	bool end = false;

	if (n > YAML_MAX_BYTES) {
		report_add(r, file, 1, 1, "yaml", "more than 64 MiB", "a smaller file");
		return NULL;
	}
	if (!yaml_parser_initialize(&parser)) {
		report_add(r, file, 1, 1, "yaml", "no memory", "enough of it");
		return NULL;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)buf, n);
	while (!end && !b.stop) {
		if (!yaml_parser_parse(&parser, &e)) {
			syntax_error(&b, &parser, buf, n);
			b.stop = true;
			break;
		}
		on_event(&b, &e);
		end = e.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&e);
	}
	yaml_parser_delete(&parser);
	if (b.stop)
		return NULL;
	if (!b.root || b.root->kind == YNODE_NULL) {
		report_add(r, file, 1, 1, NULL, "an empty file",
			file ? "a list of users" : "sections such as dataplane: and sstp-server:");
		return NULL;
	}
	return b.root;
}

struct ynode *ynode_get(const struct ynode *map, const char *key)
{
	struct ynode *found = NULL;

	if (!map || map->kind != YNODE_MAP)
		return NULL;
	for (struct ynode *k = map->first; k; k = k->next)
		if (k->kind == YNODE_SCALAR && !strcmp(k->value, key))
			found = k->pair;
	return found;
}

struct ynode *ynode_nth(const struct ynode *n, unsigned int i)
{
	struct ynode *c;

	if (!n || (n->kind != YNODE_LIST && n->kind != YNODE_MAP))
		return NULL;
	for (c = n->first; c && i; i--)
		c = c->next;
	return c && n->kind == YNODE_MAP ? c->pair : c;
}

const char *ynode_describe(char *dst, size_t cap, const struct ynode *n, bool secret)
{
	static const char *const names[] = {
		[YNODE_NULL] = "nothing",
		[YNODE_SCALAR] = "a value",
		[YNODE_LIST] = "a list",
		[YNODE_MAP] = "a mapping",
		[YNODE_BAD] = "a value",
	};
	size_t o = 0;

	if (n->kind != YNODE_SCALAR || secret || cap < 16) {
		snprintf(dst, cap, "%s", names[n->kind]);
		return dst;
	}
	dst[o++] = '"';
	for (size_t i = 0; i < n->len; i++) {
		unsigned char c = (unsigned char)n->value[i];

		if (o + 6 >= cap) {
			memcpy(dst + o, "...", 3);
			o += 3;
			break;
		}
		dst[o++] = c < ' ' || c == 0x7f ? '?' : (char)c;
	}
	dst[o++] = '"';
	dst[o] = '\0';
	return dst;
}
