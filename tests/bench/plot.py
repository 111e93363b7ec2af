"""A plot of lines as SVG, plain enough to be read as text."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 250, 40, 50
_COLORS = ("#0b6e4f", "#1f77b4", "#d1495b", "#8d6a9f", "#b8860b")
_TICKS = 5
_BASELINE = "baseline of "


def plot(title: str, across: str, up: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """The lines of *series*, name → points (x, y) from 0 on; the baseline of another line is dashed.

    *across* and *up* name what x and y are.
    """
    points = [point for line in series.values() for point in line]
    steps = [_step(max(point[axis] for point in points)) for axis in (0, 1)]
    most = [step * math.ceil(max(p[n] for p in points) / step) for n, step in enumerate(steps)]
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    middle = (_LEFT + right) / 2

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            round(_LEFT + (right - _LEFT) * x / most[0], 1),
            round(bottom - (bottom - _TOP) * y / most[1], 1),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">{escape(title)}</text>',
        f'<text x="{middle:.0f}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(across)}</text>',
        f'<text transform="rotate(-90)" x="{-(_TOP + bottom) / 2:.0f}" y="16" text-anchor="middle">'
        f"{escape(up)}</text>",
    ]
    for number in range(round(most[1] / steps[1]) + 1):
        _, y = place(0, number * steps[1])
        parts.append(f'<path d="M{_LEFT} {y}H{right}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{number * steps[1]:g}</text>')
    for number in range(round(most[0] / steps[0]) + 1):
        x, _ = place(number * steps[0], 0)
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{number * steps[0]:,g}</text>')
    colors = {name: color for name, color in zip(dict.fromkeys(map(_of, series)), itertools.cycle(_COLORS))}
    for number, (name, line) in enumerate(series.items()):
        parts += _line(number, name, [place(*point) for point in sorted(line)], colors[_of(name)])
    return "\n".join((*parts, "</svg>")) + "\n"


def _of(name: str) -> str:
    """The line that *name* is the baseline of, or itself."""
    return name[len(_BASELINE) :] if name.startswith(_BASELINE) else name


def _line(number: int, name: str, places: Sequence[tuple[float, float]], color: str) -> list[str]:
    """One line with its points, and its name beside the plot."""
    dashes = ' stroke-dasharray="6 4"' if name != _of(name) else ""
    way = "L".join(f"{x} {y}" for x, y in places)
    x, y = _WIDTH - _RIGHT + 12, _TOP + 12 + 20 * number
    return [
        f'<path d="M{way}" fill="none" stroke="{color}" stroke-width="2"{dashes}/>',
        *(f'<circle cx="{x}" cy="{y}" r="3" fill="{color}"/>' for x, y in places),
        f'<path d="M{x} {y - 4}h24" stroke="{color}" stroke-width="2"{dashes}/>',
        f'<text x="{x + 30}" y="{y}">{escape(name)}</text>',
    ]


def _step(most: float) -> float:
    """The distance of ticks on an axis up to *most*: 1, 2 or 5 times a power of ten."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most / _TICKS))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * _TICKS >= most)
