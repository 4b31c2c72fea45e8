// SPDX-License-Identifier: BSD-3-Clause
// How much a kernel's TCP socket may have unsent and on its way, so that no queue stands behind
// the one who chooses what goes next: neither in the socket nor at the path's bottleneck. And
// whether the line loses segments though no queue stands, which is one for BBR, and has ceased to.
// Pure: what the kernel says of the connection and the time come in from outside. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLIGHT_UNSENT_MIN 3000u // two segments
#define FLIGHT_UNSENT_MAX 262144u

// Of struct tcp_info.
struct flight_sample {
	uint64_t rate;        // tcpi_delivery_rate, bytes/s
	uint64_t sent, again; // tcpi_bytes_sent, tcpi_bytes_retrans: since the connection began
	uint32_t min_rtt_us, rtt_us;
	uint32_t cwnd; // bytes
	uint32_t mss;  // bytes
};

struct flight {
	uint32_t unsent;     // bytes that the socket may hold unsent
	uint32_t holds;      // and on their way, with what is unsent; UINT32_MAX: no bound
	bool own_pace;       // the congestion control has a bound of its own, as BBR has
	bool may_change;     // ask for BBR when the line loses
	bool changed;        // that was done
	uint64_t rate[2];    // highest delivery rate of the seconds before and of these, bytes/s
	uint64_t rate_ms;    // when rate[1] was begun
	uint32_t calm_us[2]; // lowest smoothed round trip of the same times; 0: none
	uint64_t grew_ms;    // when the rate was last seen to grow
	struct flight_loss {
		uint64_t since_ms, sent, again; // when this window began, and bytes then
		unsigned int lossy, clean;      // windows in a row
		unsigned int clean_wanted;      // to change back
		bool queue;                     // stood in this one
	} loss;
};

// What is to send from now on.
enum flight_change {
	FLIGHT_STAY,
	FLIGHT_TO_BBR,
	FLIGHT_BACK, // what was before
};

// unsent: bytes that the socket may hold unsent until a sample is there.
void flight_init(struct flight *f, uint32_t unsent, bool own_pace, bool may_change);

// What the kernel says now, every 10 ms or so. Only with may_change it asks for another congestion
// control: for BBR when the line has lost segments for seconds while no queue stood, once unless
// the caller then says flight_is_bbr(); and back again when the line has not lost any to speak of
// for ten seconds, the next time twenty, and so on up to some ten minutes.
enum flight_change flight_update(struct flight *f, const struct flight_sample *s, uint64_t now_ms);

// The kernel has BBR, and it is used from now on.
void flight_is_bbr(struct flight *f);

// Of n bytes, how many the socket may have now that notsent of its bytes are unsent and unacked
// (those included) not acknowledged. *full: as much as the path holds is on its way; only an ACK
// makes room.
size_t flight_room(
	const struct flight *f, size_t n, uint32_t notsent, uint32_t unacked, bool *full);
