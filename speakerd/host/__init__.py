"""The machine we run on: systemd, the journal, the control socket, the trace of a conversation."""
