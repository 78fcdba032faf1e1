/* SPDX-License-Identifier: MIT */
#include "transport/http/tls.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "tests/unit/transport/http_world.h"
#include "tests/unit/unit.h"
#include "transport/http/state.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define GET(path_) "GET " path_ " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define POST(path_, length_, body_)                                                                \
	"POST " path_ " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " length_ "\r\n\r\n" body_

/* --- certificates ----------------------------------------------------------------------- */

struct files {
	char folder[64];
	char certificate[96], key[96];
};

static X509 *new_certificate(EVP_PKEY *key, const char *name, EVP_PKEY *signer)
{
	X509 *certificate = X509_new();
	X509_NAME *subject;

	assert_non_null(certificate);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
	assert_int_equal(X509_set_pubkey(certificate, key), 1);
	subject = X509_get_subject_name(certificate);
	assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
						    (const unsigned char *)name, -1, -1, 0),
			 1);
	assert_int_equal(X509_set_issuer_name(certificate, subject), 1);
	assert_true(X509_sign(certificate, signer, EVP_sha256()) > 0);
	return certificate;
}

static void write_certificates(const char *path, X509 *first, X509 *second)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(PEM_write_X509(file, first), 1);
	if (second)
		assert_int_equal(PEM_write_X509(file, second), 1);
	assert_int_equal(fclose(file), 0);
}

static void write_key(const char *path, EVP_PKEY *key, const char *password)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fchmod(fileno(file), 0600), 0);
	assert_int_equal(PEM_write_PKCS8PrivateKey(file, key, password ? EVP_aes_128_cbc() : NULL,
						   password, password ? (int)strlen(password) : 0,
						   NULL, NULL),
			 1);
	assert_int_equal(fclose(file), 0);
}

/* A certificate of this name, with another one behind it, and its key. */
static void write_pair(const struct files *files, const char *name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = new_certificate(key, name, key);
	X509 *issuer = new_certificate(key, "issuer", key);

	write_certificates(files->certificate, certificate, issuer);
	write_key(files->key, key, NULL);
	X509_free(issuer);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static void make_files(struct files *files)
{
	(void)snprintf(files->folder, sizeof(files->folder), "/tmp/kilntainers-tls-XXXXXX");
	assert_non_null(mkdtemp(files->folder));
	(void)snprintf(files->certificate, sizeof(files->certificate), "%s/cert.pem",
		       files->folder);
	(void)snprintf(files->key, sizeof(files->key), "%s/key.pem", files->folder);
	write_pair(files, "first");
}

static void remove_files(const struct files *files)
{
	(void)unlink(files->certificate);
	(void)unlink(files->key);
	assert_int_equal(rmdir(files->folder), 0);
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* --- clients ------------------------------------------------------------------------------ */

struct tls_client {
	struct client client;
	SSL_CTX *context;
	SSL *ssl;
};

static void prepare_client(struct tls_client *tls, struct world *world)
{
	client_open(&tls->client, world);
	assert_int_equal(fcntl(tls->client.fd, F_SETFL, O_NONBLOCK), 0);
	tls->context = SSL_CTX_new(TLS_client_method());
	(void)SSL_CTX_set_mode(tls->context,
			       SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	tls->ssl = SSL_new(tls->context);
	assert_int_equal(SSL_set_fd(tls->ssl, tls->client.fd), 1);
	SSL_set_connect_state(tls->ssl);
}

/* Whether it works out. */
static bool shake_hands(struct tls_client *tls)
{
	uint64_t until_ms = clock_now_ms() + 60000;
	int result;

	while ((result = SSL_do_handshake(tls->ssl)) != 1) {
		int error = SSL_get_error(tls->ssl, result);

		if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
			return false;
		assert_true(clock_now_ms() < until_ms);
		world_turn(tls->client.world);
	}
	return true;
}

static void tls_open(struct tls_client *tls, struct world *world)
{
	prepare_client(tls, world);
	assert_true(shake_hands(tls));
}

static void tls_close(struct tls_client *tls)
{
	SSL_free(tls->ssl);
	SSL_CTX_free(tls->context);
	client_close(&tls->client);
	ERR_clear_error();
}

static void tls_send_bytes(struct tls_client *tls, const char *data, size_t bytes)
{
	uint64_t until_ms = clock_now_ms() + 60000;

	while (bytes > 0) {
		size_t sent = 0;

		(void)SSL_write_ex(tls->ssl, data, bytes, &sent);
		data += sent;
		bytes -= sent;
		assert_true(clock_now_ms() < until_ms);
		world_turn(tls->client.world);
	}
}

static void tls_send(struct tls_client *tls, const char *text)
{
	tls_send_bytes(tls, text, strlen(text));
}

static void tls_read(struct tls_client *tls)
{
	char data[16384];
	size_t bytes;

	ERR_clear_error();
	while (SSL_read_ex(tls->ssl, data, sizeof(data), &bytes) == 1)
		assert_int_equal(buf_append(&tls->client.received, data, bytes), 0);
	tls->client.has_ended = (SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

static void tls_expect(struct tls_client *tls, const char *text)
{
	uint64_t until_ms = clock_now_ms() + 60000;
	struct buf *received = &tls->client.received;
	const char *found = NULL;

	while (!found) {
		tls_read(tls);
		if (received->length > 0)
			found = memmem(received->data, received->length, text, strlen(text));
		if (!found && (tls->client.has_ended || clock_now_ms() > until_ms))
			fail_msg("no \"%.100s\" in: %.*s", text, (int)received->length,
				 received->data ? received->data : "");
		world_turn(tls->client.world);
	}
	buf_consume(received, (size_t)(found - received->data) + strlen(text));
}

static void open_world(struct world *world, const struct files *files)
{
	struct http_server_config config;

	world_prepare(world, &config);
	config.tls_certificate = files->certificate;
	config.tls_key = files->key;
	world_open(world, &config);
}

/* --- tests -------------------------------------------------------------------------------- */

static void requests_are_answered_over_tls(void **state)
{
	struct files files;
	struct world world;
	struct tls_client tls;

	(void)state;
	make_files(&files);
	open_world(&world, &files);
	tls_open(&tls, &world);
	assert_true(SSL_version(tls.ssl) >= TLS1_2_VERSION);
	tls_send(&tls, GET("/now"));
	tls_expect(&tls, "\r\n\r\nnow");
	tls_send(&tls, POST("/echo", "5", "hello"));
	tls_expect(&tls, "\r\n\r\nhello");
	tls_close(&tls);
	world_wait(&world, world_connections(&world) == 0);
	world_close(&world);
	remove_files(&files);
}

/* What one read takes from the socket, OpenSSL hands out in pieces: there is no event for those. */
static void requests_of_one_record_are_all_answered(void **state)
{
	struct files files;
	struct world world;
	struct tls_client tls;
	struct buf text = BUF_INIT(MIB);

	(void)state;
	make_files(&files);
	open_world(&world, &files);
	tls_open(&tls, &world);
	for (int i = 0; i < 300; i++)
		assert_int_equal(buf_append_string(&text, GET("/now")), 0);
	tls_send_bytes(&tls, text.data, text.length);
	for (int i = 0; i < 300; i++)
		tls_expect(&tls, "\r\n\r\nnow");
	buf_finish(&text);
	tls_close(&tls);
	world_close(&world);
	remove_files(&files);
}

static void large_bodies_pass_both_ways_over_tls(void **state)
{
	struct files files;
	struct world world;
	struct tls_client tls;
	char *body = alloc_zeroed(MIB + 1);

	(void)state;
	memset(body, 'x', MIB);
	make_files(&files);
	open_world(&world, &files);
	tls_open(&tls, &world);
	tls_send(&tls, POST("/echo", "1048576", ""));
	tls_send_bytes(&tls, body, MIB);
	tls_expect(&tls, body);
	/* Far more than the socket holds: writing stops and goes on. */
	tls_send(&tls, POST("/stream", "1", "x"));
	tls_expect(&tls, "chunked\r\n\r\n");
	for (int i = 0; i < 12; i++)
		http_stream_send(world.held[0], alloc_string(body), MIB);
	for (int i = 0; i < 12; i++)
		tls_expect(&tls, body);
	assert_int_equal(budget_used(world.budget), 0);
	free(body);
	tls_close(&tls);
	world_close(&world);
	remove_files(&files);
}

static void who_leaves_an_open_stream_over_tls_is_gone(void **state)
{
	struct files files;
	struct world world;
	struct tls_client tls;

	(void)state;
	make_files(&files);
	open_world(&world, &files);
	tls_open(&tls, &world);
	tls_send(&tls, POST("/stream", "1", "x"));
	tls_expect(&tls, "chunked\r\n\r\n");
	tls_send(&tls, GET("/now"));
	tls_close(&tls);
	world_wait(&world, world.gone == 1);
	world_close(&world);
	remove_files(&files);
}

static void who_sends_a_refused_body_over_tls_sees_the_answer(void **state)
{
	struct files files;
	struct world world;
	struct tls_client tls;
	char *body = alloc_zeroed(4 * MIB);

	(void)state;
	make_files(&files);
	open_world(&world, &files);
	tls_open(&tls, &world);
	tls_send(&tls, POST("/refused", "4194304", ""));
	tls_send_bytes(&tls, body, 4 * MIB);
	tls_expect(&tls, "\r\n\r\nwho?");
	world_wait(&world, (tls_read(&tls), tls.client.has_ended));
	free(body);
	tls_close(&tls);
	world_close(&world);
	remove_files(&files);
}

/* What the client writes is gathered, to be sent all at once. */
static BIO *gather(struct tls_client *tls)
{
	BIO *gathered = BIO_new(BIO_s_mem());

	SSL_set0_wbio(tls->ssl, gathered);
	return gathered;
}

static void send_gathered(struct tls_client *tls, BIO *gathered)
{
	char *data;
	long bytes = BIO_get_mem_data(gathered, &data);

	assert_true(bytes > 0);
	(void)client_send_bytes(&tls->client, data, (size_t)bytes);
	(void)BIO_reset(gathered);
}

static void records_of_one_byte_have_their_turns(void **state)
{
	const char *text = GET("/now");
	struct http_connection *connection;
	struct files files;
	struct world world;
	struct tls_client tls;
	size_t sent = 0;
	BIO *gathered;
	int arrived = 0;
	char *data;
	long bytes;

	(void)state;
	make_files(&files);
	open_world(&world, &files);
	tls_open(&tls, &world);
	world_wait(&world, (connection = world.server->ranks[HTTP_RANK_FRESH]) != NULL);
	gathered = gather(&tls);
	for (int i = 0; i < 4; i++) {
		for (const char *at = text; *at; at++)
			assert_int_equal(SSL_write_ex(tls.ssl, at, 1, &sent), 1);
	}
	/* All of it is there before the first turn. */
	bytes = BIO_get_mem_data(gathered, &data);
	assert_int_equal(send(tls.client.fd, data, (size_t)bytes, 0), bytes);
	while (ioctl(connection->wire.fd, FIONREAD, &arrived) == 0 && arrived < bytes)
		(void)poll(NULL, 0, 1);
	assert_true(strlen(text) * 4 > 2 * LIMIT_HTTP_TURN_READS);
	connection->is_readable = true;
	http_connection_turn(connection);
	assert_true(connection->is_waiting);
	assert_true(world.heads <= LIMIT_HTTP_TURN_READS / strlen(text));
	for (int i = 0; i < 4; i++)
		tls_expect(&tls, "\r\n\r\nnow");
	tls_close(&tls);
	world_close(&world);
	remove_files(&files);
}

static void send_new_keys(struct tls_client *tls, unsigned count)
{
	BIO *gathered = gather(tls);

	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(tls->ssl), 1);
	}
	send_gathered(tls, gathered);
	(void)SSL_set_fd(tls->ssl, tls->client.fd);
}

static void who_sends_records_without_data_is_cut_off(void **state)
{
	struct files files;
	struct world world;
	struct tls_client tls;

	(void)state;
	make_files(&files);
	open_world(&world, &files);
	tls_open(&tls, &world);
	for (int i = 0; i < 4; i++) {
		send_new_keys(&tls, LIMIT_TLS_EMPTY_RECORDS / 8);
		tls_send(&tls, GET("/now"));
		tls_expect(&tls, "\r\n\r\nnow");
	}
	send_new_keys(&tls, LIMIT_TLS_EMPTY_RECORDS);
	client_wait_for_end(&tls.client);
	world_wait(&world, world_connections(&world) == 0);
	tls_close(&tls);
	world_close(&world);
	remove_files(&files);
}

static void data_in_many_records_is_no_reason_to_be_cut_off(void **state)
{
	char body[4 * LIMIT_TLS_EMPTY_RECORDS + 1] = "";
	struct files files;
	struct world world;
	struct tls_client tls;

	(void)state;
	memset(body, 'x', sizeof(body) - 1);
	make_files(&files);
	open_world(&world, &files);
	tls_open(&tls, &world);
	tls_send(&tls, POST("/echo", "256", ""));
	for (unsigned i = 0; i < sizeof(body) - 1; i++)
		tls_send_bytes(&tls, body + i, 1);
	tls_expect(&tls, body);
	tls_close(&tls);
	world_close(&world);
	remove_files(&files);
}

static void a_handshake_in_small_pieces_is_cut_off(void **state)
{
	/* A hello of 64 KiB, a byte of it in each record. */
	static const char first[] = "\x16\x03\x01\x00\x04\x01\x00\xff\xff";
	static const char next[] = "\x16\x03\x01\x00\x01\x00";
	struct files files;
	struct world world;
	struct client client;

	(void)state;
	make_files(&files);
	open_world(&world, &files);
	client_open(&client, &world);
	assert_true(client_send_bytes(&client, first, sizeof(first) - 1));
	for (int i = 0; i < 2 * LIMIT_TLS_EMPTY_RECORDS; i++)
		(void)client_send_bytes(&client, next, sizeof(next) - 1);
	client_wait_for_end(&client);
	world_wait(&world, world_connections(&world) == 0);
	client_close(&client);
	world_close(&world);
	remove_files(&files);
}

static void http_without_tls_is_told_so(void **state)
{
	struct files files;
	struct world world;
	struct client client;

	(void)state;
	make_files(&files);
	open_world(&world, &files);
	client_open(&client, &world);
	client_send(&client, GET("/now"));
	client_expect(&client, "HTTP/1.1 400 Bad Request\r\n");
	client_expect(&client, "use https");
	client_wait_for_end(&client);
	assert_int_equal(world.heads, 0);
	client_close(&client);
	world_close(&world);
	remove_files(&files);
}

static void noise_instead_of_tls_is_cut_off(void **state)
{
	struct files files;
	struct world world;
	struct client client;

	(void)state;
	make_files(&files);
	open_world(&world, &files);
	client_open(&client, &world);
	client_send(&client, "\x16\x03\x01\xff\xff not TLS at all, whatever it may look like");
	client_send(&client, "................................................................");
	client_wait_for_end(&client);
	world_wait(&world, world_connections(&world) == 0);
	client_close(&client);
	world_close(&world);
	remove_files(&files);
}

static void a_handshake_has_its_time(void **state)
{
	struct http_server_config config;
	struct files files;
	struct world world;
	struct client client;

	(void)state;
	make_files(&files);
	world_prepare(&world, &config);
	world.patience.head_ms = 50;
	config.tls_certificate = files.certificate;
	config.tls_key = files.key;
	world_open(&world, &config);
	client_open(&client, &world);
	client_send(&client, "\x16\x03\x01");
	client_wait_for_end(&client);
	world_wait(&world, world_connections(&world) == 0);
	client_close(&client);
	world_close(&world);
	remove_files(&files);
}

static bool may_open(rlim_t descriptors)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return limit.rlim_cur >= descriptors;
}

static void the_oldest_of_many_handshakes_makes_room(void **state)
{
	struct files files;
	struct world world;
	struct tls_client tls;
	struct client *clients;
	unsigned count = LIMIT_HTTP_HANDSHAKES + 2;

	(void)state;
	if (!may_open(2 * LIMIT_HTTP_HANDSHAKES + 100)) {
		print_message("# SKIP there are too few descriptors\n");
		skip();
	}
	clients = alloc_array(count, sizeof(*clients));
	make_files(&files);
	open_world(&world, &files);
	tls_open(&tls, &world);
	for (unsigned i = 0; i < count; i++) {
		client_open(&clients[i], &world);
		world_turn(&world);
	}
	client_wait_for_end(&clients[0]);
	client_wait_for_end(&clients[1]);
	world_wait(&world, world_connections(&world) == 1 + LIMIT_HTTP_HANDSHAKES);
	tls_send(&tls, GET("/now"));
	tls_expect(&tls, "\r\n\r\nnow");
	for (unsigned i = 0; i < count; i++)
		client_close(&clients[i]);
	free(clients);
	tls_close(&tls);
	world_close(&world);
	remove_files(&files);
}

static void old_versions_are_refused(void **state)
{
	struct files files;
	struct world world;
	struct tls_client tls;

	(void)state;
	make_files(&files);
	open_world(&world, &files);
	prepare_client(&tls, &world);
	SSL_set_security_level(tls.ssl, 0);
	assert_int_equal(SSL_set_min_proto_version(tls.ssl, TLS1_VERSION), 1);
	assert_int_equal(SSL_set_max_proto_version(tls.ssl, TLS1_1_VERSION), 1);
	assert_false(shake_hands(&tls));
	tls_close(&tls);
	prepare_client(&tls, &world);
	assert_int_equal(SSL_set_max_proto_version(tls.ssl, TLS1_2_VERSION), 1);
	assert_true(shake_hands(&tls));
	tls_close(&tls);
	world_close(&world);
	remove_files(&files);
}

static void of_protocols_http_1_1_is_chosen(void **state)
{
	static const unsigned char both[] = "\x02h2\x08http/1.1", other[] = "\x02h2";
	struct files files;
	struct world world;
	struct tls_client tls;
	const unsigned char *chosen;
	unsigned bytes;

	(void)state;
	make_files(&files);
	open_world(&world, &files);
	prepare_client(&tls, &world);
	assert_int_equal(SSL_set_alpn_protos(tls.ssl, both, sizeof(both) - 1), 0);
	assert_true(shake_hands(&tls));
	SSL_get0_alpn_selected(tls.ssl, &chosen, &bytes);
	assert_int_equal(bytes, 8);
	assert_memory_equal(chosen, "http/1.1", 8);
	tls_close(&tls);
	prepare_client(&tls, &world);
	assert_int_equal(SSL_set_alpn_protos(tls.ssl, other, sizeof(other) - 1), 0);
	assert_false(shake_hands(&tls));
	tls_close(&tls);
	world_close(&world);
	remove_files(&files);
}

static void assert_name(struct tls_client *tls, const char *name)
{
	X509 *certificate = SSL_get1_peer_certificate(tls->ssl);
	char found[64];

	assert_non_null(certificate);
	assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
					      found, sizeof(found)) > 0);
	assert_string_equal(found, name);
	X509_free(certificate);
	assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(tls->ssl)), 2);
}

static void a_new_certificate_is_for_new_connections(void **state)
{
	struct error err = ERROR_INIT;
	struct files files;
	struct world world;
	struct tls_client old, fresh, last;

	(void)state;
	make_files(&files);
	open_world(&world, &files);
	tls_open(&old, &world);
	assert_name(&old, "first");
	write_pair(&files, "second");
	assert_int_equal(http_server_reload_tls(world.server, &err), 0);
	tls_open(&fresh, &world);
	assert_name(&fresh, "second");
	write_text(files.certificate, "nothing\n");
	assert_int_equal(http_server_reload_tls(world.server, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	tls_open(&last, &world);
	assert_name(&last, "second");
	tls_send(&old, GET("/now"));
	tls_expect(&old, "\r\n\r\nnow");
	tls_close(&old);
	tls_close(&fresh);
	tls_close(&last);
	world_close(&world);
	remove_files(&files);
}

static void refused_saying(const struct files *files, const char *text)
{
	struct error err = ERROR_INIT;

	assert_null(tls_create(files->certificate, files->key, &err));
	assert_int_equal(err.kind, ERROR_CONFIG);
	if (!strstr(err.message, text))
		fail_msg("no \"%s\" in: %s", text, err.message);
}

static void files_that_cannot_serve_are_refused_with_the_reason(void **state)
{
	struct error err = ERROR_INIT;
	struct files files;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct tls *tls;

	(void)state;
	make_files(&files);
	assert_int_equal(chmod(files.key, 0604), 0);
	refused_saying(&files, "chmod o-rwx");
	/* A group may have it: that is how Debian shares keys. */
	assert_int_equal(chmod(files.key, 0640), 0);
	tls = tls_create(files.certificate, files.key, &err);
	assert_non_null(tls);
	tls_destroy(tls);
	write_key(files.key, key, NULL);
	refused_saying(&files, "is not the key of the certificate");
	write_key(files.key, key, "secret");
	refused_saying(&files, "without a password");
	write_text(files.key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	refused_saying(&files, "holds no private key");
	assert_int_equal(unlink(files.key), 0);
	refused_saying(&files, "No such file");
	assert_int_equal(mkfifo(files.key, 0600), 0);
	refused_saying(&files, "is no file");
	write_text(files.certificate, "");
	refused_saying(&files, "holds no certificate");
	assert_int_equal(truncate(files.certificate, (off_t)LIMIT_TLS_FILE_BYTES + 1), 0);
	refused_saying(&files, "larger");
	EVP_PKEY_free(key);
	remove_files(&files);
}

static void a_broken_chain_is_refused(void **state)
{
	struct files files;
	FILE *file;

	(void)state;
	make_files(&files);
	file = fopen(files.certificate, "ae");
	assert_non_null(file);
	assert_true(fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", file) >=
		    0);
	assert_int_equal(fclose(file), 0);
	refused_saying(&files, "chain");
	remove_files(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_answered_over_tls),
		cmocka_unit_test(requests_of_one_record_are_all_answered),
		cmocka_unit_test(large_bodies_pass_both_ways_over_tls),
		cmocka_unit_test(who_leaves_an_open_stream_over_tls_is_gone),
		cmocka_unit_test(who_sends_a_refused_body_over_tls_sees_the_answer),
		cmocka_unit_test(records_of_one_byte_have_their_turns),
		cmocka_unit_test(who_sends_records_without_data_is_cut_off),
		cmocka_unit_test(data_in_many_records_is_no_reason_to_be_cut_off),
		cmocka_unit_test(a_handshake_in_small_pieces_is_cut_off),
		cmocka_unit_test(http_without_tls_is_told_so),
		cmocka_unit_test(noise_instead_of_tls_is_cut_off),
		cmocka_unit_test(a_handshake_has_its_time),
		cmocka_unit_test(the_oldest_of_many_handshakes_makes_room),
		cmocka_unit_test(old_versions_are_refused),
		cmocka_unit_test(of_protocols_http_1_1_is_chosen),
		cmocka_unit_test(a_new_certificate_is_for_new_connections),
		cmocka_unit_test(files_that_cannot_serve_are_refused_with_the_reason),
		cmocka_unit_test(a_broken_chain_is_refused),
	};

	return cmocka_run_group_tests_name("transport-http_tls", tests, NULL, NULL);
}
