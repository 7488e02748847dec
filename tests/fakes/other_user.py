"""A test that is somebody else for a while, so that rights mean something where tests run as root."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

NOBODY = 65_534
"""The user who owns nothing."""


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """Give up root's rights over files; whoever is not root has none to give up."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
