// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as a configuration file: errors or a configuration, never anything else.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c;
	char *text = NULL;
	size_t len = 0;
	FILE *err;

	if (size > 65536)
		return 0;
	err = open_memstream(&text, &len);
	if (!err)
		return 0;
	c = config_parse("f", (const char *)data, size, false, err);
	fclose(err);
	// Either a configuration or a reason.
	if (!c != (len > 0))
		abort();
	if (c && (!config_profile(c, "default") || !c->dataplane.nb_workers ||
			 !c->dataplane.access.device || !c->sstp.default_profile))
		abort();
	for (unsigned int i = 0; c && i < c->nb_secrets; i++)
		if (config_secret(c, c->secrets[i].name) != &c->secrets[i])
			abort();
	config_free(c);
	free(text);
	return 0;
}
