/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of `limit:` in weir.yaml. What their texts mean is limit_read.c's. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core/compile.h"
#include "features/limit/limit_state.h"

#define SECTION(member) offsetof(struct limit_section, member)
#define LIMIT(member) offsetof(struct limit_text, member)

const char *const limit_proto_names[] = { "any", "icmp", "tcp", "udp", NULL };
const char *const limit_flag_names[] = { "any", "syn", NULL };
const char *const limit_direction_names[] = { "ingress", "egress", NULL };
const char *const limit_when_names[] = {
	[WEIR_CALM] = "always",
	[WEIR_ELEVATED] = "elevated",
	[WEIR_ATTACK] = "attack",
	[WEIR_ALARMS] = NULL,
};
static const char *const action_names[] = { "drop", NULL };

#define TEXT_KEY(yaml, member, words)                                                           \
	{                                                                                       \
		.key = yaml, .type = WEIR_FIELD_STRING, .offset = LIMIT(member), .help = words, \
		.wants_value = true                                                             \
	}
#define CHOICE_KEY(yaml, member, names, first, words)                                             \
	{                                                                                         \
		.key = yaml, .type = WEIR_FIELD_ENUM, .offset = LIMIT(member), .values = (names), \
		.fallback = first, .wants_value = true, .help = words                             \
	}

const struct weir_field limit_limit_fields[] = {
	{ .key = "name",
	  .type = WEIR_FIELD_STRING,
	  .offset = LIMIT(name),
	  .required = true,
	  .help = "The limit's name: 1 to 31 of a-z, 0-9, '.', '_' and '-', the first a letter or "
		  "digit. Its buckets and counters are kept by it." },
	CHOICE_KEY("proto", proto, limit_proto_names, "any",
		   "What it is about: icmp (of both versions), tcp, udp or any."),
	TEXT_KEY("sport", sport, "Source ports, up to 8 ports and ranges: 53, 123, 11211."),
	TEXT_KEY("dport", dport, "Destination ports, likewise: 53, 8000-8100."),
	CHOICE_KEY("flags", flags, limit_flag_names, "any",
		   "syn: only TCP with SYN and without ACK, which begins a connection."),
	CHOICE_KEY("direction", direction, limit_direction_names, "ingress",
		   "Packets that arrive at an interface, or leave it."),
	{ .key = "per",
	  .type = WEIR_FIELD_STRING,
	  .offset = LIMIT(per),
	  .fallback = "source",
	  .wants_value = true,
	  .help = "Who has a bucket: each source, each destination, each service (destination "
		  "port and protocol), or total for one in all. source/24,/64 is one a network, "
		  "the "
		  "length for IPv4 first; source + service is each source at each service." },
	TEXT_KEY("packets", packets,
		 "Packets a bucket lets pass on average: 10/s, 30/m, 1/h, 10kpps."),
	TEXT_KEY("bytes", bytes,
		 "Instead of packets: bytes on the wire, 1MB/s, 64KiB/s, 100Mbit/s."),
	TEXT_KEY("connections", connections,
		 "Instead of packets: new connections, 100/s. Of TCP what a SYN begins; of all "
		 "else the first packet of a flow, which connection tracking tells, so this "
		 "switches it on."),
	{ .key = "burst",
	  .type = WEIR_FIELD_UINT,
	  .offset = LIMIT(burst),
	  .least = 1,
	  .wants_value = true,
	  .help = "Packets, or connections, that may come at once, when there were none for a "
		  "while. What comes in "
		  "a second, and 1 at the least, without it." },
	{ .key = "burst-bytes",
	  .type = WEIR_FIELD_SIZE,
	  .offset = LIMIT(burst_bytes),
	  .wants_value = true,
	  .help = "The same of a limit of bytes. What comes in a second, and 65550 at the least, "
		  "without it." },
	CHOICE_KEY("when", when, limit_when_names, "always",
		   "From which level of the packet's interface on it acts; the section `attack` "
		   "judges that."),
	CHOICE_KEY("action", action, action_names, "drop",
		   "What becomes of packets over the limit."),
	{ .key = "dry-run",
	  .type = WEIR_FIELD_BOOL,
	  .offset = LIMIT(dry_run),
	  .fallback = "false",
	  .help = "Packets over the limit are counted, and pass." },
	TEXT_KEY("block-after", block_after,
		 "Who sends so many packets over the limit in that time, 20/m, is put on the deny "
		 "list `auto`, unless an allow list holds it. Only with `per: source`."),
	{ .key = "block-for",
	  .type = WEIR_FIELD_DURATION,
	  .offset = LIMIT(block_for),
	  .fallback = "10m",
	  .least = WEIR_NS_PER_S,
	  .most = LIMIT_BLOCK_MOST_S * WEIR_NS_PER_S,
	  .help = "How long, the first time; twice as long each time after." },
	{ .key = "block-most",
	  .type = WEIR_FIELD_DURATION,
	  .offset = LIMIT(block_most),
	  .fallback = "1d",
	  .least = WEIR_NS_PER_S,
	  .most = LIMIT_BLOCK_MOST_S * WEIR_NS_PER_S,
	  .help = "The longest. Who was not blocked for so long begins with `block-for` again." },
	{ .key = "block-dry-run",
	  .type = WEIR_FIELD_BOOL,
	  .offset = LIMIT(block_dry_run),
	  .fallback = "false",
	  .help = "Events say who would be blocked, and nobody is." },
	{ 0 },
};

const struct weir_field limit_fields[] = {
	{ .key = "sources",
	  .type = WEIR_FIELD_UINT,
	  .offset = SECTION(sources),
	  .fallback = "1048576",
	  .least = LIMIT_WAYS,
	  .most = 1 << 27,
	  .help = "Buckets there are in all, 8 bytes each: how many sources that have sent of late "
		  "can be told apart. When it is changed, all begin anew." },
	{ .key = "presets",
	  .type = WEIR_FIELD_STRINGS,
	  .offset = SECTION(presets),
	  .count_offset = SECTION(preset_count),
	  .help = "Limits written once for all: web, dns, game, ssh, icmp, amplification. `weir "
		  "limit preset NAME` prints them; an entry of `limits` with the name of one of "
		  "them stands in its place." },
	{ .key = "limits",
	  .type = WEIR_FIELD_SEQUENCE,
	  .offset = SECTION(limits),
	  .count_offset = SECTION(limit_count),
	  .size = sizeof(struct limit_text),
	  .fields = limit_limit_fields,
	  .help = "The limits, 32 at most with those of presets. A packet is held to each that is "
		  "about it, in order." },
	{ 0 },
};

static bool name_is_good(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char all[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(name);

	return len >= 1 && len <= LIMIT_NAME_MAX && strchr(first, name[0]) &&
	       strspn(name, all) == len;
}

int limit_name_check(const char *name, const char *path, struct weir_diag *diag)
{
	char key[48];

	snprintf(key, sizeof(key), "%s%sname", path, *path ? "." : "");
	return name_is_good(name) ? 0 :
				    weir_diag_key(diag, key,
						  "write 1 to 31 of a-z, 0-9, '.', '_' and '-', "
						  "the first a letter or digit",
						  "'%.40s' is not a name", name);
}

static int name_check(const struct limit_section *section, unsigned index, const char *path,
		      struct weir_diag *diag)
{
	const char *name = section->limits[index].name;
	char key[48];
	int r = limit_name_check(name, path, diag);

	if (r)
		return r;
	snprintf(key, sizeof(key), "%s.name", path);
	for (unsigned i = 0; i < index; i++)
		if (strcmp(section->limits[i].name, name) == 0)
			return weir_diag_key(diag, key, "give each a name of its own",
					     "'%s' is the name of limits[%u] too", name, i);
	return 0;
}

/* What connection tracking is to tell, and cannot. */
static int tracking_check(const struct weir_config *config, const struct limit_text *text,
			  const char *path, struct weir_diag *diag)
{
	char key[64];

	if (!limit_needs_tracking(text))
		return 0;
	snprintf(key, sizeof(key), "%s%sconnections", path, *path ? "." : "");
	if (!weir_config_tracks(config))
		return weir_diag_key(diag, key,
				     "write proto: tcp beside it, or conntrack: {enabled: auto}",
				     "what begins a connection that is not TCP is known only where "
				     "connections are tracked, and conntrack is off");
	if (text->direction != WEIR_EGRESS)
		return 0;
	weir_diag_warning_key(diag, key,
			      "limit them where they arrive (direction: ingress), or write "
			      "proto: tcp",
			      "a connection that is forwarded begins where it arrives: of those "
			      "that leave, only TCP's and this host's own are counted");
	return 0;
}

static int alarm_check(const struct weir_config *config, const struct limit_text *text,
		       const char *path, struct weir_diag *diag)
{
	char key[64];

	if (text->when == WEIR_CALM || weir_config_alarms(config))
		return 0;
	snprintf(key, sizeof(key), "%s%swhen", path, *path ? "." : "");
	return weir_diag_key(diag, key, "write attack: {enabled: true}, or leave it out",
			     "whether an interface is under attack is judged only where attack is "
			     "enabled: it would never act");
}

/* Events tell who is over a limit. */
static int events_check(const struct weir_config *config, const struct limit_text *text,
			const char *path, struct weir_diag *diag)
{
	char key[64];

	if (!text->block_after || config->events.rate.value)
		return 0;
	snprintf(key, sizeof(key), "%s%sblock-after", path, *path ? "." : "");
	return weir_diag_key(diag, key, "write a higher rate there, or leave block-after out",
			     "who is over a limit is known by the events of its drops, and "
			     "events.rate is 0: nobody would be blocked");
}

int limit_needs_check(const struct weir_config *config, const struct limit_text *text,
		      const char *path, struct weir_diag *diag)
{
	int tracking = tracking_check(config, text, path, diag);
	int alarm = alarm_check(config, text, path, diag);
	int events = events_check(config, text, path, diag);

	return tracking ?: alarm ?: events;
}

static int entry_check(const struct weir_config *config, const struct limit_section *section,
		       unsigned index, struct weir_diag *diag)
{
	const struct limit_text *text = &section->limits[index];
	struct limit_meaning meaning;
	char path[32];

	snprintf(path, sizeof(path), "limit.limits[%u]", index);
	int named = name_check(section, index, path, diag);
	int r = limit_read(text, path, diag, &meaning);

	r = r ?: limit_needs_check(config, text, path, diag);

	return named ?: r;
}

static int preset_check(const char *name, unsigned index, struct weir_diag *diag)
{
	char key[32];

	snprintf(key, sizeof(key), "limit.presets[%u]", index);
	return limit_preset_find(name) ? 0 : limit_preset_refuse(name, key, diag);
}

int limit_check(const struct weir_config *config, const void *data, struct weir_diag *diag)
{
	const struct limit_section *section = data;
	struct limit_list list;
	int result = 0;

	limit_list_make(section, NULL, &list);
	if (list.left_out)
		return weir_diag_key(diag, "limit.limits", "leave some out",
				     "%u limits, where %d are the most%s",
				     list.count + list.left_out, LIMITS_MAX,
				     section->preset_count ? ", those of presets among them" : "");
	for (unsigned i = 0; i < section->preset_count; i++)
		result = preset_check(section->presets[i], i, diag) ?: result;
	for (unsigned i = 0; i < section->limit_count; i++)
		result = entry_check(config, section, i, diag) ?: result;
	return result;
}
