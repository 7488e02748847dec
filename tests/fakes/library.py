"""A speaker's sign-in with the real azure-identity and nothing of ours: what tests of the fakes look through."""

from __future__ import annotations

import gc
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import DeviceCodeCredential

from tests.fakes.entra import Entra
from tests.fakes.entra_directory import CLIENT, SCOPE, TENANT

AFRESH: Any = {"claims": '{"access_token":{"nbf":{"essential":true,"value":"1"}}}'}
"""Makes the library use its refresh token, whatever access token it has."""

ONCE: dict[str, Any] = {"retry_total": 0}
"""Lets the library give up at its first failure."""


def towards(entra: Entra) -> dict[str, Any]:
    """Return what makes a credential ask an authority, once."""
    return {**ONCE, "authority": entra.url, "disable_instance_discovery": True}


class Device:
    """A speaker that signs in by device code.

    Args:
        entra: The authority.
        at_prompt: Called with each user code; None: somebody enters it at once.
        options: For the credential.
    """

    def __init__(
        self,
        entra: Entra,
        at_prompt: Callable[[str], object] | None = None,
        *,
        client: str = CLIENT,
        tenant: str = TENANT,
        **options: Any,
    ) -> None:
        self.entra = entra
        self._enter = at_prompt or entra.directory.approve
        self.credential = DeviceCodeCredential(
            client,
            tenant_id=tenant,
            prompt_callback=self._prompt,
            disable_automatic_authentication=True,
            **(towards(entra) | options),
        )

    def _prompt(self, _uri: str, user_code: str, _ends: object) -> None:
        self._enter(user_code)

    def sign_in(self, scope: str = SCOPE) -> str:
        """Sign in; return who did."""
        return self.credential.authenticate(scopes=[scope]).username

    def afresh(self) -> str:
        """Return a token by the refresh token."""
        return self.credential.get_token_info(SCOPE, options=AFRESH).token


def forget_connections() -> None:
    """Collect what the library leaves open after a failure: a leak of its own that Python would complain of later."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def refusal(act: Callable[[], object]) -> ClientAuthenticationError:
    """Return what the library raises."""
    with pytest.raises(ClientAuthenticationError) as caught:
        act()
    return caught.value


def causes(error: BaseException) -> list[BaseException]:
    """Return what led to an error, the nearest first."""
    return list(_causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    while (cause := error.__cause__ or error.__context__) is not None:
        yield cause
        error = cause


def ask(entra: Entra, path: str, **form: str) -> tuple[int, Any]:
    """Ask the authority without the library; without a form: by GET."""
    context = ssl.create_default_context(cafile=entra.ca.trust)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        answer = opener.open(f"{entra.url}{path}", urllib.parse.urlencode(form).encode() or None, timeout=5)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read().decode()
        return answer.status, json.loads(text) if "json" in answer.headers["Content-Type"] else text
