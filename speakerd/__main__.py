"""The program ``speakerd``, also as ``python -m speakerd``.

Until the command line is loaded nobody could say anything about Ctrl-C but a traceback: so long it simply ends the
process, as it ends any program. ``cli.main`` takes it over.
"""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Run one command and return its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else somebody does not want it to end us
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from speakerd import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
