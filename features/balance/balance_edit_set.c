/* SPDX-License-Identifier: Apache-2.0 */
/* What a service of run time is changed in while it serves: whom it chooses, whom it remembers, how
 * its backends are checked. What flows know it by, its address, port and protocol, stays, and how
 * packets reach its backends. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "features/balance/health_given.h"

/* Among those of run time; the file has services of its own. */
static int runtime_find(struct balance_edit *edit, unsigned *ret_service, unsigned *ret_index)
{
	int r = balance_edit_find(edit, balance_edit_str(edit, "name"), ret_service);

	if (r)
		return r;
	for (unsigned i = 0; i < edit->runtime->service_count; i++)
		if (edit->live->services[*ret_service].is_runtime &&
		    strcmp(edit->runtime->services[i].name, edit->service) == 0) {
			*ret_index = i;
			return 0;
		}
	return weir_diag_key(edit->diag, "name", "change it in weir.yaml, then weir apply",
			     "the service '%s' is part of the configuration", edit->service);
}

/* What only the scheduler before had a use for goes with it. */
static int scheduler_read(const struct balance_edit *edit, struct balance_text *text)
{
	const char *word = balance_edit_str(edit, "scheduler");

	if (!word)
		return 0;
	text->scheduler = balance_scheduler_parse(word);
	if (text->scheduler != BALANCE_SOURCE_HASH)
		text->client_prefix = 0;
	return text->scheduler >= 0 ? 0 :
				      weir_diag_key(edit->diag, "scheduler", "see weir help",
						    "'%.20s' is not known", word);
}

/* For no time: nobody is remembered any more. */
static int affinity_read(const struct balance_edit *edit, struct balance_text *text)
{
	const char *word = balance_edit_str(edit, "affinity");
	uint64_t ns = 1;

	if (!word)
		return 0;
	if (weir_duration_from_string(word, &ns) == 0 && !ns) {
		text->affinity = (struct balance_affinity_text){ 0 };
		return 0;
	}
	return balance_affinity_parse(word, edit->diag, &text->affinity);
}

int balance_edit_set(struct balance_edit *edit)
{
	_cleanup_free_ char **words = NULL;
	struct balance_text text;
	unsigned service = 0, index = 0;
	int r = runtime_find(edit, &service, &index);

	edit->result = "changed";
	if (!r && weir_json_size(edit->args) == 1)
		r = weir_diag_error(edit->diag, "give --scheduler, --affinity, --health or another",
				    "what is to be changed of the service '%s' is not said",
				    edit->service);
	if (r)
		return r;
	text = edit->runtime->services[index]; /* whose words are borrowed until it has its own */
	text.backends = edit->live->all.services[service].backends;
	text.backend_count = balance_staying(&edit->live->all.services[service]);
	if (weir_json_get(edit->args, "announce"))
		text.announce = balance_edit_flag(edit, "announce");
	r = scheduler_read(edit, &text);
	if (!r)
		r = affinity_read(edit, &text);
	if (!r)
		r = health_given_read(edit, &text, &words);
	return r ? r : balance_runtime_set_service(edit->runtime, index, &text);
}
