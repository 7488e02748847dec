"""The scripted tier's parts."""

from __future__ import annotations

from speakerd.embedded.parts import Call, Heard, Prompt, Result
from speakerd.embedded.scripted import ScriptedBrain, ScriptedEars, ScriptedVoice
from tests.fakes.embedded import silence, sound


def test_ears_measure_how_long_it_was_loud() -> None:
    """Sound is speech, silence is not."""
    heard = ScriptedEars().hear(silence(320) + sound(640) + silence(320))
    assert heard == Heard(is_speech=True, voiced_ms=640)
    assert not ScriptedEars().hear(silence(500)).is_speech


def test_brain_goes_round_its_script() -> None:
    """Replies are used in turn and begin anew."""
    brain = ScriptedBrain(["one", "two"])
    assert [brain.answer(Prompt("x")) for _ in range(3)] == ["one", "two", "one"]


def test_brain_without_a_script_is_honest() -> None:
    """It tells what reached it, and answers no noise."""
    brain = ScriptedBrain()
    assert brain.answer(Prompt("", Heard(True, voiced_ms=640))) == "You said something for 640 milliseconds."
    assert brain.answer(Prompt("hi")) == "You wrote: hi"
    assert brain.answer(Prompt("", Heard(False))) is None
    assert brain.answer(Prompt("")) == "Hello."


def test_voice_is_as_long_as_its_text() -> None:
    """Twice the text is twice the sound, twice the speed half of it."""
    voice = ScriptedVoice()
    sentence = "This takes a while to say."
    length = len(voice.speak(sentence, 1.0))
    assert 1000 <= length / 48 <= 2000
    assert abs(len(voice.speak(sentence * 2, 1.0)) - 2 * length) < 48 * 200
    assert len(voice.speak(sentence, 2.0)) == length // 2


def test_voice_draws_breath_in_a_text_without_end() -> None:
    """However long a sentence is, it is spoken in pieces of seconds, so that no client can fill the memory with one."""
    text = " ".join(["word"] * 1000) + " " + "x" * 1000
    pieces = ScriptedVoice().sentences(text)
    assert max(map(len, pieces)) <= 400
    assert "".join(" ".join(pieces).split()) == "".join(text.split())
    assert " ".join(pieces[:12]) == text[: len(" ".join(pieces[:12]))]


def test_voice_cuts_at_sentences() -> None:
    """Each sentence is spoken by itself."""
    assert ScriptedVoice().sentences(" One. Two?  Three") == ["One.", "Two?", "Three"]


def test_brain_calls_functions() -> None:
    """A line of a script can call a function that may be called; without a script, plain words do."""
    tool = {"type": "function", "name": "set_volume", "parameters": {"properties": {"percent": {"type": "integer"}}}}
    brain = ScriptedBrain(['@set_volume {"percent": 5}', "@gone", "@set_volume"])
    assert brain.answer(Prompt("x", tools=(tool,))) == Call("set_volume", {"percent": 5})
    assert brain.answer(Prompt("x", tools=(tool,))) == "@gone"
    assert brain.answer(Prompt("x")) == "@set_volume"
    plain = ScriptedBrain()
    assert plain.answer(Prompt("Volume 30", tools=(tool,))) == Call("set_volume", {"percent": 30})
    assert plain.answer(Prompt("", results=(Result("set_volume", "ok"),))) == "set_volume returned: ok"
    assert plain.answer(Prompt("", Heard(False), idle=True)) == "Nobody said anything."


def test_brain_ends_and_waits_by_function() -> None:
    """With the functions for it a farewell that was typed ends the conversation, and noise is waited through."""
    tools = tuple({"type": "function", "name": name} for name in ("end_conversation", "wait_for_user"))
    assert ScriptedBrain().answer(Prompt("Thank you!", tools=tools)) == Call("end_conversation")
    assert ScriptedBrain(["line"]).answer(Prompt("", Heard(is_speech=False), tools=tools)) == Call("wait_for_user")
    assert ScriptedBrain().answer(Prompt("Thank you!")) == "You wrote: Thank you!"
    assert ScriptedBrain().answer(Prompt("", tools=tools, results=(Result("wait_for_user", "{}"),))) is None
