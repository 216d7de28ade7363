/* SPDX-License-Identifier: Apache-2.0 */
/* Tries a certificate with its key, as the server will. Does no TLS itself. */
#include "api/tls.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "core/tls.h"

#define PEM_BYTES_MAX (1u << 20)

static int pem_read(const char *key, const char *path, struct weir_diag *diag, struct weir_buf *pem)
{
	int r = weir_file_read(path, PEM_BYTES_MAX, pem);
	if (r < 0)
		weir_diag_key(diag, key, "name a PEM file that the daemon can read",
			      "cannot read %s: %s", path, strerror(-r));
	return r;
}

/* The library's sentence without its full stop: a cure follows it. */
static int sentence_len(const char *sentence)
{
	size_t len = strlen(sentence);
	return (int)(len > 0 && sentence[len - 1] == '.' ? len - 1 : len);
}

int weir_tls_read(const char *certificate_file, const char *key_file, struct weir_diag *diag,
		  struct weir_buf *ret_certificate, struct weir_buf *ret_key)
{
	_cleanup_buf_ struct weir_buf certificate = { 0 }, key = { 0 };
	int r = pem_read("api.certificate", certificate_file, diag, &certificate);
	if (r == 0)
		r = pem_read("api.key", key_file, diag, &key);
	if (r < 0)
		return r;

	const char *problem = weir_tls_pair_problem(&certificate, &key);
	if (problem)
		return weir_diag_key(
			diag, "api.certificate",
			"give the certificate and the key that was made with it, both as PEM",
			"%s and %s cannot be used together: %.*s", certificate_file, key_file,
			sentence_len(problem), problem);
	if (weir_tls_has_expired(&certificate))
		weir_diag_warning(diag, "renew it; browsers and most clients refuse it",
				  "the certificate in %s has expired", certificate_file);
	*ret_certificate = certificate;
	*ret_key = key;
	certificate = key = (struct weir_buf){ 0 };
	return 0;
}
