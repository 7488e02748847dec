"""What ``speakerd emulate`` tells people: commands that point a client at it, ready to be copied. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from speakerd.embedded.fault_control import FAULTS_PATH


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service is, and what its clients need."""

    url: str
    """Base URL of a client: ``ws://…/v1`` or ``wss://…/v1``."""

    trust: Path | None = None
    """Certificate authority that clients must be told of; None: no TLS, or one they know."""

    key_file: Path | None = None
    """File with the key; None: any key will do."""

    fault_control: bool = False
    """Whether ``/faults`` is there."""

    record: Path | None = None
    """Where conversations are kept."""

    @property
    def http(self) -> str:
        """The service's HTTP address, without a path."""
        return "http" + self.url.removeprefix("ws").removesuffix("/v1")

    @property
    def is_secure(self) -> bool:
        """Whether it speaks TLS."""
        return self.url.startswith("wss:")

    def trusting(self, *variables: str) -> str:
        """Return what comes before a command whose program is to trust the service."""
        if self.trust is None:
            return ""
        return "".join(f"{variable}={shlex.quote(str(self.trust))} " for variable in variables)

    @property
    def key(self) -> str:
        """The key, in the words of a shell."""
        return "local" if self.key_file is None else f"$(cat {shlex.quote(str(self.key_file))})"


def guide(place: Place) -> list[str]:
    """Return what to tell a person, line by line."""
    lines = [""]
    if place.trust is not None:
        lines = [f"its clients must trust the authority in {place.trust} (gone when this service ends)", ""]
    for title, text in (
        ("speakerd: in speakerd.yaml" + (", started with that SSL_CERT_FILE" if place.trust else ""), yaml(place)),
        ("Python: pip install 'openai[realtime]'", python(place)),
        (f'The service\'s quick starts as they stand, with "{place.key}" in place of the token', quick_start(place)),
        _for_node(place),
        ("The handshake alone: HTTP/1.1 101 is good, 401 is the key", curl(place)),
        *([("Faults, for connections from then on", faults(place))] if place.fault_control else []),
    ):
        lines += [f"# {title}", *text.splitlines(), ""]
    if place.record is not None:
        lines.append(f"What is heard and said is kept in {place.record}.")
    key = "any key will do" if place.key_file is None else f"the key is in {place.key_file}"
    lines.append(f"Any other client: {place.url}/realtime?model=gpt-realtime, 'Authorization: Bearer …'; {key}.")
    lines.append("Ctrl+C ends it.")
    return lines


def yaml(place: Place) -> str:
    """Return the part of speakerd.yaml that leads here."""
    auth = "{method: none}" if place.key_file is None else f"{{method: api_key, api_key_file: '{place.key_file}'}}"
    return f'service: {{provider: embedded, endpoint: "{place.url}"}}\nauth: {auth}'


def python(place: Place) -> str:
    """Return a command that holds a turn with the Python SDK."""
    return f"""{place.trusting("SSL_CERT_FILE")}OPENAI_API_KEY="{place.key}" python3 - <<'END'
import asyncio
from openai import AsyncOpenAI
async def main():
    client = AsyncOpenAI(websocket_base_url="{place.url}")
    async with client.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(session={{"type": "realtime", "output_modalities": ["text"]}})
        content = [{{"type": "input_text", "text": "What can you do?"}}]
        await connection.conversation.item.create(item={{"type": "message", "role": "user", "content": content}})
        await connection.response.create()
        async for event in connection:
            if event.type == "response.output_text.delta":
                print(event.delta, end="", flush=True)
            elif event.type == "response.done":
                return print()
asyncio.run(main())
END"""


def node(place: Place) -> str:
    """Return a command that holds a turn with the JavaScript SDK, which insists on TLS."""
    return f"""{place.trusting("NODE_EXTRA_CA_CERTS")}OPENAI_API_KEY="{place.key}" node --input-type=module - <<'END'
import OpenAI from 'openai';
import {{ OpenAIRealtimeWS }} from 'openai/realtime/ws';
const client = new OpenAI({{ baseURL: '{place.http}/v1' }});
const realtime = await OpenAIRealtimeWS.create(client, {{ model: 'gpt-realtime' }});
realtime.on('error', (error) => {{ throw error; }});
realtime.on('session.created', () => {{
  const content = [{{ type: 'input_text', text: 'What can you do?' }}];
  realtime.send({{ type: 'session.update', session: {{ type: 'realtime', output_modalities: ['text'] }} }});
  realtime.send({{ type: 'conversation.item.create', item: {{ type: 'message', role: 'user', content }} }});
  realtime.send({{ type: 'response.create' }});
}});
realtime.on('response.output_text.done', (event) => console.log(event.text));
realtime.on('response.done', () => realtime.close());
END"""


def curl(place: Place) -> str:
    """Return a command that shakes hands and shows the status."""
    trust = "" if place.trust is None else f" --cacert {shlex.quote(str(place.trust))}"
    return f"""curl -s{trust} --http1.1 --max-time 1 -o /dev/null -D - \\
  -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \\
  -H 'Sec-WebSocket-Key: c3BlYWtlcmQgZW11bGF0ZQ==' -H "Authorization: Bearer {place.key}" \\
  '{place.http}/v1/realtime?model=gpt-realtime'"""


def faults(place: Place) -> str:
    """Return commands that switch a fault on, show the faults, and switch all off."""
    trust = "" if place.trust is None else f" --cacert {shlex.quote(str(place.trust))}"
    key = "" if place.key_file is None else f' -H "Authorization: Bearer {place.key}"'
    base = f"curl -s{trust}{key}"
    where = f"{place.http}{FAULTS_PATH}"
    return f"""{base} -X PUT {where} -d '{{"http_status": 503, "retry_after_s": 3}}'
{base} {where}
{base} -X DELETE {where}"""


def quick_start(place: Place) -> str:
    """Return the environment in which the service's own quick starts come here."""
    trusting = place.trusting("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
    where = place.http if place.is_secure else place.url.removesuffix("/v1")
    return f"export {trusting}AZURE_OPENAI_ENDPOINT={where} AZURE_OPENAI_DEPLOYMENT_NAME=gpt-realtime"


def _for_node(place: Place) -> tuple[str, str]:
    if place.is_secure:
        return "JavaScript and TypeScript: npm install openai ws", node(place)
    return "JavaScript and TypeScript: their SDK insists on TLS; start this with --tls", ""
