// SPDX-License-Identifier: BSD-3-Clause
// One worker: an lcore, its queues, its TCP stack and its sessions. Everything in here is written
// by that lcore alone.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "dataplane/dp_chan.h"
#include "dataplane/netif.h"
#include "dataplane/session.h"
#include "dataplane/stage.h"
#include "dataplane/tcp.h"
#include "dataplane/wheel.h"
#include "tls/record.h"

#define WORKER_BURST 64
#define WORKER_RX_OPS 64       // records opened in one burst
#define WORKER_RX_SLICES 1024  // of all of them together
#define WORKER_STASH_SIZE 4160 // an SSTP packet, and what the list needs
#define WORKER_FRESH 32        // mbufs taken from the pool at once
#define WORKER_KEY_MARGIN 4096 // records in front of a key's limit at which another is asked for
#define WORKER_TXQ_MAX 512     // inner packets in one session's queue
#define WORKER_PLAINQ_MAX 6 // mbufs of plain bytes that wait (HTTP header and what came behind it)
#define WORKER_HANDOVER_SIZE 4096

// What an mbuf in a hand-over ring is (mbuf_priv.flags).
enum handover {
	HO_DOWN,         // inner packet for the session in mbuf_priv.seq
	HO_DOWN6,        // the same of IPv6
	HO_TCP,          // outer TCP segment of a connection of this worker
	HO_LEARN_ACCESS, // ARP or ND seen on the access port
	HO_LEARN_CORE,
	HO_TX_ACCESS, // frame to be sent on the access port: the sender has no queue there
	HO_TX_CORE,
};

// Records collected from sessions, then opened together.
struct rx_batch {
	uint16_t n, nb_slices;
	struct rec_open_op op[WORKER_RX_OPS];
	struct session *s[WORKER_RX_OPS];
	struct rte_mbuf *m[WORKER_RX_OPS];
	uint32_t rec_len[WORKER_RX_OPS]; // bytes to consume from the stream
	bool in_place[WORKER_RX_OPS];    // m is a segment's, which TCP gives up when consumed
	uint32_t gen[WORKER_RX_OPS];
	struct rec_slice slice[WORKER_RX_SLICES];
};

// Records made from inner packets, then sealed and sent together.
struct tx_batch {
	uint16_t n;
	struct rec_seal_op op[WORKER_BURST];
	struct session *s[WORKER_BURST];
	struct rte_mbuf *m[WORKER_BURST];
};

// Inner packets from sessions on their way out, looked up together.
struct up_batch {
	uint16_t n;
	struct rte_mbuf *m[WORKER_BURST];
	struct session *s[WORKER_BURST];
};

struct worker {
	// hot
	uint64_t now_us;
	uint64_t tsc_base, tsc_per_us;
	struct tcp_stack *tcp;
	struct rec_crypto *rc;
	struct netif *access, *core;
	struct session *sessions; // [max_sessions + 1]; slot 0 is not used
	struct dp_chan *ch;
	struct rte_mempool *pool, *keys, *stashes;
	struct rte_mempool *small_pool;  // for ports whose buffers are at most a page, when pool's
					 // are larger; else pool
	struct session_mp_pool *mp;      // NULL: no session has multilink
	struct session_policy *policies; // [max_sessions + 1]; NULL: no session has any
	struct wheel *policy_wheel;      // their timers
	uint32_t mbuf_room;              // largest payload of pool's mbufs, worker_mbuf_room()
	struct session *run_head, *run_tail;
	uint32_t nb_run; // sessions on that list
	struct session *tx_head, *tx_tail;
	struct session *tx_far; // on that list, the first whose connection was not fetched ahead
	uint32_t nb_tx_near;    // how many are in front of it
	uint32_t txq_held;      // packets in the queues of all sessions
	uint32_t snd_buf_max;   // bytes that TCP queues for one connection
	uint32_t snd_left;      // mbufs that TCP's send queues may still take, in this loop
	struct wheel *wheel;    // hello and linger timers
	struct worker **peers;  // [nb_workers], this one among them
	struct rte_ring *handover;
	uint16_t id, nb_workers;
	int access_rxq, core_rxq; // -1: another worker polls for this one
	bool dispatch_tcp; // this worker spreads TCP by software: the port has fewer queues than
			   // workers
	bool running, adaptive, listening;
	uint16_t listen_port;
	struct up_batch up;
	struct tx_batch txb;
	struct rx_batch rxb;
	struct rte_mbuf *core_out[WORKER_BURST];
	uint16_t nb_core_out;
	struct rte_mbuf *fresh[WORKER_FRESH]; // for the plaintext of records to come
	uint16_t nb_fresh;
	uint8_t *scratch;  // a record that fits no mbuf: 16 KiB and a little
	uint8_t *scratch2; // a record in too many slices
	// control
	const struct port *access_port, *core_port;
	uint32_t txq_max; // bound of txq_held
	uint32_t snd_max; // of the mbufs that TCP may hold with data: below its own bound, so that
			  // the control plane's messages still go
	uint32_t max_sessions, free_head, nb_free; // free slots are a list through session.slot
	struct rte_mempool *flowqs;                // for sessions whose queue stands
	struct flowq *flows_first, *flows_last;    // those in use, oldest first
	struct stash_list {
		struct stash *first, *last; // the one first that is held for longest
	} stash_list[2];                    // sessions without data, and with
	struct admit {
		struct admit_queue {
			uint32_t first, last, n; // slots of sessions, the longest waiting one first
		} silent, line;
		uint32_t mbufs;     // that the line holds
		uint32_t max_mbufs; // from here on SYNs are not answered
		uint32_t credit;    // how many may come up
		uint64_t wait_us;   // so long at the most
		bool on, paused;
	} admit;
	uint32_t core_addr; // source of ICMP errors towards core, host order
	bool core_has6;
	uint32_t too_big_next;    // error_rate.c
	uint16_t next_id;         // of packets made here that go in fragments
	struct ipaddr core_addr6; // the same of IPv6
	struct up_batch up6;
	uint64_t next_tick_us;
	uint32_t driver_mbufs;        // that drivers hold for good
	struct tcp_levels left;       // when the worker ended
	struct worker_stages *stages; // NULL: cycles are not counted by stage
	struct counters counters;
};

// The lcore's function; returns when STOP was received.
int worker_main(void *arg);

// The same in steps, for who drives a worker by himself. In front of the first loop:
void worker_begin(struct worker *w);
// One loop at w->now_us. Returns how much work there was; *next_us: when there will be some at the
// latest.
unsigned int worker_loop(struct worker *w, uint64_t *next_us);
// Behind the last one: let go of half bursts that wait for the other side.
void worker_end(struct worker *w);
// The worker's clock now.
static inline uint64_t worker_clock(const struct worker *w, uint64_t tsc)
{
	return (tsc - w->tsc_base) / w->tsc_per_us;
}

// Hand an mbuf to another worker. Consumes m (drops and counts when the ring is full).
void worker_handover(struct worker *w, uint16_t to, enum handover what, struct rte_mbuf *m);

// A fresh mbuf with MBUF_FRONT of headroom, or NULL: not counted, for who tries again.
static inline struct rte_mbuf *worker_mbuf_try(struct worker *w)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);

	if (likely(m))
		m->data_off = MBUF_FRONT;
	return m;
}

// The same, counted.
static inline struct rte_mbuf *worker_mbuf(struct worker *w)
{
	struct rte_mbuf *m = worker_mbuf_try(w);

	if (unlikely(!m))
		COUNT(&w->counters, mbuf_alloc_failed);
	return m;
}

// Give back what lies ready for records to come.
static inline void worker_fresh_free(struct worker *w)
{
	rte_pktmbuf_free_bulk(w->fresh, w->nb_fresh);
	w->nb_fresh = 0;
}

// Largest payload a fresh mbuf of a pool takes with room for a record's tag behind.
static inline uint32_t worker_mbuf_room(struct rte_mempool *pool)
{
	return rte_pktmbuf_data_room_size(pool) - (uint32_t)(MBUF_FRONT + MBUF_TAIL);
}

// A copy of n bytes in a fresh mbuf (n <= w->mbuf_room), or NULL.
static inline struct rte_mbuf *worker_mbuf_copy(struct worker *w, const void *p, uint16_t n)
{
	struct rte_mbuf *m = worker_mbuf(w);

	if (likely(m)) {
		memcpy(rte_pktmbuf_mtod(m, void *), p, n);
		m->data_len = n;
		m->pkt_len = n;
	}
	return m;
}

// How many packets a session may have queued: as many as the worker's queues have room left for all
// together. A crowd of sessions that take nothing divides the room, and always leaves as much to
// whoever comes. counted: of its packets that txq_held counts beyond those that it had.
static inline uint32_t session_txq_most(const struct worker *w, uint32_t counted)
{
	return RTE_MIN((uint32_t)WORKER_TXQ_MAX,
		w->txq_max + counted - RTE_MIN(w->txq_held, w->txq_max + counted));
}
