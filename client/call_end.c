// SPDX-License-Identifier: BSD-3-Clause
// Why a call ended.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "client/call_internal.h"
#include "protocol/sstp/sstp_http.h"
#include "config/value.h"

static const struct {
	const char *text;
	int status;
} ends[] = {
#define X(name, status, text) [CALL_END_##name] = {text, status},
	CALL_END_LIST(X)
#undef X
};

static const char *const phase_texts[] = {
#define X(name, text) [CALL_PHASE_##name] = text,
	CALL_PHASE_LIST(X)
#undef X
};

const char *call_where(const struct call *c)
{
	return phase_texts[c->phase];
}

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
	case PPP_END_BAD_CHALLENGE:
		return CALL_END_AUTH;
	case PPP_END_NO_ADDRESS:
	case PPP_END_OTHER_ADDRESS:
	case PPP_END_IPCP_FAILED:
	case PPP_END_IPCP_REJECTED:
	case PPP_END_BAD_ADDRESS:
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
	const char *at = !strncmp(message, "C=", 2) ? message : strstr(message, " C=");
	const char *rest = at ? strchr(at, '=') + 1 : "";

	rest += strspn(rest, "0123456789ABCDEFabcdef");
	snprintf(
		dst, cap, "%.*s%s", at ? (int)(at - message) : (int)strlen(message), message, rest);
}

static void note_other_address(struct call *c)
{
	char ours[16], given[16];

	call_note_end(c, CALL_END_ADDRESS,
		"address: the server gives %s, the profile's local-address is %s",
		value_ip4_text(given, c->ppp.addr.local),
		value_ip4_text(ours, c->conf.local_address));
}

static void note_bad_address(struct call *c)
{
	const struct ppp_addresses *a = &c->ppp.addr;
	char given[16];

	call_note_end(c, CALL_END_ADDRESS,
		a->local == a->remote ? "address: the server gives %s, which is its own"
				      : "address: the server gives %s, which is no host's",
		value_ip4_text(given, a->local));
}

// The method that the server insists on, "" where there is nothing to say.
static const char *wanted_auth(const struct call *c, char *dst, size_t cap)
{
	static const uint32_t chap[] = {
		[5] = PPP_AUTH_CHAP_MD5, [128] = PPP_AUTH_MSCHAP1, [129] = PPP_AUTH_MSCHAP2};
	uint8_t algorithm = c->ppp.refused_algorithm;
	uint16_t proto = c->ppp.refused_auth;

	if (!c->ppp.auth_refused || !proto)
		snprintf(dst, cap, "%s", c->ppp.auth_refused || c->ppp.auth ? "" : "none");
	else if (proto == PPP_PROTO_PAP || proto == PPP_PROTO_EAP)
		snprintf(dst, cap, "%s", proto == PPP_PROTO_PAP ? "pap" : "EAP");
	else if (proto != PPP_PROTO_CHAP)
		snprintf(dst, cap, "0x%04x", proto);
	else if (algorithm < sizeof(chap) / sizeof(chap[0]) && chap[algorithm])
		snprintf(dst, cap, "%s", ppp_auth_name(chap[algorithm]));
	else
		snprintf(dst, cap, "CHAP with algorithm %u", algorithm);
	return dst;
}

static void note_auth_refused(struct call *c)
{
	char wanted[40];

	wanted_auth(c, wanted, sizeof(wanted));
	if (*wanted)
		call_note_end(c, CALL_END_AUTH, "authentication: %s, the server wants %s",
			ppp_end_text(PPP_END_AUTH_REFUSED), wanted);
}

void call_note_ppp_end(struct call *c, enum ppp_end why, const char *message)
{
	enum call_end end = end_of_ppp(why);
	char quoted[200], text[160];

	if (c->end == CALL_END_NONE)
		c->refused = why == PPP_END_AUTH_FAILED || why == PPP_END_AUTH_REFUSED ||
			     why == PPP_END_PEER_AUTH_FAILED;
	if (why == PPP_END_OTHER_ADDRESS)
		note_other_address(c);
	else if (why == PPP_END_BAD_ADDRESS)
		note_bad_address(c);
	else if (why == PPP_END_AUTH_REFUSED && !*message)
		note_auth_refused(c);
	readable(text, sizeof(text), message);
	log_quote(quoted, sizeof(quoted), text, strlen(text));
	if (end == CALL_END_SERVER)
		end = end_by_server(c);
	call_note_end(c, end, "%s: %s%s%s", label(end), ppp_end_text(why),
		*text ? ", server's message " : "", *text ? quoted : "");
}

// ", status NAME", or "" for no error.
static const char *status_text(char *dst, size_t cap, uint32_t status)
{
	const char *name = sstp_status_name(status);

	if (status == ATTRIB_STATUS_NO_ERROR)
		snprintf(dst, cap, "%s", "");
	else if (strcmp(name, "unknown"))
		snprintf(dst, cap, ", status %s", name);
	else
		snprintf(dst, cap, ", status 0x%x", status);
	return dst;
}

static bool is_message(unsigned int type)
{
	return type >= SSTP_MSG_CALL_CONNECT_REQUEST && type <= SSTP_MSG_ECHO_RESPONSE;
}

// What SSTP says of its end, and of which message.
static const char *end_text(const struct call *c, enum sstp_end why, char *dst, size_t cap)
{
	unsigned int type = c->sstp.end_message;

	if (why == SSTP_END_PROTOCOL_ERROR && is_message(type))
		snprintf(dst, cap, "%s not allowed in this state", sstp_msg_name(type));
	else if (why == SSTP_END_MALFORMED && is_message(type))
		snprintf(dst, cap, "malformed %s", sstp_msg_name(type));
	else if (why == SSTP_END_MALFORMED)
		snprintf(dst, cap, "message of unknown type 0x%x", type);
	else
		snprintf(dst, cap, "%s", sstp_end_text(why));
	return dst;
}

static void note_disconnect(struct call *c, const char *status)
{
	bool half_way = c->phase == CALL_PHASE_AUTH || c->phase == CALL_PHASE_NETWORK;

	call_note_end(c, end_by_server(c), "the server disconnected the call%s%s%s",
		half_way ? " " : "", half_way ? call_where(c) : "", status);
}

void call_note_sstp_end(struct call *c, enum sstp_end why, uint32_t status)
{
	char text[100], said[60];

	// More was said in PPP, if anything was said there.
	if (c->ppp.end != PPP_END_NONE)
		call_note_ppp_end(c, (enum ppp_end)c->ppp.end, c->ppp.message);
	status_text(said, sizeof(said), status);
	switch (why) {
	case SSTP_END_LOCAL_DISCONNECT:
		call_note_end(c, CALL_END_HANGUP, "hung up");
		break;
	case SSTP_END_PEER_DISCONNECT:
		note_disconnect(c, said);
		break;
	case SSTP_END_HELLO_TIMEOUT:
		call_note_end(c, CALL_END_LOST, "the server no longer answers (SSTP Echo Request)");
		break;
	case SSTP_END_NEGOTIATION_TIMEOUT:
		call_note_end(
			c, CALL_END_TIMEOUT, "SSTP: %s %s", sstp_end_text(why), call_where(c));
		break;
	default:
		call_note_end(
			c, CALL_END_SSTP, "SSTP: %s%s", end_text(c, why, text, sizeof(text)), said);
		break;
	}
}

void call_note_http_end(struct call *c, int fault)
{
	static const char *const texts[] = {
		[SSTP_HTTP_NOT_HTTP] = "the answer is not HTTP/1.1",
		[SSTP_HTTP_MALFORMED] = "the answer is malformed",
		[SSTP_HTTP_TOO_LONG] = "the answer is too long",
		[SSTP_HTTP_NOT_SSTP] =
			"the server answered with status 200, but not as an SSTP server",
	};

	if (fault < (int)(sizeof(texts) / sizeof(texts[0])))
		call_note_end(c, CALL_END_HTTP, "HTTP: %s", texts[fault]);
	else
		call_note_end(c, CALL_END_HTTP, "HTTP: the server answered with status %d", fault);
}
