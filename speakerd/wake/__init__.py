"""The wake word: openWakeWord's models, and the thread that runs them."""
