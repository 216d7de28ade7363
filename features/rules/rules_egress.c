/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about packets that leave, on interfaces that are watched only where packets arrive: they
 * would never meet one, and a default deny would hold nothing. */
#include <stdio.h>
#include <string.h>

#include "core/compile.h"
#include "features/rules/rules_state.h"

static void egress_warn(const char *key, const char *interface, struct weir_diag *diag)
{
	weir_diag_warning(diag, "add `egress: true` to that interface under `interfaces`",
			  "%s is watched only where packets arrive: what this says of packets that "
			  "leave there never acts",
			  interface);
	struct weir_diag_entry *entry = weir_diag_last(diag);
	if (entry && !entry->key)
		entry->key = strdup(key);
}

/* Where connections are tracked, packets that leave are looked at anyway. */
static bool is_followed(const struct weir_config *config)
{
	const struct rules_section *section = rules_section_of(config);
	if (!weir_config_tracks(config))
		return false;
	for (unsigned i = 0; section->enabled && i < section->rule_count; i++)
		if (section->rules[i].state && section->rules[i].enabled)
			return true;
	return weir_config_denies_by_default(config);
}

/* One warning a key: the first such interface. */
static void egress_look(const struct weir_config *config, const char *names_text, const char *key,
			struct weir_diag *diag)
{
	struct rules_names names = { 0 };
	if (is_followed(config))
		return;
	if (names_text && rules_names_read(names_text, key, NULL, &names) < 0)
		return;
	for (unsigned i = 0; i < config->interface_count; i++) {
		const struct weir_interface_config *interface = &config->interfaces[i];
		if (interface->egress || !rules_names_match(&names, interface->name))
			continue;
		egress_warn(key, interface->name, diag);
		break;
	}
	rules_names_done(&names);
}

void rules_text_check_egress(const struct weir_config *config, const struct rules_text *text,
			     const char *key, struct weir_diag *diag)
{
	if (text->direction == RULES_OUT && text->enabled)
		egress_look(config, text->interface, key, diag);
}

void rules_check_egress(const struct weir_config *config, const struct rules_section *section,
			struct weir_diag *diag)
{
	char key[64];
	for (unsigned i = 0; section->enabled && i < section->policy_count; i++) {
		snprintf(key, sizeof(key), "rules.policy[%u].egress", i);
		if (section->policies[i].egress == RULES_DENY)
			egress_look(config, section->policies[i].interface, key, diag);
	}
	for (unsigned i = 0; section->enabled && i < section->rule_count; i++) {
		snprintf(key, sizeof(key), "rules.rules[%u].direction", i);
		rules_text_check_egress(config, &section->rules[i], key, diag);
	}
}
