/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing policy.json. */
#include "policy_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#define POLICY_VERSION 1
#define POLICY_BYTES_MAX (256u << 20)
#define TRIAL_MOST_S (24 * 60 * 60) /* more is no trial of ours */

static int text_take(const struct weir_json *json, struct weir_policy_text *ret_text)
{
	const char *text = weir_json_str(weir_json_get(json, "text"), NULL);
	const char *file = weir_json_str(weir_json_get(json, "file"), NULL);

	if (!text)
		return 0;
	ret_text->text = strdup(text);
	ret_text->file = file ? strdup(file) : NULL;
	return ret_text->text && (!file || ret_text->file) ? 0 : -ENOMEM;
}

static int trial_take(const struct weir_json *json, struct weir_policy_trial *trial)
{
	const char *until = weir_json_str(weir_json_get(json, "until"), "");
	int64_t within_s = weir_json_int(weir_json_get(json, "within_s"), 0);

	if (!json)
		return 0;
	if (weir_clock_parse(until, &trial->until_ns) || !trial->until_ns || within_s < 1 ||
	    within_s > TRIAL_MOST_S)
		return -EINVAL;
	trial->within_ns = (uint64_t)within_s * WEIR_NS_PER_S;
	int r = text_take(weir_json_get(json, "confirmed"), &trial->confirmed);

	return r || trial->confirmed.text ? r : -EINVAL;
}

static int policy_take(const struct weir_json *json, struct weir_policy_file *policy)
{
	const char *changed = weir_json_str(weir_json_get(json, "changed"), "");

	if (weir_json_int(weir_json_get(json, "version"), 0) != POLICY_VERSION ||
	    !weir_json_get(json, "current"))
		return -EINVAL;
	policy->revision = (uint64_t)weir_json_int(weir_json_get(json, "revision"), 0);
	policy->config_hash =
		strtoull(weir_json_str(weir_json_get(json, "config_hash"), "0"), NULL, 16);
	weir_clock_parse(changed, &policy->changed_ns);
	int r = text_take(weir_json_get(json, "current"), &policy->current);

	if (!r)
		r = text_take(weir_json_get(json, "previous"), &policy->previous);
	return r ? r : trial_take(weir_json_get(json, "trial"), &policy->trial);
}

static void damaged(const char *path, struct weir_diag *diag)
{
	_cleanup_free_ char *kept = NULL;

	weir_file_keep_aside(path, &kept);
	weir_diag_warning(diag, "apply the configuration again",
			  "%s: damaged, kept as %s; starting from the configuration file", path,
			  kept ? kept : "nothing");
}

int weir_policy_file_read(const char *state_dir, struct weir_diag *diag,
			  struct weir_policy_file *ret_policy)
{
	_cleanup_free_ char *path = state_dir ? weir_path_join(state_dir, "policy.json") : NULL;
	_cleanup_buf_ struct weir_buf text = {};
	_cleanup_diag_ struct weir_diag parse = {};
	_cleanup_json_ struct weir_json *json = NULL;
	struct weir_policy_file policy = {};

	if (!path)
		return state_dir ? -ENOMEM : 0;
	int r = weir_file_read(path, POLICY_BYTES_MAX, &text);

	if (r)
		return r == -ENOENT ? 0 : r;
	r = weir_json_parse(weir_buf_str(&text), text.len, path, &parse, &json);
	if (!r)
		r = policy_take(json, &policy);
	if (r) {
		weir_policy_file_done(&policy);
		if (r != -ENOMEM)
			damaged(path, diag);
		return r == -ENOMEM ? r : 0;
	}
	*ret_policy = policy;
	return 0;
}

static void text_put(struct weir_json_out *json, const char *key,
		     const struct weir_policy_text *text)
{
	weir_json_open_object(json, key);
	if (text->text)
		weir_json_put_str(json, "text", text->text);
	if (text->file)
		weir_json_put_str(json, "file", text->file);
	weir_json_close_object(json);
}

static void trial_put(struct weir_json_out *json, const struct weir_policy_trial *trial)
{
	if (!trial->until_ns)
		return;
	weir_json_open_object(json, "trial");
	weir_json_put_time(json, "until", trial->until_ns);
	weir_json_put_uint(json, "within_s", trial->within_ns / WEIR_NS_PER_S);
	text_put(json, "confirmed", &trial->confirmed);
	weir_json_close_object(json);
}

int weir_policy_file_write(const char *state_dir, const struct weir_policy_file *policy)
{
	_cleanup_free_ char *path = weir_path_join(state_dir, "policy.json");
	_cleanup_buf_ struct weir_buf text = {};
	struct weir_json_out json = { .out = &text };
	char hash[17];

	if (!path)
		return -ENOMEM;
	snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)policy->config_hash);
	weir_json_open_object(&json, NULL);
	weir_json_put_uint(&json, "version", POLICY_VERSION);
	weir_json_put_uint(&json, "revision", policy->revision);
	weir_json_put_str(&json, "config_hash", hash);
	weir_json_put_time(&json, "changed", policy->changed_ns);
	text_put(&json, "current", &policy->current);
	text_put(&json, "previous", &policy->previous);
	trial_put(&json, &policy->trial);
	weir_json_close_object(&json);
	if (text.failed)
		return -ENOMEM;
	return weir_file_replace(path, text.data, text.len, 0600);
}

int weir_policy_text_copy(const struct weir_policy_text *text, struct weir_policy_text *ret_text)
{
	struct weir_policy_text copy = { text->text ? strdup(text->text) : NULL,
					 text->file ? strdup(text->file) : NULL };

	if ((text->text && !copy.text) || (text->file && !copy.file)) {
		weir_policy_text_done(&copy);
		return -ENOMEM;
	}
	*ret_text = copy;
	return 0;
}

void weir_policy_text_done(struct weir_policy_text *text)
{
	free(weir_take(text->text));
	free(weir_take(text->file));
}

void weir_policy_file_done(struct weir_policy_file *policy)
{
	weir_policy_text_done(&policy->current);
	weir_policy_text_done(&policy->previous);
	weir_policy_text_done(&policy->trial.confirmed);
}
