// SPDX-License-Identifier: BSD-3-Clause
// Record protection for tests: every backend that runs here, keys at random, and records as other
// code (nettle) makes them.
#pragma once

#include "tls/record.h"

#define REC_RIG_MAX (TLS_REC_MAX_PREFIX + TLS_REC_MAX_PLAIN + TLS_REC_MAX_SUFFIX)
#define REC_RIG_MAX_BACKENDS 4

struct rec_rig_dir {
	struct rec_dir d;
	_Alignas(REC_KEY_ALIGN) uint8_t mem[REC_KEY_SIZE_MAX];
};

extern struct rec_crypto *rec_rig[REC_RIG_MAX_BACKENDS]; // those that run here
extern unsigned int rec_rig_nb;

#define FOR_EACH_CIPHER(version, aead)                                \
	for (uint16_t version = 0x0303; version <= 0x0304; version++) \
		for (uint8_t aead = 0; aead < TLS_N_AEADS; aead++)

// Of a group of tests: all backends, or a failure when none runs.
int rec_rig_setup(void **state);
int rec_rig_teardown(void **state);

uint32_t rec_rig_rnd(void);
void rec_rig_fill(uint8_t *p, size_t n);
void rec_rig_key(struct tls_traffic_key *k, uint16_t version, uint8_t aead);
void rec_rig_install(struct rec_crypto *rc, struct rec_rig_dir *x, const struct tls_traffic_key *k);

// A record of text; returns its length.
size_t rec_rig_seal(struct rec_crypto *rc, struct rec_dir *d, uint8_t *record, uint8_t type,
	const uint8_t *text, size_t len);
// The record as the RFCs write it down, by other code than record.c's.
size_t rec_rig_reference(const struct tls_traffic_key *k, uint64_t seq, uint8_t type,
	const uint8_t *text, size_t len, uint8_t *out);
// Open a copy of record as one slice, exactly as long as it is.
struct rec_open_op rec_rig_open(
	struct rec_crypto *rc, struct rec_dir *d, const uint8_t *record, size_t len, uint8_t *dst);
// It was opened, as application data, and is text.
void rec_rig_check(
	const struct rec_open_op *op, const uint8_t *dst, const uint8_t *text, size_t len);
