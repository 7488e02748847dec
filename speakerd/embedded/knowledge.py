"""What the embedded brain knows by heart: capitals, units, a joke and a story. Data only."""

from __future__ import annotations

CAPITALS = {
    "argentina": "Buenos Aires",
    "australia": "Canberra",
    "austria": "Vienna",
    "belgium": "Brussels",
    "brazil": "Brasília",
    "canada": "Ottawa",
    "china": "Beijing",
    "denmark": "Copenhagen",
    "egypt": "Cairo",
    "england": "London",
    "finland": "Helsinki",
    "france": "Paris",
    "germany": "Berlin",
    "greece": "Athens",
    "iceland": "Reykjavik",
    "india": "New Delhi",
    "ireland": "Dublin",
    "italy": "Rome",
    "japan": "Tokyo",
    "kenya": "Nairobi",
    "mexico": "Mexico City",
    "netherlands": "Amsterdam",
    "norway": "Oslo",
    "poland": "Warsaw",
    "portugal": "Lisbon",
    "spain": "Madrid",
    "sweden": "Stockholm",
    "switzerland": "Bern",
    "turkey": "Ankara",
    "united kingdom": "London",
    "united states": "Washington, D.C.",
}
"""Country, in lower case and without an article, to its capital."""

UNITS: dict[str, tuple[str, float, str]] = {
    "millimeter": ("length", 0.001, "millimeters"),
    "centimeter": ("length", 0.01, "centimeters"),
    "meter": ("length", 1.0, "meters"),
    "kilometer": ("length", 1000.0, "kilometers"),
    "inch": ("length", 0.0254, "inches"),
    "foot": ("length", 0.3048, "feet"),
    "yard": ("length", 0.9144, "yards"),
    "mile": ("length", 1609.344, "miles"),
    "gram": ("mass", 0.001, "grams"),
    "kilogram": ("mass", 1.0, "kilograms"),
    "ounce": ("mass", 0.028349523125, "ounces"),
    "pound": ("mass", 0.45359237, "pounds"),
    "milliliter": ("volume", 0.001, "milliliters"),
    "liter": ("volume", 1.0, "liters"),
    "cup": ("volume", 0.2365882365, "cups"),
    "pint": ("volume", 0.473176473, "pints"),
    "gallon": ("volume", 3.785411784, "gallons"),
    "second": ("time", 1.0, "seconds"),
    "minute": ("time", 60.0, "minutes"),
    "hour": ("time", 3600.0, "hours"),
    "day": ("time", 86400.0, "days"),
    "week": ("time", 604800.0, "weeks"),
}
"""Unit to what it measures, its size in that measure's base unit, and its plural. Cups to gallons: American."""

UNIT_SPELLINGS = {
    "inches": "inch",
    "feet": "foot",
    "kilos": "kilogram",
    "kilo": "kilogram",
    "kg": "kilogram",
    "km": "kilometer",
    "cm": "centimeter",
    "mm": "millimeter",
    "lbs": "pound",
    "litre": "liter",
    "metre": "meter",
    "kilometre": "kilometer",
    "centimetre": "centimeter",
}
"""Other ways to say a unit; a plural's s is taken off before."""

JOKE = "Why did the microphone break up with the speaker? It needed someone who would listen."
"""The one joke."""

STORY = (
    "Once upon a time there was a small loudspeaker that lived on a kitchen shelf. "
    "Every morning it heard the kettle sing, and it wished that it could sing as well. "
    "One day the kettle asked why it was so quiet. "
    "Nobody has said my name yet, the loudspeaker answered. "
    "So the kettle told the cups, the cups told the spoons, and the spoons told the cat. "
    "The cat walked all the way to the garden, where the old gardener was asleep under the apple tree. "
    "She whispered the name into his ear, and he woke up and laughed. "
    "He came into the kitchen, put down his hat, and said the name out loud. "
    "A little light went on, and the loudspeaker sang until the soup was ready. "
    "From that day on it sang whenever somebody asked, and it was silent whenever somebody said stop. "
    "And if nobody has unplugged it, it is still sitting on that shelf today."
)
"""Long enough to be interrupted: some 45 seconds."""
