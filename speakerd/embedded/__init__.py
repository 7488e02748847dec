"""The Realtime service in a box: a loopback server that any Realtime client can talk to."""
