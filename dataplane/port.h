// SPDX-License-Identifier: BSD-3-Clause
// Ethernet devices: any DPDK device string (vdev or PCI), queues per worker, RSS and offloads where
// the port has them.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <net/if.h>
#include <rte_ether.h>
#include <rte_mempool.h>

#define PORT_MAX_WORKERS 32

// One open port. Queue of a worker: its index when the port has enough queues, else -1: another
// worker polls for it.
struct port {
	uint16_t id;             // DPDK port id
	uint16_t nb_rxq, nb_txq; // min(workers, what the device can)
	uint16_t nb_workers;
	bool rss;             // the device spreads flows over its receive queues
	uint64_t tx_offloads; // enabled RTE_ETH_TX_OFFLOAD_*
	uint64_t rx_offloads;
	uint16_t mtu;
	struct rte_ether_addr mac;
	char device[128];
	bool no_indirect; // transmits only direct mbufs (net_af_xdp)
	bool keeps_mbufs; // those in its rings do not come back when it is closed (net_af_xdp)
	bool spills;      // a full queue's frames come on another one (net_af_packet's fanout)
	bool link_up;     // when it was opened
	int group_fd;     // keeps multicast reception on for a kernel interface; -1: none
};

// Start the EAL for the configuration (hugepages or not, devices as --vdev/--allow, lcores; quiet
// unless debug). Once per process. main_core, worker lcores: CPU numbers. 0, or -errno with the
// reason in err.
struct port_eal_conf {
	const char *const *devices; // device strings: "net_af_packet0,iface=acc0", "0000:01:00.0"
	unsigned int nb_devices;
	unsigned int main_cpu;
	const unsigned int *worker_cpus;
	unsigned int nb_workers;
	bool hugepages; // false: --no-huge
	unsigned int memory_mb;
	bool debug;
};
int port_eal_init(const struct port_eal_conf *c, char *err, size_t cap);

// The device string as DPDK is to get it: what the driver needs for this MTU (0: the device's) is
// added where the string does not say it. mtu: as configured.
void port_device_args(const char *device, uint16_t mtu, char *out, size_t cap);
// Whether the device takes its packet buffers only up to a page (net_af_xdp).
bool port_small_buffers(const char *device);
#define PORT_SMALL_ROOM_MAX 3840 // data room of such a buffer

// Find the port of a device string given to port_eal_init(), configure and start it with one queue
// pair per worker where it can. mtu 0: the device's. pool: one per worker. 0 or -errno with the
// reason in err.
int port_open(struct port *p, const char *device, uint16_t nb_workers,
	struct rte_mempool *const *pools, uint16_t mtu, uint16_t nb_desc, char *err, size_t cap);
void port_close(struct port *p);

static inline int port_rxq(const struct port *p, uint16_t worker)
{
	return worker < p->nb_rxq ? worker : -1;
}

static inline int port_txq(const struct port *p, uint16_t worker)
{
	return worker < p->nb_txq ? worker : -1;
}
