// SPDX-License-Identifier: Apache-2.0
/* A running stream of the virtual card: its clock, its samples, its interrupts, and how they fail. */
#include "simcard.h"

#include <math.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define STALL_POLL_FRAMES (ROOM_RATE / 200) /* how often a stalled call looks whether it may go on */
#define GIVE_CHUNK 128			    /* card frames converted at once: at most 6 room frames each (8 kHz) */

/* ---- the loudspeaker ---- */

static void play(struct card *c, int64_t first, long n, const int16_t *samples)
{
	room_write_speaker(&c->room, first, n, samples);
	if (first + n > c->written_end)
		c->written_end = first + n;
}

/* Put card frames [first, last) on the SPEAKER track; what comes after them is not known yet and counts as silence. */
static void render(struct card *c, int64_t first, int64_t last)
{
	const long half = c->ip.half;
	int64_t from = (int64_t)ceil(c->start + (first - half) / c->step);
	int64_t to = (int64_t)floor(c->start + (last - 1 + half) / c->step) + 1;

	if (from < (int64_t)c->start)
		from = (int64_t)c->start;
	for (; from < to; from += ROOM_CHUNK) {
		float x[2 * ROOM_CHUNK + 128]; /* 96 kHz: two card frames per room frame, and the filter's reach */
		int16_t samples[ROOM_CHUNK];
		long n = to - from < ROOM_CHUNK ? to - from : ROOM_CHUNK;
		double p = (from - c->start) * c->step;
		int64_t base = (int64_t)floor(p) - half < 0 ? 0 : (int64_t)floor(p) - half;
		int64_t end = (int64_t)ceil(p + (n - 1) * c->step) + half + 1;

		end = end > last ? last : end;
		for (int64_t k = base; k < end; k++)
			x[k - base] = c->ring[k & c->ring_mask];
		for (long i = 0; i < n; i++)
			samples[i] = to_s16(c->ip.exact ? x[i] : interpolate(&c->ip, x, end - base, p + i * c->step - base));
		play(c, from, n, samples);
	}
}

/* What was written but is not heard by now never happened. */
static void erase_unheard(struct card *c, double now)
{
	static const int16_t silence[ROOM_CHUNK];
	int64_t first = (int64_t)floor(now), end = c->direction == PLAYBACK ? c->written_end : 0;

	for (; first < end; first += ROOM_CHUNK)
		room_write_speaker(&c->room, first, end - first < ROOM_CHUNK ? end - first : ROOM_CHUNK, silence);
	c->written_end = 0;
}

/* ---- the clock ---- */

/*
 * Where the card is. Capture moves on by whole periods, as a card that tells at its interrupts: snd_pcm_readi takes what
 * little there is and waits only when there is nothing, so a finer pointer would make every read late and in pieces.
 */
static int64_t clock_frames(const struct card *c, double now)
{
	int64_t frames = (int64_t)floor((now - c->start) * c->step);

	if (c->direction == CAPTURE && frames > 0)
		frames -= frames % (int64_t)c->io.period_size;
	return frames > c->hw ? frames : c->hw;
}

/* Make the poll descriptor readable when the program has something to do, and not before, as a card's interrupt does. */
static void arm_timer(struct card *c, int64_t appl)
{
	struct itimerspec at = {0};
	const int64_t period = c->io.period_size;
	int64_t ns = 1, target = appl + (int64_t)c->avail_min; /* 1: long ago, readable at once */

	if (c->direction == CAPTURE)
		target = (target + period - 1) / period * period;
	else
		target = c->io.state == SND_PCM_STATE_DRAINING ? appl : target - (int64_t)c->io.buffer_size;
	if (room_fault(&c->room, c->direction) == FAULT_STALL)
		ns = room_time_ns(&c->room, room_now(&c->room) + STALL_POLL_FRAMES);
	else if (c->running && target > 0)
		ns = room_time_ns(&c->room, c->start + target / c->step) + 1000;
	else if (!c->running && c->direction == CAPTURE && c->io.state != SND_PCM_STATE_DISCONNECTED)
		ns = 0; /* nothing will come until the stream starts */
	at.it_value.tv_sec = ns / 1000000000;
	at.it_value.tv_nsec = ns % 1000000000;
	timerfd_settime(c->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void halt(struct card *c)
{
	if (c->running)
		erase_unheard(c, room_now(&c->room));
	c->running = c->stalled = 0;
}

/* The clock stops while stalled and runs on afterwards; what was waiting to be played is heard then. */
static void follow_stall(struct card *c, double now)
{
	int stall = room_fault(&c->room, c->direction) == FAULT_STALL;

	if (stall && !c->stalled) {
		c->stalled_at = now;
		erase_unheard(c, now);
	} else if (!stall && c->stalled) {
		c->start += ceil(now - c->stalled_at);
		if (c->direction == PLAYBACK)
			render(c, c->hw, c->io.appl_ptr);
	}
	c->stalled = stall;
}

static int on_start(snd_pcm_ioplug_t *io)
{
	struct card *c = io->private_data;

	c->start = ceil(room_now(&c->room)) + ceil(c->start_delay_ms * ROOM_RATE / 1000);
	c->running = 1;
	if (c->direction == PLAYBACK)
		render(c, 0, io->appl_ptr);
	arm_timer(c, io->appl_ptr);
	return 0;
}

static int on_stop(snd_pcm_ioplug_t *io)
{
	halt(io->private_data);
	return 0;
}

static int on_prepare(snd_pcm_ioplug_t *io)
{
	struct card *c = io->private_data;

	if (room_fault(&c->room, c->direction) == FAULT_ENODEV)
		return -ENODEV;
	halt(c);
	c->hw = 0;
	arm_timer(c, 0);
	return 0;
}

static snd_pcm_sframes_t on_pointer(snd_pcm_ioplug_t *io)
{
	struct card *c = io->private_data;
	int64_t hw, appl = io->appl_ptr, queue;
	double now;

	if (room_fault(&c->room, c->direction) == FAULT_ENODEV && io->state != SND_PCM_STATE_DISCONNECTED) {
		halt(c);
		snd_pcm_ioplug_set_state(io, SND_PCM_STATE_DISCONNECTED);
	}
	if (room_fault(&c->room, c->direction) == FAULT_EPIPE && io->state != SND_PCM_STATE_DISCONNECTED) {
		halt(c);
		return -EPIPE;
	}
	if (!c->running)
		return c->hw % c->boundary;
	now = room_now(&c->room);
	hw = c->stalled ? c->hw : clock_frames(c, now);
	follow_stall(c, now);
	queue = c->direction == PLAYBACK ? appl - hw : hw - appl;
	if (c->direction == PLAYBACK && queue <= 0 && io->state == SND_PCM_STATE_DRAINING)
		hw = appl;
	else if (c->direction == PLAYBACK ? queue <= 0 : queue >= (int64_t)io->buffer_size) {
		room_count(&c->room.header->xruns[c->direction], 1);
		halt(c);
		return -EPIPE;
	}
	room_count(&c->room.header->frames[c->direction], hw - c->hw);
	c->hw = hw;
	return hw % c->boundary;
}

/* ---- samples in and out ---- */

static void *cell(const snd_pcm_channel_area_t *area, snd_pcm_uframes_t i)
{
	return (char *)area->addr + (area->first + area->step * i) / 8;
}

static void take_frames(struct card *c, const snd_pcm_channel_area_t *areas, snd_pcm_uframes_t offset, long n)
{
	const unsigned int channels = c->io.channels;

	for (long i = 0; i < n; i++) {
		double sum = 0;

		for (unsigned int ch = 0; ch < channels; ch++) {
			const void *at = cell(&areas[ch], offset + i);

			sum += c->io.format == SND_PCM_FORMAT_S32_LE ? *(const int32_t *)at / 65536.0 : *(const int16_t *)at;
		}
		c->ring[(c->io.appl_ptr + i) & c->ring_mask] = sum / channels;
	}
}

static void put_sample(struct card *c, const snd_pcm_channel_area_t *areas, snd_pcm_uframes_t i, float x)
{
	for (unsigned int ch = 0; ch < c->io.channels; ch++) {
		float y = c->use_channel < 0 || c->use_channel == (long)ch ? x : 0;

		if (c->io.format == SND_PCM_FORMAT_S32_LE) /* 32767.996 is the largest float whose product fits */
			*(int32_t *)cell(&areas[ch], i) = (int32_t)lrint(fmin(fmax(y, -32768.0), 32767.996) * 65536.0);
		else
			*(int16_t *)cell(&areas[ch], i) = to_s16(y);
	}
}

/* A converting card hears half a filter late, as an ADC does: it never needs to know what is still to come. */
static void give_frames(struct card *c, const snd_pcm_channel_area_t *areas, snd_pcm_uframes_t offset, long n)
{
	const int silent = room_fault(&c->room, CAPTURE) == FAULT_ZEROS;
	const long half = c->ip.half, chunk = c->ip.exact ? ROOM_CHUNK : GIVE_CHUNK;

	for (long done = 0; done < n; done += chunk) {
		float x[2 * ROOM_CHUNK];
		long some = n - done < chunk ? n - done : chunk;
		double p = c->start + (c->io.appl_ptr + done) / c->step - half;
		int64_t base = (int64_t)floor(p) - half;
		long wanted = (long)((int64_t)ceil(p + (some - 1) / c->step) + half + 1 - base);

		if (!silent)
			ear_listen(&c->ear, &c->room, base, wanted, x);
		for (long i = 0; i < some; i++) {
			float y = silent ? 0 : c->ip.exact ? x[i] : interpolate(&c->ip, x, wanted, p + i / c->step - base);

			put_sample(c, areas, offset + done + i, y);
		}
	}
}

/* offset counts in the caller's buffer or in the mmap ring, by access; the position is appl_ptr in both. */
static snd_pcm_sframes_t on_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
				     snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
	struct card *c = io->private_data;

	if (room_fault(&c->room, c->direction) == FAULT_ENODEV)
		return -ENODEV;
	if (room_fault(&c->room, c->direction) == FAULT_EIO)
		return -EIO;
	if (c->direction == CAPTURE) {
		give_frames(c, areas, offset, size);
	} else {
		take_frames(c, areas, offset, size);
		if (c->running && !c->stalled)
			render(c, io->appl_ptr, io->appl_ptr + size);
	}
	arm_timer(c, io->appl_ptr + size);
	return size;
}

static int on_poll_descriptors(snd_pcm_ioplug_t *io, struct pollfd *pfd, unsigned int space)
{
	struct card *c = io->private_data;

	if (space < 1)
		return 0;
	arm_timer(c, io->appl_ptr);
	pfd->fd = c->timer_fd;
	pfd->events = POLLIN;
	return 1;
}

/* Called without the PCM's lock: looks at the state, changes none of it but a lost card's. */
static int on_poll_revents(snd_pcm_ioplug_t *io, struct pollfd *pfd, unsigned int nfds, unsigned short *revents)
{
	struct card *c = io->private_data;
	const unsigned short ready = c->direction == PLAYBACK ? POLLOUT : POLLIN;
	uint32_t fault = room_fault(&c->room, c->direction);
	int64_t hw = c->running && !c->stalled ? clock_frames(c, room_now(&c->room)) : c->hw;
	int64_t avail = c->direction == PLAYBACK ? hw + (int64_t)io->buffer_size - (int64_t)io->appl_ptr
						 : hw - (int64_t)io->appl_ptr;

	*revents = 0;
	if (nfds != 1 || !(pfd->revents & POLLIN))
		return 0;
	if (fault == FAULT_ENODEV) {
		snd_pcm_ioplug_set_state(io, SND_PCM_STATE_DISCONNECTED);
		*revents = ready | POLLERR;
	} else if (fault == FAULT_EPIPE || (c->running && (fault == FAULT_STALL) != c->stalled))
		*revents = ready; /* the next call to on_pointer has something to say */
	else if (!c->stalled && (avail >= (int64_t)c->avail_min || io->state == SND_PCM_STATE_DRAINING))
		*revents = ready;
	else
		arm_timer(c, io->appl_ptr);
	return 0;
}

/* ---- coming and going ---- */

void card_free(struct card *c)
{
	ear_free(&c->ear);
	free(c->ip.table);
	free(c->ring);
	if (c->timer_fd >= 0)
		close(c->timer_fd);
	room_close(&c->room);
	free(c);
}

static int on_hw_params(snd_pcm_ioplug_t *io, snd_pcm_hw_params_t *params)
{
	struct card *c = io->private_data;
	const double rate = io->rate * (1 + c->ppm * 1e-6);
	uint64_t ring_size = 1;
	int err;

	(void)params;
	c->step = rate / ROOM_RATE;
	err = c->direction == PLAYBACK ? interpolator_init(&c->ip, rate, ROOM_RATE) : interpolator_init(&c->ip, ROOM_RATE, rate);
	while (ring_size < io->buffer_size + 4 * (uint64_t)c->ip.half + 8)
		ring_size *= 2;
	free(c->ring);
	c->ring = c->direction == PLAYBACK ? calloc(ring_size, sizeof(*c->ring)) : NULL;
	c->ring_mask = ring_size - 1;
	return err < 0 ? err : c->direction == PLAYBACK && !c->ring ? -ENOMEM : 0;
}

static int on_sw_params(snd_pcm_ioplug_t *io, snd_pcm_sw_params_t *params)
{
	struct card *c = io->private_data;

	snd_pcm_sw_params_get_avail_min(params, &c->avail_min);
	snd_pcm_sw_params_get_boundary(params, &c->boundary);
	return 0;
}

static int on_poll_descriptors_count(snd_pcm_ioplug_t *io)
{
	(void)io;
	return 1;
}

static int on_close(snd_pcm_ioplug_t *io)
{
	halt(io->private_data);
	card_free(io->private_data);
	return 0;
}

const snd_pcm_ioplug_callback_t card_callbacks = {
	.start = on_start,
	.stop = on_stop,
	.pointer = on_pointer,
	.transfer = on_transfer,
	.close = on_close,
	.hw_params = on_hw_params,
	.sw_params = on_sw_params,
	.prepare = on_prepare,
	.poll_descriptors_count = on_poll_descriptors_count,
	.poll_descriptors = on_poll_descriptors,
	.poll_revents = on_poll_revents,
};
