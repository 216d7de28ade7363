/* SPDX-License-Identifier: Apache-2.0 */
/* The targets of iptables and their options; the whole of a rule's line. */
#include <string.h>

#include "cli/import_iptables.h"
#include "cli/import_names.h"

static int target_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	static const struct {
		const char *name;
		enum import_verdict verdict;
	} verdicts[] = {
		{ "ACCEPT", IMPORT_ACCEPT },   { "DROP", IMPORT_DROP },
		{ "REJECT", IMPORT_REJECT },   { "RETURN", IMPORT_RETURN },
		{ "LOG", IMPORT_NO_VERDICT },  { "NFLOG", IMPORT_NO_VERDICT },
		{ "MARK", IMPORT_NO_VERDICT },
	};

	line->rule->log = strcmp(values[0], "LOG") == 0 || strcmp(values[0], "NFLOG") == 0;
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (strcmp(verdicts[i].name, values[0]) == 0) {
			line->verdict = verdicts[i].verdict;
			return 0;
		}
	if (!import_chain_find(line->import, line->chain->table, values[0]))
		return import_cannot(line->import, "-j %s has no counterpart in Weir's rules",
				     values[0]);
	line->verdict = IMPORT_JUMP;
	line->target = values[0];
	return 0;
}

static int goto_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	line->verdict = IMPORT_GOTO;
	line->target = values[0];
	return 0;
}

static int reject_with_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	import_note(line->import, line->rule->where, line->rule->text,
		    "reject answers TCP with a reset and all else with ICMP: its own choice is not "
		    "kept");
	return 0;
}

static int log_option_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	import_note(line->import, line->rule->where, line->rule->text,
		    "logged as an event of Weir: prefix, level and group are not kept");
	return 0;
}

static int log_flag_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	return 0; /* what a log line shows is not part of the rule here */
}

/* VALUE[/MASK]; with a mask of all ones, the packet's mark is VALUE afterwards. */
static int mark_read(struct iptables_line *line, bool is_not, const char *const *values)
{
	struct import *import = line->import;
	size_t len = strcspn(values[0], "/");
	const char *value = import_copy(&import->arena, values[0], len);
	uint32_t mask = UINT32_MAX;

	if (!import_number_read(value, UINT32_MAX, &line->rule->mark) ||
	    (values[0][len] && !import_number_read(values[0] + len + 1, UINT32_MAX, &mask)))
		return import_cannot(import, "'%s' is no mark", values[0]);
	if (mask != UINT32_MAX)
		return import_cannot(import,
				     "Weir's rules set the whole mark, not some of its bits");
	line->rule->has_mark = true;
	return 0;
}

const struct iptables_option iptables_targets[] = {
	{ "-j", "--jump", 1, target_read, true },
	{ "-g", "--goto", 1, goto_read, true },
	{ "--reject-with", NULL, 1, reject_with_read, true },
	{ "--log-prefix", "--nflog-prefix", 1, log_option_read, true },
	{ "--log-level", "--nflog-group", 1, log_option_read, true },
	{ "--nflog-threshold", "--nflog-size", 1, log_option_read, true },
	{ "--log-tcp-sequence", "--log-tcp-options", 0, log_flag_read, true },
	{ "--log-ip-options", "--log-uid", 0, log_flag_read, true },
	{ "--log-macdecode", NULL, 0, log_flag_read, true },
	{ "--set-mark", "--set-xmark", 1, mark_read, true },
	{ 0 },
};

static const struct iptables_option *option_find(const struct iptables_option *options,
						 const char *word)
{
	for (; options->name; options++)
		if (strcmp(options->name, word) == 0 ||
		    (options->other_name && strcmp(options->other_name, word) == 0))
			return options;
	return NULL;
}

static int options_read(struct iptables_line *line, const struct iptables_words *words)
{
	int result = 0;

	for (size_t i = 0; i < words->count && result == 0;) {
		bool is_not = strcmp(words->at[i], "!") == 0;
		const char *word = i + is_not < words->count ? words->at[i + is_not] : "!";
		const struct iptables_option *option = option_find(iptables_matches, word);
		option = option ? option : option_find(iptables_times, word);
		option = option ? option : option_find(iptables_targets, word);
		i += 1u + is_not;
		if (!option)
			return import_cannot(line->import, "%s has no counterpart in Weir's rules",
					     word);
		if (is_not && option->is_never_negated)
			return import_cannot(line->import, "'!' means nothing before %s", word);
		if (words->count - i < option->values)
			return import_cannot(line->import, "%s lacks its value", word);
		result = option->read(line, is_not, words->at + i);
		i += option->values;
	}
	return result;
}

/* --ports: first those with such a source, then the others with such a destination. */
static int ports_add(struct iptables_line *line)
{
	struct import *import = line->import;
	struct import_branch *branches = line->rule->branches;
	struct import_spans others = import_spans_not(&import->arena, line->ports, UINT16_MAX);

	if (!line->has_ports)
		return 0;
	if (line->is_not_ports) {
		(void)import_match_number(import, &branches[0].match, IMPORT_SPORT, others);
		return import_match_number(import, &branches[0].match, IMPORT_DPORT, others);
	}
	branches[1] = branches[0];
	line->rule->branch_count = 2;
	(void)import_match_number(import, &branches[0].match, IMPORT_SPORT, line->ports);
	(void)import_match_number(import, &branches[1].match, IMPORT_SPORT, others);
	return import_match_number(import, &branches[1].match, IMPORT_DPORT, line->ports);
}

static bool line_returns(const struct iptables_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		if (strcmp(words->at[i], "RETURN") == 0 || strcmp(words->at[i], "-g") == 0)
			return true;
	return false;
}

void iptables_rule_read(struct iptables_line *line, const struct iptables_words *words)
{
	struct import *import = line->import;
	struct import_rule *rule = line->rule;
	size_t notes = import->result->notes.count;

	line->stop_s = IPTABLES_LAST_SECOND;
	rule->branches = import_alloc(&import->arena, 2, sizeof(*rule->branches));
	if (!rule->branches)
		return;
	int result = options_read(line, words);
	if (result == 0)
		result = iptables_time_add(line);
	rule->branch_count = 1;
	rule->branches[0] = (struct import_branch){ .match = line->match,
						    .verdict = line->verdict,
						    .target = line->target };
	if (result == 0)
		result = ports_add(line);
	rule->may_return = line_returns(words);
	if (result == 0)
		return;
	rule->why = import->why ? import->why : "no memory";
	import_notes_cut(import, notes);
}
