// SPDX-License-Identifier: BSD-3-Clause
// The automaton against the table of RFC 1661 4.1, typed in here once more in the RFC's own
// notation.
#include <ctype.h>

#include "ppp_harness.h"

#define N_COLUMNS PPP_FSM_N_STATES

// Columns 0..9: Initial Starting Closed Stopped Closing Stopping Req-Sent Ack-Rcvd Ack-Sent Opened
static const struct {
	enum ppp_event event;
	const char *cell[N_COLUMNS];
} rfc[] = {
	{PPP_EVENT_UP, {"2", "irc,scr/6", "-", "-", "-", "-", "-", "-", "-", "-"}},
	{PPP_EVENT_DOWN, {"-", "-", "0", "tls/1", "0", "1", "1", "1", "1", "tld/1"}},
	{PPP_EVENT_OPEN, {"tls/1", "1", "irc,scr/6", "3r", "5r", "5r", "6", "7", "8", "9r"}},
	{PPP_EVENT_CLOSE, {"0", "tlf/0", "2", "2", "4", "4", "irc,str/4", "irc,str/4", "irc,str/4",
				  "tld,irc,str/4"}},
	{PPP_EVENT_TO_PLUS, {"-", "-", "-", "-", "str/4", "str/5", "scr/6", "scr/6", "scr/8", "-"}},
	{PPP_EVENT_TO_MINUS,
		{"-", "-", "-", "-", "tlf/2", "tlf/3", "tlf/3p", "tlf/3p", "tlf/3p", "-"}},
	{PPP_EVENT_RCR_PLUS, {"-", "-", "sta/2", "irc,scr,sca/8", "4", "5", "sca/8", "sca,tlu/9",
				     "sca/8", "tld,scr,sca/8"}},
	{PPP_EVENT_RCR_MINUS, {"-", "-", "sta/2", "irc,scr,scn/6", "4", "5", "scn/6", "scn/7",
				      "scn/6", "tld,scr,scn/6"}},
	{PPP_EVENT_RCA, {"-", "-", "sta/2", "sta/3", "4", "5", "irc/7", "scr/6x", "irc,tlu/9",
				"tld,scr/6x"}},
	{PPP_EVENT_RCN, {"-", "-", "sta/2", "sta/3", "4", "5", "irc,scr/6", "scr/6x", "irc,scr/8",
				"tld,scr/6x"}},
	{PPP_EVENT_RTR, {"-", "-", "sta/2", "sta/3", "sta/4", "sta/5", "sta/6", "sta/6", "sta/6",
				"tld,zrc,sta/5"}},
	{PPP_EVENT_RTA, {"-", "-", "2", "3", "tlf/2", "tlf/3", "6", "6", "8", "tld,scr/6"}},
	{PPP_EVENT_RUC,
		{"-", "-", "scj/2", "scj/3", "scj/4", "scj/5", "scj/6", "scj/7", "scj/8", "scj/9"}},
	{PPP_EVENT_RXJ_PLUS, {"-", "-", "2", "3", "4", "5", "6", "6", "8", "9"}},
	{PPP_EVENT_RXJ_MINUS, {"-", "-", "tlf/2", "tlf/3", "tlf/2", "tlf/3", "tlf/3", "tlf/3",
				      "tlf/3", "tld,irc,str/5"}},
	{PPP_EVENT_RXR, {"-", "-", "2", "3", "4", "5", "6", "7", "8", "ser/9"}},
};

static char trace[128]; // the actions seen, as the RFC writes them

static void note(const char *action)
{
	if (trace[0])
		strcat(trace, ",");
	strcat(trace, action);
}

static void note_send(void *user, const uint8_t *frame, size_t len)
{
	static const char *const names[] = {
		"?", "scr", "sca", "scn", "scn", "str", "sta", "scj", "?", "?", "ser"};

	assert_in_range(frame[4], 1, 10);
	assert_true(len >= 8);
	note(names[frame[4]]);
}

static void note_up(struct ppp_link *l)
{
	note("tlu");
}

static void note_down(struct ppp_link *l)
{
	note("tld");
}

static void note_started(struct ppp_link *l)
{
	note("tls");
}

static void note_finished(struct ppp_link *l)
{
	note("tlf");
}

static void write_nothing(const struct ppp_link *l, struct writer *w)
{
}

static bool timer_on;
static uint32_t timer_ms;

static void note_timer_start(void *user, enum ppp_timer t, uint32_t ms)
{
	timer_on = true;
	timer_ms = ms;
}

static void note_timer_stop(void *user, enum ppp_timer t)
{
	timer_on = false;
}

static const struct ppp_cp cp = {
	.proto = PPP_PROTO_IPCP,
	.timer = PPP_TIMER_IPCP,
	.fsm_offset = offsetof(struct ppp_link, ipcp),
	.write_request = write_nothing,
	.this_layer_up = note_up,
	.this_layer_down = note_down,
	.this_layer_started = note_started,
	.this_layer_finished = note_finished,
};

static const struct ppp_ops ops = {
	.send = note_send, .timer_start = note_timer_start, .timer_stop = note_timer_stop};

static uint8_t reply_code(enum ppp_event ev)
{
	switch (ev) {
	case PPP_EVENT_RCR_PLUS:
		return PPP_CODE_CONFIGURE_ACK;
	case PPP_EVENT_RCR_MINUS:
		return PPP_CODE_CONFIGURE_NAK;
	case PPP_EVENT_RUC:
		return PPP_CODE_CODE_REJECT;
	default:
		return PPP_CODE_ECHO_REPLY;
	}
}

// The restart counter after these actions, when it was 5.
static int expected_counter(const char *actions)
{
	int n = 5;

	if (strstr(actions, "irc"))
		n = strstr(actions, "str") ? 2 : 10;
	if (strstr(actions, "zrc"))
		n = 0;
	if (strstr(actions, "scr") || strstr(actions, "str"))
		n--;
	return n;
}

// What of a cell's actions can be seen from outside.
static void visible(const char *cell, char *out)
{
	out[0] = '\0';
	for (const char *p = cell; isalpha((unsigned char)*p); p += 3 + (p[3] == ',')) {
		if (!strncmp(p, "irc", 3) || !strncmp(p, "zrc", 3))
			continue;
		if (out[0])
			strcat(out, ",");
		strncat(out, p, 3);
	}
}

static bool is_timed(int state)
{
	return state >= 4 && state <= 8;
}

static void check_cell(enum ppp_event ev, int from, const char *cell)
{
	struct ppp_link l = {.ops = &ops};
	struct ppp_packet reply;
	struct ppp_event_arg arg = {.id = 7, .reply = &reply};
	const char *slash = strchr(cell, '/');
	char want[64];
	int next = cell[0] == '-' ? from : atoi(slash ? slash + 1 : cell);

	ppp_conf_default(&l.conf, true);
	l.ipcp = (struct ppp_fsm){.state = (uint8_t)from, .restart_count = 5};
	timer_on = is_timed(from);
	trace[0] = '\0';
	ppp_packet_begin(&reply, 64, PPP_PROTO_IPCP, reply_code(ev), 7);
	ppp_fsm_step(&l, &cp, ev, &arg);
	visible(cell, want);
	if (strcmp(trace, want) != 0 || l.ipcp.state != next)
		fail_msg("%s in %s: did %s/%d, RFC 1661 says %s", ppp_event_name(ev),
			ppp_fsm_state_name((enum ppp_fsm_state)from), trace, l.ipcp.state, cell);
	assert_int_equal(l.ipcp.restart_count, expected_counter(cell));
	assert_int_equal(timer_on, is_timed(next));
	if (strstr(cell, "zrc"))
		assert_int_equal(timer_ms, PPP_LINGER_MS);
	else if (strstr(want, "scr") || strstr(want, "str"))
		assert_int_equal(timer_ms, l.conf.restart_ms);
}

static void every_cell(void **state)
{
	unsigned int n = 0;

	assert_int_equal(sizeof(rfc) / sizeof(rfc[0]), PPP_N_EVENTS);
	for (size_t i = 0; i < PPP_N_EVENTS; i++) {
		assert_int_equal(rfc[i].event, i);
		for (int from = 0; from < N_COLUMNS; from++, n++)
			check_cell(rfc[i].event, from, rfc[i].cell[from]);
	}
	assert_int_equal(n, 160);
}

// RFC 1661 4.6: Max-Configure transmissions in all, then the layer is finished.
static void restart_counter(void **state)
{
	struct peer p;

	peer_make(&p, true, 1);
	peer_up(&p);
	for (int i = 0; i < 9; i++)
		peer_expire(&p, PPP_TIMER_LCP);
	for (int i = 0; i < 10; i++)
		peer_expect(&p, "ff03c021 01 01 *"); // the identifier stays
	peer_expect_none(&p);
	assert_int_equal(p.nb_ended, 0);
	peer_expire(&p, PPP_TIMER_LCP);
	assert_int_equal(p.why, PPP_END_LCP_FAILED);
	assert_int_equal(p.link.phase, PPP_PHASE_DEAD);
}

static void terminate_counter(void **state)
{
	struct peer p;

	peer_make(&p, true, 1);
	p.conf.auth_methods = 0;
	peer_open_lcp(&p);
	peer_flush(&p);
	ppp_terminate(&p.link, PPP_END_LOCAL_TERMINATED, "bye");
	peer_expect(&p, "ff03c021 05 02 0007 627965");
	peer_expire(&p, PPP_TIMER_LCP);
	peer_expect(&p, "ff03c021 05 02 0007 627965");
	assert_int_equal(p.nb_ended, 0);
	peer_expire(&p, PPP_TIMER_LCP);
	peer_expect_none(&p);
	assert_int_equal(p.why, PPP_END_LOCAL_TERMINATED);
	ppp_terminate(&p.link, PPP_END_NO_ADDRESS, NULL); // already over
	assert_int_equal(p.nb_ended, 1);
}

static void names(void **state)
{
	assert_string_equal(ppp_event_name(PPP_EVENT_RXJ_MINUS), "RXJ_MINUS");
	assert_string_equal(ppp_fsm_state_name(PPP_FSM_OPENED), "OPENED");
	assert_string_equal(ppp_phase_name(PPP_PHASE_TERMINATE), "TERMINATE");
	assert_string_equal(ppp_end_text(PPP_END_LOOPED_BACK), "looped-back link");
	assert_string_equal(ppp_protocol_name(0x80fd), "CCP");
	assert_string_equal(ppp_protocol_name(0x1234), "unknown");
	assert_string_equal(ppp_phase_name((enum ppp_phase)77), "?");
	assert_string_equal(ppp_end_text((enum ppp_end)77), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell),
		cmocka_unit_test(restart_counter),
		cmocka_unit_test(terminate_counter),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
