"""What a sign-in worker is asked, as one line of JSON.

Who asks is in ``process.py``, who works in ``worker.py``, what is believed of the answer in ``answers.py``. Nothing
here is secret.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speakerd.core.sign_in_fault import Fault

METHODS = ("managed_identity", "device_code", "certificate", "azure_cli", "default")
"""Those that get a token of Microsoft Entra ID (contract)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One attempt to sign in."""

    method: str
    """One of ``METHODS``."""

    scope: str
    """What the token is for."""

    state: Path
    """Folder in which the sign-in is kept."""

    do: str = "fetch"
    """``fetch``: a token without anybody's help; ``login``: with somebody who enters a code."""

    tenant: str | None = None
    """Directory (tenant) id, or its domain."""

    client: str | None = None
    """The app's id; with managed_identity that of a user-assigned identity."""

    certificate_file: str | None = None
    """PEM file; None: the systemd credential."""

    force: bool = False
    """Whether the last token was refused, so that a kept one will not do."""

    def to_json(self) -> str:
        """Return the line that asks for this."""
        return json.dumps(dataclasses.asdict(self) | {"state": str(self.state)})

    @classmethod
    def from_json(cls, line: str) -> Request:
        """Read a line.

        Raises:
            ValueError: it asks for nothing we know.
        """
        fields = json.loads(line)
        if not isinstance(fields, dict) or not fields.keys() <= {field.name for field in dataclasses.fields(cls)}:
            raise ValueError("not a request")
        texts = {key: value for key, value in fields.items() if key != "force" and value is not None}
        strange = any(not isinstance(value, str) for value in texts.values())
        if strange or fields.get("method") not in METHODS or fields.get("do", "fetch") not in ("fetch", "login"):
            raise ValueError("not a request")
        if not {"scope", "state"} <= texts.keys():
            raise ValueError("not a request")
        return cls(**texts | {"state": Path(texts["state"]), "force": fields.get("force") is True})


def fault_fields(fault: Fault) -> dict[str, Any]:
    """Return a fault as JSON's own types, without what is not known."""
    return {
        key: value for key, value in dataclasses.asdict(fault).items() if value is not False and value not in (None, ())
    }
