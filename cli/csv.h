/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as rows of RFC 4180, for spreadsheets and databases. */
#ifndef WEIR_CLI_CSV_H
#define WEIR_CLI_CSV_H

#include "base/json.h"

/*
 * The longest array of objects in the answer, a row each under a row of names; without one, the
 * answer itself is the only row. Names are those of the JSON, "a.b" for what is in an object; a
 * name stands where it is first met, and has nothing in rows without it. Lists are one cell, with
 * blanks between. Memory is seen in out->failed.
 */
void weir_csv_write(const struct weir_json *answer, struct weir_buf *out);

#endif
