// SPDX-License-Identifier: BSD-3-Clause
// Account -> its sessions, from the log-in to CLOSED: a hash table through the sessions. One
// thread.
#pragma once

#include <stdint.h>
#include <sys/queue.h>

struct cp_session;
LIST_HEAD(cp_account_list, cp_session);

struct cp_accounts {
	struct cp_account_list *bucket; // a power of two of them, NULL while there are no sessions
	uint32_t nb_buckets, nb_sessions;
};

// s->account and s->of_account are the table's. account: borrowed until the removal. 0, or
// -ENOMEM: s is not in.
int cp_account_add(struct cp_accounts *t, struct cp_session *s, const char *account);
// Takes the same time whatever the number of sessions. Not in: no effect.
void cp_account_remove(struct cp_accounts *t, struct cp_session *s);

// The first session of an account, or the one after `after`; NULL: none.
struct cp_session *cp_account_first(const struct cp_accounts *t, const char *account);
struct cp_session *cp_account_next(const struct cp_session *after);

void cp_account_free(struct cp_accounts *t); // after the last session's removal
