"""The neural tier's brain: a few intents, found by pattern in what was heard. Deterministic, offline, never inventing.

What it cannot do it says, and it says what it heard, so that a person can tell deafness from ignorance.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from speakerd.embedded.calls import chosen, is_filler, is_waiting, waiting
from speakerd.embedded.character import LANGUAGES, Character, character_in
from speakerd.embedded.knowledge import CAPITALS, JOKE, STORY, UNIT_SPELLINGS, UNITS
from speakerd.embedded.numerals import NUMBER, digits_for_words, spoken_number
from speakerd.embedded.parts import Call, Prompt
from speakerd.embedded.results import told
from speakerd.embedded.sums import SUMS

Rule = Callable[[re.Match[str], Prompt], str | None]
"""Makes an answer from a match, or None when it does not fit after all."""

NOT_CAUGHT = "I did not catch that."
"""For speech without intelligible words."""

STILL_THERE = "Are you still there?"
"""For a silence that the session does not let pass (``idle_timeout_ms``)."""

ENGLISH_ONLY = "I speak only English."
"""For instructions, or a user, that ask for another language."""

_DAYS = {"day after tomorrow": 2, "tomorrow": 1, "day before yesterday": -2, "yesterday": -1}
"""Days that have a name, and how far from today they are."""

_ABOUT_TODAY = re.compile(
    r"(?: (?:is|are|was|will|be|it|we|do|you|have|got|know|today|tomorrow|yesterday|after|before|day|of|the|this|week"
    r"|month|year|now|right|please|again|and|time|currently|here|jarvis|thanks))*"
)
"""What may stand behind a question for the date; another word asks for another day's, which is not known."""

_SIGNS = {"*": "times", "\u00d7": "times", "/": "divided by", "\u00f7": "divided by", "+": "plus", "%": "percent"}
"""What people type between numbers."""


class IntentBrain:
    """Answers what it has a rule for."""

    def answer(self, prompt: Prompt) -> str | Call | None:
        """Return what to say, or which function to call; None for noise and silence, which nobody answers.

        Of speech that is meant for somebody else it cannot tell: only noise and fillers are waited through.
        """
        dictated = re.match(
            r"\W*say(?: exactly)?(?: this)?\s*:\s*(.+)", prompt.instructions or "", re.DOTALL | re.IGNORECASE
        )
        if dictated:
            return dictated[1].strip().strip('"')
        character = character_in(f"{prompt.character}\n{prompt.instructions or ''}")
        answer = _answer(prompt, character)
        if not isinstance(answer, str):
            return answer
        if character.is_foreign and prompt.is_first and answer != ENGLISH_ONLY:
            answer = f"{ENGLISH_ONLY} {answer}"
        return f"{character.opening} {answer}" if character.opening else answer


def _answer(prompt: Prompt, character: Character) -> str | Call | None:
    """Return what a prompt deserves."""
    if prompt.results:
        return None if is_waiting(prompt.results[-1].name) else told(prompt.results)
    if prompt.idle:
        return STILL_THERE
    if prompt.heard is not None and not prompt.heard.is_speech:
        return waiting(prompt.tools)
    said = normalised(prompt.text, character.name)
    call: Call | str | None = None
    if prompt.heard is not None and is_filler(said):
        call = waiting(prompt.tools)
    if call is None and (prompt.must_call or not said.startswith("repeat")):
        call = chosen(said, prompt.text, prompt.tools, must_call=prompt.must_call)
    return call or _said(said, prompt)


def _said(said: str, prompt: Prompt) -> str:
    """Return the answer in words to normalised ones."""
    if not said:
        return NOT_CAUGHT if prompt.heard is not None and not prompt.text.strip() else _greeting()
    for pattern, rule in _RULES:
        match = pattern.search(said)
        answer = rule(match, prompt) if match else None
        if answer is not None:
            return answer
    verb = "heard" if prompt.heard is not None else "read"
    return f"I {verb}: {_quoted(prompt.text)} I am running offline, so I cannot answer that."


def normalised(text: str, name: str | None = None) -> str:
    """Return a text ready for matching: lower case, no wake word, numbers in digits, no punctuation around words.

    Args:
        text: What was said or written.
        name: What the assistant may be called, besides its wake word.
    """
    lowered = text.lower().replace("’", "'").strip()  # noqa: RUF001 - the apostrophe that typesetters use
    called = "|".join(["jarvis", *([re.escape(name.lower())] if name else [])])
    lowered = re.sub(rf"^(?:hey|hi|ok|okay|hello)?[\s,]*(?:{called})\b[\s,.!?]*", "", lowered)
    lowered = re.sub(r"(?<=\d),(?=\d{3}\b)", "", lowered)
    for sign, word in _SIGNS.items():
        lowered = re.sub(rf"(?<=\d) ?{re.escape(sign)}", f" {word} ", lowered)
    lowered = re.sub(r"(?<=\d) - (?=\d)", " minus ", lowered)
    lowered = digits_for_words(lowered)
    lowered = re.sub(r"[^\w\s.'-]|\.(?!\d)", " ", lowered)
    return re.sub(r"\s+", " ", lowered).strip()


def _quoted(text: str) -> str:
    """Return somebody's words as a sentence of their own."""
    trimmed = text.strip()
    return trimmed if trimmed.endswith((".", "!", "?")) else f"{trimmed}."


def _greeting() -> str:
    return "Hello. How can I help?"


def _now(prompt: Prompt) -> datetime:
    return prompt.now or datetime.now().astimezone()


def _time(match: re.Match[str], prompt: Prompt) -> str | None:
    now = _now(prompt)
    half = "AM" if now.hour < 12 else "PM"  # noqa: PLR2004 - noon
    clock = f"{now.hour % 12 or 12}:{now.minute:02} {half}"
    rest = match.string[match.end() :]
    if re.match(r" (?:difference|zone|in \d)", rest):
        return None
    if re.search(r"\b(?:in|at|over in) (?!here\b|this\b|the\b|my\b|our\b|home\b)[a-z]", rest):
        return f"I know the time here only: it is {clock}."
    return f"It is {clock}."


def _date(match: re.Match[str], prompt: Prompt) -> str | None:
    if not _ABOUT_TODAY.fullmatch(match.string, match.end()):
        return None
    name, days = next(((name, days) for name, days in _DAYS.items() if name in match.string), ("today", 0))
    day = _now(prompt) + timedelta(days=days)
    verb = "was" if days < 0 else "is"
    return f"{name.capitalize()} {verb} {day:%A}, {day:%B} {day.day}, {day.year}."


def _unit(word: str) -> tuple[str, float, str] | None:
    """Return what a word measures, how large it is and its plural, or None."""
    name = UNIT_SPELLINGS.get(word, word)
    if name not in UNITS and name.endswith("s"):
        name = UNIT_SPELLINGS.get(name[:-1], name[:-1])
    return UNITS.get(name)


def _convert(amount: float, source: str, target: str) -> str | None:
    """Return an amount of one unit in another, or None when they measure different things."""
    given, wanted = _unit(source), _unit(target)
    if given is None or wanted is None or given[0] != wanted[0]:
        return None
    value = amount * given[1] / wanted[1]
    verb = f"{given[2]} are"
    if amount == 1:
        verb = f"{UNIT_SPELLINGS.get(source, source).removesuffix('s')} is"
    return f"{spoken_number(amount)} {verb} {spoken_number(value)} {wanted[2]}."


def _how_many(match: re.Match[str], _prompt: Prompt) -> str | None:
    amount = 1.0 if match[2] in ("a", "an") else float(match[2])
    return _convert(amount, match[3], match[1])


def _to_unit(match: re.Match[str], _prompt: Prompt) -> str | None:
    return _convert(float(match[1]), match[2], match[3])


def _temperature(match: re.Match[str], _prompt: Prompt) -> str | None:
    degrees, source, target = float(match[1]), match[2], match[3]
    if source[0] == target[0]:
        return None
    value = degrees * 9 / 5 + 32 if source[0] == "c" else (degrees - 32) * 5 / 9
    names = {"c": "Celsius", "f": "Fahrenheit"}
    return (
        f"{spoken_number(degrees)} degrees {names[source[0]]} are "
        f"{spoken_number(round(value, 1))} degrees {names[target[0]]}."
    )


def _capital(match: re.Match[str], _prompt: Prompt) -> str | None:
    country = re.sub(r"^the ", "", match[1]).strip()
    capital = CAPITALS.get(country)
    return f"The capital of {match[1].title().replace('The ', 'the ')} is {capital}." if capital else None


def _repeat(match: re.Match[str], prompt: Prompt) -> str | None:
    start = re.search(r"repeat(?: this)?(?: after me)?[\s,:]+(.+)", prompt.text, re.DOTALL | re.IGNORECASE)
    return _quoted(start[1]) if start else match[1]


def _count(match: re.Match[str], _prompt: Prompt) -> str | None:
    last = float(match[1])
    if not 1 <= last <= 100 or last != int(last):  # noqa: PLR2004 - nobody listens longer
        return None
    numbers = [str(number) for number in range(1, int(last) + 1)]
    rows = [", ".join(numbers[at : at + 10]) for at in range(0, len(numbers), 10)]
    return ". ".join(rows) + "."


def _who(match: re.Match[str], prompt: Prompt) -> str:
    character = character_in(f"{prompt.character}\n{prompt.instructions or ''}")
    name = f"{character.name}, " if character.name else ""
    me = f"I am {name}the embedded voice of speakerd, on this machine and without a network."
    skills = "I know the time and the date, arithmetic, units, some capitals, a joke and a story."
    if not character.is_brief:
        return f"{me} {skills}"
    return skills if "what can you" in match.string else me


def _worked_out(work: Callable[[re.Match[str]], str | None]) -> Rule:
    """Return a rule that needs the words only."""
    return lambda match, _prompt: work(match)


def _always(answer: str) -> Rule:
    """Return a rule that says the same whatever matched."""
    return lambda _match, _prompt: answer


def _cannot(what: str) -> Rule:
    """Return a rule that says plainly what is not possible here."""
    return _always(f"I am running offline, so I cannot {what}.")


_TEMPERATURE_UNITS = r"(celsius|centigrade|fahrenheit|c|f)"

_RULES: list[tuple[re.Pattern[str], Rule]] = [
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"^(?:please )?repeat(?: this)?(?: after me)? (.+)", _repeat),
        (r"\btime is it\b|\b(?:what's|what is|tell me|know) the (?:current )?time\b|^(?:the )?time$", _time),
        (r"\b(?:what's|what is|what|which|tell me) (?:the |today's |tomorrow's )?(?:date|day|month|year)\b", _date),
        *((pattern, _worked_out(work)) for pattern, work in SUMS),
        (
            rf"{NUMBER} (?:degrees? )?{_TEMPERATURE_UNITS} (?:in|to|into) (?:degrees? )?{_TEMPERATURE_UNITS}\b",
            _temperature,
        ),
        (rf"how many (\w+) (?:are|is|in|are in|is in|are there in|make) {NUMBER[:-1]}|an?) (\w+)", _how_many),
        (rf"{NUMBER} (\w+) (?:in|to|into) (\w+)", _to_unit),
        (r"capital (?:city )?of ((?:the )?[a-z ]+)", _capital),
        (r"\bcount (?:up )?to (\d+)", _count),
        (r"\bstory\b|\bfairy tale\b", _always(STORY)),
        (r"\bjoke\b|\bmake me laugh\b", _always(JOKE)),
        (
            r"\bwho are you\b|\bwhat are you\b|\byour name\b|\bwhat can you do\b",
            _who,
        ),
        (r"\bweather\b|\bforecast\b|\bgoing to rain\b", _cannot("know the weather")),
        (r"\bnews\b|\bheadlines\b", _cannot("know the news")),
        (r"\b(?:play|music|song|radio)\b", _cannot("play music")),
        (
            r"\b(?:cancel|stop|delete|remove|pause)\b.*\b(?:timer|alarm|remind)",
            _always("I have no timers here, so there is none to stop."),
        ),
        (rf"\b(?:speak|talk|say|answer|translate)\b.*\b(?:{'|'.join(LANGUAGES)})\b", _always(ENGLISH_ONLY)),
        (r"\b(?:timer|alarm|remind)\b", _always("I have no timers here, so I cannot set one.")),
        (r"\b(?:volume|louder|quieter)\b", _always("I have no volume control here, so I cannot change it.")),
        (r"^(?:please )?(?:stop|cancel|never mind|be quiet|shut up|quiet|enough)\b", _always("Okay.")),
        (r"\b(?:thank you|thanks)\b", _always("You are welcome.")),
        (r"\b(?:goodbye|good bye|bye|good night)\b", _always("Goodbye.")),
        (r"\bhow are you\b", _always("I am running well, thank you.")),
        (r"^(?:hello|hi|hey|good (?:morning|afternoon|evening))\b", lambda _match, _prompt: _greeting()),
    )
]
"""Tried from the top; the first that has an answer wins."""
