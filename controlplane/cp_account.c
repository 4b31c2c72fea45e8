// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/cp_account.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/cp_session.h"

#define BUCKETS_MIN 64

static struct cp_account_list *bucket_of(const struct cp_accounts *t, const char *account)
{
	return &t->bucket[cp_hash(account, strlen(account)) & (t->nb_buckets - 1)];
}

static int grow(struct cp_accounts *t)
{
	uint32_t n = t->nb_buckets ? t->nb_buckets * 2 : BUCKETS_MIN;
	struct cp_accounts old = *t;

	t->bucket = calloc(n, sizeof(*t->bucket));
	if (!t->bucket) {
		t->bucket = old.bucket;
		return -ENOMEM;
	}
	t->nb_buckets = n;
	for (uint32_t i = 0; i < old.nb_buckets; i++) {
		struct cp_session *s;

		while ((s = LIST_FIRST(&old.bucket[i]))) {
			LIST_REMOVE(s, of_account);
			LIST_INSERT_HEAD(bucket_of(t, s->account), s, of_account);
		}
	}
	free(old.bucket);
	return 0;
}

int cp_account_add(struct cp_accounts *t, struct cp_session *s, const char *account)
{
	// Longer chains are slower, and no reason to refuse anybody.
	if (t->nb_sessions >= t->nb_buckets && grow(t) && !t->nb_buckets)
		return -ENOMEM;
	s->account = account;
	LIST_INSERT_HEAD(bucket_of(t, account), s, of_account);
	t->nb_sessions++;
	return 0;
}

void cp_account_remove(struct cp_accounts *t, struct cp_session *s)
{
	if (!s->account)
		return;
	LIST_REMOVE(s, of_account);
	s->account = NULL;
	t->nb_sessions--;
}

static struct cp_session *same(struct cp_session *s, const char *account)
{
	while (s && strcmp(s->account, account) != 0)
		s = LIST_NEXT(s, of_account);
	return s;
}

struct cp_session *cp_account_first(const struct cp_accounts *t, const char *account)
{
	return t->nb_buckets ? same(LIST_FIRST(bucket_of(t, account)), account) : NULL;
}

struct cp_session *cp_account_next(const struct cp_session *after)
{
	return same(LIST_NEXT(after, of_account), after->account);
}

void cp_account_free(struct cp_accounts *t)
{
	free(t->bucket);
	*t = (struct cp_accounts){0};
}
