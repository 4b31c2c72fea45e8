// SPDX-License-Identifier: BSD-3-Clause
// All of it together: a worker's loop with 64 packets that come at once (of one client: 32),
// acknowledgements of those before them included. No generator, no other thread and no clock, so
// that instructions can be counted; for figures of workers under load there is culvert-bench
// worker.
//
//   down   inner packets from core, to the clients
//   up     a record in a segment of its own
//   up2    every record straddles two segments, as a kernel's TCP cuts them
#include <stdlib.h>
#include <string.h>

#include "bench/micro/micro_path.h"

enum { PATH_DOWN, PATH_UP, PATH_UP2 };
enum { PATH_ARG_WHAT, PATH_ARG_CLIENTS };

#define LOOPS_MOST 32
#define WARM_BATCHES 40
#define WARM_TURNS 100
#define SHIFT 600 // of an inner packet that puts the others out of step with segments

struct path_state {
	struct path p;
	int what;
	uint32_t len, n, at; // of a packet; packets of a batch
	uint64_t until;      // packets forwarded
};

static void path_teardown(void *state)
{
	struct path_state *s = state;

	path_close(&s->p);
	micro_free(s);
}

static uint32_t next_client(struct path_state *s)
{
	uint32_t i = s->at++;

	if (s->at == s->p.nb_clients)
		s->at = 0;
	return i;
}

static void path_prepare(void *state, unsigned int phase)
{
	struct path_state *s = state;

	path_turn(&s->p);
	for (uint32_t k = 0; k < s->n; k++) {
		uint32_t i = next_client(s);

		if (s->what == PATH_DOWN) {
			path_core_in(&s->p, i, s->len);
			continue;
		}
		path_client_record(&s->p, i, s->len);
		path_client_send(&s->p, i);
	}
	path_flush(&s->p);
	s->p.w->now_us = s->p.now_us;
	s->until = path_forwarded(&s->p) + s->n;
}

// Until all went through: one connection's records may take more than one turn.
static void path_run(void *state, unsigned int phase)
{
	struct path_state *s = state;
	uint64_t next_us;
	int loops = 0;

	do
		worker_loop(s->p.w, &next_us);
	while (path_forwarded(&s->p) < s->until && ++loops < LOOPS_MOST);
	path_must(path_forwarded(&s->p) == s->until, "not every packet was forwarded");
}

// While windows are small a batch takes several turns of both sides.
static void warm_up(struct path_state *s)
{
	uint64_t next_us;

	for (int i = 0; i < WARM_BATCHES; i++) {
		path_prepare(s, 0);
		for (int turn = 0; turn < WARM_TURNS && path_forwarded(&s->p) < s->until; turn++) {
			worker_loop(s->p.w, &next_us);
			path_turn(&s->p);
			s->p.w->now_us = s->p.now_us;
		}
	}
}

static void *path_setup(const struct micro_case *c, char *why, size_t cap)
{
	struct path_state *s = micro_alloc(sizeof(*s));

	snprintf(why, cap, "no memory");
	if (!s)
		return NULL;
	s->what = (int)c->arg[PATH_ARG_WHAT];
	s->len = c->bytes;
	s->n = c->batch;
	if (path_open(&s->p, (uint32_t)c->arg[PATH_ARG_CLIENTS], why, cap)) {
		path_teardown(s);
		return NULL;
	}
	// Records exactly as long as a segment stay where the first one puts them.
	for (uint32_t i = 0; s->what == PATH_UP2 && i < s->p.nb_clients; i++)
		path_client_record(&s->p, i, SHIFT);
	warm_up(s);
	return s;
}

static const struct micro_ops path_ops = {
	.setup = path_setup, .prepare = path_prepare, .run = path_run, .teardown = path_teardown};

void micro_path_cases(struct micro_suite *s)
{
	static const struct {
		const char *name;
		int what;
		uint32_t len;
	} rows[] = {
		{"down/1400", PATH_DOWN, 1400},
		{"down/64", PATH_DOWN, 64},
		{"up/1400", PATH_UP, 1400},
		{"up/64", PATH_UP, 64},
		{"up2/1418", PATH_UP2, PATH_SEGMENT - 5 - 8 - 17},
	};
	static const int64_t clients[] = {1, 64, 1000};

	for (size_t i = 0; i < RTE_DIM(rows); i++)
		for (size_t k = 0; k < RTE_DIM(clients); k++) {
			struct micro_case *c = micro_add(s, &path_ops, "packet", "path/%s/%d",
				rows[i].name, (int)clients[k]);

			c->bytes = rows[i].len;
			if (clients[k] == 1) // or one connection's window ends in a batch
				c->batch = MICRO_BURST / 2;
			c->arg[PATH_ARG_WHAT] = rows[i].what;
			c->arg[PATH_ARG_CLIENTS] = clients[k];
			snprintf(c->anchor, sizeof(c->anchor), "%s", micro_anchor());
		}
}
