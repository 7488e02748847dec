"""Programs made of the peers, each run in the peer's own environment: nothing here is imported by speakerd."""
