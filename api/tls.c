/* SPDX-License-Identifier: Apache-2.0 */
/* Tries a certificate with its key by GnuTLS, as the server will. Does no TLS itself. */
#include "api/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"

#define PEM_BYTES_MAX (1u << 20)

static void credentials_freep(gnutls_certificate_credentials_t *credentials)
{
	if (*credentials)
		gnutls_certificate_free_credentials(*credentials);
}

static void crt_freep(gnutls_x509_crt_t *crt)
{
	if (*crt)
		gnutls_x509_crt_deinit(*crt);
}

static int pem_read(const char *key, const char *path, struct weir_diag *diag, struct weir_buf *pem)
{
	int r = weir_file_read(path, PEM_BYTES_MAX, pem);
	if (r < 0)
		weir_diag_key(diag, key, "name a PEM file that the daemon can read",
			      "cannot read %s: %s", path, strerror(-r));
	return r;
}

static int pair_check(const gnutls_datum_t *certificate, const gnutls_datum_t *key)
{
	_cleanup_(credentials_freep) gnutls_certificate_credentials_t credentials = NULL;
	int r = gnutls_certificate_allocate_credentials(&credentials);
	if (r < 0)
		return r;
	return gnutls_certificate_set_x509_key_mem(credentials, certificate, key,
						   GNUTLS_X509_FMT_PEM);
}

/* The library's sentence without its full stop: a cure follows it. */
static int sentence_len(const char *sentence)
{
	size_t len = strlen(sentence);
	return (int)(len > 0 && sentence[len - 1] == '.' ? len - 1 : len);
}

static bool certificate_has_expired(const gnutls_datum_t *certificate)
{
	_cleanup_(crt_freep) gnutls_x509_crt_t crt = NULL;
	if (gnutls_x509_crt_init(&crt) < 0 ||
	    gnutls_x509_crt_import(crt, certificate, GNUTLS_X509_FMT_PEM) < 0)
		return false;
	return gnutls_x509_crt_get_expiration_time(crt) < time(NULL);
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

	gnutls_datum_t certificate_pem = { (unsigned char *)certificate.data,
					   (unsigned)certificate.len };
	gnutls_datum_t key_pem = { (unsigned char *)key.data, (unsigned)key.len };
	r = pair_check(&certificate_pem, &key_pem);
	if (r < 0)
		return weir_diag_key(
			diag, "api.certificate",
			"give the certificate and the key that was made with it, both as PEM",
			"%s and %s cannot be used together: %.*s", certificate_file, key_file,
			sentence_len(gnutls_strerror(r)), gnutls_strerror(r));
	if (certificate_has_expired(&certificate_pem))
		weir_diag_warning(diag, "renew it; browsers and most clients refuse it",
				  "the certificate in %s has expired", certificate_file);
	*ret_certificate = certificate;
	*ret_key = key;
	certificate = key = (struct weir_buf){ 0 };
	return 0;
}
