/* SPDX-License-Identifier: Apache-2.0 */
/* TLS by GnuTLS: the only file that knows. */
#include "tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/addr.h"
#include "base/cleanup.h"

#define WHY_TEXT 80

struct weir_tls_trust {
	gnutls_certificate_credentials_t credentials;
	unsigned references;
};

struct weir_tls_client {
	gnutls_session_t session;
	struct weir_tls_trust *trust;
	char *name; /* the session keeps no copy of whom it is to verify */
	char why[WHY_TEXT];
};

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

static gnutls_datum_t datum_of(const struct weir_buf *pem)
{
	return (gnutls_datum_t){ (unsigned char *)pem->data, (unsigned)pem->len };
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

const char *weir_tls_pair_problem(const struct weir_buf *certificate, const struct weir_buf *key)
{
	gnutls_datum_t certificate_pem = datum_of(certificate), key_pem = datum_of(key);
	int r = pair_check(&certificate_pem, &key_pem);

	return r < 0 ? gnutls_strerror(r) : NULL;
}

bool weir_tls_has_expired(const struct weir_buf *certificate)
{
	_cleanup_(crt_freep) gnutls_x509_crt_t crt = NULL;
	gnutls_datum_t pem = datum_of(certificate);

	if (gnutls_x509_crt_init(&crt) < 0 ||
	    gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM) < 0)
		return false;
	return gnutls_x509_crt_get_expiration_time(crt) < time(NULL);
}

/* How many certificates were read, or the library's error. */
static int trust_read(struct weir_tls_trust *trust, enum weir_tls_trusted whom, const char *path)
{
	switch (whom) {
	case WEIR_TLS_TRUST_ALL:
		return 0;
	case WEIR_TLS_TRUST_SYSTEM:
		return gnutls_certificate_set_x509_system_trust(trust->credentials);
	case WEIR_TLS_TRUST_FILE:
		return gnutls_certificate_set_x509_trust_file(trust->credentials, path,
							      GNUTLS_X509_FMT_PEM);
	}
	return GNUTLS_E_INVALID_REQUEST;
}

int weir_tls_trust_new(enum weir_tls_trusted whom, const char *path,
		       struct weir_tls_trust **ret_trust)
{
	struct weir_tls_trust *trust = calloc(1, sizeof(*trust));

	if (!trust)
		return -ENOMEM;
	trust->references = 1;
	int r = gnutls_certificate_allocate_credentials(&trust->credentials);

	if (r >= 0)
		r = trust_read(trust, whom, path);
	if (r < 0 || (!r && whom != WEIR_TLS_TRUST_ALL)) {
		weir_tls_trust_unref(trust);
		return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -ENOENT;
	}
	*ret_trust = trust;
	return 0;
}

void weir_tls_trust_unref(struct weir_tls_trust *trust)
{
	if (!trust || --trust->references)
		return;
	if (trust->credentials)
		gnutls_certificate_free_credentials(trust->credentials);
	free(trust);
}

/* Names in the handshake are no addresses (RFC 6066, 3); those in a certificate may be. */
static bool is_address(const char *name)
{
	struct weir_addr addr;

	return weir_addr_from_string(name, strlen(name), &addr) == 0;
}

static int session_set(struct weir_tls_client *client, int fd, const char *name, bool verifies)
{
	int r = gnutls_set_default_priority(client->session);

	if (r >= 0)
		r = gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE,
					   client->trust->credentials);
	if (r >= 0 && name && !is_address(name))
		r = gnutls_server_name_set(client->session, GNUTLS_NAME_DNS, name, strlen(name));
	if (r >= 0 && verifies && name && !(client->name = strdup(name)))
		r = GNUTLS_E_MEMORY_ERROR;
	if (r >= 0 && verifies)
		gnutls_session_set_verify_cert(client->session, client->name, 0);
	gnutls_transport_set_int(client->session, fd);
	return r;
}

int weir_tls_client_new(int fd, const char *name, struct weir_tls_trust *trust,
			struct weir_tls_client **ret_client)
{
	struct weir_tls_client *client = calloc(1, sizeof(*client));
	bool verifies = trust;

	if (!client)
		return -ENOMEM;
	if (trust) {
		trust->references++;
		client->trust = trust;
	} else if (weir_tls_trust_new(WEIR_TLS_TRUST_ALL, NULL, &client->trust)) {
		free(client);
		return -ENOMEM;
	}
	int r = gnutls_init(&client->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);

	if (r >= 0)
		r = session_set(client, fd, name, verifies);
	if (r < 0) {
		weir_tls_client_free(client);
		return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EIO;
	}
	*ret_client = client;
	return 0;
}

void weir_tls_client_free(struct weir_tls_client *client)
{
	if (!client)
		return;
	if (client->session)
		gnutls_deinit(client->session);
	weir_tls_trust_unref(client->trust);
	free(client->name);
	free(client);
}

/* The first of them all is what is to be mended first. */
static const char *unverified_words(unsigned status)
{
	static const struct {
		unsigned bit;
		const char *words;
	} faults[] = {
		{ GNUTLS_CERT_SIGNER_NOT_FOUND, "certificate of an unknown issuer" },
		{ GNUTLS_CERT_REVOKED, "certificate is revoked" },
		{ GNUTLS_CERT_EXPIRED, "certificate has expired" },
		{ GNUTLS_CERT_NOT_ACTIVATED, "certificate is not valid yet" },
		{ GNUTLS_CERT_UNEXPECTED_OWNER, "certificate is for another name" },
		{ GNUTLS_CERT_SIGNER_NOT_CA, "certificate is signed by who may not" },
		{ GNUTLS_CERT_INSECURE_ALGORITHM, "certificate by an insecure algorithm" },
		{ GNUTLS_CERT_PURPOSE_MISMATCH, "certificate is for no server" },
	};

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(faults); i++)
		if (status & faults[i].bit)
			return faults[i].words;
	return "certificate is not valid";
}

static const char *error_words(const struct weir_tls_client *client, int error)
{
	switch (error) {
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		return gnutls_alert_get_name(gnutls_alert_get(client->session));
	case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
		return unverified_words(gnutls_session_get_verify_cert_status(client->session));
	default:
		return gnutls_strerror(error);
	}
}

static void why_set(struct weir_tls_client *client, int error)
{
	const char *sentence = error_words(client, error);
	size_t len = sentence ? strlen(sentence) : 0;

	snprintf(client->why, sizeof(client->why), "%.*s",
		 (int)(len && sentence[len - 1] == '.' ? len - 1 : len), sentence ? sentence : "");
}

static bool is_again(int r)
{
	return r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED;
}

int weir_tls_client_shake(struct weir_tls_client *client)
{
	int r;

	do
		r = gnutls_handshake(client->session); /* a warning is no end */
	while (r < 0 && !is_again(r) && !gnutls_error_is_fatal(r));
	if (is_again(r))
		return -EAGAIN;
	if (r < 0)
		why_set(client, r);
	return r < 0 ? -EPROTO : 0;
}

bool weir_tls_client_wants_write(const struct weir_tls_client *client)
{
	return gnutls_record_get_direction(client->session) == 1;
}

static ssize_t count_of(struct weir_tls_client *client, ssize_t r)
{
	if (r >= 0)
		return r;
	if (is_again((int)r) || !gnutls_error_is_fatal((int)r))
		return -EAGAIN;
	if (r == GNUTLS_E_PREMATURE_TERMINATION) /* many servers just close */
		return 0;
	why_set(client, (int)r);
	return -EPROTO;
}

ssize_t weir_tls_client_send(struct weir_tls_client *client, const void *bytes, size_t len)
{
	return count_of(client, gnutls_record_send(client->session, bytes, len));
}

ssize_t weir_tls_client_recv(struct weir_tls_client *client, void *bytes, size_t len)
{
	return count_of(client, gnutls_record_recv(client->session, bytes, len));
}

const char *weir_tls_client_version(const struct weir_tls_client *client)
{
	const char *name = gnutls_protocol_get_name(gnutls_protocol_get_version(client->session));

	return name ? name : "TLS";
}

const char *weir_tls_client_why(struct weir_tls_client *client)
{
	return client->why;
}
