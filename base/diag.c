/* SPDX-License-Identifier: Apache-2.0 */
/* Collects problems and writes them as text. Never prints by itself. */
#include "base/diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void entry_done(struct weir_diag_entry *entry)
{
	free(entry->file);
	free(entry->key);
	free(entry->what);
	free(entry->mend);
	*entry = (struct weir_diag_entry){ 0 };
}

void weir_diag_done(struct weir_diag *diag)
{
	for (size_t i = 0; i < diag->count; i++)
		entry_done(&diag->entries[i]);
	diag->count = diag->dropped = diag->errors = 0;
}

/* The parts of an entry that are copied; what follows them is the sentence, as for printf. */
struct entry_parts {
	enum weir_diag_level level;
	const char *key;
	const char *mend;
};

static int entry_fill(struct weir_diag_entry *entry, const struct entry_parts *parts,
		      const char *format, va_list args) __attribute__((format(printf, 3, 0)));
static int diag_add(struct weir_diag *diag, const struct entry_parts *parts, const char *format,
		    va_list args) __attribute__((format(printf, 3, 0)));

static int entry_fill(struct weir_diag_entry *entry, const struct entry_parts *parts,
		      const char *format, va_list args)
{
	_cleanup_buf_ struct weir_buf what = { 0 };
	weir_buf_vaddf(&what, format, args);

	entry->level = parts->level;
	entry->what = weir_buf_take(&what);
	entry->key = parts->key ? strdup(parts->key) : NULL;
	entry->mend = parts->mend ? strdup(parts->mend) : NULL;
	if (entry->what && !entry->key == !parts->key && !entry->mend == !parts->mend)
		return 0;
	entry_done(entry);
	return -ENOMEM;
}

static int diag_add(struct weir_diag *diag, const struct entry_parts *parts, const char *format,
		    va_list args)
{
	int r = parts->level == WEIR_DIAG_ERROR ? -EINVAL : 0;
	if (!diag)
		return r;
	if (r < 0)
		diag->errors++;

	/*
	 * After a loss nothing more is kept, so weir_diag_last() never answers with an older entry.
	 */
	bool full = diag->dropped > 0 || diag->count == WEIR_DIAG_MAX;
	if (full || entry_fill(&diag->entries[diag->count], parts, format, args) < 0)
		diag->dropped++;
	else
		diag->count++;
	return r;
}

int weir_diag_error(struct weir_diag *diag, const char *mend, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int r = diag_add(diag, &(struct entry_parts){ WEIR_DIAG_ERROR, NULL, mend }, format, args);
	va_end(args);
	return r;
}

int weir_diag_warning(struct weir_diag *diag, const char *mend, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int r = diag_add(diag, &(struct entry_parts){ WEIR_DIAG_WARNING, NULL, mend }, format,
			 args);
	va_end(args);
	return r;
}

int weir_diag_key(struct weir_diag *diag, const char *key, const char *mend, const char *format,
		  ...)
{
	va_list args;
	va_start(args, format);
	int r = diag_add(diag, &(struct entry_parts){ WEIR_DIAG_ERROR, key, mend }, format, args);
	va_end(args);
	return r;
}

int weir_diag_warning_key(struct weir_diag *diag, const char *key, const char *mend,
			  const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int r = diag_add(diag, &(struct entry_parts){ WEIR_DIAG_WARNING, key, mend }, format, args);
	va_end(args);
	return r;
}

struct weir_diag_entry *weir_diag_last(struct weir_diag *diag)
{
	if (!diag || !diag->count || diag->dropped)
		return NULL;
	return &diag->entries[diag->count - 1];
}

const char *weir_diag_why(const struct weir_diag *diag, int result)
{
	return diag->count ? diag->entries[0].what : strerror(-result);
}

static void entry_format_place(const struct weir_diag_entry *entry, struct weir_buf *text)
{
	if (entry->file)
		weir_buf_add_visible(text, entry->file);
	else if (entry->line)
		weir_buf_add_str(text, "line ");
	if (entry->line)
		weir_buf_addf(text, entry->file ? ":%u" : "%u", entry->line);
	if (entry->line && entry->column)
		weir_buf_addf(text, ":%u", entry->column);
	if (entry->file || entry->line)
		weir_buf_add_str(text, ": ");
}

static void entry_format_rest(const struct weir_diag_entry *entry, struct weir_buf *text)
{
	if (entry->key) {
		weir_buf_add_visible(text, entry->key);
		weir_buf_add_str(text, ": ");
	}
	weir_buf_add_visible(text, entry->what);
	if (entry->mend) {
		weir_buf_add_str(text, "; ");
		weir_buf_add_visible(text, entry->mend);
	}
}

void weir_diag_entry_format(const struct weir_diag_entry *entry, struct weir_buf *text)
{
	entry_format_place(entry, text);
	entry_format_rest(entry, text);
}

void weir_diag_format(const struct weir_diag *diag, struct weir_buf *text)
{
	for (size_t i = 0; i < diag->count; i++) {
		entry_format_place(&diag->entries[i], text);
		if (diag->entries[i].level == WEIR_DIAG_WARNING)
			weir_buf_add_str(text, "warning: ");
		entry_format_rest(&diag->entries[i], text);
		weir_buf_add_char(text, '\n');
	}
	if (diag->dropped)
		weir_buf_addf(text, "and %zu more\n", diag->dropped);
}
