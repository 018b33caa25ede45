/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One open capture: an NFLOG group or an interface, non-blocking.  Opening
 * takes capabilities, reading takes none.
 */
#ifndef SENSOR_CAPTURE_H
#define SENSOR_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPTURE_ANY	"any"	/* the interface that stands for all */

struct capture;

struct capture_error {
	char text[200];		/* a sentence for status and log: what is missing, what to do */
};

/*
 * 0; -EBUSY: another program listens to the group; -EPERM: a capability is
 * missing; -ENODEV: there is no such interface; -EIO: anything else.
 */
int capture_open_nflog(struct capture **capture, uint16_t group, struct capture_error *err);
int capture_open_interface(struct capture **capture, const char *interface,
    struct capture_error *err);
void capture_close(struct capture *capture);

/* Readable when there are frames. */
int capture_fd(const struct capture *capture);

typedef void capture_frame_fn(int link, const uint8_t *data, size_t size, int64_t time_us,
    void *arg);

/*
 * Takes what has come, but leaves others their turn.  0; -ENETDOWN: the interface
 * is gone or the socket broken, to be opened anew.
 */
int capture_read(struct capture *capture, capture_frame_fn *each, void *arg,
    struct capture_error *err);

/*
 * Whether the interface was removed.  To be asked now and then: of one that goes
 * down first reading tells nothing.  packet_getname() of the kernel's
 * net/packet/af_packet.c gives -1 for an interface that was taken away.
 */
bool capture_gone(const struct capture *capture);

/*
 * Packets since it was opened, those the kernel had no room for among the
 * received.  To be asked now and then: the kernel's own counters have 32 bits.
 */
void capture_stat(struct capture *capture, uint64_t *received, uint64_t *lost);

#endif
