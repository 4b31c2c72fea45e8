// SPDX-License-Identifier: BSD-3-Clause
// One worker without ports, for tests: its TCP stack talks to a client's stack in process, the
// control plane is the test, packets to core are captured. Time is the test's.
#pragma once

#include "dataplane/worker.h"

// RTE_IPV4() shifts a signed 255 into the sign.
#define IP4(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

#define RIG_SESSIONS 8
#define RIG_CORE_MAX 4096

// A client: TCP connection, keys, the plain stream it received.
struct rig_client {
	struct tcp_conn *conn;
	dp_handle handle; // 0 until ACCEPTED
	struct rec_dir rx, tx;
	void *rx_key, *tx_key;
	uint8_t *in; // decrypted and not yet taken
	uint32_t in_len;
	unsigned int records_in;
	uint8_t alert; // last one received
	uint8_t alert_level;
	unsigned int handshake_records;
	bool eof, closed;
	uint32_t inner;
};

struct rig {
	struct worker *w;
	struct dp_chan *ch;
	struct tcp_stack *client_tcp;
	struct counters client_counters;
	struct rec_crypto *rc;
	struct rec_crypto *worker_rc; // the worker's own, where a leak checker sees it: DPDK's
				      // memory it does not search
	struct rte_mempool *pool;
	struct rig_client c[RIG_SESSIONS];
	unsigned int nb_clients;
	struct rte_mbuf *core[RIG_CORE_MAX]; // sent to core
	unsigned int nb_core;
	struct dp_msg *ev[4096]; // events not yet taken by the test
	unsigned int nb_ev;
	bool hold_events; // leave them in the ring
	bool hold_link;   // segments to the client wait
	uint64_t now_us;
	uint16_t tls_version;
	enum tls_aead aead;
};

static inline uint64_t rig_counter(const struct rig *r, enum counter c)
{
	return r->w->counters.v[c];
}

static inline struct session *rig_session(const struct rig *r, const struct rig_client *c)
{
	return &r->w->sessions[dp_handle_slot(c->handle)];
}

// TLS 1.3, TLS 1.2 with an explicit nonce and without one.
struct rig_suite {
	uint16_t version;
	enum tls_aead aead;
};
extern const struct rig_suite rig_suites[3];

// Once per process.
void rig_eal(void);
struct rig *rig_create(uint16_t tls_version, enum tls_aead aead);
// The worker's mbufs of rigs to come: their data room, headroom included; 0: the ordinary one.
extern uint16_t rig_data_room;
// The MTU of their TCP, 0: 1500.
extern uint16_t rig_mtu;
// Checks that every pool is as full as it was.
void rig_destroy(struct rig *r);

// Run both sides for so long, in small steps.
void rig_run(struct rig *r, uint32_t us);
// The next event of this type (others before it are kept), or NULL.
struct dp_msg *rig_event(struct rig *r, enum dp_event_type type);
struct dp_msg *rig_expect(
	struct rig *r, enum dp_event_type type); // fails the test when there is none
// How many of a type there are, not yet taken.
unsigned int rig_events(const struct rig *r, enum dp_event_type type);
// The session is closed, for that reason.
void rig_expect_closed(struct rig *r, enum dp_reason why);
void rig_command(struct rig *r, struct dp_msg *m);
struct dp_msg *rig_msg(struct rig *r, enum dp_command_type type, dp_handle h);

// Connect, install keys, and start SSTP (after a made-up HTTP exchange). Data is not yet open.
struct rig_client *rig_connect(struct rig *r);
void rig_install(struct rig *r, struct rig_client *c);
struct rig_client *rig_connect_sstp(struct rig *r);
void rig_open_data(
	struct rig *r, struct rig_client *c, uint32_t inner, uint16_t mtu, uint16_t mss_clamp);

// Client: reset the connection and forget it.
void rig_abort(struct rig *r, struct rig_client *c);
// Client: send bytes as they are; as one record of this type.
void rig_send_raw(struct rig *r, struct rig_client *c, const void *p, uint32_t n);
void rig_send_record(struct rig *r, struct rig_client *c, uint8_t type, const void *p, uint32_t n);
// A record's bytes, for tests that cut them up. Returns the length.
uint32_t rig_make_record(
	struct rig *r, struct rig_client *c, uint8_t type, const void *p, uint32_t n, uint8_t *out);

// Build an inner UDP packet of len bytes in all (>= 32) with a pattern from seed. Returns len.
uint16_t rig_packet(uint8_t *out, uint16_t len, uint32_t src, uint32_t dst, uint8_t ttl, bool df,
	uint32_t seed);
// An SSTP data packet around it. Returns its length.
uint16_t rig_sstp_data(uint8_t *out, const uint8_t *packet, uint16_t len);
// A packet from core.
void rig_core_in(struct rig *r, const uint8_t *packet, uint16_t len);
// n of len bytes, as rig_packet() makes them.
void rig_core_in_n(struct rig *r, uint32_t src, uint32_t dst, uint16_t len, int n);
// Take one SSTP packet from what the client received: its length, or 0. Fails the test on bytes
// that are none.
uint16_t rig_take_sstp(struct rig *r, struct rig_client *c, uint8_t *out);
// Take all of them: how many there were.
unsigned int rig_take_all(struct rig *r, struct rig_client *c);
