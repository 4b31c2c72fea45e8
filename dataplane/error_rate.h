// SPDX-License-Identifier: BSD-3-Clause
// How many ICMP errors a worker makes about inner packets. One client's packets, or those for it,
// must not take what the others' need; and that a packet is too big must be told however many other
// errors there are, or connections stall (RFC 1812 4.3.2.8, RFC 4443 2.4 f).
#pragma once

#include "dataplane/worker.h"

// Whether one more may go now; counted when not. s: whose packet it is, or whom it was for, NULL:
// nobody's. too_big: it says so. Only for errors that are allowed otherwise.
bool error_rate_allow(struct worker *w, struct session *s, bool too_big);
