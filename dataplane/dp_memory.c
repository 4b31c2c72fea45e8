// SPDX-License-Identifier: BSD-3-Clause
// What a configuration comes to: how large pools and tables are, and the memory for all of them.
#include <rte_common.h>

#include "dataplane/addrtab.h"
#include "dataplane/dp.h"
#include "dataplane/dp_int.h"
#include "dataplane/flowq.h"
#include "dataplane/port.h"
#include "dataplane/session_mp.h"
#include "dataplane/session_policy.h"
#include "dataplane/worker.h"

// SSTP and PPP headers and a record around a packet.
#define RECORD_ROOM 64

// Who holds one for long gives way (session_stash.c).
uint32_t dp_nb_stashes(uint32_t sessions)
{
	return RTE_MIN(sessions, RTE_MAX(sessions / 16, 1024u));
}

// For sessions whose queue stands; the others' stays plain (session_flows.c).
uint32_t dp_nb_flowqs(uint32_t sessions)
{
	return RTE_MIN(sessions, RTE_MAX(sessions / 32, 256u));
}

uint16_t dp_data_room(const struct config_dataplane *c)
{
	uint32_t packet = RTE_MAX(c->access.mtu, c->core.mtu);

	// A packet socket's slot is a little more than its frame.
	return mbuf_room_for(RTE_MAX(packet + 16, (uint32_t)c->packet_max + RECORD_ROOM));
}

bool dp_needs_small(const struct config_dataplane *c)
{
	return dp_data_room(c) > PORT_SMALL_ROOM_MAX &&
	       (port_small_buffers(c->access.device) || port_small_buffers(c->core.device));
}

uint32_t dp_sessions_per_worker(const struct config_dataplane *c)
{
	return (c->max_sessions + c->nb_workers - 1) / c->nb_workers;
}

uint32_t dp_nb_addresses(const struct config_dataplane *c)
{
	return c->max_sessions + 256;
}

bool dp_wants_policies(const struct config *c)
{
	for (unsigned int i = 0; i < c->nb_profiles; i++) {
		const struct config_profile *p = &c->profiles[i];

		if (p->has_rate || p->filter ||
			(p->idle_timeout_s && p->idle_timeout_s != CONFIG_UNSET))
			return true;
	}
	for (unsigned int i = 0; i < c->nb_secrets; i++)
		if (c->secrets[i].limit_bytes_in || c->secrets[i].limit_bytes_out)
			return true;
	return false;
}

static bool names(const char *what)
{
	return what && *what;
}

// Every session may be of the user with most routes, but only so many share one prefix.
static uint64_t count_routes(const struct config *c)
{
	uint64_t all = 0, most = 0;

	for (unsigned int i = 0; i < c->nb_secrets; i++) {
		all += c->secrets[i].nb_routes;
		most = RTE_MAX(most, (uint64_t)c->secrets[i].nb_routes);
	}
	return RTE_MIN(all * PREFIXTAB_MAX_EQUAL, most * c->dataplane.max_sessions);
}

void dp_count_prefixes(const struct config *c, struct config_dataplane *d)
{
	uint64_t sessions = c->dataplane.max_sessions, prefixes, members = 0;
	bool own = false, delegated = false, lists = false;

	for (unsigned int i = 0; i < c->nb_profiles; i++) {
		own |= names(c->profiles[i].prefix_pool);
		delegated |= names(c->profiles[i].pd_pool);
		lists |= names(c->profiles[i].address_list);
	}
	for (unsigned int i = 0; i < c->nb_secrets; i++)
		own |= c->secrets[i].has_prefix6;
	prefixes = sessions * ((unsigned int)own + delegated) + count_routes(c);
	for (unsigned int i = 0; i < c->nb_address_lists; i++)
		members += c->address_lists[i].nb_prefixes;
	if (lists)
		members += sessions * (1u + own);
	d->prefixes = (uint32_t)RTE_MIN(prefixes, (uint64_t)UINT32_MAX);
	d->list_members = (uint32_t)RTE_MIN(members, (uint64_t)UINT32_MAX);
}

// Objects of a pool, with what the pool puts around each.
static uint64_t objects(uint64_t n, size_t size)
{
	return n * (size + 64);
}

static uint64_t worker_bytes(const struct config_dataplane *c)
{
	uint32_t sessions = dp_sessions_per_worker(c);
	uint64_t bytes = objects(dp_nb_stashes(sessions), WORKER_STASH_SIZE) +
			 objects(dp_nb_flowqs(sessions), sizeof(struct flowq)) +
			 objects(MSGS_PER_WORKER, sizeof(struct dp_msg));

	if (c->mrru)
		bytes += session_mp_pool_size(
			sessions, c->mrru, dp_data_room(c) - MBUF_FRONT - MBUF_TAIL);
	if (c->policies)
		bytes += session_policy_size(sessions);
	return bytes;
}

unsigned int dp_memory_mb(const struct config_dataplane *c)
{
	uint32_t prefixes = RTE_MIN(c->prefixes, DP_PREFIXES_MAX(dp_nb_addresses(c)));
	uint64_t bytes = objects(c->mbufs, sizeof(struct rte_mbuf) + dp_data_room(c));

	bytes += c->nb_workers * worker_bytes(c);
	bytes += (uint64_t)c->max_sessions * (sizeof(struct session) + 2 * REC_KEY_SIZE_MAX + 2048);
	bytes += objects(MSGS_SPARE, sizeof(struct dp_msg));
	bytes += addrtab_memory(dp_nb_addresses(c));
	bytes += prefixtab_memory(prefixes + DP_MAX_CONNECTED);
	bytes += prefixtab_memory(c->list_members);
	return (unsigned int)(bytes >> 20) + 128;
}
