// SPDX-License-Identifier: BSD-3-Clause
// The EAL and ports without hardware: what is refused says why, queues are shared out, a device
// passes frames.
#include "tests/unit/net_util.h"

#include <errno.h>
#include <sched.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>

#include "dataplane/port.h"

#define WORKERS 3

static char err[512];
static unsigned int first_cpu;
static struct rte_mempool *pools[WORKERS];

static int init(const char *device, unsigned int workers, unsigned int cpu)
{
	const char *devices[] = {"net_ring0", device};
	unsigned int cpus[PORT_MAX_WORKERS + 1];
	struct port_eal_conf c = {
		.devices = devices,
		.nb_devices = 2,
		.main_cpu = first_cpu,
		.worker_cpus = cpus,
		.nb_workers = workers,
		.memory_mb = 64,
	};
	unsigned int i;

	for (i = 0; i < PORT_MAX_WORKERS; i++)
		cpus[i] = cpu;
	err[0] = '\0';
	return port_eal_init(&c, err, sizeof(err));
}

static void expect_refused(
	const char *device, unsigned int workers, unsigned int cpu, int want, const char *words)
{
	assert_int_equal(init(device, workers, cpu), want);
	if (!strstr(err, words))
		fail_msg("\"%s\" does not say \"%s\"", err, words);
	assert_null(strchr(err, '\n'));
}

static void refused_before_anything_starts(void **state)
{
	expect_refused("net_ring1", 0, first_cpu, -EINVAL, "0 workers: expected 1 to 32");
	expect_refused("net_ring1", 33, first_cpu, -EINVAL, "33 workers");
	expect_refused("net_ring1", 1, 1000, -EINVAL, "CPU 1000");
	expect_refused("net_ring1", 1, 5000, -EINVAL, "CPU 5000");
	expect_refused("acc0", 1, first_cpu, -EINVAL, "expected a PCI address or a DPDK device");
	expect_refused("net_af_packet0", 1, first_cpu, -EINVAL, "iface=NAME is missing");
	expect_refused("net_af_xdp0,queue_count=1", 1, first_cpu, -EINVAL, "iface=NAME is missing");
	expect_refused("net_af_packet0,qpairs=1,iface=no-such-if", 1, first_cpu, -ENODEV,
		"there is no interface no-such-if");
	expect_refused("ffff:ff:1f.7", 1, first_cpu, -ENODEV, "no such PCI device");
	expect_refused("ff:1f.7", 1, first_cpu, -ENODEV, "device 0000:ff:1f.7");
}

// A packet socket's slots hold a frame and fill their blocks; what the user says stays.
static void packet_slots_follow_the_mtu(void **state)
{
	static const struct {
		const char *device;
		uint16_t mtu;
		const char *want;
	} t[] = {
		{"net_af_packet0,iface=a", 0, "net_af_packet0,iface=a"},
		{"net_af_packet0,iface=a", 1950, "net_af_packet0,iface=a"},
		{"net_af_packet0,iface=a", 1951,
			"net_af_packet0,iface=a,framesz=2304,blocksz=36864"},
		{"net_af_packet0,iface=a", 2207,
			"net_af_packet0,iface=a,framesz=3072,blocksz=12288"},
		{"net_af_packet0,iface=a", 4000,
			"net_af_packet0,iface=a,framesz=5120,blocksz=20480"},
		{"net_af_packet0,iface=a", 9000,
			"net_af_packet0,iface=a,framesz=9216,blocksz=36864"},
		{"net_af_packet0,framesz=4096", 9000, "net_af_packet0,framesz=4096"},
		{"net_af_packet0,blocksz=4096", 9000, "net_af_packet0,blocksz=4096"},
		{"net_af_xdp0,iface=a", 9000, "net_af_xdp0,iface=a"},
		{"0000:01:00.0", 9000, "0000:01:00.0"},
	};
	char out[256];

	for (size_t i = 0; i < RTE_DIM(t); i++) {
		port_device_args(t[i].device, t[i].mtu, out, sizeof(out));
		assert_string_equal(out, t[i].want);
	}
	for (uint32_t mtu = 68; mtu <= 9216; mtu++) {
		unsigned int framesz = 2048, blocksz = 4096;
		const char *at;

		port_device_args("net_af_packet0", (uint16_t)mtu, out, sizeof(out));
		at = strchr(out, ',');
		if (at)
			assert_int_equal(
				sscanf(at, ",framesz=%u,blocksz=%u", &framesz, &blocksz), 2);
		assert_true(framesz >= mtu + 98 && framesz % 16 == 0);
		assert_true(blocksz % framesz == 0 && blocksz % 4096 == 0);
		assert_int_equal(512 % (blocksz / framesz), 0);
		// The driver refuses slots that buffers do not hold.
		assert_true(framesz - 52 + RTE_PKTMBUF_HEADROOM <= mbuf_room_for(mtu + 16));
	}
	assert_int_equal(mbuf_room_for(1524), MBUF_DATA_ROOM);
	assert_int_equal(mbuf_room_for(9216) % 1024, RTE_PKTMBUF_HEADROOM);
	assert_int_equal(mbuf_room_for(65535), 0);
	assert_true(port_small_buffers("net_af_xdp0,iface=a"));
	assert_false(port_small_buffers("net_af_packet0,iface=a"));
}

static void workers_share_a_cpu(void **state)
{
	unsigned int i;
	cpu_set_t set;

	assert_int_equal(init("net_ring1", WORKERS, first_cpu), 0);
	assert_string_equal(err, "");
	assert_int_equal(rte_lcore_count(), WORKERS + 1);
	assert_int_equal(rte_get_main_lcore(), 0);
	for (i = 0; i < WORKERS; i++) {
		char name[16];

		assert_true(rte_lcore_is_enabled(i + 1));
		set = rte_lcore_cpuset(i + 1);
		assert_int_equal(CPU_COUNT(&set), 1);
		assert_true(CPU_ISSET(first_cpu, &set));
		snprintf(name, sizeof(name), "p%u", i);
		pools[i] = rte_pktmbuf_pool_create(name, 1023, 0, 0, MBUF_DATA_ROOM, SOCKET_ID_ANY);
		assert_non_null(pools[i]);
	}
	expect_refused("net_ring2", 1, first_cpu, -EALREADY, "started before");
}

static void unknown_port(void **state)
{
	struct port p;

	assert_int_equal(port_open(&p, "net_ring7", 1, pools, 0, 0, err, sizeof(err)), -ENODEV);
	assert_non_null(strstr(err, "device \"net_ring7\": DPDK made no port of it"));
}

static void mtu_over_the_buffers(void **state)
{
	struct port p;

	assert_int_equal(port_open(&p, "net_ring1", 1, pools, 2287, 0, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "MTU 2287 does not fit the buffers: at most 2286"));
}

// Frames come back on the queue they were sent on, and a reference kept stays good.
static void open_pass_close(void **state)
{
	struct rte_mbuf *m, *back;
	struct port p;
	uint16_t q;

	assert_int_equal(port_open(&p, "net_ring0", WORKERS, pools, 0, 100, err, sizeof(err)), 0);
	assert_int_equal(p.nb_txq, p.nb_rxq);
	assert_true(p.nb_rxq >= 1 && p.nb_rxq <= WORKERS);
	assert_int_equal(p.mtu, 1500);
	assert_true(p.link_up);
	assert_int_equal(p.tx_offloads & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE, 0);
	for (q = 0; q < WORKERS; q++) {
		assert_int_equal(port_rxq(&p, q), q < p.nb_rxq ? q : -1);
		assert_int_equal(port_txq(&p, q), q < p.nb_txq ? q : -1);
	}
	for (q = 0; q < p.nb_rxq; q++) {
		m = rte_pktmbuf_alloc(pools[q]);
		assert_non_null(rte_pktmbuf_append(m, 64));
		rte_mbuf_refcnt_update(m, 1);
		assert_int_equal(rte_eth_tx_burst(p.id, q, &m, 1), 1);
		assert_int_equal(rte_eth_rx_burst(p.id, q, &back, 1), 1);
		assert_ptr_equal(m, back);
		rte_pktmbuf_free(back);
		assert_int_equal(rte_mbuf_refcnt_read(m), 1);
		rte_pktmbuf_free(m);
	}
	port_close(&p);
	for (q = 0; q < WORKERS; q++)
		assert_int_equal(rte_mempool_avail_count(pools[q]), 1023);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(refused_before_anything_starts),
		cmocka_unit_test(packet_slots_follow_the_mtu),
		cmocka_unit_test(workers_share_a_cpu), cmocka_unit_test(unknown_port),
		cmocka_unit_test(mtu_over_the_buffers), cmocka_unit_test(open_pass_close)};
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	while (first_cpu < CPU_SETSIZE - 1 && !CPU_ISSET(first_cpu, &set))
		first_cpu++;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
