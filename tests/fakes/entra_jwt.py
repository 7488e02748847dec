"""The text of the fake authority's tokens: JSON Web Tokens that nobody can verify, as nobody here has to."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping

_SIGNATURE_LETTERS = 342
"""As long as a signature by an RSA key of 2048 bits."""


def access_token(now_s: float, life_s: float, claims: Mapping[str, object]) -> str:
    """Return an access token: what it is worth is for the authority to say, not for its reader."""
    times = {"iat": int(now_s), "nbf": int(now_s), "exp": int(now_s + life_s)}
    content = {**times, "uti": secrets.token_urlsafe(16), "ver": "1.0", **claims}
    header = {"typ": "JWT", "alg": "RS256", "kid": "fake"}
    return f"{_part(header)}.{_part(content)}.{opaque(_SIGNATURE_LETTERS)}"


def id_token(now_s: float, claims: Mapping[str, object]) -> str:
    """Return an unsigned token that says who signed in."""
    times = {"iat": int(now_s), "nbf": int(now_s), "exp": int(now_s) + 3600}
    subject = to_base64(hashlib.sha256(json.dumps(claims).encode()).digest())
    return f"{_part({'typ': 'JWT', 'alg': 'none'})}.{_part({**times, 'sub': subject, 'ver': '2.0', **claims})}."


def opaque(letters: int) -> str:
    """Return letters that mean nothing."""
    return secrets.token_urlsafe(letters)[:letters]


def to_base64(data: bytes) -> str:
    """Return base64 as URLs and tokens have it: without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_base64(text: str) -> bytes:
    """Return what such base64 stands for, padded or not."""
    text = text.rstrip("=")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _part(content: Mapping[str, object]) -> str:
    return to_base64(json.dumps(content).encode())
