/* SPDX-License-Identifier: Apache-2.0 */
/* Findings as warnings, each with the line of the other rule too. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "core/compile.h"
#include "features/rules/rules_overlap.h"
#include "features/rules/rules_overlap_shape.h"

#define PATH_BYTES 32
#define NAME_BYTES 96

struct teller {
	const struct rules_section *section;
	const struct rules_finding *finding;
	unsigned by_line, last_line;
	struct weir_diag *diag;
};

static const char *path_of(char path[PATH_BYTES], uint32_t rule)
{
	snprintf(path, PATH_BYTES, "rules.rules[%u]", rule);
	return path;
}

/* "rules.rules[7] (ssh, line 42)" */
static const char *name_of(const struct teller *teller, uint32_t rule, unsigned line,
			   char text[NAME_BYTES])
{
	const char *name = teller->section->rules[rule].name;
	snprintf(text, NAME_BYTES, "rules.rules[%u] (%s%sline %u)", rule, name ? name : "",
		 name ? ", " : "", line);
	return text;
}

/* What a service stands for is written as one. */
static bool is_of_service(const struct rules_text *text, unsigned dimension)
{
	return text->service &&
	       (dimension == RULES_SHAPE_DST || dimension == RULES_KEY_FIELD(RULES_PROTO) ||
		dimension == RULES_KEY_WIDE(RULES_DPORT));
}

static const char *dimension_name(const struct rules_text *text, unsigned dimension)
{
	return is_of_service(text, dimension) ? "service" :
	       dimension < RULES_KEYS	      ? rules_key_name(dimension) :
	       dimension == RULES_SHAPE_WAY   ? "direction" :
	       dimension == RULES_SHAPE_SRC   ? "src" :
	       dimension == RULES_SHAPE_DST   ? "dst" :
						"interface";
}

static bool is_end(unsigned dimension)
{
	return dimension == RULES_SHAPE_SRC || dimension == RULES_SHAPE_DST;
}

/* A condition that is not given follows from others; between the two ends it is the family. */
static void tell_nothing(const struct teller *teller, const char *key)
{
	const struct rules_finding *finding = teller->finding;
	const struct rules_text *text = &teller->section->rules[finding->rule];
	bool follows =
		finding->key == RULES_SHAPE_DIMENSIONS || finding->with == RULES_SHAPE_DIMENSIONS;
	bool is_ends = is_end(finding->key) || is_end(finding->with);
	bool has_both = text->src && (text->dst || text->service);
	if (follows && is_ends && has_both && !text->icmp_type)
		weir_diag_warning_key(teller->diag, key, "make a rule for each family",
				      "matches nothing: no packet has an IPv4 and an IPv6 address");
	else if (follows)
		weir_diag_warning_key(teller->diag, key, "make two rules of it",
				      "matches nothing: no packet meets all its conditions");
	else if (finding->key == finding->with)
		weir_diag_warning_key(teller->diag, key, "mend that condition",
				      "matches nothing: `%s` takes out all that it names",
				      dimension_name(text, finding->key));
	else
		weir_diag_warning_key(teller->diag, key,
				      "make two rules of it, or take one of the two out",
				      "matches nothing: no packet meets `%s` together with `%s`",
				      dimension_name(text, finding->key),
				      dimension_name(text, finding->with));
}

static void tell_same(const struct teller *teller, const char *key, const char *by)
{
	const struct rules_text *rules = teller->section->rules;
	const struct rules_finding *finding = teller->finding;
	if (finding->kind == RULES_DUPLICATE)
		weir_diag_warning_key(teller->diag, key, "remove one of the two",
				      "never acts: %s has the same conditions and the same action",
				      by);
	else
		weir_diag_warning_key(teller->diag, key, "keep the one that is meant",
				      "never acts: %s has the same conditions and says %s, not %s",
				      by, rules_action_names[rules[finding->by].action],
				      rules_action_names[rules[finding->rule].action]);
}

static void tell_together(const struct teller *teller, const char *key, const char *by)
{
	const struct rules_finding *finding = teller->finding;
	char last[NAME_BYTES], others[32] = "";
	if (finding->others == RULES_OTHERS_SOME)
		snprintf(others, sizeof(others), ", with others between them,");
	else if (finding->others)
		snprintf(others, sizeof(others), ", with %u between them,", finding->others);
	weir_diag_warning_key(teller->diag, key, "move it before them, or remove it",
			      "never acts: %s and %s%s together decide every packet it matches", by,
			      name_of(teller, finding->last, teller->last_line, last), others);
}

static void tell_behind_all(const struct teller *teller, const char *key, const char *by)
{
	const struct rules_finding *finding = teller->finding;
	char rest[48] = "";
	if (finding->others)
		snprintf(rest, sizeof(rest), ", nor what is behind it (%u more)", finding->others);
	weir_diag_warning_key(teller->diag, key,
			      "move that rule to the end, or remove what is behind it",
			      "never acts%s: %s decides every packet", rest, by);
}

static void tell(const struct teller *teller)
{
	const struct rules_finding *finding = teller->finding;
	char key[PATH_BYTES], by[NAME_BYTES];
	path_of(key, finding->rule);
	name_of(teller, finding->by, teller->by_line, by);
	switch (finding->kind) {
	case RULES_NOTHING:
		return tell_nothing(teller, key);
	case RULES_DUPLICATE:
	case RULES_CONTRADICTED:
		return tell_same(teller, key, by);
	case RULES_SHADOWED_TOGETHER:
		return tell_together(teller, key, by);
	case RULES_BEHIND_ALL:
		return tell_behind_all(teller, key, by);
	case RULES_SHADOWED:
		weir_diag_warning_key(teller->diag, key, "move it before that one, or remove it",
				      "never acts: %s decides every packet it matches", by);
	}
}

static void tell_all(const struct weir_config *config, const struct rules_section *section,
		     const struct rules_findings *findings, struct weir_diag *diag)
{
	char paths[2 * RULES_ADVICE_MAX][PATH_BYTES];
	const char *at[2 * RULES_ADVICE_MAX] = { 0 };
	unsigned lines[2 * RULES_ADVICE_MAX] = { 0 };
	uint32_t count = findings->count < RULES_ADVICE_MAX ? findings->count : RULES_ADVICE_MAX;
	for (uint32_t i = 0; i < count; i++) {
		at[2 * i] = path_of(paths[2 * i], findings->at[i].by);
		at[2 * i + 1] = path_of(paths[2 * i + 1], findings->at[i].last);
	}
	weir_config_lines(config, at, 2 * (size_t)count, lines);
	for (uint32_t i = 0; i < count; i++)
		tell(&(struct teller){ section, &findings->at[i], lines[2 * i], lines[2 * i + 1],
				       diag });
}

/* Before the rest, which the list of warnings may have no room for. */
static void tell_sums(const struct rules_findings *findings, struct weir_diag *diag)
{
	if (findings->count > RULES_ADVICE_MAX)
		weir_diag_warning_key(diag, "rules.rules", "mend those told here and check again",
				      "%u rules never act or match nothing; the first %d are told",
				      findings->rules, RULES_ADVICE_MAX);
	if (findings->is_partial)
		weir_diag_warning_key(diag, "rules.rules",
				      "put addresses and ports that belong together into one rule",
				      "not all pairs of rules were looked at for rules that never "
				      "act: it would take too long");
}

void rules_advise(const struct weir_config *config, const void *data, struct weir_diag *diag)
{
	_cleanup_findings_ struct rules_findings findings = { 0 };
	_cleanup_services_ struct weir_services services = { 0 };
	const struct rules_section *section = data;
	const struct weir_compile_input input = { .config = config };
	if (weir_compile_services(&input, &services) < 0 ||
	    rules_overlap_find(section, &services, RULES_OVERLAP_STEPS, &findings) < 0) {
		weir_diag_warning_key(diag, "rules.rules", NULL,
				      "rules that never act were not looked for: no memory");
		return;
	}
	tell_sums(&findings, diag);
	tell_all(config, section, &findings, diag);
}
