// SPDX-License-Identifier: BSD-3-Clause
// Every cell of both state tables, against a matrix written from the specification and not from the
// tables.
#include "sstp_test_util.h"

// One character per event in the order of SSTP_EVENT_LIST; blanks are for the eye:
//  up | request + - last | ack + -, nak, last | connected + early - | abort, disconnect, its ack |
//  echo request, response | invalid | ppp control, data | undelineable | authenticated, restart |
//  hello 1 2 | timeouts: negotiation, close | asked for: disconnect, abort | sent, down
//
//  . nothing at all               F over, silently             X over, dropped
//  C over, flushed                s on to the state behind     W await a request
//  R Call Connect Request sent    K Ack sent, PPP up           N NAK sent
//  k Ack taken, PPP up            h Call Connected held        y HLAK kept
//  O connected                    S Call Connected sent        P frame to PPP
//  E Echo Response sent           e Echo Request sent          n negotiation timer anew
//  A Call Abort sent, 3 s         a Call Abort answered, 1 s   t Call Abort was answered, 1 s
//  D Call Disconnect sent, 5 s    d acknowledged, 1 s          r acknowledged again
#define ENDINGS                                                                                   \
	[SSTP_STATE_CALL_ABORT_IN_PROGRESS_1] = ". ... .... ... ... .. . .. X .. .. .. .. sF",    \
	[SSTP_STATE_CALL_ABORT_IN_PROGRESS_2] = ". ... .... ... ... .. . .. X .. .. .. .. sF",    \
	[SSTP_STATE_CALL_DISCONNECT_IN_PROGRESS_1] =                                              \
		". ... .... ... ... .. . .. X .. .. .. .. sF",                                    \
	[SSTP_STATE_CALL_DISCONNECT_IN_PROGRESS_2] =                                              \
		". ... .... ... ... .. . .. X .. .. .. .. sF",                                    \
	[SSTP_STATE_CALL_ABORT_PENDING] = ". ... .... ... td. .. . .. X .. .. .C .. .F",          \
	[SSTP_STATE_CALL_ABORT_TIMEOUT_PENDING] = ". ... .... ... .r. .. . .. X .. .. .C .. .F",  \
	[SSTP_STATE_CALL_DISCONNECT_ACK_PENDING] = ". ... .... ... adC .. . .. X .. .. .C .. .F", \
	[SSTP_STATE_CALL_DISCONNECT_TIMEOUT_PENDING] =                                            \
		". ... .... ... .r. .. . .. X .. .. .C .. .F"

// The states of the other side cannot be entered; their cells are empty.
#define UNREACHABLE "A AAA AAAA AAA AAA AA A AA A AA AA AA AA AA"

static const char *const server_matrix[SSTP_N_STATES] = {
	[SSTP_STATE_CALL_DISCONNECTED] = "W ... .... ... ... .. . .. . .. .. .. .. .F",
	[SSTP_STATE_SERVER_CONNECT_REQUEST_PENDING] = ". KNA AAAA AAA adA AA A .. X .. .. A. AA .F",
	[SSTP_STATE_SERVER_CALL_CONNECTED_PENDING] = ". AAA AAAA OhA adA EA A P. X yn .. A. DA .F",
	[SSTP_STATE_SERVER_CALL_CONNECTED] = ". AAA AAAA AAA adA E. A PP X .. eX .. DA .F",
	[SSTP_STATE_CLIENT_CONNECT_REQUEST_SENT] = UNREACHABLE,
	[SSTP_STATE_CLIENT_CONNECT_ACK_RECEIVED] = UNREACHABLE,
	[SSTP_STATE_CLIENT_CALL_CONNECTED] = UNREACHABLE,
	ENDINGS,
};

static const char *const client_matrix[SSTP_N_STATES] = {
	[SSTP_STATE_CALL_DISCONNECTED] = "R ... .... ... ... .. . .. . .. .. .. .. .F",
	[SSTP_STATE_SERVER_CONNECT_REQUEST_PENDING] = UNREACHABLE,
	[SSTP_STATE_SERVER_CALL_CONNECTED_PENDING] = UNREACHABLE,
	[SSTP_STATE_SERVER_CALL_CONNECTED] = UNREACHABLE,
	[SSTP_STATE_CLIENT_CONNECT_REQUEST_SENT] = ". AAA kARA AAA adA AA A .. X .. .. A. AA .F",
	[SSTP_STATE_CLIENT_CONNECT_ACK_RECEIVED] = ". AAA AAAA AAA adA EA A P. X Sn .. A. DA .F",
	[SSTP_STATE_CLIENT_CALL_CONNECTED] = ". AAA AAAA AAA adA E. A PP X .. eX .. DA .F",
	ENDINGS,
};

// What a character of the matrix stands for.
struct outcome {
	char c;
	uint16_t sent; // message type, 0 for none
	int next;      // enum sstp_state, or SAME
	int timer;     // the one started, or NONE
	uint32_t ms;   // of the timer
	bool ppp_up, frame, connected, closed, flush;
};

enum { SAME = -1, NONE = -1, BY_ROLE = -2 };

static const struct outcome outcomes[] = {
	{'.', 0, SAME, NONE},
	{'y', 0, SAME, NONE},
	{'h', 0, SAME, NONE},
	{'F', 0, SSTP_STATE_CALL_DISCONNECTED, NONE},
	{'X', 0, SSTP_STATE_CALL_DISCONNECTED, NONE, .closed = true},
	{'C', 0, SSTP_STATE_CALL_DISCONNECTED, NONE, .closed = true, .flush = true},
	{'s', 0, BY_ROLE, NONE},
	{'W', 0, SSTP_STATE_SERVER_CONNECT_REQUEST_PENDING, SSTP_TIMER_NEGOTIATION, 60000},
	{'R', SSTP_MSG_CALL_CONNECT_REQUEST, SSTP_STATE_CLIENT_CONNECT_REQUEST_SENT,
		SSTP_TIMER_NEGOTIATION, 60000},
	{'K', SSTP_MSG_CALL_CONNECT_ACK, SSTP_STATE_SERVER_CALL_CONNECTED_PENDING,
		SSTP_TIMER_NEGOTIATION, 60000, .ppp_up = true},
	{'k', 0, SSTP_STATE_CLIENT_CONNECT_ACK_RECEIVED, SSTP_TIMER_NEGOTIATION, 60000,
		.ppp_up = true},
	{'N', SSTP_MSG_CALL_CONNECT_NAK, SAME, NONE},
	{'n', 0, SAME, SSTP_TIMER_NEGOTIATION, 60000},
	{'O', 0, SSTP_STATE_SERVER_CALL_CONNECTED, NONE, .connected = true},
	{'S', SSTP_MSG_CALL_CONNECTED, SSTP_STATE_CLIENT_CALL_CONNECTED, NONE, .connected = true},
	{'P', 0, SAME, NONE, .frame = true},
	{'E', SSTP_MSG_ECHO_RESPONSE, SAME, NONE},
	{'e', SSTP_MSG_ECHO_REQUEST, SAME, NONE},
	{'A', SSTP_MSG_CALL_ABORT, SSTP_STATE_CALL_ABORT_PENDING, SSTP_TIMER_CLOSE, 3000},
	{'a', SSTP_MSG_CALL_ABORT, SSTP_STATE_CALL_ABORT_TIMEOUT_PENDING, SSTP_TIMER_CLOSE, 1000},
	{'t', 0, SSTP_STATE_CALL_ABORT_TIMEOUT_PENDING, SSTP_TIMER_CLOSE, 1000},
	{'D', SSTP_MSG_CALL_DISCONNECT, SSTP_STATE_CALL_DISCONNECT_ACK_PENDING, SSTP_TIMER_CLOSE,
		5000},
	{'d', SSTP_MSG_CALL_DISCONNECT_ACK, SSTP_STATE_CALL_DISCONNECT_TIMEOUT_PENDING,
		SSTP_TIMER_CLOSE, 1000},
	{'r', SSTP_MSG_CALL_DISCONNECT_ACK, SAME, NONE},
};

static const struct outcome *outcome_of(char c)
{
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		if (outcomes[i].c == c)
			return &outcomes[i];
	fail_msg("no outcome %c", c);
	return NULL;
}

static enum sstp_state behind(enum sstp_state in_progress)
{
	switch (in_progress) {
	case SSTP_STATE_CALL_ABORT_IN_PROGRESS_1:
		return SSTP_STATE_CALL_ABORT_PENDING;
	case SSTP_STATE_CALL_ABORT_IN_PROGRESS_2:
		return SSTP_STATE_CALL_ABORT_TIMEOUT_PENDING;
	case SSTP_STATE_CALL_DISCONNECT_IN_PROGRESS_1:
		return SSTP_STATE_CALL_DISCONNECT_ACK_PENDING;
	default:
		return SSTP_STATE_CALL_DISCONNECT_TIMEOUT_PENDING;
	}
}

static void walk_cell(bool server, enum sstp_state state, enum sstp_event ev, char c)
{
	static struct recorder r; // zeroed below
	static uint8_t nak[32];
	const struct outcome *want = outcome_of(c);
	struct sstp_event_arg arg = {.pkt = vector_msg_sha256,
		.len = sizeof(vector_msg_sha256),
		.hlak = vector_hlak_sha256,
		.why = SSTP_END_PROTOCOL_ERROR};
	struct sstp_fault f = {1, ATTRIB_STATUS_VALUE_NOT_SUPPORTED};
	enum sstp_state next;
	struct sstp_call call;

	memset(&r, 0, sizeof(r));
	call = (struct sstp_call){.ops = &rec_ops,
		.user = &r,
		.server = server,
		.state = state,
		.peer_hash = CERT_HASH_PROTOCOL_SHA256};
	vector_params(&call.p, vector_msg_sha256);
	r.timer[SSTP_TIMER_NEGOTIATION] = true;
	if (ev == SSTP_EV_RCV_CONNECT_REQUEST_MINUS) {
		arg.pkt = nak;
		arg.len = sstp_encode_info(nak, sizeof(nak), SSTP_MSG_CALL_CONNECT_NAK, &f);
	}
	sstp_fsm_step(&call, ev, &arg);

	next = want->next == SAME      ? state
	       : want->next == BY_ROLE ? behind(state)
				       : (enum sstp_state)want->next;
	if (call.state != next || r.nb_sent != (want->sent != 0) || rec_type(&r, 0) != want->sent)
		fail_msg("%s %s: %s, sent %s", sstp_state_name(state), sstp_event_name(ev),
			sstp_state_name(call.state), sstp_msg_name(rec_type(&r, 0)));
	assert_int_equal(r.nb_timer_starts, want->timer != NONE);
	if (want->timer != NONE)
		assert_int_equal(r.timer_ms[want->timer], want->ms);
	assert_int_equal(r.nb_ppp_up, want->ppp_up);
	assert_int_equal(r.nb_frames, want->frame);
	assert_int_equal(r.nb_connected, want->connected);
	assert_int_equal(r.nb_closed, want->closed);
	assert_int_equal(r.flush, want->flush);
	assert_int_equal(call.connected_held, c == 'h');
	assert_int_equal(call.have_hlak, c == 'y');
	// negotiation is over when it is done, and when the call ends
	if (strchr("OSAaDdtXC", c))
		assert_false(r.timer[SSTP_TIMER_NEGOTIATION]);
	else
		assert_true(r.timer[SSTP_TIMER_NEGOTIATION]);
	if (c == 'X' || c == 'C')
		assert_false(r.timer[SSTP_TIMER_CLOSE]);
}

static void walk(bool server, const char *const matrix[])
{
	unsigned int cells = 0;

	for (unsigned int s = 0; s < SSTP_N_STATES; s++) {
		const char *c = matrix[s];

		for (unsigned int ev = 0; ev < SSTP_N_EVENTS; ev++, c++) {
			while (*c == ' ')
				c++;
			assert_true(*c);
			walk_cell(server, s, ev, *c);
			cells++;
		}
		assert_int_equal(*c, 0);
	}
	assert_int_equal(cells, SSTP_N_STATES * SSTP_N_EVENTS);
}

static void test_server_cells(void **state)
{
	walk(true, server_matrix);
}

static void test_client_cells(void **state)
{
	walk(false, client_matrix);
}

// No state is a trap: with its timers alone every call that began ends.
static void test_timers_end_every_state(void **state)
{
	for (int server = 0; server < 2; server++) {
		const char *const *matrix = server ? server_matrix : client_matrix;

		for (unsigned int s = 1; s < SSTP_N_STATES; s++) {
			static struct recorder r;
			struct sstp_call call;

			if (!strcmp(matrix[s], UNREACHABLE))
				continue;
			memset(&r, 0, sizeof(r));
			call = (struct sstp_call){
				.ops = &rec_ops, .user = &r, .server = server, .state = s};
			sstp_params_default(&call.p);
			if (outcome_of(matrix[s][strlen(matrix[s]) - 2])->c == 's')
				continue; // left within the same step
			for (int i = 0; i < 4; i++) {
				sstp_timeout(&call, SSTP_TIMER_NEGOTIATION);
				sstp_timeout(&call, SSTP_TIMER_CLOSE);
				sstp_hello_expired(&call, 2);
			}
			assert_int_equal(call.state, SSTP_STATE_CALL_DISCONNECTED);
			assert_int_equal(r.nb_closed, 1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_cells),
		cmocka_unit_test(test_client_cells),
		cmocka_unit_test(test_timers_end_every_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
