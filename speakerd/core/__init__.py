"""The pure floor: no clock, socket, thread, logger or file; time is an argument."""
