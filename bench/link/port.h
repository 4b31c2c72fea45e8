// SPDX-License-Identifier: BSD-3-Clause
// One end of the emulator: a network interface (packet socket) or a TAP device of its own.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LINK_FRAME_MAX 9216u
#define LINK_BURST 32u

struct link_port {
	const char *name;
	int fd;
	bool tap;
	uint64_t too_long;   // frames that did not fit: segmentation offload at the other end
	uint64_t unchecked;  // frames that came without their checksum: checksum offload there
	uint64_t tx_refused; // frames that the kernel did not take
	uint8_t (*buf)[LINK_FRAME_MAX + 4]; // LINK_BURST of them
};

struct link_rx {
	const uint8_t *data; // good until the next receive
	uint32_t len;
	uint64_t at_ns; // on CLOCK_MONOTONIC
};

// spec: an interface, or tap:NAME. On failure a message on standard error and false.
bool link_port_open(struct link_port *p, const char *spec);
void link_port_close(struct link_port *p);

// Up to LINK_BURST frames that came in; never waits.
unsigned int link_port_recv(struct link_port *p, struct link_rx *rx);

void link_port_send(struct link_port *p, const uint8_t *data, uint32_t len);

uint64_t link_now_ns(void);
