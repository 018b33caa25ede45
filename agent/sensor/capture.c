/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sensor/capture.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/sandbox.h"

/*
 * libpcap's buffer for NFLOG follows from the snaplen: a datagram of several
 * packets that does not fit is cut, and the rest lost unseen.  128 KiB hold
 * the kernel's largest.  How much of a packet comes is the log rule's to say.
 */
#define NFLOG_SNAPLEN		(128 * 1024)
#define NFLOG_SOCKET_BYTES	(4 * 1024 * 1024)

/* All headers down to a quote in a tunnel; no payload. */
#define INTERFACE_SNAPLEN	512
#define INTERFACE_RING_BYTES	(4 * 1024 * 1024)
#define INTERFACE_RETIRE_MS	100	/* a block of the ring that is not full waits this long */

#define FRAMES_AT_ONCE		2000	/* of the ring, then others get their turn */
#define READS_AT_ONCE		16	/* datagrams of NFLOG, the same */

#define CAP_NET_ADMIN_NUMBER	12	/* capabilities(7) */
#define CAP_NET_RAW_NUMBER	13

struct capture {
	pcap_t *pcap;
	int fd, link;
	bool nflog;
	uint32_t last_received, last_lost;	/* as libpcap gave them */
	uint64_t received, lost;
	capture_frame_fn *each;		/* during capture_read */
	void *arg;
};

static struct capture *
capture_new(const char *device, char text[static PCAP_ERRBUF_SIZE])
{
	struct capture *capture;

	capture = calloc(1, sizeof(*capture));
	if (capture == NULL) {
		snprintf(text, PCAP_ERRBUF_SIZE, "%s", strerror(ENOMEM));
		return NULL;
	}
	capture->pcap = pcap_create(device, text);
	if (capture->pcap == NULL) {
		free(capture);
		return NULL;
	}
	return capture;
}

void
capture_close(struct capture *capture)
{
	if (capture == NULL)
		return;
	pcap_close(capture->pcap);
	free(capture);
}

int
capture_fd(const struct capture *capture)
{
	return capture->fd;
}

/* What is common once it is active.  0 or -EIO. */
static int
finish_open(struct capture *capture, struct capture_error *err)
{
	char text[PCAP_ERRBUF_SIZE];

	if (pcap_setnonblock(capture->pcap, 1, text) != 0) {
		snprintf(err->text, sizeof(err->text), "%.190s", text);
		return -EIO;
	}
	capture->fd = pcap_get_selectable_fd(capture->pcap);
	capture->link = pcap_datalink(capture->pcap);
	if (capture->fd < 0) {
		snprintf(err->text, sizeof(err->text), "libpcap gives no descriptor to wait on");
		return -EIO;
	}
	return 0;
}

static int
activate_nflog(struct capture *capture, uint16_t group, struct capture_error *err)
{
	const int bytes = NFLOG_SOCKET_BYTES;
	int status;

	pcap_set_snaplen(capture->pcap, NFLOG_SNAPLEN);
	pcap_set_timeout(capture->pcap, INTERFACE_RETIRE_MS);
	status = pcap_activate(capture->pcap);
	if (status < 0) {
		/* libpcap says that a capability may be missing; it is there: somebody else listens */
		if (status == PCAP_ERROR_PERM_DENIED ||
		    strstr(pcap_geterr(capture->pcap), strerror(EPERM)) != NULL ||
		    strstr(pcap_geterr(capture->pcap), strerror(EBUSY)) != NULL) {
			snprintf(err->text, sizeof(err->text), "NFLOG group %u is in use by another "
			    "program; choose another with [enforce] nflog_group", group);
			return -EBUSY;
		}
		snprintf(err->text, sizeof(err->text), "NFLOG group %u cannot be opened: %.140s",
		    group, pcap_geterr(capture->pcap));
		return -EIO;
	}
	status = finish_open(capture, err);
	/* past net.core.rmem_max, which the plain option stops at; without it bursts are lost sooner */
	if (status == 0)
		(void)setsockopt(capture->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	return status;
}

int
capture_open_nflog(struct capture **out, uint16_t group, struct capture_error *err)
{
	char device[32], text[PCAP_ERRBUF_SIZE] = "";
	struct capture *capture;
	int error;

	if (!sandbox_has_capability(CAP_NET_ADMIN_NUMBER)) {
		snprintf(err->text, sizeof(err->text), "NFLOG needs CAP_NET_ADMIN, which is missing");
		return -EPERM;
	}
	snprintf(device, sizeof(device), "nflog:%u", group);
	capture = capture_new(device, text);
	if (capture == NULL) {
		snprintf(err->text, sizeof(err->text), "NFLOG cannot be opened: %.160s", text);
		return -EIO;
	}
	capture->nflog = true;
	error = activate_nflog(capture, group, err);
	if (error != 0) {
		capture_close(capture);
		return error;
	}
	*out = capture;
	return 0;
}

static int
activate_interface(struct capture *capture, const char *interface, struct capture_error *err)
{
	int status;

	pcap_set_snaplen(capture->pcap, INTERFACE_SNAPLEN);
	pcap_set_buffer_size(capture->pcap, INTERFACE_RING_BYTES);
	pcap_set_timeout(capture->pcap, INTERFACE_RETIRE_MS);
	status = pcap_activate(capture->pcap);
	if (status == PCAP_ERROR_NO_SUCH_DEVICE || status == PCAP_ERROR_IFACE_NOT_UP) {
		snprintf(err->text, sizeof(err->text), "interface %.32s %s", interface,
		    status == PCAP_ERROR_IFACE_NOT_UP ? "is not up" : "does not exist");
		return -ENODEV;
	}
	if (status < 0) {
		snprintf(err->text, sizeof(err->text), "interface %.32s cannot be opened: %.120s",
		    interface, pcap_geterr(capture->pcap)[0] != '\0' ?
		    pcap_geterr(capture->pcap) : pcap_statustostr(status));
		return -EIO;
	}
	/* version 2 says which interface a packet came by */
	if (strcmp(interface, CAPTURE_ANY) == 0)
		(void)pcap_set_datalink(capture->pcap, DLT_LINUX_SLL2);
	return finish_open(capture, err);
}

int
capture_open_interface(struct capture **out, const char *interface, struct capture_error *err)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	struct capture *capture;
	int error;

	if (!sandbox_has_capability(CAP_NET_RAW_NUMBER)) {
		snprintf(err->text, sizeof(err->text),
		    "capture on interface %.32s needs CAP_NET_RAW, which is missing", interface);
		return -EPERM;
	}
	capture = capture_new(interface, text);
	if (capture == NULL) {
		snprintf(err->text, sizeof(err->text), "interface %.32s cannot be opened: %.120s",
		    interface, text);
		return -EIO;
	}
	error = activate_interface(capture, interface, err);
	if (error != 0) {
		capture_close(capture);
		return error;
	}
	*out = capture;
	return 0;
}

static void
on_frame(u_char *user, const struct pcap_pkthdr *head, const u_char *data)
{
	struct capture *capture;

	memcpy(&capture, &user, sizeof(capture));
	capture->each(capture->link, data, head->caplen,
	    head->ts.tv_sec * INT64_C(1000000) + head->ts.tv_usec, capture->arg);
}

/* One turn of libpcap: frames, 0: no more for now, -ENETDOWN. */
static int
dispatch(struct capture *capture, struct capture_error *err)
{
	u_char *user;
	int n;

	memcpy(&user, &capture, sizeof(user));
	errno = 0;
	n = pcap_dispatch(capture->pcap, capture->nflog ? -1 : FRAMES_AT_ONCE, on_frame, user);
	if (n >= 0)
		return n;
	/* of NFLOG "would block" comes back as an error */
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return 0;
	snprintf(err->text, sizeof(err->text), "%.190s", pcap_geterr(capture->pcap));
	return -ENETDOWN;
}

int
capture_read(struct capture *capture, capture_frame_fn *each, void *arg,
    struct capture_error *err)
{
	int i, n = 1;

	capture->each = each;
	capture->arg = arg;
	/* the ring is emptied in one turn; of NFLOG a turn is one datagram */
	for (i = 0; i < (capture->nflog ? READS_AT_ONCE : 1) && n > 0; i++)
		n = dispatch(capture, err);
	return n < 0 ? n : 0;
}

bool
capture_gone(const struct capture *capture)
{
	struct sockaddr_ll own = { 0 };
	socklen_t size = sizeof(own);

	return !capture->nflog &&
	    getsockname(capture->fd, (struct sockaddr *)&own, &size) == 0 && own.sll_ifindex < 0;
}

void
capture_stat(struct capture *capture, uint64_t *received, uint64_t *lost)
{
	struct pcap_stat stat;

	if (pcap_stats(capture->pcap, &stat) == 0) {
		capture->received += (uint32_t)(stat.ps_recv - capture->last_received);
		capture->lost += (uint32_t)(stat.ps_drop - capture->last_lost);
		capture->last_received = stat.ps_recv;
		capture->last_lost = stat.ps_drop;
	}
	*received = capture->received;
	*lost = capture->lost;
}
