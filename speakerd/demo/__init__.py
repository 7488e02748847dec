"""A whole conversation on a machine with no account, no network and no sound card."""
