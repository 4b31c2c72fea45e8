// SPDX-License-Identifier: BSD-3-Clause
// Where threads run that are neither a worker nor the control thread: the EAL pins its main thread,
// and what is started from there is pinned with it.
#pragma once

#include <sched.h>

// The CPUs of threads that help. Before the first of them.
void affinity_set_helpers(const cpu_set_t *cpus);

// The calling thread, and what it starts, moves there. No effect when nothing was set, or none of
// them may be used.
void affinity_join_helpers(void);
