// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/cp_account.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/cp_session.h"

#define BUCKETS_MIN 64

static struct cp_session **bucket_of(const struct cp_accounts *t, const char *account)
{
	return &t->bucket[cp_hash(account, strlen(account)) & (t->nb_buckets - 1)];
}

static int grow(struct cp_accounts *t)
{
	uint32_t n = t->nb_buckets ? t->nb_buckets * 2 : BUCKETS_MIN;
	struct cp_accounts old = *t;

	t->bucket = calloc(n, sizeof(struct cp_session *));
	if (!t->bucket) {
		t->bucket = old.bucket;
		return -ENOMEM;
	}
	t->nb_buckets = n;
	for (uint32_t i = 0; i < old.nb_buckets; i++) {
		while (old.bucket[i]) {
			struct cp_session *s = old.bucket[i], **to = bucket_of(t, s->account);

			old.bucket[i] = s->next_account;
			s->next_account = *to;
			*to = s;
		}
	}
	free(old.bucket);
	return 0;
}

int cp_account_add(struct cp_accounts *t, struct cp_session *s, const char *account)
{
	struct cp_session **to;

	// Longer chains are slower, and no reason to refuse anybody.
	if (t->nb_sessions >= t->nb_buckets && grow(t) && !t->nb_buckets)
		return -ENOMEM;
	s->account = account;
	to = bucket_of(t, account);
	s->next_account = *to;
	*to = s;
	t->nb_sessions++;
	return 0;
}

void cp_account_remove(struct cp_accounts *t, struct cp_session *s)
{
	struct cp_session **at;

	if (!s->account)
		return;
	for (at = bucket_of(t, s->account); *at != s; at = &(*at)->next_account)
		;
	*at = s->next_account;
	s->account = NULL;
	s->next_account = NULL;
	t->nb_sessions--;
}

static struct cp_session *same(struct cp_session *s, const char *account)
{
	while (s && strcmp(s->account, account) != 0)
		s = s->next_account;
	return s;
}

struct cp_session *cp_account_first(const struct cp_accounts *t, const char *account)
{
	return t->nb_buckets ? same(*bucket_of(t, account), account) : NULL;
}

struct cp_session *cp_account_next(const struct cp_session *after)
{
	return same(after->next_account, after->account);
}

void cp_account_free(struct cp_accounts *t)
{
	free(t->bucket);
	*t = (struct cp_accounts){0};
}
