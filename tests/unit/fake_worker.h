// SPDX-License-Identifier: BSD-3-Clause
// A stand-in for the data plane: dp_msg.h's functions over plain queues, and workers whose TCP is
// two byte buffers. Records, HTTP and SSTP bytes are treated as a worker treats them. What the
// control plane must never do is asserted here.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/dp_msg.h"
#include "tls/record.h"

struct fake_buf {
	uint8_t *p;
	size_t n, cap;
};

void fake_buf_put(struct fake_buf *b, const void *p, size_t n);
void fake_buf_take(struct fake_buf *b, size_t n); // from the front
void fake_buf_free(struct fake_buf *b);

struct fake_conn {
	struct dp_chan *ch;
	dp_handle handle;
	uint32_t peer_ip;
	uint16_t peer_port;
	bool accepted_told, in_line;
	// towards the client
	struct fake_buf out;
	bool out_fin, out_rst;
	// from the client
	struct fake_buf raw, plain;
	uint64_t raw_base, raw_told, plain_base, plain_told;
	bool fin, rst, fin_told, close_notify, owe_stats;
	// what the control plane made of it
	bool keys, remote, sstp, undelineable, data_open, draining, closed;
	struct rec_dir rx, tx;
	void *rx_mem, *tx_mem;
	uint32_t inner, local, hello_ms;
	uint16_t mtu, mss_clamp;
	__typeof__(((struct dp_msg *)0)->u.open) open; // all of the last OPEN_DATA
	unsigned int nb_open;
	struct dp_session_stats stats; // told by CLOSED
	unsigned int nb_data, nb_early_data, nb_rekey_rx, nb_rekey_tx, nb_send_update;
	uint8_t close_reason;
};

// nb_msgs: size of the message pool; ring_size: of each ring.
struct dp_chan *fake_create(unsigned int nb_workers, unsigned int nb_msgs, unsigned int ring_size);
// Asserts that every message is back, every connection closed and every address withdrawn.
void fake_destroy(struct dp_chan *ch);

// The largest data part of events for stream bytes (default DP_MSG_DATA_MAX).
void fake_set_chunk(struct dp_chan *ch, uint32_t chunk);
// Events for stream bytes begin with this many bytes that were told before, where there are any.
void fake_set_overlap(struct dp_chan *ch, uint32_t overlap);
// dp_msg_alloc() fails for commands this many times.
void fake_fail_allocs(struct dp_chan *ch, unsigned int n);
// Messages come from memory that is there already, as the data plane's do; without this from
// malloc, so that sanitizers see who holds one too long.
void fake_keep_msgs(struct dp_chan *ch);
// The workers take no commands while this is on.
void fake_stall(struct dp_chan *ch, bool on);

bool fake_listening(const struct dp_chan *ch);
uint32_t fake_published(const struct dp_chan *ch);
uint32_t fake_nb_prefixes(const struct dp_chan *ch);
// The metric of a prefix that is published for h, "2001:db8::/64" or "::ffff:10.0.0.0/104".
// UINT32_MAX: it is not.
uint32_t fake_prefix_metric(const struct dp_chan *ch, const char *prefix, dp_handle h);
uint32_t fake_open_conns(const struct dp_chan *ch);
uint32_t fake_msgs_in_use(const struct dp_chan *ch);
// Connections that wait for ADMIT; here whether they sent something or not.
uint32_t fake_waiting(const struct dp_chan *ch);
unsigned int fake_nb_locals(const struct dp_chan *ch);
unsigned int fake_nb_ranges(const struct dp_chan *ch);

// A client connected to a worker. The caller frees it after closed is set.
struct fake_conn *fake_accept(struct dp_chan *ch, unsigned int worker, uint32_t ip, uint16_t port);
void fake_conn_free(struct fake_conn *c);
void fake_conn_input(struct fake_conn *c, const void *p, size_t n);
void fake_conn_event(struct fake_conn *c, unsigned int type, uint32_t arg);

// Let workers take commands and deliver events.
void fake_step(struct dp_chan *ch);
