// SPDX-License-Identifier: BSD-3-Clause
// One TLS connection over a kernel socket that only carries bytes, with nothing in the way of the
// socket and the cipher: OpenSSL on the socket itself, blocking, records as large as asked for.
// What culvert-client is measured beside. Main thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define STREAM_RECORD_MAX 16384u
#define STREAM_PIDS 4

struct stream_conf {
	const char *address, *port; // to listen on or to connect to
	const char *certificate;    // PEM with its key, to listen
	const char *congestion;     // NULL: the system's
	bool up;                    // the client writes; else it reads
	unsigned int record;        // bytes of plaintext in each
	unsigned int windows;       // how many are measured
	double rate;                // bytes/s, in bursts of 64 KiB; 0: as fast as it goes
	double warmup_s, window_s;  // before the first, and of each
	pid_t also[STREAM_PIDS];    // whose processor time counts as well
	unsigned int nb_also;
};

struct stream_window {
	double wall_s, cpu_s, also_s; // of this process, and of the others
	uint64_t bytes;               // of plaintext
};

// Serve one connection after another until a signal ends the process. Returns an exit status, only
// when it cannot.
int stream_serve(const struct stream_conf *conf);

// Be the client and fill in windows[conf->windows]. 0, or -errno and said so.
int stream_measure(const struct stream_conf *conf, struct stream_window *windows);
