/* SPDX-License-Identifier: MIT */
#include "transport/http/peer.h"

#include "base/alloc.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Who has no id in our user namespace shows as this one. */
#define OVERFLOW_UID 65534u
/* Answers to questions that were given up; there are none unless the kernel was slow once. */
#define MAX_STALE 4

struct peer_finder {
	int fd; /* -1: `errno_value` says why */
	int errno_value;
	uint32_t sequence;
	bool sees_all_ids;
};

/* One end of a connection; IPv4 as v4-mapped IPv6. */
struct socket_end {
	struct in6_addr address;
	in_port_t port; /* network byte order */
};

struct question {
	struct nlmsghdr header;
	struct inet_diag_req_v2 request;
};

/* Whether every user of this machine has an id of his own here. */
static bool are_all_ids_mapped(void)
{
	CLEANUP(buf_finish) struct buf map = BUF_INIT(64 * KIB);
	unsigned first = 1, outside = 1, count = 0;

	if (fd_read_file("/proc/self/uid_map", &map, NULL) < 0 || buf_append_byte(&map, '\0') < 0)
		return false;
	return sscanf(map.data, "%u %u %u", &first, &outside, &count) == 3 && first == 0 &&
	       outside == 0 && count == UINT32_MAX;
}

struct peer_finder *peer_finder_create(void)
{
	struct peer_finder *finder = alloc_zeroed(sizeof(*finder));

	finder->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	finder->errno_value = finder->fd < 0 ? errno : 0;
	finder->sees_all_ids = are_all_ids_mapped();
	return finder;
}

void peer_finder_destroy(struct peer_finder *finder)
{
	if (!finder)
		return;
	cleanup_fd(&finder->fd);
	free(finder);
}

/* --- addresses ---------------------------------------------------------------- */

static void map_address(struct in6_addr *mapped, const void *four)
{
	*mapped = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
	memcpy(mapped->s6_addr + 12, four, 4);
}

static int take_address(const struct sockaddr_storage *socket_address, struct socket_end *end)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)socket_address;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)socket_address;

	if (socket_address->ss_family == AF_INET) {
		map_address(&end->address, &four->sin_addr);
		end->port = four->sin_port;
		return 0;
	}
	if (socket_address->ss_family != AF_INET6)
		return -1;
	end->address = six->sin6_addr;
	end->port = six->sin6_port;
	return 0;
}

static int find_ends(int fd, struct socket_end *theirs, struct socket_end *ours)
{
	struct sockaddr_storage address = { 0 };
	socklen_t bytes = sizeof(address);

	if (getpeername(fd, (struct sockaddr *)&address, &bytes) < 0 ||
	    take_address(&address, theirs) < 0)
		return -1;
	bytes = sizeof(address);
	if (getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
		return -1;
	return take_address(&address, ours);
}

/* --- asking ------------------------------------------------------------------- */

static void put_address(__be32 words[4], const struct in6_addr *address, bool is_four)
{
	memcpy(words, is_four ? address->s6_addr + 12 : address->s6_addr, is_four ? 4 : 16);
}

/* The socket whose own end is `own`: that of the client, seen from the client. */
static void fill_question(struct question *question, uint32_t sequence,
			  const struct socket_end *own, const struct socket_end *other)
{
	bool is_four = IN6_IS_ADDR_V4MAPPED(&own->address);
	struct inet_diag_sockid *id = &question->request.id;

	*question = (struct question){
		.header = { .nlmsg_len = sizeof(*question),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST,
			    .nlmsg_seq = sequence },
		.request = { .sdiag_family = is_four ? AF_INET : AF_INET6,
			     .sdiag_protocol = IPPROTO_TCP,
			     .idiag_states = UINT32_MAX,
			     .id = { .idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } } },
	};
	id->idiag_sport = own->port;
	id->idiag_dport = other->port;
	put_address(id->idiag_src, &own->address, is_four);
	put_address(id->idiag_dst, &other->address, is_four);
}

/* The kernel has answered before sendto returned, so nothing is waited for. -1 with errno. */
static int receive_answer(int fd, uint32_t sequence, struct inet_diag_msg *answer)
{
	union {
		struct nlmsghdr header;
		char bytes[8 * KIB];
	} packet;
	int i;

	for (i = 0; i < MAX_STALE; i++) {
		ssize_t bytes = recv(fd, &packet, sizeof(packet), MSG_DONTWAIT);

		if (bytes < 0)
			return -1;
		if (!NLMSG_OK(&packet.header, (size_t)bytes) || packet.header.nlmsg_seq != sequence)
			continue;
		if (packet.header.nlmsg_type == NLMSG_ERROR &&
		    packet.header.nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr))) {
			errno = -((const struct nlmsgerr *)NLMSG_DATA(&packet.header))->error;
			return -1;
		}
		if (packet.header.nlmsg_type == SOCK_DIAG_BY_FAMILY &&
		    packet.header.nlmsg_len >= NLMSG_LENGTH(sizeof(*answer))) {
			memcpy(answer, NLMSG_DATA(&packet.header), sizeof(*answer));
			return 0;
		}
	}
	errno = EPROTO;
	return -1;
}

static int ask(struct peer_finder *finder, const struct socket_end *own,
	       const struct socket_end *other, struct inet_diag_msg *answer, struct error *err)
{
	static const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct question question;

	errno = finder->errno_value;
	if (finder->fd < 0)
		return error_set_kind_errno(err, ERROR_UNAVAILABLE, "asking the kernel");
	fill_question(&question, ++finder->sequence, own, other);
	if (sendto(finder->fd, &question, sizeof(question), MSG_DONTWAIT,
		   (const struct sockaddr *)&kernel, sizeof(kernel)) < 0 ||
	    receive_answer(finder->fd, finder->sequence, answer) < 0) {
		/* Also what it says when it has no module for the question. */
		if (errno == ENOENT)
			return error_set(err, ERROR_UNAVAILABLE,
					 "the kernel knows no such connection here");
		return error_set_kind_errno(err, ERROR_UNAVAILABLE, "asking the kernel");
	}
	return 0;
}

/* --- believing ---------------------------------------------------------------- */

static bool is_end(const __be32 words[4], in_port_t port, unsigned family,
		   const struct socket_end *end)
{
	struct in6_addr address;

	if (family == AF_INET)
		map_address(&address, words);
	else
		memcpy(&address, words, sizeof(address));
	return port == end->port && IN6_ARE_ADDR_EQUAL(&address, &end->address);
}

/* The kernel falls back to a socket that listens at the client's address; and only what is held by
 * somebody has an inode. */
static bool is_believable(const struct inet_diag_msg *answer, const struct socket_end *own,
			  const struct socket_end *other)
{
	const struct inet_diag_sockid *id = &answer->id;

	return answer->idiag_inode != 0 &&
	       is_end(id->idiag_src, id->idiag_sport, answer->idiag_family, own) &&
	       is_end(id->idiag_dst, id->idiag_dport, answer->idiag_family, other);
}

static int take_uid(const struct peer_finder *finder, const struct inet_diag_msg *answer,
		    uid_t *uid, struct error *err)
{
	if (answer->idiag_uid == OVERFLOW_UID && !finder->sees_all_ids)
		return error_set(err, ERROR_UNAVAILABLE,
				 "its user has no id in this user namespace");
	*uid = answer->idiag_uid;
	return 0;
}

int peer_find_uid(struct peer_finder *finder, int fd, uid_t *uid, struct error *err)
{
	struct socket_end theirs, ours;
	struct inet_diag_msg answer = { 0 };

	if (find_ends(fd, &theirs, &ours) < 0)
		return error_set(err, ERROR_UNAVAILABLE, "the client has gone");
	if (ask(finder, &theirs, &ours, &answer, err) < 0)
		return -1;
	if (!is_believable(&answer, &theirs, &ours))
		return error_set(err, ERROR_UNAVAILABLE,
				 "the client has given the connection up already");
	return take_uid(finder, &answer, uid, err);
}

/* A socket that listens is found by whatever end the question names for the other side. */
int peer_finder_test(struct peer_finder *finder, struct error *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t bytes = sizeof(address);
	CLEANUP(cleanup_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct socket_end own, other = { .port = htons(1) };
	struct inet_diag_msg answer = { 0 };
	uid_t uid = 0;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, bytes) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
		return error_set_kind_errno(err, ERROR_UNAVAILABLE, "listening at 127.0.0.1");
	map_address(&own.address, &address.sin_addr);
	own.port = address.sin_port;
	other.address = own.address;
	if (ask(finder, &own, &other, &answer, err) < 0 || take_uid(finder, &answer, &uid, err) < 0)
		return -1;
	if (uid != geteuid())
		return error_set(err, ERROR_UNAVAILABLE, "it told another user's id for our own");
	return 0;
}
