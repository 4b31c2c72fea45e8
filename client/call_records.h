// SPDX-License-Identifier: BSD-3-Clause
// TLS of one call behind its handshake, by tls/'s records instead of OpenSSL's: sealed where they
// wait for the socket, opened out of what the socket gave. And what little TLS says then: alerts,
// KeyUpdate, tickets. RFC 5246 6.2 and 7.2, RFC 8446 4.6, 5 and 6. For call_tls.c. Client's thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client/outbuf.h"
#include "tls/record.h"

struct call_records;
struct call_secrets;

// From call_tls_keys(); copies. NULL with errno.
struct call_records *call_records_create(const struct rec_backend *b,
	const struct tls_traffic_key *rx, const struct tls_traffic_key *tx,
	const struct call_secrets *secrets);
// Wipes. r may be NULL.
void call_records_free(struct call_records *r);

// Room in out (the same one in every call) for one record's plaintext, TLS_REC_MAX_PLAIN bytes,
// which stays where it is until the next call_records_write() or call_records_close(). NULL: no
// memory.
uint8_t *call_records_room(struct call_records *r, struct outbuf *out);

// Seal n bytes (1..TLS_REC_MAX_PLAIN) as one record at the end of out; p: the room, or anywhere
// else, and then what is in the room is lost. Behind what TLS owes, and with the next key when this
// one has sealed enough. 0, -ENOMEM, or -EPROTO.
int call_records_write(struct call_records *r, struct outbuf *out, const uint8_t *p, size_t n);

// Put what TLS owes into out, when nothing else was written: the answer to a KeyUpdate or to a
// HelloRequest. No room may be out. 0, -ENOMEM, or -EPROTO.
int call_records_answer(struct call_records *r, struct outbuf *out);

// The last record: the alert that is owed, or close_notify. Once.
void call_records_close(struct call_records *r, struct outbuf *out);

// The plaintext of the next record of data that is whole, to dst, of which CALL_READ_MIN bytes may
// be written. *in, *in_len: what the socket gave; what was taken is off its front. Returns bytes,
// at least 1; 0: more input is needed; -EPIPE: close_notify; -EPROTO: failed, and so it stays.
int call_records_read(struct call_records *r, const uint8_t **in, size_t *in_len, uint8_t *dst);

// Why call_records_read() failed. *alert: the server's, if that was the reason, else 0. NULL: an
// alert was, or it did not fail.
const char *call_records_error(const struct call_records *r, uint8_t *alert);
