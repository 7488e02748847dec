// SPDX-License-Identifier: Apache-2.0
/*
 * simcard: the sound card that is not there, an ALSA I/O plugin.
 *
 * It keeps time with CLOCK_MONOTONIC, plays onto the room's SPEAKER track each frame at the moment it is heard, and
 * captures what a microphone in the room hears. It has the limits of a real board and fails on demand. README.md has
 * the configuration, the room's file and the faults. Here: reading the configuration and opening the card.
 */
#include "simcard.h"

#include <math.h>
#include <sys/timerfd.h>

static int set_limits(struct card *c)
{
	/* Both kinds of access, or ALSA's plug refuses the card with "Invalid argument". */
	const unsigned int access[] = {SND_PCM_ACCESS_RW_INTERLEAVED, SND_PCM_ACCESS_MMAP_INTERLEAVED};
	const unsigned int both[] = {SND_PCM_FORMAT_S16_LE, SND_PCM_FORMAT_S32_LE}, one[] = {c->format};
	const int any = c->format == SND_PCM_FORMAT_UNKNOWN;
	const struct {
		int type;
		unsigned int min, max;
	} ranges[] = {
		{SND_PCM_IOPLUG_HW_CHANNELS, c->channels_min, c->channels_max},
		{SND_PCM_IOPLUG_HW_RATE, c->rate_min, c->rate_max},
		{SND_PCM_IOPLUG_HW_PERIOD_BYTES, 64, 1 << 18},
		{SND_PCM_IOPLUG_HW_BUFFER_BYTES, 128, c->buffer_bytes_max},
		{SND_PCM_IOPLUG_HW_PERIODS, 2, 64},
	};
	int err = snd_pcm_ioplug_set_param_list(&c->io, SND_PCM_IOPLUG_HW_ACCESS, 2, access);

	if (err >= 0)
		err = snd_pcm_ioplug_set_param_list(&c->io, SND_PCM_IOPLUG_HW_FORMAT, any ? 2 : 1, any ? both : one);
	for (size_t i = 0; err >= 0 && i < sizeof(ranges) / sizeof(ranges[0]); i++)
		err = snd_pcm_ioplug_set_param_minmax(&c->io, ranges[i].type, ranges[i].min, ranges[i].max);
	return err;
}

static int set_format(struct card *c, const char *name)
{
	c->format = strcmp(name, "any") ? snd_pcm_format_value(name) : SND_PCM_FORMAT_UNKNOWN;
	if (strcmp(name, "any") && c->format != SND_PCM_FORMAT_S16_LE && c->format != SND_PCM_FORMAT_S32_LE) {
		SNDERR("simcard: format %s: S16_LE, S32_LE or any", name);
		return -EINVAL;
	}
	return 0;
}

/* One key of the configuration; the README lists them. */
static int configure(struct card *c, snd_config_t *node, const char **room, const char **response)
{
	const struct {
		const char *key;
		long *whole;
		double *real;
		const char **text;
	} keys[] = {
		{"room", NULL, NULL, room},
		{"rir", NULL, NULL, response},
		{"rate_min", &c->rate_min, NULL, NULL},
		{"rate_max", &c->rate_max, NULL, NULL},
		{"channels_min", &c->channels_min, NULL, NULL},
		{"channels_max", &c->channels_max, NULL, NULL},
		{"use_channel", &c->use_channel, NULL, NULL},
		{"buffer_bytes_max", &c->buffer_bytes_max, NULL, NULL},
		{"echo_gain_db", NULL, &c->ear.echo_gain, NULL},
		{"noise_dbfs", NULL, &c->ear.noise_gain, NULL},
		{"echo_delay_ms", NULL, &c->echo_delay_ms, NULL},
		{"start_delay_ms", NULL, &c->start_delay_ms, NULL},
		{"ppm", NULL, &c->ppm, NULL},
	};
	const char *id, *format;

	if (snd_config_get_id(node, &id) < 0 || !strcmp(id, "type") || !strcmp(id, "comment") || !strcmp(id, "hint"))
		return 0;
	if (!strcmp(id, "format"))
		return snd_config_get_string(node, &format) < 0 ? -EINVAL : set_format(c, format);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(id, keys[i].key))
			return keys[i].whole	? snd_config_get_integer(node, keys[i].whole)
			       : keys[i].real	? snd_config_get_ireal(node, keys[i].real)
						: snd_config_get_string(node, keys[i].text);
	SNDERR("simcard: unknown key %s", id);
	return -EINVAL;
}

static double from_db(double db)
{
	return pow(10.0, db / 20.0);
}

static int plausible(const struct card *c)
{
	return c->rate_min >= 8000 && c->rate_min <= c->rate_max && c->rate_max <= 96000 && c->channels_min >= 1 &&
	       c->channels_min <= c->channels_max && c->channels_max <= 8 && c->use_channel >= -1 &&
	       c->use_channel < c->channels_max && c->buffer_bytes_max >= 1 << 12 &&
	       c->buffer_bytes_max <= 1 << 21 && c->echo_delay_ms >= 0 && fabs(c->ppm) <= 1000;
}

static int open_card(struct card *c, const char *room, const char *response, const char *name, snd_pcm_stream_t stream,
		     int mode)
{
	int err;

	if (!room || !plausible(c)) {
		SNDERR("simcard: %s", room ? "a limit is out of range" : "room FILE is missing");
		return -EINVAL;
	}
	err = room_open(&c->room, room);
	if (err < 0) {
		SNDERR("simcard: room %s: %s", room, snd_strerror(err));
		return err;
	}
	if (room_fault(&c->room, c->direction) == FAULT_ENODEV)
		return -ENODEV;
	err = ear_prepare(&c->ear, response);
	if (err < 0) {
		SNDERR("simcard: rir %s: %s", response ? response : "", snd_strerror(err));
		return err;
	}
	c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (c->timer_fd < 0)
		return -errno;
	c->io.poll_fd = c->timer_fd;
	return snd_pcm_ioplug_create(&c->io, name, stream, mode);
}

SND_PCM_PLUGIN_DEFINE_FUNC(simcard)
{
	const char *room = NULL, *response = NULL;
	snd_config_iterator_t i, next;
	struct card *c = calloc(1, sizeof(*c));
	int err = 0;

	(void)root;
	if (!c)
		return -ENOMEM;
	c->direction = stream == SND_PCM_STREAM_PLAYBACK ? PLAYBACK : CAPTURE;
	c->room.fd = c->timer_fd = c->use_channel = -1;
	c->rate_min = 8000, c->rate_max = 96000, c->channels_min = 1, c->channels_max = 8;
	c->buffer_bytes_max = 1 << 21;
	c->format = SND_PCM_FORMAT_UNKNOWN;
	c->ear.echo_gain = c->ear.noise_gain = -INFINITY; /* dB here */
	c->boundary = 1;
	snd_config_for_each(i, next, conf)
		if (err >= 0)
			err = configure(c, snd_config_iterator_entry(i), &room, &response);
	c->ear.echo_gain = from_db(c->ear.echo_gain);
	c->ear.noise_gain = 32768.0 * from_db(c->ear.noise_gain);
	c->ear.echo_delay = llround(c->echo_delay_ms * ROOM_RATE / 1000);
	c->io.version = SND_PCM_IOPLUG_VERSION;
	c->io.name = "virtual card";
	c->io.flags = SND_PCM_IOPLUG_FLAG_MONOTONIC | SND_PCM_IOPLUG_FLAG_BOUNDARY_WA;
	c->io.callback = &card_callbacks;
	c->io.private_data = c;
	if (err >= 0)
		err = open_card(c, room, response, name, stream, mode);
	if (err < 0) {
		card_free(c);
		return err;
	}
	err = set_limits(c);
	if (err < 0) {
		snd_pcm_ioplug_delete(&c->io); /* calls on_close */
		return err;
	}
	room_count(&c->room.header->opens[c->direction], 1);
	*pcmp = c->io.pcm;
	return 0;
}

SND_PCM_PLUGIN_SYMBOL(simcard);
