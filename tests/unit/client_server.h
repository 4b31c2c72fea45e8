// SPDX-License-Identifier: BSD-3-Clause
// A small SSTP server in memory for the client's tests: OpenSSL, the protocol's server side, a
// virtual clock, and hooks by which it lies.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/ssl.h>

#include "client/call.h"

#define BED_N_TIMERS (SSTP_N_TIMERS + PPP_N_TIMERS)

struct bed;

struct bed_conf {
	uint32_t auth_methods; // offered; 0: none is asked for
	const char *password;
	uint8_t hash_mask;
	bool only_tls12;
	bool mute_tls, mute_http, mute_sstp; // takes everything in and says nothing from there on
	const char *http_answer;             // instead of the 200
	bool no_address;
	uint32_t address; // the client's; 0: 10.0.0.2
	uint16_t mrru;    // multilink, 0: none
	bool mp_short;
	// An IP packet from the client, instead of last_ip.
	void (*ip)(struct bed *b, const uint8_t *ip, size_t len);
	// A packet on its way to the client, *len bytes in pkt (room for 4095): changed, or dropped
	// with *len = 0.
	void (*lie)(struct bed *b, uint8_t *pkt, size_t *len);
	size_t chunk; // bytes given to the client at once, 0: all there are
	// A client that is not only a call: instead of bed_call_ops and call_input().
	const struct call_ops *client_ops;
	void (*client_input)(struct bed *b, const uint8_t *p, size_t n);
};

extern const struct call_ops bed_call_ops; // with the bed as user

struct bed {
	struct bed_conf conf;
	uint64_t now_ms;
	// server
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out;
	bool http_done, sstp_started, connected, network, closed;
	enum sstp_end sstp_end;
	enum ppp_end ppp_end;
	struct sstp_call sstp;
	struct ppp_link ppp;
	uint64_t deadline_ms[BED_N_TIMERS];
	uint8_t buf[65536];
	size_t len;
	unsigned int rx_ip, rx_msgs[16], tx_msgs[16]; // by SSTP message type
	unsigned int rx_records;                      // of application data
	uint8_t last_ip[65536];
	size_t last_ip_len;
	unsigned int lies;
	unsigned int rx_fragments; // of multilink; what they make is last_ip
	struct ppp_mp_rx mp_rx;
	uint8_t part[65600];
	// client
	SSL_CTX *client_ctx;
	struct call_conf call_conf;
	struct call call;
	bool up, call_closed;
	enum call_end end;
	struct ppp_addresses addr;
	unsigned int rx_client_ip;
	uint8_t last_client_ip[65536];
	size_t last_client_ip_len;
	void *more; // of a test's own
};

// Both sides ready, nothing sent yet; call_conf and conf may still be changed. Asserts.
// With CULVERT_TEST_RECORDS in the environment the client's records are that backend's ("auto": the
// fastest), else OpenSSL's.
struct bed *bed_create(void);
// The client has another TLS context than by default.
void bed_client_tls(struct bed *b, struct call_tls_conf conf);
void bed_start(struct bed *b);
void bed_free(struct bed *b);

// Move bytes both ways until neither side has any.
void bed_pump(struct bed *b);
// Let time pass, timer by timer, pumping.
void bed_advance(struct bed *b, uint64_t ms);
// Until the call is closed, at most limit_ms. How long it took, or UINT64_MAX.
uint64_t bed_until_closed(struct bed *b, uint64_t limit_ms);

// bed_start() and bed_pump(); returns b.
struct bed *bed_dialed(struct bed *b);
// The reason has part in it.
void bed_assert_reason(const struct bed *b, const char *part);
// The call ends within limit_ms, never having been up, and takes no more packets.
void bed_assert_ended(struct bed *b, uint64_t limit_ms, enum call_end end, const char *reason);

// A packet each way, of a call that is up.
void bed_check_data(struct bed *b);

// The suites whose records can be taken from OpenSSL: one of the two names is NULL.
#define BED_N_AEADS 6
extern const struct bed_suite {
	bool tls12;
	const char *ciphers, *ciphersuites; // of call_tls_conf
} bed_aeads[BED_N_AEADS];

// The server alone, over any other transport: bytes in, bytes out (returns how many), the clock.
void bed_server_start(struct bed *b);
void bed_server_input(struct bed *b, const uint8_t *p, size_t n);
size_t bed_server_output(struct bed *b, uint8_t *p, size_t cap);
void bed_server_tick(struct bed *b, uint64_t now_ms);

extern const uint8_t bed_packet[40]; // an IPv4 packet

// From the server: plaintext as it is, and an IPv4 packet.
void bed_server_write(struct bed *b, const void *p, size_t n);
void bed_server_ip(struct bed *b, const void *ip, size_t n);
// A frame as it is.
void bed_server_frame(struct bed *b, const void *frame, size_t n);
