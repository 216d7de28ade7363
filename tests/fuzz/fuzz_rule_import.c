/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads any bytes as rules of nft and of iptables. Right means that each rule is taken over or told
 * of, and that the YAML is made of the lines it may be made of; refused means that a reason was
 * told.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* Whatever words the rules had: none began a line of its own. */
static void check_line(const char *line, size_t len)
{
	static const char *const starts[] = {
		"block:",
		"rules:",
		"  lists:",
		"  policy:",
		"  sets:",
		"  rules:",
		"    - ingress: ",
		"      egress: ",
		"    # ",
		"    - name: ",
		"      members: ",
		"      action: ",
		"      entries:",
		"        - \"",
		"      comment: ",
		"      interface: ",
		"      direction: ",
		"      family: ",
		"      src: ",
		"      dst: ",
		"      proto: ",
		"      sport: ",
		"      dport: ",
		"      icmp-type: ",
		"      icmp-code: ",
		"      state: ",
		"      fragment: ",
		"      length: ",
		"      dscp: ",
		"      vlan: ",
		"      tcp-flags: ",
		"      schedule: ",
		"      log: true",
		"      mark: 0x",
	};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (len >= strlen(starts[i]) && memcmp(line, starts[i], strlen(starts[i])) == 0)
			return;
	abort();
}

static void check_yaml(const struct weir_buf *yaml)
{
	const char *text = weir_buf_str(yaml), *end;

	must(strlen(text) == yaml->len);
	for (; (end = strchr(text, '\n')); text = end + 1)
		check_line(text, (size_t)(end - text));
	must(!*text);
}

static void try_source(enum weir_import_from from, const char *text, size_t size)
{
	_cleanup_weir_import_ struct weir_import import = { 0 };
	_cleanup_diag_ struct weir_diag diag = { 0 };
	int r = weir_import_text(from, text, size, "input", &diag, &import);

	must(r == 0 || (r < 0 && diag.errors > 0));
	if (r == 0)
		check_yaml(&import.yaml);
	for (size_t i = 0; i < import.unmapped.count; i++)
		must(*import.unmapped.at[i].why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A file is followed by a NUL, as weir_buf gives it. */
	char *text = malloc(size + 1);

	must(text);
	memcpy(text, data, size);
	text[size] = '\0';
	try_source(WEIR_IMPORT_NFT, text, size);
	try_source(WEIR_IMPORT_IPTABLES, text, size);
	free(text);
	return 0;
}
