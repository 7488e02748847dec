// SPDX-License-Identifier: Apache-2.0
/* The room around a simcard; simcard_room.h says what lives here. */
#include "simcard_room.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#pragma GCC optimize("O3") /* vectorises the echo's inner loop, the only costly one */

#define ROOM_VERSION 1
#define ZERO_CROSSINGS 24 /* of the sinc, to either side: flat to 0.39 of the lower rate, -74 dB from 0.51 */
#define PHASES 256	  /* table entries between two zero crossings */
#define CUTOFF 0.9	  /* of half the lower rate */
#define MAX_TAPS 48000	  /* one second of room */

/* ---- the file ---- */

int room_open(struct room *room, const char *path)
{
	struct stat st;
	struct room_header *h;

	room->header = NULL;
	room->fd = open(path, O_RDWR | O_CLOEXEC);
	if (room->fd < 0)
		return -errno;
	if (fstat(room->fd, &st) < 0 || st.st_size < (off_t)sizeof(*h))
		return -EINVAL;
	h = mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE, MAP_SHARED, room->fd, 0);
	if (h == MAP_FAILED)
		return -errno;
	room->header = h;
	if (memcmp(h->magic, "SPKROOM1", 8) || h->version != ROOM_VERSION || h->rate_hz != ROOM_RATE)
		return -EINVAL;
	return 0;
}

void room_close(struct room *room)
{
	if (room->header)
		munmap(room->header, sizeof(*room->header));
	if (room->fd >= 0)
		close(room->fd);
}

double room_now(const struct room *room)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)(t.tv_sec * 1000000000LL + t.tv_nsec - room->header->epoch_ns) * (ROOM_RATE / 1e9);
}

int64_t room_time_ns(const struct room *room, double position)
{
	return room->header->epoch_ns + (int64_t)ceil(position * (1e9 / ROOM_RATE));
}

uint32_t room_fault(const struct room *room, int direction)
{
	return __atomic_load_n(&room->header->fault[direction], __ATOMIC_RELAXED);
}

void room_count(uint64_t *counter, uint64_t by)
{
	__atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

/* Clip [*first, *first + *n) to the track and return how many frames fell away before it. */
static long clip(const struct room *room, int64_t *first, long *n)
{
	int64_t length = (int64_t)room->header->length_frames, before = *first < 0 ? -*first : 0;

	if (before > *n)
		before = *n;
	*first += before;
	*n -= before;
	if (*first + *n > length)
		*n = *first < length ? length - *first : 0;
	return before;
}

/* Outside the track, and where the file is shorter than its header says, there is silence. */
static void read_track(const struct room *room, uint64_t track, int64_t first, long n, int16_t *out)
{
	memset(out, 0, n * sizeof(*out));
	out += clip(room, &first, &n);
	if (n > 0 && pread(room->fd, out, n * sizeof(*out), track + first * sizeof(*out)) < 0)
		memset(out, 0, n * sizeof(*out));
}

/* What lies outside the track, or finds no room on the disk, is not heard. */
void room_write_speaker(const struct room *room, int64_t first, long n, const int16_t *in)
{
	ssize_t done;

	in += clip(room, &first, &n);
	if (n > 0)
		done = pwrite(room->fd, in, n * sizeof(*in), room->header->speaker_offset + first * sizeof(*in));
	(void)done;
}

/* ---- the microphone ---- */

/* Read the response (float32 at 48 kHz, optional) and make room for the echo. */
int ear_prepare(struct ear *ear, const char *response_file)
{
	struct stat st;
	int fd, err = 0;

	ear->taps = 1;
	if (response_file) {
		fd = open(response_file, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(float) || st.st_size > (off_t)(MAX_TAPS * sizeof(float)))
			err = -EINVAL;
		else
			ear->taps = st.st_size / sizeof(float);
		ear->response = calloc(ear->taps, sizeof(float));
		if (!err && (!ear->response || read(fd, ear->response, ear->taps * sizeof(float)) < 0))
			err = -EIO;
		close(fd);
	} else {
		ear->response = calloc(1, sizeof(float));
		if (ear->response)
			ear->response[0] = 1.0f;
	}
	ear->scratch = calloc(ROOM_CHUNK + ear->taps, sizeof(float));
	return err ? err : ear->response && ear->scratch ? 0 : -ENOMEM;
}

void ear_free(struct ear *ear)
{
	free(ear->response);
	free(ear->scratch);
}

/* Deterministic noise of variance 1: a hash of the frame's number, so that asking twice gives the same. */
static float noise_at(int64_t frame)
{
	uint64_t h = (uint64_t)frame * 0x9E3779B97F4A7C15u;

	h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
	h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
	return ((float)(uint32_t)h + (float)(h >> 32) - 4294967296.0f) * (2.4494897f / 4294967296.0f);
}

/* out[t] += gain * sum over k of response[k] * SPEAKER[t - delay - k]. */
static void add_echo(const struct ear *ear, const struct room *room, int64_t first, long n, float *out)
{
	int64_t from = first - ear->echo_delay - ear->taps + 1;
	long all = n + ear->taps - 1;
	int loud = 0;

	for (long done = 0; done < all; done += ROOM_CHUNK) {
		int16_t samples[ROOM_CHUNK];
		long some = all - done < ROOM_CHUNK ? all - done : ROOM_CHUNK;

		read_track(room, room->header->speaker_offset, from + done, some, samples);
		for (long i = 0; i < some; i++) {
			ear->scratch[done + i] = samples[i];
			loud |= samples[i];
		}
	}
	for (long k = 0; loud && k < ear->taps; k++) {
		const float tap = (float)ear->echo_gain * ear->response[k], *x = ear->scratch + ear->taps - 1 - k;

		for (long i = 0; i < n; i++)
			out[i] += tap * x[i];
	}
}

/* What the microphone hears in [first, first + n), in 16-bit units: a pure function of the position. */
void ear_listen(const struct ear *ear, const struct room *room, int64_t first, long n, float *out)
{
	int16_t voice[ROOM_CHUNK];

	for (; n > 0; first += ROOM_CHUNK, out += ROOM_CHUNK, n -= ROOM_CHUNK) {
		long some = n < ROOM_CHUNK ? n : ROOM_CHUNK;

		read_track(room, room->header->voice_offset, first, some, voice);
		for (long i = 0; i < some; i++)
			out[i] = voice[i];
		if (ear->echo_gain > 0)
			add_echo(ear, room, first, some, out);
		if (ear->noise_gain > 0)
			for (long i = 0; i < some; i++)
				out[i] += (float)ear->noise_gain * noise_at(first + i);
	}
}

/* ---- rate conversion ---- */

int interpolator_init(struct interpolator *ip, double rate_in, double rate_out)
{
	const long size = ZERO_CROSSINGS * PHASES;

	ip->exact = rate_in == rate_out;
	ip->scale = rate_out < rate_in ? rate_out / rate_in : 1.0;
	ip->half = ip->exact ? 0 : (long)ceil(ZERO_CROSSINGS / ip->scale);
	if (!ip->table)
		ip->table = calloc(size + 2, sizeof(float));
	if (!ip->table)
		return -ENOMEM;
	for (long i = 0; i < size; i++) { /* a sinc under a Blackman window */
		double w = M_PI * i / size, x = M_PI * CUTOFF * i / PHASES;

		ip->table[i] = CUTOFF * (i ? sin(x) / x : 1.0) * (0.42 + 0.5 * cos(w) + 0.08 * cos(2 * w));
	}
	return 0;
}

/* The value of x at position p, between its samples; x is zero outside [0, n). */
float interpolate(const struct interpolator *ip, const float *x, long n, double p)
{
	long first = (long)ceil(p) - ip->half, last = (long)floor(p) + ip->half;
	double sum = 0;

	for (long k = first < 0 ? 0 : first; k <= last && k < n; k++) {
		double v = fabs(p - k) * ip->scale * PHASES;
		long i = (long)v;

		if (i < ZERO_CROSSINGS * PHASES)
			sum += x[k] * (ip->table[i] + (v - i) * (ip->table[i + 1] - ip->table[i]));
	}
	return sum * ip->scale;
}

int16_t to_s16(float x)
{
	return x >= 32767 ? 32767 : x <= -32768 ? -32768 : (int16_t)lrintf(x);
}
