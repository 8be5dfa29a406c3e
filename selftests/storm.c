// SPDX-License-Identifier: GPL-2.0
/*
 * storm: random system calls on sockets that processes and threads share, tear from one another, and close under one another.
 *
 *	storm SEED STEPS [PROCESSES [THREADS]]
 *
 * Each of the PROCESSES (3) has THREADS (4) that take STEPS each, on one table of descriptors. Every choice comes from the seed
 * and the number of process and thread, never from what a call answered: the same seed makes the same calls again, though
 * not in the same order between threads. All octets that are ever sent are the same one: another that is received was not sent, and
 * fails the run; so does an error that programs must not see, and a thread that does not come back from a call though signals keep
 * coming. Prints the seed first, and at the end how many calls were made and how many of these succeeded.
 *
 * RTCPFSM_PROTO names the protocol, 253 if unset. Loopback only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLOTS		48
#define PORTS		8
#define FIRST_PORT	6000
#define BUFFER		16384
#define OCTET		0x5a
#define MAX_THREADS	16
/* Errors from here on are the kernel's own business (ERESTARTSYS is 512). */
#define MAX_ERROR	134
/* A thread that takes no step for so long, seconds, hangs. */
#define PATIENCE	60

/* Shared by all processes. */
static struct shared {
	atomic_long	calls, good;
	atomic_int	spoilt;		/* something was wrong */
	atomic_int	extra;		/* children that fork made */
} *shared;

static int protocol = 253;
static int mailbox[2];		/* descriptors on their way between processes */
static int file;		/* full of OCTET */
static _Atomic int slots[SLOTS];
/* Pages with one behind them that cannot be used: of OCTETs to be read only, and to be written. */
static void *source_hole, *target_hole;

struct worker {
	uint64_t	random;
	long		steps;
	atomic_long	at;		/* the step that it takes now */
	atomic_bool	done;
	pid_t		tid;
	uint8_t		buffer[BUFFER];
	int		epoll;
	int		pipe[2];
};

static void spoilt(const char *what, long detail)
{
	printf("%s (%ld)\n", what, detail);
	fflush(stdout);
	atomic_store(&shared->spoilt, 1);
}

static uint32_t dice(struct worker *w, uint32_t sides)
{
	/* Knuth's MMIX generator. */
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (w->random >> 32) % sides;
}

/* Notes what a call answered. */
static long called(long result)
{
	atomic_fetch_add(&shared->calls, 1);
	if (result >= 0)
		atomic_fetch_add(&shared->good, 1);
	else if (errno <= 0 || errno >= MAX_ERROR)
		spoilt("an error that is none", errno);
	return result;
}

static int slot(struct worker *w)
{
	return atomic_load(&slots[dice(w, SLOTS)]);
}

/* Puts a descriptor into a slot of its own; what was there is closed, whoever uses it. */
static void keep(int at, int fd)
{
	int old;

	if (fd < 0)
		return;
	old = atomic_exchange(&slots[at], fd);
	if (old >= 0)
		close(old);
}

/* One in so many times a pointer that is bad: none, one at the end of a page, one that is the kernel's. */
static void *pointer_at(struct worker *w, void *good, void *hole)
{
	uint32_t which = dice(w, 64);

	switch (which) {
	case 0:
		return NULL;
	case 1:
		return (char *)hole + 4096 - 3;
	case 2:
		return (void *)0xffff888000001000;
	case 3:
		return (void *)1;
	default:
		return good;
	}
}

/* For the kernel to read from, and to write to. */
static void *source(struct worker *w, void *good)
{
	return pointer_at(w, good, source_hole);
}

static void *pointer(struct worker *w, void *good)
{
	return pointer_at(w, good, target_hole);
}

static socklen_t address(struct worker *w, struct sockaddr_storage *to)
{
	struct sockaddr_in6 *in6 = (void *)to;
	struct sockaddr_in *in = (void *)to;
	uint32_t kind = dice(w, 16), port = FIRST_PORT + dice(w, PORTS);

	memset(to, 0, sizeof(*to));
	if (kind == 0) {
		to->ss_family = AF_UNSPEC;
		return sizeof(*in);
	}
	if (kind < 9) {
		in->sin_family = AF_INET;
		in->sin_port = htons(kind == 1 ? 0 : port);
		in->sin_addr.s_addr = htonl(kind == 2 ? INADDR_ANY : kind == 3 ? INADDR_BROADCAST : INADDR_LOOPBACK);
		return kind == 4 ? 7 : sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	if (kind < 13)
		in6->sin6_addr = in6addr_loopback;
	else if (kind < 15)
		inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6->sin6_addr);
	return sizeof(*in6);
}

static void new_socket(struct worker *w, int at, uint32_t kind)
{
	struct timeval little = { .tv_usec = 20000 };
	int fd = called(socket(kind & 1 ? AF_INET6 : AF_INET, SOCK_STREAM | (kind & 6 ? SOCK_NONBLOCK : 0), protocol)), one = 1;

	(void)w;
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &little, sizeof(little));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &little, sizeof(little));
	if (kind & 8)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	keep(at, fd);
}

static void check_octets(const uint8_t *octets, long count)
{
	for (long i = 0; i < count; i++) {
		if (octets[i] != OCTET) {
			spoilt("an octet was received that nobody sent", octets[i]);
			return;
		}
	}
}

static void do_send(struct worker *w, int fd, uint32_t flags, uint32_t len)
{
	static const int sets[] = { 0, MSG_DONTWAIT, MSG_MORE, MSG_OOB, MSG_EOR, MSG_DONTROUTE, MSG_MORE | MSG_DONTWAIT, MSG_ZEROCOPY };
	struct iovec parts[3];
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };
	void *from;

	memset(w->buffer, OCTET, sizeof(w->buffer));
	from = source(w, w->buffer);
	parts[0] = (struct iovec){ from, len / 2 };
	parts[1] = (struct iovec){ w->buffer, 0 };
	parts[2] = (struct iovec){ w->buffer, len - len / 2 };
	if (flags & 8)
		called(sendmsg(fd, pointer(w, &message), sets[flags % 8] | MSG_NOSIGNAL));
	else
		called(send(fd, from, len, sets[flags % 8] | MSG_NOSIGNAL));
}

static void do_receive(struct worker *w, int fd, uint32_t flags, uint32_t len)
{
	static const int sets[] = { 0, MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_OOB, MSG_TRUNC, MSG_PEEK | MSG_DONTWAIT, MSG_ERRQUEUE };
	struct iovec part = { w->buffer, len };
	uint8_t control[64];
	struct sockaddr_storage name;
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control),
		.msg_name = &name, .msg_namelen = sizeof(name),
	};
	void *to = pointer(w, w->buffer);
	long n;

	memset(w->buffer, 0xff, sizeof(w->buffer));
	if (flags & 8)
		n = called(recvmsg(fd, &message, sets[flags % 8]));
	else
		n = called(recv(fd, to, len, sets[flags % 8]));
	/* MSG_TRUNC throws the octets away. */
	if (n > 0 && sets[flags % 8] != MSG_TRUNC && (flags & 8 || to == w->buffer))
		check_octets(w->buffer, n);
}

static void do_option(struct worker *w, int fd, uint32_t which, uint32_t value, bool get)
{
	static const int levels[] = { SOL_SOCKET, IPPROTO_TCP, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6 };
	uint8_t text[64];
	int level = levels[which % 5], name = which / 5 % 64;
	socklen_t len = value % 7 == 0 ? value % 63 : sizeof(int);

	/* A timeout that never comes, and a device that the connection leaves by, would only make the storm calmer. */
	if (level == SOL_SOCKET && (name == SO_RCVTIMEO_OLD || name == SO_SNDTIMEO_OLD || name == SO_RCVTIMEO_NEW ||
				    name == SO_SNDTIMEO_NEW || name == SO_BINDTODEVICE || name == SO_LINGER))
		return;
	memset(text, 0, sizeof(text));
	value >>= dice(w, 32);
	memcpy(text, &value, sizeof(value));
	if (get)
		called(getsockopt(fd, level, name, pointer(w, text), pointer(w, &len)));
	else
		called(setsockopt(fd, level, name, pointer(w, text), len));
}

static void do_rights(struct worker *w, bool send_it, int fd, int at)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct iovec part = { w->buffer, 1 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};

	if (send_it) {
		if (fd < 0)
			return;
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
		called(sendmsg(mailbox[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL));
	} else if (called(recvmsg(mailbox[1], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) > 0 &&
		   control.header.cmsg_type == SCM_RIGHTS) {
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(int));
		keep(at, fd);
	}
}

static void do_splice(struct worker *w, int fd, uint32_t how, uint32_t len)
{
	off_t from = 0;
	long n;

	switch (how % 4) {
	case 0:
		called(sendfile(fd, file, &from, len));
		break;
	case 1:
		n = called(splice(fd, NULL, w->pipe[1], NULL, len, SPLICE_F_NONBLOCK));
		while (n > 0) {
			ssize_t r = read(w->pipe[0], w->buffer, sizeof(w->buffer));

			if (r <= 0)
				break;
			check_octets(w->buffer, r);
			n -= r;
		}
		break;
	case 2:
		memset(w->buffer, OCTET, sizeof(w->buffer));
		if (write(w->pipe[1], w->buffer, len) > 0)
			called(splice(w->pipe[0], NULL, fd, NULL, len, SPLICE_F_NONBLOCK | (how & 4 ? SPLICE_F_MORE : 0)));
		/* What did not go is thrown away. */
		while (read(w->pipe[0], w->buffer, sizeof(w->buffer)) > 0)
			;
		break;
	default:
		called(readv(fd, &(struct iovec){ w->buffer, len }, 1));
	}
}

static void do_wait(struct worker *w, int fd, uint32_t how)
{
	struct pollfd p = { fd, how & 1 ? POLLIN | POLLRDHUP | POLLPRI : POLLOUT, 0 };
	struct epoll_event event = { .events = how & 2 ? EPOLLIN | EPOLLET : EPOLLOUT | EPOLLRDHUP };

	switch (how / 4 % 4) {
	case 0:
		called(poll(&p, 1, how % 3));
		break;
	case 1:
		called(epoll_ctl(w->epoll, how & 16 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event));
		break;
	case 2:
		called(epoll_ctl(w->epoll, EPOLL_CTL_DEL, fd, NULL));
		break;
	default:
		called(epoll_wait(w->epoll, &event, 1, how % 3));
	}
}

static void read_proc(const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && read(fd, text, sizeof(text)) > 0)
		;
	if (fd >= 0)
		close(fd);
}

static void step(struct worker *w, bool may_fork)
{
	/* All of a step's dice but those of pointers are thrown here, whatever comes of it. */
	uint32_t what = dice(w, 100), at = dice(w, SLOTS), a = dice(w, 1u << 16), b = dice(w, 1u << 31);
	uint32_t len = b % 8 ? b % 1500 : b % BUFFER;
	struct sockaddr_storage name;
	socklen_t name_len = address(w, &name);
	struct linger hard = { .l_onoff = 1 };
	int fd = slot(w), n;

	if (what < 14) {
		new_socket(w, at, a);
	} else if (what < 20) {
		called(bind(fd, pointer(w, &name), name_len));
	} else if (what < 26) {
		called(listen(fd, (int)(a % 8) - 1));
	} else if (what < 38) {
		called(connect(fd, pointer(w, &name), name_len));
	} else if (what < 46) {
		n = called(accept4(fd, a & 1 ? pointer(w, &name) : NULL, a & 1 ? pointer(w, &name_len) : NULL, a & 2 ? SOCK_NONBLOCK : 0));
		keep(at, n);
	} else if (what < 58) {
		do_send(w, fd, a, len);
	} else if (what < 70) {
		do_receive(w, fd, a, len);
	} else if (what < 73) {
		called(shutdown(fd, a % 4));
	} else if (what < 76) {
		n = atomic_exchange(&slots[at], -1);
		if (a % 3 == 0)
			setsockopt(n, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		called(close(n));
	} else if (what < 81) {
		do_option(w, fd, a, b, false);
	} else if (what < 84) {
		do_option(w, fd, a, b, true);
	} else if (what < 89) {
		do_wait(w, fd, a);
	} else if (what < 91) {
		keep(at, called(dup(fd)));
	} else if (what < 93) {
		do_rights(w, a & 1, fd, at);
	} else if (what < 96) {
		do_splice(w, fd, a, len);
	} else if (what < 97) {
		if (a & 1)
			called(getsockname(fd, pointer(w, &name), pointer(w, &name_len)));
		else
			called(getpeername(fd, pointer(w, &name), pointer(w, &name_len)));
	} else if (what < 98) {
		static const int requests[] = { SIOCINQ, SIOCOUTQ, SIOCATMARK, SIOCOUTQNSD, FIONBIO, 0x8933 };

		called(ioctl(fd, requests[a % 6], pointer(w, &n)));
	} else if (what < 99) {
		if (a % 8 == 0)
			read_proc(a & 8 ? "/proc/net/rtcpfsm" : "/proc/net/rtcpfsm_stat");
	} else if (may_fork && a % 4 == 0 && atomic_fetch_add(&shared->extra, 1) < 16) {
		/* A child has all the descriptors, and goes on with them on its own. */
		n = fork();
		if (n == 0) {
			w->random += 1;
			for (int i = 0; i < 200; i++)
				step(w, false);
			_exit(0);
		}
		if (n < 0)
			atomic_fetch_sub(&shared->extra, 1);
	} else if (may_fork) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			atomic_fetch_sub(&shared->extra, 1);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	w->tid = syscall(SYS_gettid);
	for (long i = 0; i < w->steps && !atomic_load(&shared->spoilt); i++) {
		atomic_store(&w->at, i);
		step(w, true);
	}
	atomic_store(&w->done, true);
	return NULL;
}

static void on_signal(int number)
{
	(void)number;
}

static int be_process(uint64_t seed, int number, long steps, int threads)
{
	static struct worker workers[MAX_THREADS];
	pthread_t thread[MAX_THREADS];
	long seen[MAX_THREADS] = {};
	time_t moved[MAX_THREADS];
	struct sigaction quiet = { .sa_handler = on_signal };
	int left = threads;

	/* Without SA_RESTART: it interrupts what waits. */
	sigaction(SIGUSR1, &quiet, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGIO, SIG_IGN);
	signal(SIGURG, SIG_IGN);
	for (int i = 0; i < SLOTS; i++)
		atomic_store(&slots[i], -1);
	for (int i = 0; i < threads; i++) {
		struct worker *w = &workers[i];

		w->random = (seed * 1000003 + number) * 1000003 + i;
		w->steps = steps;
		w->epoll = epoll_create1(EPOLL_CLOEXEC);
		if (w->epoll < 0 || pipe2(w->pipe, O_NONBLOCK | O_CLOEXEC))
			err(1, "epoll, pipe");
		moved[i] = time(NULL);
		if (pthread_create(&thread[i], NULL, work, w))
			err(1, "thread");
	}
	while (left) {
		usleep(20000);
		left = 0;
		for (int i = 0; i < threads; i++) {
			long at = atomic_load(&workers[i].at);

			if (atomic_load(&workers[i].done))
				continue;
			left++;
			if (at != seen[i]) {
				seen[i] = at;
				moved[i] = time(NULL);
			} else if (time(NULL) - moved[i] > PATIENCE) {
				printf("process %d, thread %d, step %ld: ", number, i, at);
				spoilt("a call does not return", PATIENCE);
				_exit(1);
			}
			if (workers[i].tid)
				syscall(SYS_tgkill, getpid(), workers[i].tid, SIGUSR1);
		}
	}
	while (wait(NULL) > 0 || errno == EINTR)
		;
	return atomic_load(&shared->spoilt);
}

static void *new_hole(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED || munmap(page + 4096, 4096))
		err(1, "mmap");
	memset(page, OCTET, 4096);
	return page;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
	long steps = argc > 2 ? atol(argv[2]) : 0;
	int processes = argc > 3 ? atoi(argv[3]) : 3, threads = argc > 4 ? atoi(argv[4]) : 4, status, bad = 0;
	uint8_t octets[BUFFER];

	if (argc < 3 || threads < 1 || threads > MAX_THREADS)
		return 2;
	if (getenv("RTCPFSM_PROTO"))
		protocol = atoi(getenv("RTCPFSM_PROTO"));
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	source_hole = new_hole();
	target_hole = new_hole();
	file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	memset(octets, OCTET, sizeof(octets));
	if (shared == MAP_FAILED || mprotect(source_hole, 4096, PROT_READ) || file < 0 ||
	    write(file, octets, sizeof(octets)) != sizeof(octets) ||
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, mailbox))
		err(1, "set-up");
	for (int i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (!pid)
			exit(be_process(seed, i, steps, threads));
	}
	while (wait(&status) > 0)
		bad |= status;
	printf("%ld calls, %ld of them good\n", atomic_load(&shared->calls), atomic_load(&shared->good));
	return bad || atomic_load(&shared->spoilt);
}
