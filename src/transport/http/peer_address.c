/* SPDX-License-Identifier: MIT */
#include "transport/http/state.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

/* IPv4 in IPv6 as the IPv4 that it is. */
static void unmap(struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
	struct sockaddr_in four = { .sin_family = AF_INET };

	if (address->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		return;
	four.sin_port = six->sin6_port;
	memcpy(&four.sin_addr, &six->sin6_addr.s6_addr[12], sizeof(four.sin_addr));
	memset(address, 0, sizeof(*address));
	memcpy(address, &four, sizeof(four));
}

bool http_address_is_loopback(const struct sockaddr_storage *address)
{
	struct sockaddr_storage plain = *address;

	unmap(&plain);
	if (plain.ss_family == AF_INET) {
		const struct sockaddr_in *four = (const struct sockaddr_in *)&plain;

		return ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	}
	if (plain.ss_family == AF_INET6) {
		const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&plain;

		return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
	}
	return plain.ss_family == AF_UNIX;
}

static void network_of(struct in6_addr *network, const struct sockaddr_storage *address)
{
	memset(network, 0, sizeof(*network));
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *four = (const struct sockaddr_in *)address;

		network->s6_addr[10] = network->s6_addr[11] = 0xff;
		memcpy(&network->s6_addr[12], &four->sin_addr, sizeof(four->sin_addr));
	} else if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;

		memcpy(network->s6_addr, six->sin6_addr.s6_addr, 8);
	}
}

static void describe_unix(struct http_peer *peer, int fd)
{
	struct ucred credentials;
	socklen_t bytes = sizeof(credentials);

	peer->is_unix = true;
	(void)snprintf(peer->address, sizeof(peer->address), "unix");
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) == 0) {
		peer->has_uid = true;
		peer->uid = credentials.uid;
	}
}

void http_peer_describe(struct http_peer *peer, struct in6_addr *network, int fd)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t bytes = sizeof(address);

	*peer = (struct http_peer){ .fd = fd, .address = "unknown" };
	memset(network, 0, sizeof(*network));
	if (getpeername(fd, (struct sockaddr *)&address, &bytes) < 0)
		return;
	if (address.ss_family == AF_UNIX) {
		describe_unix(peer, fd);
		return;
	}
	unmap(&address);
	network_of(network, &address);
	peer->is_loopback = http_address_is_loopback(&address);
	(void)getnameinfo((const struct sockaddr *)&address, bytes, peer->address,
			  sizeof(peer->address), NULL, 0, NI_NUMERICHOST);
}
