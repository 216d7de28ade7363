/* SPDX-License-Identifier: Apache-2.0 */
/* Words, numbers and headings of all views. What a whole answer looks like stands in render*.c. */
#include "cli/view.h"

#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"

const char *weir_view_str(const struct weir_json *object, const char *key)
{
	return weir_json_str(weir_json_get(object, key), "");
}

uint64_t weir_view_uint(const struct weir_json *object, const char *key)
{
	int64_t number = weir_json_int(weir_json_get(object, key), 0);

	return number < 0 ? 0 : (uint64_t)number;
}

bool weir_view_bool(const struct weir_json *object, const char *key)
{
	return weir_json_bool(weir_json_get(object, key), false);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text);
	size_t end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool is_name_number(const char *key)
{
	static const char *const names[] = { "pid",  "port",	"sport",    "dport",
					     "vlan", "ifindex", "revision", "id",
					     "slot", "class",	"netns",    "cookie" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(key, names[i]) == 0)
			return true;
	return ends_with(key, "_id") || ends_with(key, "_port");
}

static void integer_add(struct weir_buf *out, const char *key, int64_t number)
{
	uint64_t magnitude = number < 0 ? -(uint64_t)number : (uint64_t)number;

	if (number < 0)
		weir_buf_add_char(out, '-');
	if (is_name_number(key))
		weir_buf_addf(out, "%llu", (unsigned long long)magnitude);
	else if (ends_with(key, "_bytes_per_s"))
		weir_size_format(magnitude, out);
	else if (ends_with(key, "_per_s"))
		weir_count_format(magnitude, out);
	else if (ends_with(key, "bytes"))
		weir_size_format(magnitude, out);
	else if (ends_with(key, "_s"))
		weir_duration_format(magnitude * WEIR_NS_PER_S, out);
	else if (ends_with(key, "_ms"))
		weir_duration_format(magnitude * WEIR_NS_PER_MS, out);
	else if (ends_with(key, "_ns"))
		weir_duration_format(magnitude, out);
	else
		weir_count_format(magnitude, out);
}

void weir_view_add_scalar(struct weir_buf *out, const char *key, const struct weir_json *value)
{
	switch (value ? weir_json_type(value) : WEIR_JSON_NULL) {
	case WEIR_JSON_NULL:
		break;
	case WEIR_JSON_BOOL:
		weir_buf_add_str(out, weir_json_bool(value, false) ? "yes" : "no");
		break;
	case WEIR_JSON_INTEGER:
		integer_add(out, key, weir_json_int(value, 0));
		break;
	case WEIR_JSON_REAL:
		weir_buf_addf(out, "%.6g%s", weir_json_real(value, 0),
			      ends_with(key, "_ms") ? " ms" : "");
		break;
	case WEIR_JSON_STRING:
		weir_buf_add_visible(out, weir_json_str(value, ""));
		break;
	case WEIR_JSON_ARRAY:
		for (size_t i = 0; i < weir_json_size(value); i++) {
			if (i > 0)
				weir_buf_add_str(out, ", ");
			weir_view_add_scalar(out, key, weir_json_at(value, i));
		}
		break;
	case WEIR_JSON_OBJECT:
		weir_buf_add_str(out, "{…}");
		break;
	}
}

void weir_view_add_label(struct weir_buf *out, const char *key)
{
	size_t len = strlen(key);

	/* A unit is said by the value itself. */
	if (len > 2 && ends_with(key, "_s") && !ends_with(key, "_per_s"))
		len -= 2;
	else if (len > 3 && (ends_with(key, "_ms") || ends_with(key, "_ns")))
		len -= 3;
	for (size_t i = 0; i < len; i++)
		weir_buf_add_char(out, key[i] == '_' ? ' ' : key[i]);
}

void weir_view_heading(const struct weir_view *view, const char *format, ...)
{
	va_list args;

	if (view->out->len > 0)
		weir_buf_add_char(view->out, '\n');
	weir_buf_add_str(view->out, weir_color_on(WEIR_COLOR_HEAD, view->color));
	va_start(args, format);
	weir_buf_vaddf(view->out, format, args);
	va_end(args);
	weir_buf_add_str(view->out, weir_color_off(WEIR_COLOR_HEAD, view->color));
	weir_buf_add_char(view->out, '\n');
}

void weir_view_add_colored(const struct weir_view *view, enum weir_color color, const char *text)
{
	weir_buf_add_str(view->out, weir_color_on(color, view->color));
	weir_buf_add_visible(view->out, text);
	weir_buf_add_str(view->out, weir_color_off(color, view->color));
}

void weir_view_add_plural(struct weir_buf *out, uint64_t count, const char *one, const char *many)
{
	weir_count_format(count, out);
	weir_buf_addf(out, " %s", count == 1 ? one : many);
}

void weir_view_add_endpoint(struct weir_buf *out, const struct weir_json *object,
			    const char *address_key, const char *port_key)
{
	const char *address = weir_view_str(object, address_key);
	uint64_t port = weir_view_uint(object, port_key);
	bool brackets = port && strchr(address, ':');

	weir_buf_add_str(out, brackets ? "[" : "");
	weir_buf_add_visible(out, address[0] ? address : "?");
	weir_buf_add_str(out, brackets ? "]" : "");
	if (port)
		weir_buf_addf(out, ":%llu", (unsigned long long)port);
}

void weir_view_add_seconds(struct weir_buf *out, uint64_t ms)
{
	if (ms < 10)
		weir_buf_addf(out, "%u ms", (unsigned)ms);
	else if (ms < 100000)
		weir_buf_addf(out, "%.2f s", (double)ms / 1000);
	else
		weir_duration_format(ms * WEIR_NS_PER_MS, out);
}

enum weir_color weir_view_verdict_color(const char *verdict)
{
	if (strncmp(verdict, "drop", 4) == 0 || strcmp(verdict, "deny") == 0)
		return WEIR_COLOR_BAD;
	if (strncmp(verdict, "pass", 4) == 0 || strcmp(verdict, "allow") == 0)
		return WEIR_COLOR_GOOD;
	return WEIR_COLOR_PLAIN;
}
