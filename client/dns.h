// SPDX-License-Identifier: BSD-3-Clause
// Name servers of a tunnel, told to what keeps the machine's: systemd-resolved, by resolvectl, or
// else resolvconf (openresolv's or Debian's own). Its programs are run by scripts.h, in order and
// without a shell: nothing waits here. The loop's thread.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#define DNS_SERVERS_MAX 4
#define DNS_PROGRAM_MAX 128
#define DNS_RECORD_MAX 32
#define DNS_COMMANDS_MAX 3
#define DNS_ARGS_MAX 7

struct dns_servers {
	struct in6_addr addr[DNS_SERVERS_MAX]; // IPv4 mapped
	unsigned int nb;
	bool exclusively; // nobody else is asked
};

enum dns_kind {
	DNS_NOBODY,
	DNS_RESOLVED,
	DNS_OPENRESOLV,
	DNS_RESOLVCONF, // knows nothing of servers that are exclusive
};

struct dns_keeper {
	enum dns_kind kind;
	char program[DNS_PROGRAM_MAX];
};

// Who keeps the name servers of this machine and network namespace now. root: in front of every
// path, "" but for tests.
void dns_find_keeper(const char *root, struct dns_keeper *k);

// Programs to be run one after the other. Not to be copied.
struct dns_command {
	const char *argv[DNS_ARGS_MAX + 1]; // NULL behind the last
	const char *input;                  // what it reads, NULL: nothing
};
struct dns_plan {
	struct dns_command command[DNS_COMMANDS_MAX];
	unsigned int nb;
	char program[DNS_PROGRAM_MAX], record[DNS_RECORD_MAX], ifindex[12];
	char addr[DNS_SERVERS_MAX][INET6_ADDRSTRLEN];
	char input[DNS_SERVERS_MAX * 64];
};

// An interface's record in resolvconf. False: its name is none that resolvconf takes.
bool dns_record(const char *interface, char record[DNS_RECORD_MAX]);

// Set an interface's servers (at least one) instead of those that it has. k is not DNS_NOBODY;
// resolvconf goes by the record, systemd-resolved by the number.
void dns_plan_set(struct dns_plan *p, const struct dns_keeper *k, const char *record, int ifindex,
	const struct dns_servers *s);
// Take them back.
void dns_plan_unset(
	struct dns_plan *p, const struct dns_keeper *k, const char *record, int ifindex);

struct scripts;
struct dns {
	struct scripts *scripts;  // NULL: nothing is run
	uint64_t key;             // in scripts.h's sense
	const char *root;         // as of dns_find_keeper()
	char *note;               // a file, NULL: none
	struct dns_keeper keeper; // while something is set
	char interface[16], record[DNS_RECORD_MAX];
	int ifindex;
	struct dns_servers servers;
	atomic_bool gone; // the last program that took them back ended well; nothing was set yet
};

// note: where it is noted that something is set in resolvconf, so that what a crash left is taken
// back by dns_recover() or dns_take_back(); copied, NULL: nowhere. scripts outlives d, and has run
// everything of it before dns_close(). d stays where it is meanwhile.
void dns_open(struct dns *d, struct scripts *scripts, uint64_t key, const char *note);
// Take back what a crash left by d's own note.
void dns_recover(struct dns *d);

// The interface has these servers from now on; nb 0: none.
void dns_set(struct dns *d, const char *interface, int ifindex, const struct dns_servers *s);
// The call is over.
void dns_unset(struct dns *d, bool interface_goes);
// Forgets the note, unless something is still set, or could not be taken back.
void dns_close(struct dns *d);

// The record that a note names. False: there is none, or it is not whole.
bool dns_noted(const char *note, char record[DNS_RECORD_MAX]);
// What a crash left by this note, whose owner is gone for sure. The note goes when that is done,
// some time later. key: of whoever sets the same record. False: there was nothing to do. root: as
// above.
bool dns_take_back(const char *root, const char *note, struct scripts *scripts, uint64_t key);
