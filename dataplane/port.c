// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/if_packet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dataplane/port_int.h"

#define DESC_DEFAULT 1024
#define LINK_WAIT_MS 3000
#define L2_ROOM (RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)

#define RSS_WANTED                                                                          \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_OTHER | \
		RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_OTHER)
#define RX_WANTED (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
// Never MBUF_FAST_FREE: segments are sent while the send queue holds a reference.
#define TX_WANTED (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM)

struct opening { // what the steps of port_open() pass on
	struct port *p;
	const char *device;
	struct rte_eth_dev_info info;
	bool af_packet, af_xdp, tap;
	char iface[IF_NAMESIZE + 1]; // of the kernel, "" when it is not one's driver
	uint16_t mtu_max;            // that buffers hold
	char *err;
	size_t cap;
};

#define FAIL(o, code, fmt, ...) \
	port_error((o)->err, (o)->cap, (code), "device \"%s\": " fmt, (o)->device, ##__VA_ARGS__)

static int find(struct opening *o)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	struct port *p = o->p;
	int r;

	port_device_name(o->device, name, sizeof(name));
	if (rte_eth_dev_get_port_by_name(name, &p->id) != 0)
		return FAIL(o, -ENODEV,
			"DPDK made no port of it; for a PCI device: is it bound to vfio-pci "
			"(or mlx5's own driver)?");
	r = rte_eth_dev_info_get(p->id, &o->info);
	if (r < 0)
		return FAIL(o, r, "%s", rte_strerror(-r));
	r = rte_eth_macaddr_get(p->id, &p->mac);
	if (r < 0)
		return FAIL(o, r, "its MAC address cannot be read: %s", rte_strerror(-r));
	o->af_packet = strcmp(o->info.driver_name, "net_af_packet") == 0;
	o->af_xdp = strcmp(o->info.driver_name, "net_af_xdp") == 0;
	o->tap = strcmp(o->info.driver_name, "net_tap") == 0;
	if (o->af_packet || o->af_xdp)
		port_devarg(o->device, "iface", o->iface, sizeof(o->iface));
	p->no_indirect = o->af_xdp;
	p->spills = o->af_packet;
	p->keeps_mbufs = o->af_xdp;
	return 0;
}

// The largest packet that buffers, and the slots of a packet socket's ring, hold.
static void find_mtu_max(struct opening *o, struct rte_mempool *pool)
{
	unsigned long max = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM - L2_ROOM;
	unsigned long framesz = PORT_PACKET_SLOT_DEFAULT;
	char text[16];

	if (o->af_packet) {
		if (port_devarg(o->device, "framesz", text, sizeof(text)))
			framesz = strtoul(text, NULL, 10);
		if (framesz > PORT_PACKET_OVERHEAD)
			max = RTE_MIN(max, framesz - PORT_PACKET_OVERHEAD);
	}
	o->mtu_max = (uint16_t)RTE_MIN(max, (unsigned long)UINT16_MAX);
}

// Queues of a kernel interface's driver are all fed by the kernel, polled or not.
static int choose_queues(struct opening *o)
{
	uint16_t max = RTE_MIN(o->info.max_rx_queues, o->info.max_tx_queues);
	struct port *p = o->p;

	if (max == 0)
		return FAIL(o, -ENOTSUP, "it has no queue pair");
	if ((o->af_packet || o->af_xdp) && max > p->nb_workers)
		return FAIL(o, -EINVAL,
			"%u queues for %u workers: packets in the others would be lost; set %s to "
			"at "
			"most %u",
			max, p->nb_workers, o->af_packet ? "qpairs" : "queue_count", p->nb_workers);
	p->nb_rxq = RTE_MIN(p->nb_workers, max);
	p->nb_txq = p->nb_rxq;
	return 0;
}

static int iface_request(const struct opening *o, unsigned long what, struct ifreq *r)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), e;

	if (fd < 0)
		return -errno;
	memcpy(r->ifr_name, o->iface, sizeof(r->ifr_name) - 1);
	e = ioctl(fd, what, r) < 0 ? -errno : 0;
	close(fd);
	return e;
}

static int check_mtu(struct opening *o, uint16_t mtu)
{
	if (mtu <= o->mtu_max)
		return 0;
	return FAIL(o, -EINVAL, "MTU %u does not fit the buffers: at most %u%s", mtu, o->mtu_max,
		o->af_packet ? " with this framesz"
		: o->af_xdp  ? " with this driver"
			     : "");
}

// The kernel's interface must be up; its MTU is the device's.
static int check_iface(struct opening *o, uint16_t *mtu)
{
	struct ifreq r = {0};
	int e;

	e = iface_request(o, SIOCGIFFLAGS, &r);
	if (e < 0)
		return FAIL(o, e, "interface %s: %s", o->iface, strerror(-e));
	if (!(r.ifr_flags & IFF_UP))
		return FAIL(o, -ENETDOWN, "interface %s is down: ip link set %s up", o->iface,
			o->iface);
	e = iface_request(o, SIOCGIFMTU, &r);
	if (e < 0)
		return FAIL(o, e, "MTU of interface %s: %s", o->iface, strerror(-e));
	*mtu = (uint16_t)RTE_MIN(r.ifr_mtu, UINT16_MAX);
	return 0;
}

// By ourselves: the drivers think that there is no MTU above 1500.
static int set_iface_mtu(const struct opening *o, uint16_t mtu)
{
	struct ifreq r = {.ifr_mtu = mtu};

	return iface_request(o, SIOCSIFMTU, &r);
}

static int set_mtu(struct opening *o, uint16_t mtu)
{
	uint16_t own = RTE_ETHER_MTU;
	struct port *p = o->p;
	int r;

	r = o->iface[0] ? check_iface(o, &own) : rte_eth_dev_get_mtu(p->id, &own);
	if (r < 0)
		return o->iface[0] ? r : FAIL(o, r, "its MTU cannot be read: %s", rte_strerror(-r));
	if (mtu == 0 || mtu == own) {
		p->mtu = mtu ? mtu : RTE_MIN(own, o->mtu_max);
		return check_mtu(o, p->mtu);
	}
	r = check_mtu(o, mtu);
	if (r < 0)
		return r;
	r = o->iface[0] ? set_iface_mtu(o, mtu) : rte_eth_dev_set_mtu(p->id, mtu);
	if (r == -ENOTSUP && mtu < own)
		r = 0; // larger packets are not sent, that is all
	if (r < 0)
		return FAIL(o, r, "MTU %u (now %u): %s", mtu, own, rte_strerror(-r));
	p->mtu = mtu;
	return 0;
}

static int configure(struct opening *o)
{
	struct rte_eth_conf conf = {0};
	struct port *p = o->p;
	uint64_t rss = o->info.flow_type_rss_offloads & RSS_WANTED;
	int r;

	p->rx_offloads = o->info.rx_offload_capa & RX_WANTED;
	p->tx_offloads = o->info.tx_offload_capa & TX_WANTED;
	conf.rxmode.offloads = p->rx_offloads;
	conf.txmode.offloads = p->tx_offloads;
	if (p->nb_rxq > 1 && rss) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = rss;
	}
	// The kernel spreads flows by itself: fanout, the NIC below, the tap's own hash.
	p->rss = p->nb_rxq > 1 && (rss || o->af_packet || o->af_xdp || o->tap);
	r = rte_eth_dev_configure(p->id, p->nb_rxq, p->nb_txq, &conf);
	if (r < 0)
		return FAIL(o, r, "%u queue pairs refused: %s", p->nb_rxq, rte_strerror(-r));
	return 0;
}

static int set_queues(struct opening *o, struct rte_mempool *const *pools, uint16_t nb_desc)
{
	uint16_t nb_rx = (uint16_t)rte_align32pow2(nb_desc), nb_tx = nb_rx, q;
	struct rte_eth_rxconf rxc = o->info.default_rxconf;
	struct rte_eth_txconf txc = o->info.default_txconf;
	struct port *p = o->p;
	int r, socket = rte_eth_dev_socket_id(p->id);

	rxc.offloads = p->rx_offloads;
	txc.offloads = p->tx_offloads;
	r = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &nb_rx, &nb_tx);
	if (r < 0)
		return FAIL(o, r, "%u descriptors: %s", nb_desc, rte_strerror(-r));
	for (q = 0; q < p->nb_rxq; q++) {
		r = rte_eth_rx_queue_setup(p->id, q, nb_rx, socket, &rxc, pools[q]);
		if (r < 0)
			return FAIL(o, r, "receive queue %u of %u descriptors: %s", q, nb_rx,
				rte_strerror(-r));
		r = rte_eth_tx_queue_setup(p->id, q, nb_tx, socket, &txc);
		if (r < 0)
			return FAIL(o, r, "transmit queue %u of %u descriptors: %s", q, nb_tx,
				rte_strerror(-r));
	}
	return 0;
}

// Multicast (IPv6 neighbour discovery needs it) without promiscuous mode where that can be.
static void accept_multicast(struct opening *o)
{
	struct packet_mreq all = {.mr_type = PACKET_MR_ALLMULTI};
	struct port *p = o->p;

	if (o->iface[0]) {
		// Bound to the life of the socket: nothing to undo, whatever way the process ends.
		p->group_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
		all.mr_ifindex = (int)if_nametoindex(o->iface);
		if (p->group_fd >= 0 && setsockopt(p->group_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP,
						&all, sizeof(all)) == 0)
			return;
	}
	if (rte_eth_allmulticast_enable(p->id) < 0)
		rte_eth_promiscuous_enable(p->id);
}

static void wait_for_link(struct port *p)
{
	struct rte_eth_link link;
	unsigned int ms;

	for (ms = 0;; ms += 100) {
		memset(&link, 0, sizeof(link));
		if (rte_eth_link_get_nowait(p->id, &link) < 0 || link.link_status ||
			ms >= LINK_WAIT_MS)
			break;
		rte_delay_us_sleep(100000);
	}
	p->link_up = link.link_status;
}

static int open_steps(
	struct opening *o, struct rte_mempool *const *pools, uint16_t mtu, uint16_t nb_desc)
{
	int r = find(o);

	if (r < 0)
		return r;
	find_mtu_max(o, pools[0]);
	r = choose_queues(o);
	if (r == 0)
		r = configure(o);
	if (r == 0)
		r = set_mtu(o, mtu);
	if (r == 0)
		r = set_queues(o, pools, nb_desc ? nb_desc : DESC_DEFAULT);
	if (r < 0)
		return r;
	r = rte_eth_dev_start(o->p->id);
	if (r < 0)
		return FAIL(o, r, "it did not start: %s", rte_strerror(-r));
	accept_multicast(o);
	wait_for_link(o->p);
	return 0;
}

int port_open(struct port *p, const char *device, uint16_t nb_workers,
	struct rte_mempool *const *pools, uint16_t mtu, uint16_t nb_desc, char *err, size_t cap)
{
	struct opening o = {.p = p, .device = device, .err = err, .cap = cap};
	int r;

	memset(p, 0, sizeof(*p));
	p->nb_workers = nb_workers;
	p->group_fd = -1;
	snprintf(p->device, sizeof(p->device), "%s", device);
	port_listen_log(true);
	r = open_steps(&o, pools, mtu, nb_desc);
	port_listen_log(false);
	return r;
}

void port_close(struct port *p)
{
	rte_eth_dev_stop(p->id);
	rte_eth_dev_close(p->id);
	if (p->group_fd >= 0)
		close(p->group_fd);
	p->group_fd = -1;
}
