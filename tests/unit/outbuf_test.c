// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "client/outbuf.h"

static void put(struct outbuf *o, uint8_t fill, size_t n)
{
	uint8_t bytes[5000];

	assert_true(n <= sizeof(bytes));
	memset(bytes, fill, n);
	assert_int_equal(outbuf_put(o, bytes, n), 0);
}

static void check_front(const struct outbuf *o, uint8_t fill, size_t n)
{
	assert_true(o->len >= n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(o->buf[o->off + i], fill);
}

// In order, however much is taken in between.
static void test_order(void **state)
{
	struct outbuf o = {0};
	size_t have = 0;

	for (unsigned int i = 0; i < 100; i++) {
		put(&o, (uint8_t)i, 3000);
		have += 3000;
		if (i < 10)
			continue;
		check_front(&o, (uint8_t)(i - 10), 3000);
		outbuf_take(&o, 3000);
		have -= 3000;
		assert_int_equal(o.len, have);
	}
	outbuf_take(&o, have);
	assert_int_equal(o.len, 0);
	outbuf_free(&o);
}

// Memory is given back behind a burst, and kept when that was asked for.
static void test_keep(void **state)
{
	struct outbuf o = {0};

	for (unsigned int i = 0; i < 20; i++)
		put(&o, 1, 5000);
	outbuf_take(&o, o.len);
	assert_int_equal(o.cap, 0);
	o.keep = 1 << 20;
	for (unsigned int i = 0; i < 20; i++)
		put(&o, 1, 5000);
	outbuf_take(&o, o.len);
	assert_true(o.cap >= 100000);
	outbuf_free(&o);
	assert_int_equal(o.keep, 1 << 20);
}

// Room that is held stays where it is while all in front of it goes.
static void test_held(void **state)
{
	struct outbuf o = {0};
	uint8_t *room;

	for (unsigned int i = 0; i < 50; i++) {
		put(&o, 1, 4000);
		room = outbuf_hold(&o, 40000);
		assert_non_null(room);
		assert_ptr_equal(room, o.buf + o.off + o.len);
		memset(room, 2, 40000);
		check_front(&o, 1, 4000);
		outbuf_take(&o, 1000);
		outbuf_take(&o, 3000);
		assert_int_equal(o.len, 0);
		assert_ptr_equal(outbuf_hold(&o, 40000), room);
		assert_int_equal(room[39999], 2);
		outbuf_commit(&o, 300);
		assert_int_equal(o.len, 300);
		check_front(&o, 2, 300);
		outbuf_take(&o, 300);
		assert_int_equal(o.len, 0);
	}
	assert_int_equal(o.cap, 0); // more than is kept
	outbuf_drop(&o);            // nothing was held
	room = outbuf_hold(&o, 10);
	assert_non_null(room);
	memset(room, 3, 10);
	outbuf_drop(&o);
	assert_int_equal(o.len, 0);
	assert_int_equal(room[0] | room[9], 0);
	outbuf_free(&o);
}

// Asked for again it is the same room, even where other room would be made by now.
static void test_held_at_the_end(void **state)
{
	struct outbuf o = {0};
	uint8_t *room;

	put(&o, 1, 4096);
	assert_int_equal(o.cap, 4096); // to the byte
	put(&o, 1, 4096);
	assert_int_equal(o.cap, 8192);
	outbuf_take(&o, 4096);
	outbuf_take(&o, 1000);
	room = outbuf_hold(&o, 5096); // moves what is left to the front, and ends with the buffer
	assert_ptr_equal(room, o.buf + 3096);
	assert_int_equal(o.cap, 8192);
	memset(room, 2, 5096);
	outbuf_take(&o, 3096);
	assert_ptr_equal(outbuf_hold(&o, 5096), room);
	assert_int_equal(room[5095], 2);
	outbuf_commit(&o, 5096);
	check_front(&o, 2, 5096);
	outbuf_take(&o, 5096);
	outbuf_free(&o);
}

// A backlog that stands costs no more moving than sending: its bytes do not change their place more
// often than as many others went.
static void test_standing_backlog(void **state)
{
	struct outbuf o = {.keep = 1 << 20};
	size_t moved = 0, sent = 0;
	const uint8_t *buf;
	size_t off;

	for (size_t i = 0; i < 114000; i += 1000)
		put(&o, 1, 1000);
	for (unsigned int i = 0; i < 5000; i++) {
		outbuf_take(&o, 1500);
		sent += 1500;
		buf = o.buf;
		off = o.off;
		assert_non_null(outbuf_hold(&o, 16500));
		if (o.buf != buf || o.off != off)
			moved += o.len;
		outbuf_commit(&o, 1500);
	}
	assert_true(moved <= sent);
	assert_true(o.cap <= 512 * 1024);
	outbuf_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_held_at_the_end),
		cmocka_unit_test(test_standing_backlog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
