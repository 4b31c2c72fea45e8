// SPDX-License-Identifier: BSD-3-Clause
// What bed.c and bed_conf.c share: a configuration for culvertd, and a certificate.
#pragma once

#include "bench/worker/bed.h"

#define BED_SERVER "10.254.0.2"
#define BED_ACCESS_NET \
	0x0afe0000u // 10.254.0.0: the server is .0.2; generator i has clients from .i.3 on
#define BED_CLIENT(i) (BED_ACCESS_NET + ((i) << 8) + 3)
#define BED_MAX_CLIENTS 252u
#define BED_CORE_GW 0xac100001u // 172.16.0.1: culvertd's
#define BED_CORE_HOST(i) (BED_CORE_GW + 1 + (i))
#define BED_MAX_SESSIONS 200000u
#define BED_PORT 443
#define BED_USER "bench"
#define BED_PASSWORD "correct horse"
#define BED_ACCESS_DEVICE "net_ring_access"
#define BED_CORE_DEVICE "net_ring_core"

// A self-signed ECDSA certificate for P-256 with its key, in a file of its own that the caller
// removes. 0 or -errno.
int bed_make_cert(char *path, size_t cap);

// culvertd's configuration. NULL: what is wrong was said on standard error.
struct config *bed_make_config(const struct bed *b);
