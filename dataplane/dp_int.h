// SPDX-License-Identifier: BSD-3-Clause
// Shared by dp*.c: what a configuration comes to in pools and tables.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

#define MSGS_PER_WORKER 6144
#define MSGS_SPARE 2048

// Rooms for half packets, and for queues by flows, of a worker with so many sessions.
uint32_t dp_nb_stashes(uint32_t sessions);
uint32_t dp_nb_flowqs(uint32_t sessions);
// Of an mbuf: every packet of ports and sessions fits one, alone or in its record.
uint16_t dp_data_room(const struct config_dataplane *c);
// Whether some mbufs have to be smaller than the others: half of them are then.
bool dp_needs_small(const struct config_dataplane *c);
uint32_t dp_sessions_per_worker(const struct config_dataplane *c);
// Addresses that the table of all sessions has room for.
uint32_t dp_nb_addresses(const struct config_dataplane *c);
