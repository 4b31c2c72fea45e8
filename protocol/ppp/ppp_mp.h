// SPDX-License-Identifier: BSD-3-Clause
// Fragments of the multilink protocol, RFC 1990, on one link: their header, and which of them make
// a packet. Pure: the bytes are the caller's to keep. Any thread.
//
// A link that keeps the order makes this simple: fragments come one behind the other, so that
// there is never more than one packet in pieces, and a sequence number that is not the next one
// says that something is missing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PPP_MP_LONG_LEN 4
#define PPP_MP_SHORT_LEN 2
// What a packet put together has in front at the most: FF 03 and the protocol.
#define PPP_MP_INNER_HEADER 4

struct ppp_mp_header {   // RFC 1990 3
	uint32_t seq;    // 24 bits, or 12
	bool begin, end; // the first, the last fragment of a packet
};

// The header at the start of a frame's information. Returns its length, or -EBADMSG when n bytes
// are not enough for it. Reserved bits are ignored.
int ppp_mp_read(const uint8_t *p, size_t n, bool short_seq, struct ppp_mp_header *h);

static inline size_t ppp_mp_header_len(bool short_seq)
{
	return short_seq ? PPP_MP_SHORT_LEN : PPP_MP_LONG_LEN;
}

// ---- sending

struct ppp_mp_tx {
	uint32_t seq; // of the next fragment
	bool short_seq;
};

// Write the next fragment's header, ppp_mp_header_len() bytes. Returns its length.
size_t ppp_mp_send(struct ppp_mp_tx *tx, bool begin, bool end, uint8_t *p);

// ---- receiving

struct ppp_mp_rx {
	uint32_t most; // bytes of a packet with its PPP header, more is given up
	uint32_t next; // sequence number expected
	uint32_t len;  // bytes collected
	bool short_seq;
	bool collecting; // a packet began and did not end
	bool synced;     // next is known
};

enum ppp_mp_step {
	PPP_MP_SKIP,  // the fragment is of no use
	PPP_MP_WHOLE, // it is a packet by itself
	PPP_MP_START, // a packet begins: keep it
	PPP_MP_MORE,  // goes behind what is kept
	PPP_MP_LAST,  // the same, and then the packet is whole
};

// What else a fragment told.
#define PPP_MP_GAP 1     // its sequence number was not the next one
#define PPP_MP_LOST 2    // what was kept never becomes whole: throw it away first
#define PPP_MP_TOO_BIG 4 // more than rx->most

void ppp_mp_rx_init(struct ppp_mp_rx *rx, uint16_t mrru, bool short_seq);

// One fragment with len bytes behind its header. *told: PPP_MP_* bits.
enum ppp_mp_step ppp_mp_receive(
	struct ppp_mp_rx *rx, const struct ppp_mp_header *h, size_t len, unsigned int *told);

// The caller does not keep the packet (any more): the rest of its fragments are skipped.
static inline void ppp_mp_give_up(struct ppp_mp_rx *rx)
{
	rx->collecting = false;
}

// Whether a frame that was put together may be heard, PPP header off: no LCP packet that
// configures or ends the link (RFC 1990 2), and no fragment.
bool ppp_mp_may_carry(uint16_t proto, const uint8_t *p, size_t n);
