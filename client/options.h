// SPDX-License-Identifier: BSD-3-Clause
// culvert-client's command line: a command and names of connections in the file, or one connection
// by RouterOS's property names.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "config/client.h"

#define OPTIONS_PASSWORD_MAX 255

enum client_command {
	CLIENT_DIAL, // the connection of the command line
	CLIENT_UP,
	CLIENT_DOWN,
	CLIENT_STATUS,
	CLIENT_LIST,
	CLIENT_CHECK,
};

struct client_options {
	enum client_command command;
	char *const *names; // of connections, as asked for; in argv
	unsigned int nb_names;
	struct client_config *config; // the file's, or of one connection
	const char *config_file;
	const char *run_dir; // where connections that are dialed can be spoken to
	bool reconnect;      // dial again what was lost
};

// Parse argv, load the file that the command needs, and of CLIENT_DIAL get the password. Returns 0;
// 1: help or version was printed; -EINVAL with lines in err. Names that are not in the file have
// been refused.
int client_options_parse(struct client_options *o, int argc, char **argv, FILE *err);

// Get a connection's passwords from where it says, a prompt when it does not say. 0, or -EINVAL
// with a line in err.
int client_options_password(struct client_options *o, struct config_connection *c, FILE *err);

void client_options_free(struct client_options *o); // wipes passwords
