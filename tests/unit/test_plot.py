"""The plots of the benchmarks."""

from __future__ import annotations

from xml.etree import ElementTree

from tests.bench.plot import plot

SVG = "{http://www.w3.org/2000/svg}"
SERIES = {
    "whole rows": [(20_000.0, 3.5), (5_000.0, 1.0)],
    "baseline of whole rows": [(5_000.0, 0.5), (20_000.0, 1.75)],
    "bare <loop>": [(5_000.0, 0.25), (20_000.0, 0.75)],
}


def test_points_stand_where_their_values_are_and_lines_have_names() -> None:
    drawn = ElementTree.fromstring(plot("Time & rows", "rows", "seconds", SERIES))  # noqa: S314 - our own
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert {"Time & rows", "rows", "seconds", *SERIES, "20,000", "4"} <= set(texts)
    places = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in drawn.iter(f"{SVG}circle")]
    # From (60, 350) to (470, 40), which is 20,000 rows and 4 seconds
    assert places[0] == (162.5, 272.5)
    assert places[1] == (470.0, 78.8)
    assert len(places) == 6


def test_a_baseline_is_dashed_in_the_color_of_its_line() -> None:
    drawn = ElementTree.fromstring(plot("Time", "rows", "seconds", SERIES))  # noqa: S314 - our own
    lines = [path.attrib for path in drawn.iter(f"{SVG}path") if path.attrib.get("fill") == "none"]
    assert [("stroke-dasharray" in line) for line in lines] == [False, True, False]
    assert lines[0]["stroke"] == lines[1]["stroke"] != lines[2]["stroke"]
