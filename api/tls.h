/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate and key of the TCP door, read and tried before a server is started with them. */
#ifndef WEIR_API_TLS_H
#define WEIR_API_TLS_H

#include "../base/buf.h"
#include "../base/diag.h"

/*
 * Reads both PEM files and checks that they belong together. One that has expired is a warning:
 * clients that pin it may still want it. -EINVAL, or what reading gave; told in diag.
 */
int weir_tls_read(const char *certificate_file, const char *key_file, struct weir_diag *diag,
		  struct weir_buf *ret_certificate, struct weir_buf *ret_key);

#endif
