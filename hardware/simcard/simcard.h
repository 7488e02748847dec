// SPDX-License-Identifier: Apache-2.0
/* One open stream of the virtual card: simcard.c sets it up, simcard_stream.c runs it. */
#ifndef SIMCARD_H
#define SIMCARD_H

#include "simcard_room.h"

#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>

struct card {
	snd_pcm_ioplug_t io;
	int direction, timer_fd;
	struct room room;
	struct ear ear;
	struct interpolator ip;

	/* what the board can do */
	long rate_min, rate_max, channels_min, channels_max, use_channel, buffer_bytes_max;
	snd_pcm_format_t format; /* UNKNOWN: S16_LE and S32_LE */
	double ppm, start_delay_ms, echo_delay_ms;

	double step; /* card frames per room frame */
	float *ring; /* playback, mixed to mono: what may still have to be rendered, frame k at k & ring_mask */
	uint64_t ring_mask;
	snd_pcm_uframes_t avail_min, boundary;

	int running, stalled;
	double start;	     /* room position of card frame 0 */
	double stalled_at;   /* room position at which the clock stopped */
	int64_t hw;	     /* card frames played or captured since start */
	int64_t written_end; /* first room frame this stream has not touched */
};

extern const snd_pcm_ioplug_callback_t card_callbacks;
void card_free(struct card *c);

#endif
