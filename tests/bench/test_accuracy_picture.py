"""The curve is self-contained and on its scales; what is 0 has lanes of its own, the configured threshold a mark."""

from __future__ import annotations

import math
import re
from statistics import NormalDist
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakerd.bench.accuracy_count import SWEEP, Count, Point
from speakerd.bench.accuracy_picture import LEFT, RIGHT, WIDTH, Line, draw

SVG = "{http://www.w3.org/2000/svg}"


def counted(misses: int = 4, positives: int = 100, false: int = 3, hours: float = 2.0) -> Count:
    return Count(positives, misses, 20, hours, 2, false, 0, (0.1, 0.2))


def line(name: str = "clean", points: list[Point] | None = None, count: Count | None = None) -> Line:
    known = [Point(0.3, 0.01, 40.0), Point(0.5, 0.04, 1.5), Point(0.9, 0.2, 0.0)]
    return Line(name, known if points is None else points, 0.5, count or counted())


def test_the_picture_is_one_well_formed_document() -> None:
    """It parses, names no other file, and escapes what words may hold."""
    text = draw([line()], "<hey> & so", ["with what"])
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert "href" not in text
    assert "url(" not in text
    assert "&lt;hey&gt; &amp; so" in text
    assert root.find(f"{SVG}rect").get("fill") == "#fcfcfb", "it brings its own paper, for dark pages"


def test_every_ratio_has_a_line_a_mark_and_its_figures() -> None:
    """In colours that differ."""
    text = draw([line("clean"), line("10 dB", count=counted(20)), line("0 dB", count=counted(40))], "t", [])
    assert text.count("at 0.5: ") == 3
    assert "4 of 100 missed, 4.0 % (1.1 to 9.9);" in text
    assert "false accepts: 3 in 2.00 h, 1.5 an hour (at most 3.9)" in text
    marks = re.findall(r'r="5.5" fill="(#\w+)"', text)
    assert len(set(marks)) == 3
    rings = re.findall(r"<title>(.*?, threshold [\d.]+)</title>", text)
    assert len(rings) == 3 * len({0.3, 0.5, 0.9} & set(SWEEP))


def test_the_scales_are_those_of_the_textbooks() -> None:
    """Logarithm to the right, the normal distribution's quantiles upwards; 0 has its lane, outside of both."""
    text = draw([line()], "t", [])
    ((path,),) = [re.findall(r'd="M([^"]+)" fill="none" stroke="#35679f"', text)]
    numbers = [float(number) for number in path.split()]
    (x1, y1), (x2, y2), (x3, y3) = zip(numbers[::2], numbers[1::2], strict=True)
    ticks = {name: float(x) for x, name in re.findall(r'<text x="([\d.]+)"[^>]*middle"[^>]*>([\d.]+)</text>', text)}
    decade = ticks["10"] - ticks["1"]
    assert x1 - x2 == pytest.approx(decade * math.log10(40 / 1.5), abs=0.3)
    assert LEFT + 20 < x3 < ticks["1"] - 20
    quantile = NormalDist().inv_cdf
    shares = {name: float(y) - 4 for y, name in re.findall(r'y="([\d.]+)"[^>]*end"[^>]*>([\d.]+ %)</text>', text)}
    step = (shares["2 %"] - shares["10 %"]) / (quantile(0.10) - quantile(0.02))
    assert y1 - y2 == pytest.approx(step * (quantile(0.04) - quantile(0.01)), abs=0.5)
    assert y3 < y2 < y1, "the more is missed, the higher"


def test_where_nothing_can_be_counted_there_is_no_line() -> None:
    """But the page is whole, and says what it knows."""
    nothing = Count(10, 1, 0, 0.0, 0, 0, 0, ())
    text = draw([line(points=[], count=nothing)], "t", ["n"])
    ET.fromstring(text)
    assert 'r="5.5"' not in text
    assert "1 of 10 missed" in text
    assert "false accepts:" not in text


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.lists(
                st.builds(
                    Point, st.floats(0.05, 0.99), st.floats(0, 1), st.one_of(st.just(0.0), st.floats(0.001, 9e4))
                ),
                max_size=8,
            ),
            st.integers(0, 50),
            st.integers(0, 9),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_nothing_is_drawn_outside_the_plot(rows: list[tuple[list[Point], int, int]]) -> None:
    """Whatever was measured: none, all, or rates far apart."""
    lines = [line(f"{n} dB", points, counted(misses, 50, false)) for n, (points, misses, false) in enumerate(rows)]
    text = draw(lines, "t", ["one", "two"])
    root = ET.fromstring(text)
    height = float(root.get("height"))
    for circle in root.iter(f"{SVG}circle"):
        assert LEFT < float(circle.get("cx")) <= RIGHT
        assert 0 < float(circle.get("cy")) < height
    for text_element in root.iter(f"{SVG}text"):
        assert 0 < float(text_element.get("x")) < WIDTH
        assert 0 < float(text_element.get("y")) < height
    assert "nan" not in text
