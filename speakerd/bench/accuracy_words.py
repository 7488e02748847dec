"""What the synthesised people say: each wake word, what sounds like it, and everyday sentences without end. Pure."""

from __future__ import annotations

import random

SPOKEN = {"hey_jarvis": "Hey Jarvis", "alexa": "Alexa", "hey_mycroft": "Hey Mycroft", "hey_rhasspy": "Hey Raspy"}
"""How each wake word that ships is said, as a voice has to read it."""

ENDINGS = (".", "!", ", what time is it?")
"""How it goes on: told, called, and in one breath with a question."""

NEAR = {
    "hey_jarvis": (
        *("Hey Travis.", "Hey Charles.", "Hey Harvey.", "Hey Marvin.", "Hey darling.", "Hey Janice.", "Hey Charlie."),
        *("Hey Davis.", "Hey Jason.", "Hey Jarrod.", "Hey, a harvest.", "Hey, service!", "Harvest.", "Service."),
        *("Carve this.", "They serve us.", "A jar of this.", "He is nervous.", "Starve us.", "Hey, just this."),
        *("The garden is ours.", "Charge it.", "Hey guys.", "May Jordan visit?"),
    ),
    "alexa": (
        *("Alexis.", "Alexander.", "The election.", "A Lexus.", "Alaska.", "Relax, sir.", "Texas.", "Elect her."),
        *("Alec said so.", "Our lecture.", "A letter.", "Next, sir."),
    ),
    "hey_mycroft": (
        *("Hey Microsoft.", "Hey, my craft.", "Hey Michael.", "Microphone.", "Hey Mike.", "Aircraft.", "Hey, my crop."),
        *("They might cross.", "My coffee.", "Hey, my cross."),
    ),
    "hey_rhasspy": (
        *("Hey raspberry.", "Hey Jasper.", "Hey Casper.", "Raspberry.", "Hey, a recipe.", "Grassy.", "Hey, a spy."),
        *("They ask me.", "A wasp.", "Hey Rosie."),
    ),
}
"""What sounds like each of them. Some of it is heard as the wake word at any threshold (measured)."""

_PEOPLE = (
    *("my brother", "the neighbour", "her sister", "the teacher", "a friend of mine", "our grandmother", "the plumber"),
    *("Peter", "Susan", "the children", "my boss", "somebody from the office", "the doctor", "George", "the old man"),
)
_THINGS = (
    *(
        "the kettle",
        "a red bicycle",
        "the newspaper",
        "two tickets",
        "the garden gate",
        "a loaf of bread",
        "the dishes",
    ),
    *("an umbrella", "the washing machine", "a box of matches", "the blue curtains", "his glasses", "some cheese"),
    *("the spare key", "a letter from the bank", "the carpet", "six eggs", "the radio", "a warm jacket", "the ladder"),
)
_DEEDS = (
    *("forgot", "is looking for", "has just bought", "wants to sell", "put away", "dropped", "cannot find", "repaired"),
    *("was talking about", "brought back", "is cleaning", "gave me", "has broken", "asked about", "will carry"),
)
_PLACES = (
    *("in the kitchen", "behind the house", "at the station", "on the way to work", "under the bridge", "upstairs"),
    *("near the river", "in the living room", "at the market", "over there", "in the village", "beside the church"),
)
_TIMES = (
    *(
        "yesterday",
        "this morning",
        "on Thursday",
        "a week ago",
        "before breakfast",
        "late in the evening",
        "last winter",
    ),
    *("at a quarter past nine", "all day long", "every other month", "just now", "when it was raining"),
)
_VIEWS = (
    *("I think", "You know", "They say", "It seems to me", "I have heard", "Nobody believes", "We were told"),
    *("She is sure", "I had no idea", "The radio said"),
)
_PATTERNS = (
    "{time}, {person} {deed} {thing}.",
    "{view} that {person} {deed} {thing} {place}.",
    "Did you see {thing} {place}?",
    "{person} {deed} {thing}, and {person} {deed} {thing}.",
    "Why is {thing} still {place}?",
    "There were {number} people {place} {time}.",
    "Well, {person} never does that {time}.",
    "Could you please leave {thing} {place}?",
    "It costs {number} pounds, and {person} paid for it {time}.",
    "{view} it will be colder, so take {thing} with you.",
    "No, not {thing}. I meant {thing}.",
    "{person} {deed} {thing} {time}, but {person} did not mind.",
)
_NUMBERS = ("three", "seven", "twelve", "fifteen", "twenty one", "thirty", "forty four", "a hundred", "two thousand")


def sentences(generator: random.Random, count: int) -> str:
    """Return so many everyday sentences, none of which means anything.

    Args:
        generator: Chooses the words.
        count: How many sentences.
    """
    return " ".join(_sentence(generator) for _ in range(count))


def _sentence(generator: random.Random) -> str:
    lists = {"person": _PEOPLE, "thing": _THINGS, "deed": _DEEDS, "place": _PLACES, "time": _TIMES}
    lists |= {"view": _VIEWS, "number": _NUMBERS}
    text = generator.choice(_PATTERNS)
    for name, known in lists.items():
        while f"{{{name}}}" in text:
            text = text.replace(f"{{{name}}}", generator.choice(known), 1)
    return text[0].upper() + text[1:]
