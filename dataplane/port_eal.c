// SPDX-License-Identifier: BSD-3-Clause
// The EAL from configuration: arguments, devices, and its complaints turned into one reason.
#include "dataplane/port.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rte_bus_pci.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "dataplane/port_int.h"

#define ARGS_MAX 64
#define NO_HUGE_MB 512
#define PAGE_BYTES 4096u

// The first line that DPDK logged since port_listen_log(true); other times it goes to standard
// error.
static struct {
	char line[256];
	size_t n;
	bool done;
	bool listening;
	bool debug; // to standard error in any case
} said;

static ssize_t said_write(void *cookie, const char *buf, size_t n)
{
	size_t i;

	for (i = 0; i < n && said.listening && !said.done; i++) {
		if (buf[i] == '\n' || said.n == sizeof(said.line) - 1)
			said.done = said.n > 0;
		else
			said.line[said.n++] = buf[i];
		said.line[said.n] = '\0';
	}
	if (said.debug || !said.listening)
		fwrite(buf, 1, n, stderr);
	return (ssize_t)n;
}

void port_listen_log(bool on)
{
	said.n = 0;
	said.done = false;
	said.line[0] = '\0';
	said.listening = on;
}

int port_error(char *err, size_t cap, int code, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(err, cap, fmt, ap);
	va_end(ap);
	n = strlen(err);
	if (said.n && n + 4 < cap)
		snprintf(err + n, cap - n, " (%s)", said.line);
	port_listen_log(said.listening);
	return code;
}

bool port_devarg(const char *device, const char *key, char *value, size_t cap)
{
	size_t n = strlen(key), len;
	const char *at;

	for (at = strchr(device, ','); at; at = strchr(at, ',')) {
		at++;
		if (strncmp(at, key, n) != 0 || at[n] != '=')
			continue;
		len = strcspn(at + n + 1, ",");
		snprintf(value, cap, "%.*s", (int)len, at + n + 1);
		return true;
	}
	return false;
}

void port_device_name(const char *device, char *name, size_t cap)
{
	struct rte_pci_addr pci;

	snprintf(name, cap, "%.*s", (int)strcspn(device, ","), device);
	if (rte_pci_addr_parse(name, &pci) == 0)
		rte_pci_device_name(&pci, name, cap);
}

bool port_small_buffers(const char *device)
{
	return strncmp(device, "net_af_xdp", 10) == 0;
}

// The ring of a packet socket has slots of one size, back to back, in blocks of whole pages that
// nothing may be left over in; half a thousand of them.
static void packet_slots(uint16_t mtu, unsigned int *framesz, unsigned int *blocksz)
{
	unsigned int need = mtu + PORT_PACKET_OVERHEAD, a, b;

	*framesz =
		need <= PORT_PACKET_SLOT_MIN ? PORT_PACKET_SLOT_MIN : RTE_ALIGN_CEIL(need, 1024u);
	for (a = *framesz, b = PAGE_BYTES; b;) {
		unsigned int rest = a % b;

		a = b;
		b = rest;
	}
	*blocksz = *framesz / a * PAGE_BYTES;
}

void port_device_args(const char *device, uint16_t mtu, char *out, size_t cap)
{
	unsigned int framesz, blocksz;
	char text[16];

	snprintf(out, cap, "%s", device);
	if (strncmp(device, "net_af_packet", 13) != 0 ||
		mtu + PORT_PACKET_OVERHEAD <= PORT_PACKET_SLOT_DEFAULT ||
		port_devarg(device, "framesz", text, sizeof(text)) ||
		port_devarg(device, "blocksz", text, sizeof(text)))
		return;
	packet_slots(mtu, &framesz, &blocksz);
	snprintf(out, cap, "%s,framesz=%u,blocksz=%u", device, framesz, blocksz);
}

static bool is_pci(const char *device)
{
	char name[RTE_DEV_NAME_MAX_LEN];
	struct rte_pci_addr pci;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
	return rte_pci_addr_parse(name, &pci) == 0;
}

static int check_pci(const char *device, char *err, size_t cap)
{
	char name[RTE_DEV_NAME_MAX_LEN], path[128];

	port_device_name(device, name, sizeof(name));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", name);
	if (access(path, F_OK) != 0)
		return port_error(err, cap, -ENODEV, "device %s: no such PCI device", name);
	return 0;
}

static int check_vdev(const char *device, char *err, size_t cap)
{
	char iface[IF_NAMESIZE + 1];

	if (strncmp(device, "net_", 4) != 0 && strncmp(device, "eth_", 4) != 0)
		return port_error(err, cap, -EINVAL,
			"device \"%s\": expected a PCI address or a DPDK device such as "
			"net_af_packet0,iface=NAME",
			device);
	if (strncmp(device, "net_af_packet", 13) != 0 && strncmp(device, "net_af_xdp", 10) != 0)
		return 0;
	if (!port_devarg(device, "iface", iface, sizeof(iface)))
		return port_error(
			err, cap, -EINVAL, "device \"%s\": iface=NAME is missing", device);
	if (if_nametoindex(iface) == 0)
		return port_error(err, cap, -ENODEV, "device \"%s\": there is no interface %s",
			device, iface);
	return 0;
}

static int check_devices(const struct port_eal_conf *c, char *err, size_t cap)
{
	unsigned int i;
	int r;

	for (i = 0; i < c->nb_devices; i++) {
		r = is_pci(c->devices[i]) ? check_pci(c->devices[i], err, cap)
					  : check_vdev(c->devices[i], err, cap);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_cpus(const struct port_eal_conf *c, char *err, size_t cap)
{
	unsigned int i, cpu;
	cpu_set_t set;

	if (c->nb_workers == 0 || c->nb_workers > PORT_MAX_WORKERS)
		return port_error(err, cap, -EINVAL, "%u workers: expected 1 to %u", c->nb_workers,
			PORT_MAX_WORKERS);
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return port_error(err, cap, -errno, "sched_getaffinity: %s", strerror(errno));
	for (i = 0; i <= c->nb_workers; i++) {
		cpu = i ? c->worker_cpus[i - 1] : c->main_cpu;
		if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &set))
			return port_error(err, cap, -EINVAL,
				"CPU %u: there is none of that number that this process may use",
				cpu);
	}
	return 0;
}

// Free huge pages of any size, as bytes.
static uint64_t free_hugepages(void)
{
	static const unsigned int kib[] = {2048, 1048576, 524288, 65536, 16384, 32768};
	unsigned int i;
	uint64_t sum = 0, n;
	char path[96];
	FILE *f;

	for (i = 0; i < RTE_DIM(kib); i++) {
		snprintf(path, sizeof(path),
			"/sys/kernel/mm/hugepages/hugepages-%ukB/free_hugepages", kib[i]);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%lu", &n) == 1)
			sum += n * kib[i] * 1024;
		fclose(f);
	}
	return sum;
}

// The EAL keeps pointers into its arguments.
static char arg_text[ARGS_MAX][192];
static char *args[ARGS_MAX + 1];
static int nb_args;

__attribute__((format(printf, 1, 2))) static void arg(const char *fmt, ...)
{
	va_list ap;

	if (nb_args == ARGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(arg_text[nb_args], sizeof(arg_text[0]), fmt, ap);
	va_end(ap);
	args[nb_args] = arg_text[nb_args];
	nb_args++;
}

// lcore 0 is the control plane's, lcore w + 1 is worker w; each on its CPU, which may be the same.
static char *lcores(const struct port_eal_conf *c)
{
	static char text[16 * (PORT_MAX_WORKERS + 1)];
	size_t n;
	unsigned int i;

	n = (size_t)snprintf(text, sizeof(text), "0@%u", c->main_cpu);
	for (i = 0; i < c->nb_workers; i++)
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, ",%u@%u", i + 1, c->worker_cpus[i]);
	return text;
}

static void make_args(const struct port_eal_conf *c)
{
	bool pci = false;
	unsigned int i;

	nb_args = 0;
	arg("culvertd");
	arg("--lcores");
	args[nb_args++] = lcores(c);
	arg("--main-lcore=0");
	arg(c->hugepages ? "--in-memory"
			 : "--no-shconf"); // --in-memory and --no-huge exclude each other
	arg("--no-telemetry");
	arg("--file-prefix=culvert-%d", (int)getpid());
	arg("--log-level=%s", c->debug ? "info" : "error");
	if (!c->hugepages) {
		arg("--no-huge");
		arg("-m");
		arg("%u", c->memory_mb ? c->memory_mb : NO_HUGE_MB);
	} else if (c->memory_mb) {
		arg("-m");
		arg("%u", c->memory_mb);
	}
	for (i = 0; i < c->nb_devices; i++) {
		if (!is_pci(c->devices[i]))
			continue;
		arg("-a");
		arg("%s", c->devices[i]);
		pci = true;
	}
	if (!pci)
		arg("--no-pci");
	args[nb_args] = NULL;
}

// Virtual devices are probed one by one, so that each failure has its own reason.
static int probe_vdevs(const struct port_eal_conf *c, char *err, size_t cap)
{
	unsigned int i;
	int r;

	for (i = 0; i < c->nb_devices; i++) {
		if (is_pci(c->devices[i]))
			continue;
		r = rte_dev_probe(c->devices[i]);
		if (r == -EEXIST)
			return port_error(err, cap, r, "device \"%s\": its name is given twice",
				c->devices[i]);
		if (r < 0)
			return port_error(err, cap, r,
				"device \"%s\": DPDK has no such driver or it refused",
				c->devices[i]);
	}
	return 0;
}

static int say_nothing(int level, const char *fmt, va_list ap)
{
	return 0;
}

// net_af_xdp's libraries print to standard error whatever happens. They came in with the driver.
static void quiet_libraries(void)
{
	static const char *const setters[][2] = {
		{"libbpf.so.1", "libbpf_set_print"},
		{"libxdp.so.1", "libxdp_set_print"},
	};
	void *(*set)(int (*print)(int level, const char *fmt, va_list ap));
	unsigned int i;
	void *lib;

	for (i = 0; i < RTE_DIM(setters); i++) {
		lib = dlopen(setters[i][0], RTLD_NOW | RTLD_NOLOAD);
		if (!lib)
			continue;
		*(void **)&set = dlsym(lib, setters[i][1]);
		if (set)
			set(say_nothing);
		dlclose(lib);
	}
}

// Nobody shares this process's memory: its place for that stays empty.
static void remove_runtime_dir(void)
{
	const char *dir = rte_eal_get_runtime_dir();

	if (dir)
		rmdir(dir);
}

static int start(const struct port_eal_conf *c, char *err, size_t cap)
{
	static const cookie_io_functions_t io = {.write = said_write};
	FILE *log = fopencookie(NULL, "w", io); // DPDK's for good
	int r;

	if (!log)
		return port_error(err, cap, -ENOMEM, "no memory");
	said.debug = c->debug;
	rte_openlog_stream(log);
	make_args(c);
	r = rte_eal_init(nb_args, args);
	remove_runtime_dir();
	if (r < 0)
		return port_error(err, cap, rte_errno ? -rte_errno : -EIO, "DPDK did not start: %s",
			rte_strerror(rte_errno));
	if (!c->debug)
		quiet_libraries();
	return probe_vdevs(c, err, cap);
}

int port_eal_init(const struct port_eal_conf *c, char *err, size_t cap)
{
	static bool started;
	int r;

	if (started)
		return port_error(err, cap, -EALREADY, "the EAL was started before");
	r = check_cpus(c, err, cap);
	if (r == 0)
		r = check_devices(c, err, cap);
	if (r < 0)
		return r;
	if (c->hugepages && free_hugepages() == 0)
		return port_error(err, cap, -ENOMEM,
			"no free huge pages: reserve some (sysctl vm.nr_hugepages=512) or set "
			"memory: { hugepages: no }");
	started = true;
	port_listen_log(true);
	r = start(c, err, cap);
	port_listen_log(false);
	return r;
}
