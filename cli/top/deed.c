/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/deed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/remote.h"

#define SAID_MOST 4096
#define WORD_BYTES 512

static bool words_take(struct top_deed *deed, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		deed->words[i] = strdup(words[i]);
		if (!deed->words[i])
			return false;
	}
	return true;
}

struct top_deed *top_deed_block(const char *target, const char *ttl)
{
	const char *words[] = { "weir", "block", "add", target, "--ttl", ttl };
	struct top_deed *deed = calloc(1, sizeof(*deed));

	if (deed && words_take(deed, words, ttl[0] ? 6 : 4))
		return deed;
	top_deed_free(deed);
	return NULL;
}

/* Nothing in an address or a duration needs quoting; what does, is wrong, and seen to be. */
void top_deed_text(const struct top_deed *deed, struct weir_buf *out)
{
	for (size_t i = 0; i < TOP_DEED_WORDS && deed->words[i]; i++)
		weir_buf_addf(out, "%s%s", i ? " " : "", deed->words[i]);
}

static void said_read(int fd, struct top_deed *deed)
{
	char text[SAID_MOST];
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	deed->said = strdup(text);
}

static int words_run(const struct weir_command *command, struct top_deed *deed,
		     struct weir_terminal *terminal)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	char *argv[TOP_DEED_WORDS + 2] = { 0 };
	char socket[WORD_BYTES] = "--socket=";
	struct weir_command typed;
	int argc = 0;

	for (; argc < TOP_DEED_WORDS && deed->words[argc]; argc++)
		argv[argc] = deed->words[argc];
	strncat(socket, weir_remote_socket(command), sizeof(socket) - strlen(socket) - 1);
	argv[argc++] = socket;
	if (weir_command_parse(command->verbs, argc, argv, &diag, &typed) < 0) {
		weir_terminal_diag(terminal, &diag);
		return WEIR_EXIT_USAGE;
	}
	return weir_remote_run(&typed, terminal);
}

void top_deed_run(const struct weir_command *command, struct top_deed *deed)
{
	_cleanup_close_ int fd = memfd_create("weir-top", MFD_CLOEXEC);
	struct weir_terminal terminal = { .out = fd, .err = fd };

	deed->exit_code = fd < 0 ? WEIR_EXIT_FAILED : words_run(command, deed, &terminal);
	if (fd >= 0)
		said_read(fd, deed);
}
