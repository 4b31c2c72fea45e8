// SPDX-License-Identifier: BSD-3-Clause
// Why a call ended.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "client/call_internal.h"
#include "config/value.h"

static const struct {
	const char *text;
	int status;
} ends[] = {
#define X(name, status, text) [CALL_END_##name] = {text, status},
	CALL_END_LIST(X)
#undef X
};

const char *call_end_text(enum call_end e)
{
	return (unsigned int)e < CALL_N_ENDS ? ends[e].text : "unknown";
}

int call_end_status(enum call_end e)
{
	return (unsigned int)e < CALL_N_ENDS ? ends[e].status : 1;
}

const char *call_reason(const struct call *c)
{
	return c->reason;
}

static void note_endv(struct call *c, enum call_end why, const char *fmt, va_list ap)
{
	if (c->end != CALL_END_NONE) // the first reason is the one that counts
		return;
	c->end = why;
	vsnprintf(c->reason, sizeof(c->reason), fmt, ap);
}

void call_note_end(struct call *c, enum call_end why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note_endv(c, why, fmt, ap);
	va_end(ap);
}

static enum call_end end_of_ppp(enum ppp_end why)
{
	switch (why) {
	case PPP_END_AUTH_REFUSED:
	case PPP_END_AUTH_FAILED:
	case PPP_END_AUTH_TIMEOUT:
	case PPP_END_PEER_AUTH_FAILED:
		return CALL_END_AUTH;
	case PPP_END_NO_ADDRESS:
	case PPP_END_OTHER_ADDRESS:
	case PPP_END_IPCP_FAILED:
		return CALL_END_ADDRESS;
	case PPP_END_LOCAL_TERMINATED:
		return CALL_END_HANGUP;
	case PPP_END_PEER_TERMINATED:
		return CALL_END_SERVER;
	case PPP_END_ECHO_TIMEOUT:
		return CALL_END_LOST;
	default:
		return CALL_END_PPP;
	}
}

// A server that gives up half way means the step that was not reached.
static enum call_end end_by_server(const struct call *c)
{
	switch (c->phase) {
	case CALL_PHASE_AUTH:
		return CALL_END_AUTH;
	case CALL_PHASE_NETWORK:
		return CALL_END_ADDRESS;
	default:
		return CALL_END_SERVER;
	}
}

static const char *label(enum call_end e)
{
	switch (e) {
	case CALL_END_AUTH:
		return "authentication";
	case CALL_END_ADDRESS:
		return "address";
	default:
		return "PPP";
	}
}

// A copy of the server's words without the challenge of an MS-CHAP failure (RFC 2759 6), which says
// nothing to a reader.
static void readable(char *dst, size_t cap, const char *message)
{
	const char *at = strstr(message, " C=");
	size_t skip = at ? 3 + strspn(at + 3, "0123456789ABCDEFabcdef") : 0;

	if (at)
		snprintf(dst, cap, "%.*s%s", (int)(at - message), message, at + skip);
	else
		snprintf(dst, cap, "%s", message);
}

static void note_other_address(struct call *c)
{
	char ours[16], given[16];

	call_note_end(c, CALL_END_ADDRESS,
		"address: the server gives %s, the profile's local-address is %s",
		value_ip4_text(given, c->ppp.addr.local),
		value_ip4_text(ours, c->conf.local_address));
}

void call_note_ppp_end(struct call *c, enum ppp_end why, const char *message)
{
	enum call_end end = end_of_ppp(why);
	char quoted[200], text[160];

	if (why == PPP_END_OTHER_ADDRESS)
		note_other_address(c);
	if (c->end == CALL_END_NONE)
		c->refused = why == PPP_END_AUTH_FAILED || why == PPP_END_AUTH_REFUSED ||
			     why == PPP_END_PEER_AUTH_FAILED;
	readable(text, sizeof(text), message);
	log_quote(quoted, sizeof(quoted), text, strlen(text));
	if (end == CALL_END_SERVER)
		end = end_by_server(c);
	call_note_end(c, end, "%s: %s%s%s", label(end), ppp_end_text(why),
		*message ? ", server's message " : "", *message ? quoted : "");
}

void call_note_sstp_end(struct call *c, enum sstp_end why, uint32_t status)
{
	switch (why) {
	case SSTP_END_LOCAL_DISCONNECT:
		call_note_end(c, CALL_END_HANGUP, "hung up");
		break;
	case SSTP_END_PEER_DISCONNECT:
		// It said more in PPP, if it said anything there.
		if (c->ppp.end != PPP_END_NONE)
			call_note_ppp_end(c, (enum ppp_end)c->ppp.end, c->ppp.message);
		call_note_end(c, end_by_server(c), "the server disconnected the call");
		break;
	case SSTP_END_HELLO_TIMEOUT:
		call_note_end(c, CALL_END_LOST, "the server no longer answers (SSTP Echo Request)");
		break;
	case SSTP_END_NEGOTIATION_TIMEOUT:
		call_note_end(c, CALL_END_TIMEOUT, "SSTP: %s", sstp_end_text(why));
		break;
	default:
		call_note_end(c, CALL_END_SSTP, "SSTP: %s, status %s", sstp_end_text(why),
			sstp_status_name(status));
		break;
	}
}
