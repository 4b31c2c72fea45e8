// SPDX-License-Identifier: BSD-3-Clause
// An SSTP client at the other end of a fake_conn: real TLS, HTTP, SSTP and PPP, no clock.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fake_worker.h"
#include "protocol/ppp/ppp.h"
#include "protocol/sstp/sstp_fsm.h"
#include "tls/handshake.h"

// Where a client falls silent.
enum fake_halt {
	FAKE_GO_ON,
	FAKE_HALT_TCP,          // sends nothing at all
	FAKE_HALT_HELLO,        // half of its first flight
	FAKE_HALT_TLS,          // TLS done, no HTTP
	FAKE_HALT_HTTP,         // half of the HTTP request
	FAKE_HALT_NO_CALL,      // no Call Connect Request
	FAKE_HALT_NO_PPP,       // answers no PPP frame
	FAKE_HALT_NO_CONNECTED, // no Call Connected
};

struct fake_client_conf {
	struct tls_ctx *ctx;
	const char *user, *password;
	uint32_t auth; // PPP_AUTH_* bits agreed to
	enum fake_halt halt;
	bool together;    // HTTP request and Call Connect Request in one write
	bool wrong_hash;  // binds to another certificate
	bool late;        // Call Connected only after IPCP opened
	const char *http; // sent instead of the request
	enum ppp_ipv6_mode ipv6;
};

struct fake_client {
	struct fake_client_conf conf;
	struct fake_conn *conn;
	struct tls_hs *hs;
	struct fake_buf in; // decrypted
	bool tls_done, http_done, tls_failed, eof, fed_once;
	int http_status;
	bool call_started, sstp_over, ppp_over, close_timer;
	struct sstp_call sstp;
	struct ppp_link ppp;
	enum sstp_end sstp_end;
	uint32_t sstp_status;
	enum ppp_end ppp_end;
	char ppp_message[128];
	bool connected, network_up, owes_connected;
	uint8_t hlak[32];
	struct ppp_addresses addr;
	const uint8_t *frame;
	size_t frame_len;
	bool note_ppp_up, note_ppp_down;
	// IPv6
	bool network6_up;
	uint64_t local_id, remote_id;
	unsigned int nb_ip6; // packets received
	uint8_t ip6[1500];   // the last of them
	size_t ip6_len;
};

// The client of a fresh connection. Takes conn.
struct fake_client *fake_client_new(struct fake_conn *conn, const struct fake_client_conf *conf);
void fake_client_free(struct fake_client *c); // conn must be closed

// Read what came, send what is due.
void fake_client_step(struct fake_client *c);

// One IPv4 packet in a data frame.
void fake_client_send_data(struct fake_client *c);
// One IPv6 packet.
void fake_client_send_ip6(struct fake_client *c, const void *p, size_t n);
// Application bytes as they are.
void fake_client_send(struct fake_client *c, const void *p, size_t n);
// Bytes below TLS as they are.
void fake_client_send_raw(struct fake_client *c, const void *p, size_t n);
void fake_client_hang_up(struct fake_client *c);   // Call Disconnect
void fake_client_terminate(struct fake_client *c); // LCP Terminate-Request
void fake_client_fin(struct fake_client *c);

// Data pass as far as the client can tell.
bool fake_client_is_up(const struct fake_client *c);
