// SPDX-License-Identifier: BSD-3-Clause
#define LOG_TYPE "cp.out"
#include "controlplane/cp_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "controlplane/cp_core.h"
#include "controlplane/cp_session.h"

#define MSG_HEAD offsetof(struct dp_msg, data)

struct cp_out_entry {
	STAILQ_ENTRY(cp_out_entry) next;
	uint32_t len; // of the message that is kept: its head and its data
	uint8_t msg[];
};

int cp_out_init(struct cp_out *o, unsigned int nb_workers)
{
	o->worker = calloc(nb_workers, sizeof(*o->worker));
	if (!o->worker)
		return -ENOMEM;
	for (unsigned int i = 0; i < nb_workers; i++)
		STAILQ_INIT(&o->worker[i]);
	o->nb_workers = nb_workers;
	o->session_max = CP_OUT_SESSION_MAX;
	o->total_max = CP_OUT_TOTAL_MAX;
	return 0;
}

static size_t entry_cost(const struct cp_out_entry *e)
{
	return sizeof(*e) + e->len;
}

static dp_handle entry_handle(const struct cp_out_entry *e)
{
	dp_handle h;

	memcpy(&h, e->msg + offsetof(struct dp_msg, handle), sizeof(h));
	return h;
}

static void entry_free(struct cp *cp, struct cp_out *o, struct cp_out_entry *e)
{
	struct cp_session *s = cp ? cp_table_find(&cp->table, entry_handle(e)) : NULL;

	o->bytes -= entry_cost(e);
	o->entries--;
	if (s)
		s->waiting -= entry_cost(e);
	secret_wipe(e->msg, e->len);
	free(e);
}

void cp_out_free(struct cp_out *o)
{
	struct cp_out_entry *e;

	for (unsigned int i = 0; i < o->nb_workers; i++) {
		while ((e = STAILQ_FIRST(&o->worker[i]))) {
			STAILQ_REMOVE_HEAD(&o->worker[i], next);
			entry_free(NULL, o, e);
		}
	}
	free(o->worker);
	o->worker = NULL;
	o->nb_workers = 0;
}

struct dp_msg *cp_out_begin(struct cp *cp, unsigned int type, dp_handle h)
{
	struct dp_msg *m = &cp->out.scratch;

	memset(m, 0, MSG_HEAD);
	m->type = (uint16_t)type;
	m->handle = h;
	return m;
}

static unsigned int worker_of(const struct dp_msg *m)
{
	return m->handle ? cp_handle_worker(m->handle) : m->worker;
}

// Send a copy of the first MSG_HEAD + len bytes at src. False: it has to wait.
static bool send_copy(struct cp *cp, const void *src, size_t n)
{
	struct dp_msg *m = dp_msg_alloc(cp->ch, 0, 0);
	int rc;

	if (!m)
		return false;
	memcpy(m, src, n);
	rc = dp_send_command(cp->ch, m);
	if (!rc)
		return true;
	dp_msg_free(cp->ch, m);
	if (rc == -ENOBUFS)
		return false;
	LOG_RATELIMIT(LOG_ERR, 5, "command refused: %s", log_strerror(rc));
	return true;
}

// Keep a command for later. 0, -ENOMEM, or -EDQUOT when it is beyond a bound that must_keep does
// not lift.
static int keep(struct cp *cp, const struct dp_msg *m, size_t n, bool must_keep)
{
	struct cp_out *o = &cp->out;
	struct cp_session *s = cp_table_find(&cp->table, m->handle);
	struct cp_out_entry *e;
	size_t cost = sizeof(*e) + n;

	if (!must_keep &&
		(o->bytes + cost > o->total_max || (s && s->waiting + cost > o->session_max)))
		return -EDQUOT;
	e = malloc(cost);
	if (!e)
		return -ENOMEM;
	e->len = (uint32_t)n;
	memcpy(e->msg, m, n);
	STAILQ_INSERT_TAIL(&o->worker[worker_of(m)], e, next);
	o->bytes += cost;
	o->entries++;
	if (s)
		s->waiting += cost;
	return 0;
}

void cp_out_send(struct cp *cp, struct dp_msg *m)
{
	struct cp_out *o = &cp->out;
	size_t n = MSG_HEAD + m->len;
	bool must_keep =
		m->type == DP_CMD_CLOSE || m->type == DP_CMD_LISTEN || m->type == DP_CMD_ADMIT;
	unsigned int w = worker_of(m);
	int rc;

	if (w >= o->nb_workers)
		goto out;
	if (STAILQ_EMPTY(&o->worker[w]) && send_copy(cp, m, n))
		goto out;
	rc = keep(cp, m, n, must_keep);
	if (!rc)
		goto out;
	if (m->type == DP_CMD_CLOSE)
		cp_table_owe_close(&cp->table, m->handle);
	else if (m->handle)
		cp_session_broken(cp, m->handle,
			rc == -ENOMEM ? "out of memory" : "the worker does not keep up");
	else
		LOG(LOG_ERR, "command %s lost: out of memory", dp_command_name(m->type));
out:
	secret_wipe(m, n);
}

void cp_out_data(struct cp *cp, unsigned int type, dp_handle h, const void *p, size_t n)
{
	const uint8_t *at = p;

	while (n) {
		struct dp_msg *m = cp_out_begin(cp, type, h);

		m->len = n < DP_MSG_DATA_MAX ? (uint32_t)n : DP_MSG_DATA_MAX;
		memcpy(m->data, at, m->len);
		at += m->len;
		n -= m->len;
		cp_out_send(cp, m);
	}
}

static void drop_waiting(struct cp *cp, dp_handle h)
{
	struct cp_out_list *l = &cp->out.worker[cp_handle_worker(h)];
	struct cp_out_list kept = STAILQ_HEAD_INITIALIZER(kept);
	struct cp_out_entry *e;

	while ((e = STAILQ_FIRST(l))) {
		STAILQ_REMOVE_HEAD(l, next);
		if (entry_handle(e) == h)
			entry_free(cp, &cp->out, e);
		else
			STAILQ_INSERT_TAIL(&kept, e, next);
	}
	STAILQ_CONCAT(l, &kept);
}

void cp_out_close(struct cp *cp, dp_handle h, bool abort, uint32_t linger_ms)
{
	struct cp_session *s = cp_table_find(&cp->table, h);
	struct dp_msg *m;

	if (cp_handle_worker(h) >= cp->out.nb_workers)
		return;
	if (abort && s && s->waiting)
		drop_waiting(cp, h);
	m = cp_out_begin(cp, DP_CMD_CLOSE, h);
	m->u.close.abort = abort;
	m->u.close.linger_ms = linger_ms;
	cp_out_send(cp, m);
}

bool cp_out_flush(struct cp *cp)
{
	struct cp_out *o = &cp->out;
	dp_handle h;

	for (unsigned int w = 0; o->entries && w < o->nb_workers; w++) {
		struct cp_out_entry *e;

		while ((e = STAILQ_FIRST(&o->worker[w])) && send_copy(cp, e->msg, e->len)) {
			STAILQ_REMOVE_HEAD(&o->worker[w], next);
			entry_free(cp, o, e);
		}
	}
	// Owed because of memory: while it works.
	for (uint32_t n = cp->table.nb_close_owed; n && !o->entries; n--) {
		h = cp_table_take_owed(&cp->table);
		cp_out_close(cp, h, true, 0);
	}
	return !o->entries && !cp->table.nb_close_owed;
}
