// SPDX-License-Identifier: BSD-3-Clause
#include "bench/link/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2
#define BURST_DEFAULT 0
#define LIMIT_DEFAULT_NS 100000000ull

// name, argument, default, help.
#define OPTION_LIST(X)                                                                         \
	X(RATE, "rate", "BITS[/BITS]", "none", "bottleneck, bit/s: 50M, 1.5G")                 \
	X(BURST, "burst", "BYTES[/BYTES]", "0", "bytes that pass at once after a pause")       \
	X(LIMIT, "limit", "BYTES|TIME[/..]", "100ms", "queue in front of it; beyond: dropped") \
	X(DELAY, "delay", "TIME[/TIME]", "0", "behind the bottleneck, one way")                \
	X(JITTER, "jitter", "TIME[/TIME]", "0", "up to so much more; frames stay in order")    \
	X(LOSS, "loss", "CHANCE[/CHANCE]", "0", "of a frame: 1%, 0.01")                        \
	X(REORDER, "reorder", "CHANCE[/CHANCE]", "0",                                          \
		"held back by up to half of the delay, or 1 ms")                               \
	X(DUPLICATE, "duplicate", "CHANCE[/CHANCE]", "0", "comes twice")                       \
	X(CORRUPT, "corrupt", "CHANCE[/CHANCE]", "0",                                          \
		"one bit behind the Ethernet header is wrong")                                 \
	X(OVERHEAD, "overhead", "BYTES[/BYTES]", "0", "on the wire, per frame (Ethernet: 24)") \
	X(SEED, "seed", "NUMBER", "1", "the same number, the same fate of every frame")        \
	X(TIME, "time", "TIME", "for ever", "end after this")                                  \
	X(JSON, "json", "FILE", "", "statistics as JSON at the end (-: standard output)")      \
	X(REALTIME, "realtime", "", "", "before all ordinary processes (SCHED_FIFO)")          \
	X(BUSY, "busy", "", "", "never sleep: one CPU, the least jitter")                      \
	X(QUIET, "quiet", "", "", "no table at the end")                                       \
	X(HELP, "help", "", "", "print this")                                                  \
	X(VERSION, "version", "", "", "print the version")

#define X(id, name, arg, dflt, help) OPT_##id,
enum option_id { OPT_FIRST = 256, OPTION_LIST(X) };
#undef X

static const struct option long_options[] = {
#define X(id, name, arg, dflt, help) \
	{name, (arg)[0] ? required_argument : no_argument, NULL, OPT_##id},
	OPTION_LIST(X)
#undef X
		{0}};

static void print_help(void)
{
	static const struct {
		const char *name, *arg, *dflt, *help;
	} rows[] = {
#define X(id, name, arg, dflt, help) {name, arg, dflt, help},
		OPTION_LIST(X)
#undef X
	};
	char left[64];

	printf("Usage: culvert-link [OPTION...] A B\n"
	       "Passes Ethernet frames between A and B as a line with these properties would.\n"
	       "A and B: network interfaces (that nothing else uses), or tap:NAME to make a TAP "
	       "device.\n"
	       "VALUE/VALUE: from A to B and from B to A; one value: both ways.\n\n");
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(left, sizeof(left), "--%s %s", rows[i].name, rows[i].arg);
		printf("  %-28s %s", left, rows[i].help);
		if (rows[i].dflt[0])
			printf(" [%s]", rows[i].dflt);
		putchar('\n');
	}
	printf("\nSwitch offloads off at the far ends (ethtool -K IF tx off tso off gso off gro "
	       "off),\n"
	       "so that frames come as they would on a wire. Statistics are printed at the end.\n");
}

// ---- values

// A number with one of some suffixes. "" in suffix[] allows none.
static bool parse_scaled(
	const char *s, const char *const *suffix, const double *scale, int n, double max, double *v)
{
	char *end;

	if (!(s[0] >= '0' && s[0] <= '9'))
		return false;
	errno = 0;
	*v = strtod(s, &end);
	if (errno || !isfinite(*v))
		return false;
	for (int i = 0; i < n; i++) {
		if (strcmp(end, suffix[i]))
			continue;
		*v *= scale[i];
		return *v >= 0 && *v <= max;
	}
	return false;
}

bool link_parse_rate(const char *s, uint64_t *bps)
{
	static const char *const suffix[] = {"", "k", "M", "G"};
	static const double scale[] = {1, 1e3, 1e6, 1e9};
	double v;

	if (!strcmp(s, "none")) {
		*bps = 0;
		return true;
	}
	if (!parse_scaled(s, suffix, scale, 4, 1e12, &v) || v < 1000)
		return false;
	*bps = (uint64_t)llround(v);
	return true;
}

bool link_parse_bytes(const char *s, uint64_t *bytes)
{
	static const char *const suffix[] = {"", "k", "M", "G"};
	static const double scale[] = {1, 1e3, 1e6, 1e9};
	double v;

	if (!parse_scaled(s, suffix, scale, 4, 1e12, &v))
		return false;
	*bytes = (uint64_t)llround(v);
	return true;
}

bool link_parse_time(const char *s, uint64_t *ns)
{
	static const char *const suffix[] = {"us", "ms", "s"};
	static const double scale[] = {1e3, 1e6, 1e9};
	double v;

	if (!strcmp(s, "0")) {
		*ns = 0;
		return true;
	}
	if (!parse_scaled(s, suffix, scale, 3, 1e15, &v))
		return false;
	*ns = (uint64_t)llround(v);
	return true;
}

bool link_parse_chance(const char *s, uint32_t *ppm)
{
	static const char *const suffix[] = {"", "%"};
	static const double scale[] = {1, 0.01};
	double v;

	if (!parse_scaled(s, suffix, scale, 2, 1, &v))
		return false;
	*ppm = (uint32_t)lround(v * LINE_PPM);
	return true;
}

static bool parse_limit(const char *s, struct line_config *c)
{
	uint64_t v;

	if (strcmp(s, "0") && link_parse_time(s, &v)) {
		c->limit_ns = v;
		c->limit = 0;
		return true;
	}
	if (!link_parse_bytes(s, &v) || !v)
		return false;
	c->limit = v;
	c->limit_ns = 0;
	return true;
}

static bool parse_overhead(const char *s, uint32_t *bytes)
{
	uint64_t v;

	if (!link_parse_bytes(s, &v) || v > 10000)
		return false;
	*bytes = (uint32_t)v;
	return true;
}

static bool set_direction(struct line_config *c, int opt, const char *v)
{
	switch (opt) {
	case OPT_RATE:
		return link_parse_rate(v, &c->rate_bps);
	case OPT_BURST:
		return link_parse_bytes(v, &c->burst);
	case OPT_LIMIT:
		return parse_limit(v, c);
	case OPT_DELAY:
		return link_parse_time(v, &c->delay_ns);
	case OPT_JITTER:
		return link_parse_time(v, &c->jitter_ns);
	case OPT_LOSS:
		return link_parse_chance(v, &c->loss);
	case OPT_REORDER:
		return link_parse_chance(v, &c->reorder);
	case OPT_DUPLICATE:
		return link_parse_chance(v, &c->duplicate);
	case OPT_CORRUPT:
		return link_parse_chance(v, &c->corrupt);
	case OPT_OVERHEAD:
		return parse_overhead(v, &c->overhead);
	default:
		return false;
	}
}

// One value for both ways, or two with a slash between them.
static bool set_both(struct link_options *o, int opt, const char *v)
{
	const char *slash = strchr(v, '/');
	char first[32];
	size_t n = slash ? (size_t)(slash - v) : strlen(v);

	if (n >= sizeof(first))
		return false;
	memcpy(first, v, n);
	first[n] = '\0';
	return set_direction(&o->dir[0], opt, first) &&
	       set_direction(&o->dir[1], opt, slash ? slash + 1 : first);
}

static bool parse_seed(const char *s, uint64_t *seed)
{
	char *end;

	errno = 0;
	*seed = strtoull(s, &end, 0);
	return !errno && *s >= '0' && *s <= '9' && !*end;
}

static bool set_option(struct link_options *o, int opt, const char *v)
{
	uint64_t ns;

	switch (opt) {
	case OPT_SEED:
		return parse_seed(v, &o->seed);
	case OPT_TIME:
		if (!link_parse_time(v, &ns))
			return false;
		o->seconds = (double)ns / 1e9;
		return true;
	case OPT_JSON:
		o->json = v;
		return v[0] != '\0';
	case OPT_BUSY:
		return o->busy = true;
	case OPT_REALTIME:
		return o->realtime = true;
	case OPT_QUIET:
		return o->quiet = true;
	default:
		return set_both(o, opt, v);
	}
}

int link_options_parse(struct link_options *o, int argc, char **argv, int *rc)
{
	int opt, index;

	memset(o, 0, sizeof(*o));
	o->seed = 1;
	for (int i = 0; i < 2; i++) {
		o->dir[i].limit_ns = LIMIT_DEFAULT_NS;
		o->dir[i].burst = BURST_DEFAULT;
	}
	*rc = EXIT_USAGE;
	while ((opt = getopt_long(argc, argv, "h", long_options, &index)) != -1) {
		if (opt == '?') // getopt has said what is wrong
			return -1;
		if (opt == OPT_HELP || opt == 'h') {
			print_help();
			*rc = 0;
			return -1;
		}
		if (opt == OPT_VERSION) {
			puts("culvert-link " CULVERT_VERSION);
			*rc = 0;
			return -1;
		}
		if (!set_option(o, opt, optarg)) {
			fprintf(stderr, "culvert-link: --%s %s: not a value for it; see --help\n",
				long_options[index].name, optarg);
			return -1;
		}
	}
	if (argc - optind != 2) {
		fprintf(stderr, "culvert-link: two interfaces are needed; see --help\n");
		return -1;
	}
	o->port[0] = argv[optind];
	o->port[1] = argv[optind + 1];
	if (!strcmp(o->port[0], o->port[1])) {
		fprintf(stderr, "culvert-link: %s cannot be both ends\n", o->port[0]);
		return -1;
	}
	return 0;
}
