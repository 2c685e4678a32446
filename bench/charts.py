"""Bar charts as SVG, readable on a light and on a dark page."""

from xml.sax.saxutils import escape

COLOURS = {"raw": "#9aa5b1", "bare": "#e0913a", "rendered": "#2f7de1"}
WIDTH, LEFT, BAR, GAP = 720, 150, 18, 14
STYLE = "font: 13px system-ui, sans-serif"


def grouped_bars(title: str, unit: str, groups: dict[str, dict[str, float]]) -> str:
    """A group of bars for each scenario; within a group the longest one fills the width, since scenarios differ."""
    parts, y = [], 56
    for group, values in groups.items():
        longest = max(values.values())
        parts.append(_text(8, y + len(values) * BAR / 2 + 5, group, "600"))
        for name, value in values.items():
            width = max(2.0, (WIDTH - LEFT - 110) * value / longest)
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 3}" fill="{COLOURS[name]}"/>')
            parts.append(_text(LEFT + width + 6, y + BAR - 6, f"{value:,.{_digits(value)}f}"))
            y += BAR
        y += GAP
    legend = "".join(
        f'<rect x="{LEFT + 100 * i}" y="32" width="11" height="11" fill="{COLOURS[name]}"/>'
        + _text(LEFT + 100 * i + 16, 42, name)
        for i, name in enumerate(next(iter(groups.values())))
    )
    head = _text(8, 20, f"{title} ({unit})", "700")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" style="{STYLE}">\n'
        f'<title>{escape(title)}</title>\n<rect width="{WIDTH}" height="{y}" fill="#ffffff" rx="6"/>\n'
        + "\n".join([head, legend, *parts])
        + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, weight: str = "400") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}" fill="#1f2933">{escape(text)}</text>'


def _digits(value: float) -> int:
    return 0 if value >= 100 else 2
