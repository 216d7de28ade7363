/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines: as the data path kept them, or as a process that lives has its own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "features/sockets/sockets_state.h"

#define FORGET_ROOM 1024
#define STAT_START 19 /* blanks of /proc/PID/stat between the name and when it began */

/* How many of its last bytes are the beginning of a character that was cut through. */
static size_t torn_bytes(const char *text, size_t len)
{
	for (size_t back = 1; back <= 3 && back <= len; back++) {
		unsigned char c = (unsigned char)text[len - back];
		size_t whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

		if ((c & 0xc0) != 0x80)
			return whole > back ? back : 0;
	}
	return 0;
}

void sockets_command_text(const char *bytes, size_t len, bool is_cut,
			  char ret_text[SOCKETS_COMMAND_TEXT])
{
	if (len > SOCKETS_COMMAND_BYTES)
		len = SOCKETS_COMMAND_BYTES;
	while (len && !bytes[len - 1])
		len--;
	if (is_cut)
		len -= torn_bytes(bytes, len);
	for (size_t i = 0; i < len; i++)
		ret_text[i] = bytes[i] ? bytes[i] : ' ';
	snprintf(ret_text + len, SOCKETS_COMMAND_TEXT - len, "%s", is_cut ? "…" : "");
}

static void text_put(const char *bytes, size_t len, bool is_cut, struct weir_json_out *json)
{
	char text[SOCKETS_COMMAND_TEXT];

	sockets_command_text(bytes, len, is_cut, text);
	if (!text[0])
		return;
	weir_json_put_str(json, "command", text);
	if (is_cut)
		weir_json_put_bool(json, "command_cut", true);
}

static bool kept_get(const struct sockets *state, const struct sockets_process *process,
		     struct sockets_command *ret_command)
{
	const struct sockets_command_key key = { process->began_ns, process->pid,
						 process->program };

	return !weir_map_get(weir_tracer_map(state->tracer, "st_sock_command"), &key,
			     ret_command) &&
	       ret_command->bytes && memcmp(&ret_command->of, &key, sizeof(key)) == 0;
}

/* Bytes that were read, or -errno. */
static ssize_t proc_read(uint32_t pid, const char *name, char *bytes, size_t room)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : read(fd, bytes, room);
}

/* By when it began, as far as it is told (ticks), and by name. */
static bool is_it(const struct sockets_process *process)
{
	char stat[512], comm[SOCKETS_COMM_BYTES + 1];
	ssize_t len = proc_read(process->pid, "stat", stat, sizeof(stat) - 1);

	if (len <= 0)
		return false;
	stat[len] = '\0';
	char *open = strchr(stat, '('), *at = strrchr(stat, ')');

	if (!open || !at || at < open)
		return false;
	*at++ = '\0';
	snprintf(comm, sizeof(comm), "%.*s", SOCKETS_COMM_BYTES, process->comm);
	for (int i = 0; i < STAT_START && at; i++)
		at = strchr(at + 1, ' ');
	return at && strcmp(open + 1, comm) == 0 &&
	       strtoull(at, NULL, 10) ==
		       process->began_ns / (WEIR_NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* It is looked at who that is afterwards: then it was the same before. */
static void living_put(const struct sockets_process *process, struct weir_json_out *json)
{
	char bytes[SOCKETS_COMMAND_BYTES + 1];
	ssize_t len = proc_read(process->pid, "cmdline", bytes, sizeof(bytes));

	if (len > 0 && is_it(process))
		text_put(bytes, (size_t)len, len > SOCKETS_COMMAND_BYTES, json);
}

void sockets_command_put(const struct sockets *state, const struct sockets_process *process,
			 bool has_it_yet, struct weir_json_out *json)
{
	struct sockets_command command;

	if (!state->commands || !state->tracer)
		return;
	if (kept_get(state, process, &command))
		text_put(command.text, command.bytes, command.bytes > SOCKETS_COMMAND_BYTES, json);
	else if (has_it_yet)
		living_put(process, json);
}

void sockets_commands_forget(struct sockets *state)
{
	struct weir_map *map = weir_tracer_map(state->tracer, "st_sock_command");
	struct weir_map_walk walk = { .is_unlocked = true };
	_cleanup_free_ struct sockets_command_key *keys = calloc(FORGET_ROOM, sizeof(*keys));
	_cleanup_free_ struct sockets_command *commands = calloc(FORGET_ROOM, sizeof(*commands));

	while (keys && commands && !walk.done) {
		int count = weir_map_walk(map, &walk, keys, commands, FORGET_ROOM);

		if (count < 0)
			return;
		for (int i = 0; i < count; i++)
			weir_map_del(map, &keys[i]);
	}
}
