"""Sound in and out: ALSA threads at the edge, resampling, pre-roll, backlog and playhead on the loop's side."""
