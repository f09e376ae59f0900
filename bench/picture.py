"""Pictures of figures, as SVG: lines over a size, with both axes logarithmic.

picture(title, "check-ins", {"pull": [(1_000, 0.31), (10_000, 0.32)]})
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

WIDTH: Final = 640
HEIGHT: Final = 360
LEFT, RIGHT, TOP, BOTTOM = 64, 132, 40, 44
COLOURS: Final = ("#1f5fa8", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#475569")

Line = Sequence[tuple[float, float]]


def picture(title: str, size: str, lines: Mapping[str, Line]) -> str:
    """Lines of seconds over sizes, and a grey one that shows how what doubles with the size would rise."""
    points = [point for line in lines.values() for point in line]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low, high = 10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys)))

    def at(x: float, y: float) -> tuple[float, float]:
        across = math.log(x / min(xs)) / math.log(max(xs) / min(xs))
        up = math.log(max(low, min(high, y)) / low) / math.log(high / low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(WIDTH / 2, 20, title, "middle", size=14),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, size, "middle"),
    ]
    for x in sorted(set(xs)):
        drawn.append(_line([at(x, low), at(x, high)], "#e2e8f0"))
        drawn.append(_text(at(x, low)[0], HEIGHT - BOTTOM + 16, f"{x:,.0f}", "middle"))
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        ends = at(min(xs), 10.0**power), at(max(xs), 10.0**power)
        drawn.append(_line(ends, "#e2e8f0"))
        drawn.append(_text(LEFT - 6, ends[0][1] + 4, f"{10.0**power:g} s", "end"))
    steep = [(x, low * x / min(xs)) for x in sorted(set(xs)) if low * x / min(xs) <= high]
    drawn.append(_line([at(*point) for point in steep], "#94a3b8", "4 3"))
    labels = list[float]()
    for colour, (name, line) in zip(COLOURS, lines.items(), strict=False):
        places = [at(*point) for point in line]
        drawn.append(_line(places, colour, width=2))
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        beside = places[-1][1] + 4
        while any(abs(beside - other) < 13 for other in labels):
            beside += 1
        labels.append(beside)
        drawn.append(_text(places[-1][0] + 8, beside, name, "start", colour))
    return "\n".join([*drawn, "</svg>\n"])


def _line(places: Sequence[tuple[float, float]], colour: str, dashes: str = "", width: int = 1) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"{dashed}/>'


# many: where, what and how
def _text(x: float, y: float, what: str, anchor: str, colour: str = "#0f172a", *, size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">'
        f"{escape(what)}</text>"
    )
