/* SPDX-License-Identifier: Apache-2.0 */
/* Run time beside a new configuration, which was made without knowing of it. */
#include <errno.h>
#include <string.h>

#include "core/compile.h"
#include "features/balance/balance_live.h"

static bool is_strict(const struct weir_compile *compile)
{
	const struct balance *state = compile->state;

	return state->config && !compile->is_unasked;
}

/* What cannot act is refused where somebody is there to mend it, else told of. */
static int refuse(const struct weir_compile *compile, const char *mend, const char *what)
{
	if (is_strict(compile))
		return weir_diag_key(compile->diag, "balance.services", mend, "%s", what);
	weir_diag_warning_key(compile->diag, "balance.services", mend, "%s; it does not act", what);
	return 0;
}

static int service_refuse(const struct weir_compile *compile, const struct balance_text *text,
			  enum balance_fate fate)
{
	_cleanup_buf_ struct weir_buf what = { 0 };

	char ports[WEIR_PORTS_TEXT];

	weir_buf_addf(&what, "the service '%s' of run time, %s port %s, ", text->name,
		      text->address, weir_ports_to_string(text->port, ports));
	if (fate == BALANCE_NAME_TAKEN)
		weir_buf_add_str(&what, "has the name of one that is another");
	else if (fate == BALANCE_END_TAKEN)
		weir_buf_add_str(&what, "has the address, port and protocol of another");
	else
		weir_buf_addf(&what, "is one too many: %d are the most", BALANCE_SERVICES_MAX);
	return refuse(compile, "weir service del it, or change the configuration",
		      weir_buf_str(&what));
}

static int row_refuse(const struct weir_compile *compile, const struct balance_row *row,
		      enum balance_fate fate)
{
	_cleanup_buf_ struct weir_buf what = { 0 };

	weir_buf_addf(&what, "the backend %s port %u of run time, of the service '%s', ",
		      row->address, row->port, row->service);
	if (fate == BALANCE_END_TAKEN)
		weir_buf_add_str(&what, "has the address, port and protocol of another");
	else
		weir_buf_addf(&what, "is one too many: %d are the most", BALANCE_BACKENDS_MAX);
	return refuse(compile, "weir service backend del it, or change the configuration",
		      weir_buf_str(&what));
}

static int services_check(const struct weir_compile *compile, const struct balance_runtime *runtime,
			  const struct balance_live *live)
{
	int r = 0;

	for (unsigned i = 0; i < runtime->service_count && !r; i++) {
		enum balance_fate fate = live->service_fates[i];

		if (fate == BALANCE_IS_WRITTEN)
			weir_diag_warning(compile->diag, NULL,
					  "the service '%s' of run time is part of the "
					  "configuration from now on",
					  runtime->services[i].name);
		else if (fate != BALANCE_ACTS && fate != BALANCE_IS_GONE)
			r = service_refuse(compile, &runtime->services[i], fate);
	}
	return r;
}

/* A service's name that was taken was told of already; so are its backends. */
static int rows_check(const struct weir_compile *compile, const struct balance_runtime *runtime,
		      const struct balance_live *live)
{
	int r = 0;

	for (unsigned i = 0; i < runtime->row_count && !r; i++) {
		const struct balance_row *row = &runtime->rows[i];
		enum balance_fate fate = live->row_fates[i];

		if (row->is_leaving)
			continue; /* it gives way, and nobody is told */
		if (fate == BALANCE_IS_GONE)
			weir_diag_warning(
				compile->diag, NULL,
				"what run time said of the backend %s port %u of the "
				"service '%s' is forgotten: the configuration has no such",
				row->address, row->port, row->service);
		else if (fate == BALANCE_END_TAKEN || fate == BALANCE_NO_ROOM)
			r = row_refuse(compile, row, fate);
	}
	return r;
}

static void disabled_check(const struct weir_compile *compile,
			   const struct balance_runtime *runtime, const struct balance_live *live)
{
	for (unsigned i = 0; i < runtime->disabled_count; i++)
		if (live->disabled_fates[i] == BALANCE_IS_GONE)
			weir_diag_warning(compile->diag, NULL,
					  "that the service '%s' was disabled is forgotten: the "
					  "configuration has no such",
					  runtime->disabled[i]);
}

/* Those of the configuration itself were checked as it was read. */
static int needs_check(const struct weir_compile *compile, struct balance_live *live)
{
	const struct balance_section *section = compile->section;
	_cleanup_diag_ struct weir_diag why = { 0 };

	if (section->service_count || !live->acting.service_count ||
	    balance_needs_check(compile->config, "balance.services", &why) == 0)
		return 0;
	live->acting.service_count = 0;
	if (is_strict(compile))
		return balance_needs_check(compile->config, "balance.services", compile->diag);
	weir_diag_warning(compile->diag, "write `conntrack: {enabled: auto}`",
			  "services of run time do not act: connections are not tracked, by the "
			  "configuration");
	return 0;
}

int balance_live_check(const struct weir_compile *compile, const struct balance_runtime *runtime,
		       struct balance_live *live)
{
	const struct balance *state = compile->state;

	if (!state)
		return 0;
	if (state->config == compile->config) {
		_cleanup_diag_ struct weir_diag told = { 0 };

		/* It was told of when the configuration came. */
		if (balance_needs_check(compile->config, "", &told) < 0)
			live->acting.service_count = 0;
		return 0;
	}
	int r = services_check(compile, runtime, live);

	if (!r)
		r = rows_check(compile, runtime, live);
	disabled_check(compile, runtime, live);
	return r ? r : needs_check(compile, live);
}
