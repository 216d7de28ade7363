/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads any bytes as a configuration. Right means every section is there and nothing was told;
 * refused means that something was told, each thing at its place. libcyaml must load whatever the
 * check of the marks let pass.
 */
#include <stdint.h>
#include <stdlib.h>

#include "tests/unit/fake_features.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_right(const struct weir_config *config, const struct weir_diag *diag, size_t size)
{
	must(config && diag->errors == 0);
	must(config->sections[0] && config->sections[1]);
	must(config->len == size && config->text[size] == 0);
	must(config->metrics.prefix && config->api.listen && config->memory.value >= 1u << 20);
	const struct fake_section *fake = config->sections[0];
	must(fake->live >= 16 && fake->pool.slots >= 2 && fake->pool.slots <= 1024);
	for (unsigned i = 0; i < config->interface_count; i++)
		must(*config->interfaces[i].name);
	for (unsigned i = 0; i < fake->list_count; i++) {
		must(fake->lists[i].name && *fake->lists[i].name);
		must(fake->lists[i].action == FAKE_ALLOW || fake->lists[i].action == FAKE_DENY);
		for (unsigned j = 0; j < fake->lists[i].entry_count; j++)
			must(strlen(fake->lists[i].entries[j]) > 0);
	}
}

static void check_refused(const struct weir_diag *diag)
{
	must(diag->errors > 0 && diag->count > 0);
	for (size_t i = 0; i < diag->count; i++) {
		const struct weir_diag_entry *entry = &diag->entries[i];
		must(entry->line > 0 && entry->column > 0 && entry->file && entry->mend);
		must(strncmp(entry->what, "libcyaml ", 9) != 0);
		must(strlen(entry->what) < 1000 && strlen(entry->mend) < 1000);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	struct weir_config *config = NULL;
	int r = weir_config_parse((const char *)data, size, "fuzz.yaml", &diag, &config);
	if (r == 0)
		check_right(config, &diag, size);
	else
		must(!config);
	if (r < 0)
		check_refused(&diag);
	weir_config_free(config);
	return 0;
}
