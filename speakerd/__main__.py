"""``python -m speakerd`` is the command ``speakerd``."""

from __future__ import annotations

import sys

from speakerd.cli import main

if __name__ == "__main__":
    sys.exit(main())
