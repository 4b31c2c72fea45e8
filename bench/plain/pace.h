// SPDX-License-Identifier: BSD-3-Clause
// So many bytes a second, in records of any size. Each record moves on the time at which all bytes
// so far are due; the clock is looked at once in a burst. Pure: the caller has the clock and
// sleeps.
#pragma once

#include <stdbool.h>

#define PACE_BURST 65536  // bytes between two looks
#define PACE_BEHIND_MAX 8 // bursts that are made up for after a hold-up

struct pace {
	double bytes_s;        // 0: as fast as it goes
	double due_s;          // when the next byte is due, 0: from the first look on
	unsigned int unlooked; // bytes since the last look
};

// A record of so many bytes is to go. Whether to look at the clock in front of it.
static inline bool pace_is_look(struct pace *p, unsigned int bytes)
{
	if (!(p->bytes_s > 0))
		return false;
	p->due_s += bytes / p->bytes_s;
	p->unlooked += bytes;
	return p->unlooked >= PACE_BURST;
}

// The look, at now_s, seconds of any clock that begins above 0. Returns when the record may go, of
// the same clock, or 0: at once.
static inline double pace_until(struct pace *p, double now_s)
{
	double burst_s = PACE_BURST / p->bytes_s;

	if (p->due_s < now_s - PACE_BEHIND_MAX * burst_s)
		p->due_s = now_s;
	p->unlooked = 0;
	return p->due_s > now_s ? p->due_s : 0;
}
