"""The intent brain: what it answers, and what it says it cannot."""

from __future__ import annotations

import dataclasses
from datetime import datetime

import pytest

from speakerd.embedded.brain import NOT_CAUGHT, IntentBrain, normalised
from speakerd.embedded.parts import Call, Heard, Prompt, Result

NOW = datetime(2026, 11, 22, 14, 5)  # noqa: DTZ001 - a clock on a wall has no zone


def answer(text: str) -> str | Call | None:
    return IntentBrain().answer(Prompt(text, Heard(is_speech=True, text=text), now=NOW))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What time is it?", "It is 2:05 PM."),
        ("Hey Jarvis, what time is it?", "It is 2:05 PM."),
        ("Jarvis, what's the time?", "It is 2:05 PM."),
        ("What's the date today?", "Today is Sunday, November 22, 2026."),
        ("What day is it tomorrow?", "Tomorrow is Monday, November 23, 2026."),
        ("What day was yesterday?", "Yesterday was Saturday, November 21, 2026."),
        ("What year is it?", "Today is Sunday, November 22, 2026."),
        ("What's the time in the kitchen?", "It is 2:05 PM."),
        ("What's the time in Tokyo?", "I know the time here only: it is 2:05 PM."),
        ("Can you speak German?", "I speak only English."),
        ("Cancel the timer.", "I have no timers here, so there is none to stop."),
        ("What is twelve times seven?", "12 times 7 is 84."),
        ("What is 12*7", "12 times 7 is 84."),
        ("1,200 plus one hundred and five", "1200 plus 105 is 1305."),
        ("What is 10 divided by 4?", "10 divided by 4 is 2.5."),
        ("5 - 3", "5 minus 3 is 2."),
        ("7 divided by 0", "Nothing can be divided by zero."),
        ("What's 15% of 80?", "15 percent of 80 is 12."),
        ("Square root of 16?", "The square root of 16 is 4."),
        ("How many miles are ten kilometers?", "10 kilometers are 6.21 miles."),
        ("How many feet are in a mile?", "1 mile is 5280 feet."),
        ("Convert 5 pounds to kilograms.", "5 pounds are 2.27 kilograms."),
        ("What is 100 degrees Fahrenheit in Celsius?", "100 degrees Fahrenheit are 37.8 degrees Celsius."),
        ("What is the capital of France?", "The capital of France is Paris."),
        ("What's the capital of the Netherlands?", "The capital of the Netherlands is Amsterdam."),
        ("Repeat after me: Good morning, World!", "Good morning, World!"),
        ("Count to five.", "1, 2, 3, 4, 5."),
        ("Thanks!", "You are welcome."),
        ("Stop.", "Okay."),
        ("Hello.", "Hello. How can I help?"),
        ("Hey Jarvis!", "Hello. How can I help?"),
    ],
)
def test_questions_have_answers(question: str, expected: str) -> None:
    """Each intent answers as it should, with or without the wake word before it."""
    assert answer(question) == expected


@pytest.mark.parametrize("question", ["What's the weather in Paris?", "Set a timer for five minutes.", "Play music."])
def test_what_is_not_possible_is_said(question: str) -> None:
    """What needs a network or a tool is refused in words, never pretended."""
    said = answer(question)
    assert isinstance(said, str)
    assert "cannot" in said


@pytest.mark.parametrize(
    "question",
    [
        "What day is Christmas?",
        "What is the time difference to Tokyo?",
        "What time is it in 5 minutes?",
        "What is the square root of 16 plus 9?",
        "What is 2 plus 3 squared?",
    ],
)
def test_a_question_that_goes_further_is_not_answered_in_part(question: str) -> None:
    """What looks like a question that is known, and asks for something else, gets no answer to the known one."""
    said = answer(question)
    assert isinstance(said, str)
    assert said.startswith("I heard: ")


def test_one_sentence_is_one_sentence() -> None:
    """Instructions that allow one sentence have it speak of itself in one."""
    brain = IntentBrain()
    brief = "Your name is Ada. Answer in one sentence."
    assert brain.answer(Prompt("Who are you?", character=brief)) == (
        "I am Ada, the embedded voice of speakerd, on this machine and without a network."
    )
    can = brain.answer(Prompt("What can you do?", character=brief))
    assert isinstance(can, str)
    assert can.startswith("I know the time")
    assert can.count(".") == 1


def test_a_language_it_cannot_speak_is_owned_up_to_once() -> None:
    """Instructions in or for another language are answered in English, and the first answer says why."""
    brain = IntentBrain()
    french = Prompt("What is 2 plus 2?", character="Speak only French.", is_first=True)
    assert brain.answer(french) == "I speak only English. 2 plus 2 is 4."
    assert brain.answer(dataclasses.replace(french, is_first=False)) == "2 plus 2 is 4."


def test_the_unknown_is_repeated() -> None:
    """What no rule fits is told back, so that a person knows it was heard."""
    assert answer("Why is the sky blue?") == (
        "I heard: Why is the sky blue? I am running offline, so I cannot answer that."
    )


def test_story_is_long_enough_to_interrupt() -> None:
    """A story takes more than 20 s at 16 characters a second, in several sentences."""
    said = answer("Tell me a long story.")
    assert isinstance(said, str)
    assert len(said) > 20 * 16
    assert said.count(". ") > 5


def test_noise_is_not_answered() -> None:
    """What is no speech gets no answer; speech without words gets an honest one."""
    assert IntentBrain().answer(Prompt("", Heard(is_speech=False))) is None
    assert IntentBrain().answer(Prompt("", Heard(is_speech=True))) == NOT_CAUGHT


def test_a_client_can_dictate() -> None:
    """A response whose instructions say what to say says it."""
    assert IntentBrain().answer(Prompt("", instructions='Say exactly: "Your tea is ready."')) == "Your tea is ready."


def test_nothing_written_is_greeted() -> None:
    """A response without any input is a greeting."""
    assert IntentBrain().answer(Prompt("")) == "Hello. How can I help?"


def test_normalised_text_has_no_wake_word() -> None:
    """The wake word in front is not part of the question, the name in the middle is."""
    assert normalised("Hey, Jarvis. What's up?") == "what's up"
    assert normalised("Is Jarvis here?") == "is jarvis here"


def test_a_given_name_is_taken() -> None:
    """Instructions that name the assistant have it answer to the name and say it."""
    brain = IntentBrain()
    who = brain.answer(Prompt("Who are you?", character="You are Ada."))
    assert isinstance(who, str)
    assert who.startswith("I am Ada, the embedded voice")
    assert brain.answer(Prompt("Hey Ada, what time is it?", character="You are Ada.", now=NOW)) == "It is 2:05 PM."


def test_opening_words_are_said() -> None:
    """Instructions can have every answer begin with some words."""
    assert IntentBrain().answer(Prompt("Thanks", character="Begin every answer with 'Sir:'")) == "Sir: You are welcome."


TIMER = {
    "type": "function",
    "name": "set_timer",
    "parameters": {"properties": {"seconds": {"type": "integer"}}, "required": ["seconds"]},
}


def test_a_declared_function_is_called() -> None:
    """What would be refused is done when the client offers a function for it; its output is answered in words."""
    brain = IntentBrain()
    prompt = Prompt("Set a timer for five minutes.", tools=(TIMER,))
    assert brain.answer(prompt) == Call("set_timer", {"seconds": 300})
    assert (
        brain.answer(Prompt("", results=(Result("set_timer", "Five minutes from now."),))) == "Five minutes from now."
    )
    assert brain.answer(Prompt("Repeat after me: set a timer.", tools=(TIMER,))) == "set a timer."
    assert brain.answer(Prompt("What time is it?", tools=(TIMER,), now=NOW)) == "It is 2:05 PM."


def test_a_silence_can_be_asked_about() -> None:
    """A session that lets no silence pass has the user asked."""
    assert IntentBrain().answer(Prompt("", Heard(is_speech=False), idle=True)) == "Are you still there?"


END, WAIT = ({"type": "function", "name": name} for name in ("end_conversation", "wait_for_user"))


@pytest.mark.parametrize("words", ["Stop.", "Thank you.", "Thanks, that's all.", "Goodbye!", "Hey Jarvis, never mind."])
def test_a_conversation_is_ended_by_its_function(words: str) -> None:
    """Who has had enough ends the conversation where there is a function for that, and gets an answer elsewhere."""
    assert IntentBrain().answer(Prompt(words, Heard(is_speech=True, text=words), tools=(WAIT, END))) == Call(
        "end_conversation"
    )
    assert isinstance(answer(words), str)


@pytest.mark.parametrize(
    "heard", [Heard(is_speech=False), Heard(is_speech=True, text="Um."), Heard(is_speech=True, text="Hmm, uh...")]
)
def test_what_is_meant_for_nobody_is_waited_through(heard: Heard) -> None:
    """Noise and fillers call the function that waits for the user; what that returns is answered by nothing."""
    assert IntentBrain().answer(Prompt(heard.text, heard, tools=(END, WAIT))) == Call("wait_for_user")
    assert IntentBrain().answer(Prompt("", tools=(WAIT,), results=(Result("wait_for_user", "{}"),))) is None


def test_speech_without_words_is_not_taken_for_noise() -> None:
    """Whoever mumbled may have meant the speaker: it is said that nothing was understood."""
    assert IntentBrain().answer(Prompt("", Heard(is_speech=True), tools=(END, WAIT))) == NOT_CAUGHT
