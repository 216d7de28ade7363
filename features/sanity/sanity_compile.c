/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is checked at each interface, as rows of the policy. Which interfaces there are is not known
 * when a policy is compiled, so what rows are made from lies behind them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fnmatch.h>
#include <linux/if_ether.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/sanity/sanity_state.h"

#define NAMES_A_LINE (WEIR_LINE_BYTES / SANITY_NAME_BYTES)
#define TAG_BOGON 1

static uint32_t lines_of(uint32_t names)
{
	return (names + NAMES_A_LINE - 1) / NAMES_A_LINE;
}

static bool any_matches(const struct weir_line *names, uint32_t count, const char *name)
{
	for (uint32_t i = 0; i < count; i++)
		if (fnmatch((const char *)names + (size_t)i * SANITY_NAME_BYTES, name, 0) == 0)
			return true;
	return false;
}

/* `lines` are those of WEIR_SECTION_SANITY. */
static uint32_t checks_at(const struct weir_line *lines, const char *name,
			  enum weir_direction direction)
{
	const struct sanity_names *names = (const void *)&lines[SANITY_LINE_NAMES];
	uint32_t checks = ((const struct sanity_row *)&lines[SANITY_LINE_BASE])->checks;
	const struct weir_line *paths = &lines[names->first + lines_of(names->bogons)];
	if (!any_matches(&lines[names->first], names->bogons, name))
		checks &= ~(uint32_t)SANITY_BOGON;
	if (!any_matches(paths, names->paths, name))
		checks &= ~(uint32_t)SANITY_PATH;
	if (direction == WEIR_EGRESS)
		checks &= ~(uint32_t)SANITY_INGRESS_ONLY;
	if (strcmp(name, "lo") == 0)
		checks &= ~(uint32_t)SANITY_NOT_ON_LOOPBACK;
	return checks;
}

/* EtherTypes are the same at every interface, so only one word of a row in use changes. */
static void row_write(const struct weir_line *lines, struct sanity_row *rows, uint32_t slot,
		      const char *name)
{
	for (int direction = 0; direction < WEIR_DIRECTIONS; direction++)
		rows[SANITY_ROW(slot, direction)].checks =
			checks_at(lines, name, (enum weir_direction)direction);
}

void sanity_interface(const struct weir_iface_patch *patch)
{
	const __u32 *first = patch->head->header.first_line;
	if (first[WEIR_SECTION_SANITY_IFACES])
		row_write(patch->near + first[WEIR_SECTION_SANITY],
			  (void *)(patch->near + first[WEIR_SECTION_SANITY_IFACES]), patch->slot,
			  patch->name);
}

static int bogons_compile(struct weir_compile *compile)
{
	uint32_t label;
	int r = weir_image_label(compile->image, &weir_sanity, TAG_BOGON, &label);
	for (const struct sanity_bogon *bogon = sanity_bogons; r == 0 && bogon->range; bogon++) {
		struct weir_range range;
		bool had_host_bits;
		const char *why;
		r = weir_range_from_string(bogon->range, strlen(bogon->range), &range,
					   &had_host_bits, &why);
		if (r == 0)
			r = weir_image_add_range(compile->image, label, &range);
	}
	return r;
}

int sanity_compile(struct weir_compile *compile)
{
	const struct sanity_section *section = compile->section;
	return section->bogon_count ? bogons_compile(compile) : 0;
}

static bool class_is_bogon(const struct weir_image *image, uint32_t class_id)
{
	const struct weir_label_view *labels;
	size_t count = weir_image_class_labels(image, class_id, &labels);
	for (size_t i = 0; i < count; i++)
		if (labels[i].owner == &weir_sanity)
			return true;
	return false;
}

static void classes_write(const struct weir_image *image, struct weir_line *lines)
{
	uint8_t *bits = lines[SANITY_LINE_CLASSES].u8;
	for (uint32_t i = 1; i < weir_image_class_count(image); i++)
		if (class_is_bogon(image, i))
			bits[i / 8] |= (uint8_t)(1 << i % 8);
}

static void base_write(const struct sanity_section *section, struct sanity_row *base)
{
	static const uint16_t own[] = { ETH_P_ARP, ETH_P_IPV6 };
	const char *fault;
	base->checks = sanity_checks(section);
	for (unsigned i = 0; i < SANITY_ETHERTYPES; i++)
		base->ethertype[i] = htons(i < WEIR_ARRAY_SIZE(own) ? own[i] : ETH_P_IP);
	for (unsigned i = 0; i < section->ethertype_count; i++) /* sanity_check() has seen them */
		sanity_ethertype(section->ethertypes[i],
				 &base->ethertype[SANITY_OWN_ETHERTYPES + i], &fault);
}

static void names_copy(struct weir_line *lines, char *const *names, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		memcpy((char *)lines + (size_t)i * SANITY_NAME_BYTES, names[i], strlen(names[i]));
}

/* What does not depend on which interfaces there are. */
static struct weir_line *section_write(struct weir_compile *compile)
{
	const struct sanity_section *section = compile->section;
	uint32_t classes = weir_image_class_count(compile->image);
	struct sanity_names names = {
		.first = SANITY_LINE_CLASSES + classes / SANITY_CLASSES_A_LINE + 1,
		.bogons = section->bogon_count,
		.paths = section->reverse_path.interface_count,
	};
	uint32_t paths = names.first + lines_of(names.bogons);
	struct weir_line *lines =
		weir_image_section(compile->image, WEIR_SECTION_SANITY,
				   (size_t)(paths + lines_of(names.paths)) * WEIR_LINE_BYTES);
	if (!lines)
		return NULL;
	base_write(section, (void *)&lines[SANITY_LINE_BASE]);
	memcpy(&lines[SANITY_LINE_NAMES], &names, sizeof(names));
	classes_write(compile->image, lines);
	names_copy(&lines[names.first], section->bogons, names.bogons);
	names_copy(&lines[paths], section->reverse_path.interfaces, names.paths);
	return lines;
}

int sanity_classes(struct weir_compile *compile)
{
	if (!sanity_checks(compile->section))
		return 0;
	const struct weir_line *lines = section_write(compile);
	struct sanity_row *rows = weir_image_section(compile->image, WEIR_SECTION_SANITY_IFACES,
						     SANITY_ROWS * sizeof(*rows));
	if (!lines || !rows)
		return -ENOMEM;
	for (uint32_t i = 0; i < SANITY_ROWS; i++)
		memcpy(&rows[i], &lines[SANITY_LINE_BASE], sizeof(*rows));
	for (uint32_t slot = 0; slot < WEIR_INTERFACES_MAX; slot++)
		row_write(lines, rows, slot, "");
	return 0;
}
