// SPDX-License-Identifier: Apache-2.0
/*
 * The room around a simcard: one sparse file of a header and two tracks, what a microphone in it hears, and the rate
 * conversion between the room and a card. Knows nothing of ALSA.
 */
#ifndef SIMCARD_ROOM_H
#define SIMCARD_ROOM_H

#include <stdint.h>

#define ROOM_RATE 48000
#define ROOM_CHUNK 1024 /* frames handled at once, so that scratch memory has a fixed size */

enum { CAPTURE, PLAYBACK };
enum { FAULT_NONE, FAULT_ENODEV, FAULT_EIO, FAULT_EPIPE, FAULT_STALL, FAULT_ZEROS };

/* The file's first bytes, little endian, without padding; _HEADER in speakerd/demo/room.py is the same list. */
struct room_header {
	char magic[8];
	uint32_t version, rate_hz;
	uint64_t length_frames; /* of each track */
	int64_t epoch_ns;	/* CLOCK_MONOTONIC at frame 0 */
	uint64_t voice_offset, speaker_offset;
	uint32_t fault[2];  /* by direction; Python sets them at any time */
	uint64_t frames[2]; /* card frames whose moment passed while the stream ran */
	uint64_t xruns[2], opens[2];
};
_Static_assert(sizeof(struct room_header) == 104, "the header is a file format");

struct room {
	int fd;
	struct room_header *header;
};

int room_open(struct room *room, const char *path);
void room_close(struct room *room);
double room_now(const struct room *room);	       /* position in frames */
int64_t room_time_ns(const struct room *room, double position); /* CLOCK_MONOTONIC of a position */
uint32_t room_fault(const struct room *room, int direction);
void room_count(uint64_t *counter, uint64_t by);
void room_write_speaker(const struct room *room, int64_t first, long n, const int16_t *in);

/* What stands between the room and the microphone. */
struct ear {
	double echo_gain, noise_gain; /* 0: none; noise in 16-bit units RMS */
	int64_t echo_delay;	      /* room frames */
	float *response;	      /* of the room, from loudspeaker to microphone */
	long taps;
	float *scratch;
};

int ear_prepare(struct ear *ear, const char *response_file);
void ear_free(struct ear *ear);
void ear_listen(const struct ear *ear, const struct room *room, int64_t first, long n, float *out);

/* Reads between the samples of a signal: a windowed sinc, cut off below the lower of the two rates. */
struct interpolator {
	int exact;    /* both rates are the same: nothing to do */
	double scale; /* lower rate over the rate that is read */
	long half;    /* reach to either side, in frames that are read */
	float *table;
};

int interpolator_init(struct interpolator *ip, double rate_in, double rate_out);
float interpolate(const struct interpolator *ip, const float *x, long n, double p);
int16_t to_s16(float x);

#endif
