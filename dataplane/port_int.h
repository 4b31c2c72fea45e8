// SPDX-License-Identifier: BSD-3-Clause
// What port.c and port_eal.c share.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PORT_PACKET_OVERHEAD 98       // Ethernet, VLAN, and what the kernel puts in front
#define PORT_PACKET_SLOT_DEFAULT 2048 // net_af_packet's
#define PORT_PACKET_SLOT_MIN 2304     // what fits MBUF_DATA_ROOM

// Write the reason, with DPDK's own complaint behind it when there is one. Returns code.
int port_error(char *err, size_t cap, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
// Whether DPDK's log is kept for the next port_error() instead of printed.
void port_listen_log(bool on);
// The value of key=value in a device string.
bool port_devarg(const char *device, const char *key, char *value, size_t cap);
// The device's name for DPDK: what stands before the first comma, PCI addresses in full.
void port_device_name(const char *device, char *name, size_t cap);
