/* SPDX-License-Identifier: MIT */
#include "transport/http/tls.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "transport/http/wire.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct tls {
	SSL_CTX *context;
};

struct tls_session {
	SSL *ssl;
	bool is_broken;		/* OpenSSL wants to hear nothing more of it */
	bool has_new_record;	/* it has begun, and no data has come of it so far */
	unsigned empty_records; /* of which no data has come */
};

static void cleanup_bio(BIO **bio)
{
	BIO_free(*bio);
}

static void cleanup_certificate(X509 **certificate)
{
	X509_free(*certificate);
}

static void cleanup_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

/* A file's bytes, which may be a key. */
struct secret_file {
	char *data;
	size_t bytes;
};

static void cleanup_secret(struct secret_file *file)
{
	OPENSSL_cleanse(file->data, file->bytes);
	free(file->data);
}

/* --- certificate and key ---------------------------------------------------------------- */

/* OpenSSL's own reason, which holds nothing of the file. */
static int complain(struct error *err, const char *path, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return error_set(err, ERROR_CONFIG, "%.300s %s%s%s", path, what, reason ? ": " : "",
			 reason ? reason : "");
}

static int check_file(const char *path, const struct stat *status, struct error *err)
{
	if (!S_ISREG(status->st_mode))
		return error_set(err, ERROR_CONFIG, "%.300s is no file", path);
	if ((uintmax_t)status->st_size > LIMIT_TLS_FILE_BYTES)
		return error_set(err, ERROR_CONFIG,
				 "%.300s is larger than a certificate or key can be (1 MiB)", path);
	return 0;
}

static int check_private(const char *path, const struct stat *status, struct error *err)
{
	if ((status->st_mode & S_IRWXO) != 0)
		return error_set(err, ERROR_CONFIG,
				 "the key %.300s can be read or changed by every user of this "
				 "machine. Close it (chmod o-rwx) and consider a new one",
				 path);
	return 0;
}

static int read_file(const char *path,
		     int (*check)(const char *path, const struct stat *status, struct error *err),
		     struct secret_file *file, struct error *err)
{
	/* Not blocking: a FIFO would wait for its other end. */
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	ssize_t bytes;

	if (fd < 0 || fstat(fd, &status) < 0)
		return error_set_kind_errno(err, ERROR_CONFIG, "opening %.300s", path);
	if (check_file(path, &status, err) < 0 || (check && check(path, &status, err) < 0))
		return -1;
	file->bytes = (size_t)status.st_size;
	file->data = alloc_zeroed(file->bytes + 1);
	bytes = fd_read_full(fd, file->data, file->bytes, err);
	if (bytes < 0)
		return error_wrap(err, "reading %.300s", path);
	file->bytes = (size_t)bytes;
	return 0;
}

/* A password could only be asked for where nobody sits. */
static int no_password(char *text, int bytes, int is_for_writing, void *context)
{
	(void)text;
	(void)bytes;
	(void)is_for_writing;
	(void)context;
	return 0;
}

static int load_certificate(struct tls *tls, const char *path, struct error *err)
{
	CLEANUP(cleanup_secret) struct secret_file file = { NULL, 0 };
	CLEANUP(cleanup_bio) BIO *bio = NULL;
	CLEANUP(cleanup_certificate) X509 *certificate = NULL;
	X509 *issuer;

	if (read_file(path, NULL, &file, err) < 0)
		return -1;
	bio = BIO_new_mem_buf(file.data, (int)file.bytes);
	certificate = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);
	if (!certificate)
		return complain(err, path, "holds no certificate (PEM)");
	if (SSL_CTX_use_certificate(tls->context, certificate) != 1)
		return complain(err, path, "cannot be used as a certificate");
	while ((issuer = PEM_read_bio_X509(bio, NULL, no_password, NULL))) {
		if (SSL_CTX_add0_chain_cert(tls->context, issuer) != 1) {
			X509_free(issuer);
			return complain(err, path, "has a chain that cannot be used");
		}
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return complain(err, path, "has a chain that cannot be read");
	ERR_clear_error();
	return 0;
}

static int load_key(struct tls *tls, const char *path, struct error *err)
{
	CLEANUP(cleanup_secret) struct secret_file file = { NULL, 0 };
	CLEANUP(cleanup_bio) BIO *bio = NULL;
	CLEANUP(cleanup_key) EVP_PKEY *key = NULL;

	if (read_file(path, check_private, &file, err) < 0)
		return -1;
	bio = BIO_new_mem_buf(file.data, (int)file.bytes);
	key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	if (!key)
		return complain(err, path, "holds no private key (PEM) without a password");
	if (SSL_CTX_use_PrivateKey(tls->context, key) != 1)
		return complain(err, path, "is not the key of the certificate");
	return 0;
}

/* RFC 7301: of what the client offers, HTTP/1.1; a client that offers only others is told so. */
static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_bytes,
			   const unsigned char *offered, unsigned offered_bytes, void *context)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *found = NULL;

	(void)ssl;
	(void)context;
	if (SSL_select_next_proto(&found, chosen_bytes, ours, sizeof(ours) - 1, offered,
				  offered_bytes) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*chosen = found;
	return SSL_TLSEXT_ERR_OK;
}

/* Sessions are not resumed: connections are kept, and nothing has to be remembered or rotated. */
static int set_up(struct tls *tls)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	tls->context = context;
	if (!context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_num_tickets(context, 0) != 1)
		return -1;
	(void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
						   SSL_OP_NO_TICKET |
						   SSL_OP_CIPHER_SERVER_PREFERENCE);
	(void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
						SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
						SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
	return 0;
}

struct tls *tls_create(const char *certificate, const char *key, struct error *err)
{
	struct tls *tls = alloc_zeroed(sizeof(*tls));

	ERR_clear_error();
	if (set_up(tls) < 0)
		(void)complain(err, "OpenSSL", "cannot serve TLS");
	else if (load_certificate(tls, certificate, err) == 0 && load_key(tls, key, err) == 0)
		return tls;
	tls_destroy(tls);
	return NULL;
}

void tls_destroy(struct tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->context);
	free(tls);
}

/* --- sessions ------------------------------------------------------------------------------- */

/* A record of which no data comes (a new key, an offer to negotiate anew, a few bytes of a
 * handshake) is followed by the next inside of OpenSSL, for as long as any are there; a client that
 * sends nothing else would have the loop for seconds. Without its socket OpenSSL gives up. */
static void on_message(int is_sent, int version, int type, const void *data, size_t bytes, SSL *ssl,
		       void *context)
{
	struct tls_session *session = context;

	(void)version;
	(void)data;
	(void)bytes;
	if (is_sent || type != SSL3_RT_HEADER)
		return;
	session->has_new_record = true;
	if (++session->empty_records > LIMIT_TLS_EMPTY_RECORDS)
		(void)BIO_set_fd(SSL_get_rbio(ssl), -1, BIO_NOCLOSE);
}

struct tls_session *tls_session_create(struct tls *tls, int fd)
{
	struct tls_session *session = alloc_zeroed(sizeof(*session));

	session->ssl = SSL_new(tls->context);
	if (!session->ssl || SSL_set_fd(session->ssl, fd) != 1) {
		ERR_clear_error();
		tls_session_destroy(session);
		return NULL;
	}
	SSL_set_msg_callback(session->ssl, on_message);
	SSL_set_msg_callback_arg(session->ssl, session);
	SSL_set_accept_state(session->ssl);
	return session;
}

/* Of an operation that did not move a byte. */
static int failure(struct tls_session *session, int result)
{
	int error = SSL_get_error(session->ssl, result);
	int reason = ERR_GET_REASON(ERR_peek_error());

	ERR_clear_error();
	/* Whichever it wants: the loop tells of both, and then it is tried again. */
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return WIRE_WAIT;
	if (error == SSL_ERROR_ZERO_RETURN)
		return 0;
	session->is_broken = true;
	return reason == SSL_R_HTTP_REQUEST ? WIRE_PLAINTEXT : WIRE_BROKEN;
}

int tls_session_handshake(struct tls_session *session)
{
	int result;

	ERR_clear_error();
	result = SSL_do_handshake(session->ssl);
	if (result == 1)
		return 0;
	result = failure(session, result);
	/* An orderly end before there was anything to end. */
	return result == 0 ? WIRE_BROKEN : result;
}

ssize_t tls_session_receive(struct tls_session *session, void *data, size_t bytes)
{
	size_t received;
	int result;

	ERR_clear_error();
	result = SSL_read_ex(session->ssl, data, bytes, &received);
	if (result != 1)
		return failure(session, result);
	/* The one that this came of. */
	if (session->has_new_record)
		session->empty_records--;
	session->has_new_record = false;
	return (ssize_t)received;
}

ssize_t tls_session_send(struct tls_session *session, const void *data, size_t bytes)
{
	size_t sent;
	int result;

	ERR_clear_error();
	result = SSL_write_ex(session->ssl, data, bytes, &sent);
	if (result == 1)
		return (ssize_t)sent;
	result = failure(session, result);
	return result == WIRE_WAIT ? WIRE_WAIT : WIRE_BROKEN;
}

void tls_session_end(struct tls_session *session)
{
	if (session->is_broken || !SSL_is_init_finished(session->ssl))
		return;
	ERR_clear_error();
	(void)SSL_shutdown(session->ssl);
	ERR_clear_error();
}

void tls_session_destroy(struct tls_session *session)
{
	if (!session)
		return;
	SSL_free(session->ssl);
	free(session);
}
