// SPDX-License-Identifier: GPL-2.0
/* A client and a server of rust_tcpfsm over loopback: ordinary socket calls, but for the protocol's number. */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define IPPROTO_RTCPFSM 253

int main(int argc, char **argv)
{
	int protocol = argc > 1 ? atoi(argv[1]) : IPPROTO_RTCPFSM;
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	char line[64];
	ssize_t got;
	int listener, conn;

	listener = socket(AF_INET, SOCK_STREAM, protocol);
	if (listener < 0)
		err(1, "socket (is rust_tcpfsm loaded?)");
	/* Port 0: any free one; getsockname() tells which. */
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) || listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&addr, &len))
		err(1, "bind, listen");

	if (fork() == 0) {
		conn = accept(listener, NULL, NULL);
		while ((got = recv(conn, line, sizeof(line), 0)) > 0)
			send(conn, line, got, 0);
		_exit(got != 0);
	}

	conn = socket(AF_INET, SOCK_STREAM, protocol);
	if (conn < 0 || connect(conn, (struct sockaddr *)&addr, sizeof(addr)))
		err(1, "connect");
	if (send(conn, "hello", 5, MSG_NOSIGNAL) != 5)
		err(1, "send");
	shutdown(conn, SHUT_WR);
	while ((got = recv(conn, line, sizeof(line), 0)) > 0)
		printf("echoed: %.*s\n", (int)got, line);
	if (got < 0)
		err(1, "recv");
	close(conn);
	return wait(NULL) < 0;
}
