/* SPDX-License-Identifier: Apache-2.0 */
/* Random secrets and comparing them without telling by time where they differ. */
#ifndef WEIR_BASE_SECRET_H
#define WEIR_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

int weir_random_bytes(void *bytes, size_t len);
/* Lower-case hex of `len` random bytes, on the heap; NULL when out of memory or entropy. */
char *weir_random_hex(size_t len);
/* Time depends on the lengths only. */
bool weir_secret_equal(const char *a, const char *b);

#endif
