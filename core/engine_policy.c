/* SPDX-License-Identifier: Apache-2.0 */
/* Which policy a daemon starts on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "config.h"
#include "engine_private.h"
#include "policy_file.h"

/* A file that a power cut left full of zeros would be an empty configuration, which is one. */
static bool is_text(const struct weir_buf *text, const char *file, struct weir_diag *refused)
{
	if (!text->len || strlen(weir_buf_str(text)) == text->len)
		return true;
	weir_diag_error(refused, "save it as plain UTF-8 text", "%s: it has a NUL byte in it",
			file);
	return false;
}

/* The file, unless something else was applied since it was last edited. No text in ret_text: the
 * file is refused. */
static int text_choose(struct weir_engine *engine, struct weir_policy_text *ret_text,
		       struct weir_diag *refused, struct weir_diag *diag)
{
	const char *file = engine->options.config_file;
	_cleanup_buf_ struct weir_buf text = {};
	int r = file ? weir_file_read(file, WEIR_CONFIG_BYTES_MAX, &text) : -ENOENT;
	uint64_t hash = weir_hash_bytes(weir_buf_str(&text), text.len, 0);

	if (r && r != -ENOENT)
		return weir_diag_error(diag, "make it readable, or name another with --config",
				       "%s: %s", file, strerror(-r)),
		       r;
	if (engine->policy.current.text && (r == -ENOENT || hash == engine->policy.config_hash)) {
		*ret_text = (struct weir_policy_text){ strdup(engine->policy.current.text),
						       engine->policy.current.file ?
							       strdup(engine->policy.current.file) :
							       NULL };
		return ret_text->text ? 0 : -ENOMEM;
	}
	if (!is_text(&text, file, refused))
		return 0;
	engine->policy.config_hash = hash;
	*ret_text = (struct weir_policy_text){ strndup(weir_buf_str(&text), text.len),
					       file ? strdup(file) : NULL };
	return ret_text->text ? 0 : -ENOMEM;
}

/* A line a problem, as anywhere. */
static void refusal_tell(const struct weir_diag *refused,
			 int (*tell)(struct weir_diag *, const char *, const char *, ...),
			 struct weir_diag *diag)
{
	for (size_t i = 0; i < refused->count; i++) {
		_cleanup_buf_ struct weir_buf why = {};

		weir_diag_entry_format(&refused->entries[i], &why);
		tell(diag, NULL, "%s", weir_buf_str(&why));
	}
	if (refused->dropped)
		tell(diag, NULL, "and %zu more", refused->dropped);
}

/* A broken file at start must not leave the machine without its policy: the last one that was live
 * goes on, with a warning. */
static int config_fall_back(struct weir_engine *engine, struct weir_diag *refused,
			    struct weir_diag *diag)
{
	const struct weir_policy_text *last = &engine->policy.current;

	if (!last->text ||
	    weir_config_parse(last->text, strlen(last->text), last->file, diag, &engine->config)) {
		refusal_tell(refused, weir_diag_error, diag);
		return weir_diag_error(diag, "weir check FILE", "the configuration is refused");
	}
	refusal_tell(refused, weir_diag_warning, diag);
	weir_diag_warning(diag, "mend it, then weir apply FILE",
			  "the configuration file is refused, the policy applied last goes on");
	return 0;
}

void weir_engine_before_take(struct weir_engine *engine, const struct weir_policy_text *last)
{
	_cleanup_diag_ struct weir_diag refused = {};

	if (last->text)
		weir_config_parse(last->text, strlen(last->text), last->file, &refused,
				  &engine->before);
}

void weir_engine_before_drop(struct weir_engine *engine)
{
	if (engine->before)
		weir_config_free(engine->before);
	engine->before = NULL;
}

int weir_engine_policy_choose(struct weir_engine *engine, struct weir_diag *diag)
{
	_cleanup_free_ char *text = NULL, *file = NULL;
	struct weir_policy_text chosen = {};
	_cleanup_diag_ struct weir_diag refused = {};
	int r = text_choose(engine, &chosen, &refused, diag);

	text = chosen.text;
	file = chosen.file;
	if (r)
		return r;
	if (!text || weir_config_parse(text, strlen(text), file, &refused, &engine->config))
		return config_fall_back(engine, &refused, diag);
	if (!engine->policy.current.text || strcmp(engine->policy.current.text, text)) {
		free(engine->policy.previous.text);
		free(engine->policy.previous.file);
		engine->policy.previous = engine->policy.current;
		engine->policy.current =
			(struct weir_policy_text){ weir_take(text), weir_take(file) };
		engine->policy_is_new = true;
		weir_engine_before_take(engine, &engine->policy.previous);
	}
	return 0;
}

void weir_engine_policy_keep(struct weir_engine *engine, struct weir_diag *diag)
{
	if (!engine->policy_is_new)
		return;
	engine->policy.revision = weir_engine_revision(engine);
	engine->policy.changed_ns = weir_clock_real_ns();
	int r = weir_policy_file_write(engine->options.state_dir, &engine->policy);

	if (r)
		weir_diag_warning(diag, "free space there", "%s/policy.json: cannot be written: %s",
				  engine->options.state_dir, strerror(-r));
}
