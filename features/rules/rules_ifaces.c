/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows by interface and direction. Which interfaces there are is not known when a policy is
 * compiled, so what rows are made from lies in the policy too, and each row is written as its
 * interface comes.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "features/rules/rules_tables.h"

static bool asks_iface(const struct rules_rule *rule, const void *arg)
{
	(void)arg;
	return rule->interface.in || rule->interface.out || rule->direction != RULES_BOTH;
}

/* The lines of both sections, wherever they are. */
struct ifaces {
	const struct rules_root *root;
	const struct weir_line *lines; /* what is asked, its head first */
	struct weir_line *rows;
};

static const struct rules_ifaces *ifaces_head(const struct ifaces *ifaces)
{
	return (const void *)ifaces->lines;
}

static bool name_matches(const struct ifaces *ifaces, uint32_t number, const char *name)
{
	const char *names = (const char *)&ifaces->lines[ifaces_head(ifaces)->names];
	return fnmatch(names + (size_t)number * RULES_NAME_BYTES, name, 0) == 0;
}

static bool names_match(const struct ifaces *ifaces, const struct rules_iface_names *names,
			const char *name)
{
	bool is_in = !names->in;
	for (uint32_t i = 0; i < names->in && !is_in; i++)
		is_in = name_matches(ifaces, names->first + i, name);
	for (uint32_t i = 0; i < names->out && is_in; i++)
		is_in = !name_matches(ifaces, names->first + names->in + i, name);
	return is_in;
}

static bool condition_holds(const struct ifaces *ifaces, const struct rules_condition *condition,
			    const char *name, enum weir_direction direction)
{
	if (condition->way != RULES_BOTH &&
	    (condition->way == RULES_IN) != (direction == WEIR_INGRESS))
		return false;
	return names_match(ifaces, &condition->names, name);
}

static enum rules_action policy_of(const struct ifaces *ifaces, const char *name,
				   enum weir_direction direction)
{
	const struct rules_ifaces *head = ifaces_head(ifaces);
	const struct rules_policy *policy = (const void *)&ifaces->lines[head->policies];
	for (uint32_t i = 0; i < head->policy_count; i++)
		if (names_match(ifaces, &policy[i].names, name))
			return (enum rules_action)policy[i].action[direction];
	return RULES_ALLOW;
}

/*
 * Made aside and copied, so that a row that is in use and stays the same (a restart) reads whole at
 * every moment. One that changes while it is in use, as a live interface is renamed, may for some
 * nanoseconds be half of each: a packet is then judged as on the old name or the new one, or as if
 * no rule asked for an interface. Waiting for a grace period would let packets pass under the old
 * name for longer.
 */
static void row_write(const struct ifaces *ifaces, uint32_t slot, const char *name,
		      enum weir_direction direction)
{
	const struct rules_ifaces *head = ifaces_head(ifaces);
	const struct rules_condition *condition = (const void *)&ifaces->lines[head->conditions];
	struct weir_line made[1 + RULES_WORDS_MAX / 8] = { 0 };
	__u64 words[RULES_WORDS_MAX] = { 0 };
	uint32_t lines = ifaces->root->iface_lines, count = ifaces->root->words;
	memcpy(words, &ifaces->lines[head->base], count * sizeof(*words));
	for (uint32_t i = 0; i < head->condition_count; i++) {
		const __u64 *met = ifaces->lines[condition[i].words].u64;
		bool holds = condition_holds(ifaces, &condition[i], name, direction);
		for (uint32_t j = 0; holds && j < count; j++)
			words[j] |= met[j];
	}
	struct rules_row *row = (void *)made;
	rules_row_fill(row, words, count, ifaces->root->wild[RULES_IFACE], made[1].u64);
	row->policy = (uint8_t)policy_of(ifaces, name, direction);
	memcpy(&ifaces->rows[RULES_IFACE_ROW(slot, direction) * lines], made,
	       lines * sizeof(*made));
}

void rules_interface(const struct weir_iface_patch *patch)
{
	const __u32 *first = patch->head->header.first_line;
	struct ifaces ifaces = {
		.root = (const void *)patch->head->roots[WEIR_ROOT_RULES],
		.lines = patch->near + first[WEIR_SECTION_RULES_ASKED],
		.rows = patch->near + first[WEIR_SECTION_RULES_IFACES],
	};
	if (!first[WEIR_SECTION_RULES_IFACES])
		return;
	row_write(&ifaces, patch->slot, patch->name, WEIR_INGRESS);
	row_write(&ifaces, patch->slot, patch->name, WEIR_EGRESS);
}

/* While the section is made. */
struct writer {
	struct rules_build *build;
	struct rules_lines lines;
	const struct rules_rule **asked; /* a rule of each condition */
	uint32_t *condition_of;		 /* by rank */
	uint32_t condition_count;
	char (*names)[RULES_NAME_BYTES];
	uint32_t name_count, name_capacity;
};

static bool names_equal(char *const *a, char *const *b)
{
	for (; a && b && *a && *b; a++, b++)
		if (strcmp(*a, *b))
			return false;
	return !(a && *a) && !(b && *b);
}

static bool asks_same(const struct rules_rule *a, const struct rules_rule *b)
{
	return a->direction == b->direction && names_equal(a->interface.in, b->interface.in) &&
	       names_equal(a->interface.out, b->interface.out);
}

static void conditions_collect(struct writer *writer)
{
	const struct rules_plan *plan = writer->build->plan;
	for (uint32_t i = 0; i < plan->count; i++) {
		uint32_t at = writer->condition_count;
		writer->condition_of[i] = UINT32_MAX;
		if (!asks_iface(&plan->rules[i], NULL))
			continue;
		while (at-- > 0)
			if (asks_same(writer->asked[at], &plan->rules[i]))
				break;
		if (at == UINT32_MAX) {
			at = writer->condition_count++;
			writer->asked[at] = &plan->rules[i];
		}
		writer->condition_of[i] = at;
	}
}

static int name_write(struct writer *writer, const char *name)
{
	if (writer->name_count == writer->name_capacity) {
		uint32_t capacity = writer->name_capacity * 2 + 16;
		void *names = reallocarray(writer->names, capacity, RULES_NAME_BYTES);
		if (!names)
			return -ENOMEM;
		writer->names = names;
		writer->name_capacity = capacity;
	}
	strncpy(writer->names[writer->name_count++], name, RULES_NAME_BYTES);
	return 0;
}

static int names_write(struct writer *writer, const struct rules_names *names,
		       struct rules_iface_names *ret_names)
{
	int r = 0;
	*ret_names = (struct rules_iface_names){ .first = writer->name_count };
	for (char *const *name = names->in; r == 0 && name && *name; name++, ret_names->in++)
		r = name_write(writer, *name);
	for (char *const *name = names->out; r == 0 && name && *name; name++, ret_names->out++)
		r = name_write(writer, *name);
	return r;
}

static int condition_write(struct writer *writer, uint32_t index, uint32_t line)
{
	struct rules_condition condition = { .way = (uint32_t)writer->asked[index]->direction };
	__u64 words[RULES_WORDS_MAX] = { 0 };
	uint32_t count = writer->build->bits.words;
	int r = names_write(writer, &writer->asked[index]->interface, &condition.names);
	if (r == 0)
		r = rules_lines_add(&writer->lines, (count + 7) / 8, &condition.words);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < writer->build->plan->count; i++)
		if (writer->condition_of[i] == index)
			rules_bit_set(words, writer->build->bits.position[i]);
	memcpy(&writer->lines.at[condition.words], words, count * sizeof(*words));
	memcpy(&writer->lines.at[line], &condition, sizeof(condition));
	return 0;
}

static int conditions_write(struct writer *writer, struct rules_ifaces *head)
{
	head->condition_count = writer->condition_count;
	int r = rules_lines_add(&writer->lines, head->condition_count, &head->conditions);
	for (uint32_t i = 0; r == 0 && i < head->condition_count; i++)
		r = condition_write(writer, i, head->conditions + i);
	return r;
}

static int policies_write(struct writer *writer, struct rules_ifaces *head)
{
	const struct rules_section *section = writer->build->plan->section;
	head->policy_count = section->policy_count;
	int r = rules_lines_add(&writer->lines, head->policy_count, &head->policies);
	for (unsigned i = 0; r == 0 && i < section->policy_count; i++) {
		const struct rules_policy_config *config = &section->policies[i];
		struct rules_policy policy = { .action = { (uint32_t)config->ingress,
							   (uint32_t)config->egress } };
		struct rules_names names = { 0 };
		r = rules_names_read(config->interface, "rules.policy", NULL, &names);
		if (r == 0)
			r = names_write(writer, &names, &policy.names);
		rules_names_done(&names);
		memcpy(&writer->lines.at[head->policies + i], &policy, sizeof(policy));
	}
	return r;
}

static int section_write(struct writer *writer)
{
	struct rules_build *build = writer->build;
	uint32_t at, words = build->bits.words;
	struct rules_ifaces head = { 0 };
	build->root->iface_lines = 1 + (words + 7) / 8;
	int r = rules_lines_add(&writer->lines, 1, &at);
	if (r == 0)
		r = rules_lines_add(&writer->lines, (words + 7) / 8, &head.base);
	if (r == 0)
		r = conditions_write(writer, &head);
	if (r == 0)
		r = policies_write(writer, &head);
	if (r == 0)
		r = rules_lines_add(&writer->lines, (writer->name_count + 3) / 4, &head.names);
	if (r < 0)
		return r;
	memcpy(&writer->lines.at[head.base], build->base[RULES_IFACE], words * sizeof(__u64));
	if (writer->name_count)
		memcpy(&writer->lines.at[head.names], writer->names,
		       (size_t)writer->name_count * RULES_NAME_BYTES);
	memcpy(&writer->lines.at[at], &head, sizeof(head));
	return 0;
}

static int section_finish(struct writer *writer)
{
	struct weir_image *image = writer->build->compile->image;
	size_t bytes = (size_t)writer->lines.count * WEIR_LINE_BYTES,
	       row_bytes = (size_t)writer->build->root->iface_lines * WEIR_LINE_BYTES;
	void *lines = weir_image_section(image, WEIR_SECTION_RULES_ASKED, bytes);
	struct ifaces ifaces = { .root = writer->build->root, .lines = lines };
	ifaces.rows =
		weir_image_section(image, WEIR_SECTION_RULES_IFACES, RULES_IFACE_ROWS * row_bytes);
	if (!lines || !ifaces.rows)
		return -ENOMEM;
	memcpy(lines, writer->lines.at, bytes);
	for (uint32_t slot = 0; slot < WEIR_INTERFACES_MAX; slot++) {
		row_write(&ifaces, slot, "", WEIR_INGRESS);
		row_write(&ifaces, slot, "", WEIR_EGRESS);
	}
	return 0;
}

int rules_build_ifaces(struct rules_build *build)
{
	uint32_t count = build->plan->count + 1;
	_cleanup_free_ const struct rules_rule **asked = calloc(count, sizeof(*asked));
	_cleanup_free_ uint32_t *condition_of = calloc(count, sizeof(*condition_of));
	struct writer writer = { .build = build, .asked = asked, .condition_of = condition_of };
	if (!asked || !condition_of)
		return -ENOMEM;
	rules_build_ask(build, RULES_IFACE, asks_iface, NULL);
	conditions_collect(&writer);
	int r = section_write(&writer);
	if (r == 0)
		r = section_finish(&writer);
	rules_lines_done(&writer.lines);
	free(writer.names);
	return r;
}
