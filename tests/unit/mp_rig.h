// SPDX-License-Identifier: BSD-3-Clause
// A worker's rig with multilink: one at a time, its clients' fragments by hand.
#pragma once

#include "dataplane/session_mp.h"
#include "tests/unit/worker_rig.h"

#define MP_LOCAL IP4(10, 0, 0, 1)
#define MP_MTU 1400

extern struct rig *mp_rig; // from mp_start() to mp_stop()
extern struct session_mp_pool *mp_pool;
extern uint32_t mp_seq; // of the next fragment that is sent

// mrru: the largest; nb_mbufs: of which packets in pieces may have a sixteenth.
void mp_start(uint16_t mrru, uint32_t nb_mbufs);
// Checks that nothing is left in any pool.
void mp_stop(void);

void mp_set(struct rig_client *c, uint16_t tx_mrru, uint16_t rx_mrru, uint8_t flags);
// A client with data open, MTU MP_MTU, its address published.
struct rig_client *mp_dial(uint32_t inner, uint16_t tx_mrru, uint16_t rx_mrru, uint8_t flags);

// One fragment in an SSTP packet, with the bits "B", "E", "BE" or none. Returns its length.
uint16_t mp_put_fragment(
	uint8_t *out, uint32_t number, const char *bits, const void *p, uint32_t n, bool short_seq);
void mp_send_fragment(struct rig_client *c, const char *bits, const void *p, uint32_t n);
// A frame in fragments of at most `most` bytes.
void mp_send_frame(struct rig_client *c, const uint8_t *frame, uint32_t n, uint32_t most);
// A UDP packet behind its protocol field. Returns the frame's length.
uint32_t mp_make_frame(uint8_t *out, uint16_t len, uint32_t src, uint32_t dst, bool df);
// What the client gets: packets, bare or put together. Returns the length, 0: no whole one.
uint32_t mp_take_packet(struct rig_client *c, struct ppp_mp_rx *rx, uint8_t *out);
// The frame's packet was the i-th to go to core, whole.
void mp_check_core(unsigned int i, const uint8_t *frame, uint32_t n);
