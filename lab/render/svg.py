"""SVG elements as text. Lengths are in pixels; every text is escaped here."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle on the picture."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def around(self, margin: float) -> Box:
        """Return the rectangle that is larger by `margin` on every side."""
        return Box(
            x=self.x - margin,
            y=self.y - margin,
            width=self.width + 2 * margin,
            height=self.height + 2 * margin,
        )


def rectangle(box: Box, style: str, *, radius: float = 10) -> str:
    return (
        f'<rect class={quoteattr(style)} x="{box.x:g}" y="{box.y:g}" '
        f'width="{box.width:g}" height="{box.height:g}" rx="{radius:g}"/>'
    )


def text(x: float, y: float, content: str, style: str) -> str:
    return f'<text class={quoteattr(style)} x="{x:g}" y="{y:g}">{escape(content)}</text>'


def label(x: float, y: float, *parts: tuple[str, str], anchor: str = "") -> str:
    """Return one line of text in parts, each with its own style."""
    spans = (
        f'<tspan class={quoteattr(style)} dx="{10 if number else 0}">{escape(content)}</tspan>'
        for number, (content, style) in enumerate(parts)
    )
    return f'<text class={quoteattr(anchor)} x="{x:g}" y="{y:g}">{"".join(spans)}</text>'


def line(x: float, top: float, bottom: float, style: str) -> str:
    """Return a vertical line."""
    return f'<path class={quoteattr(style)} d="M{x:g} {top:g}V{bottom:g}"/>'


def curve(start: tuple[float, float], end: tuple[float, float], style: str) -> str:
    """Return a curve that leaves `start` and reaches `end` vertically."""
    (x1, y1), (x2, y2) = start, end
    middle = (y1 + y2) / 2
    return f'<path class={quoteattr(style)} d="M{x1:g} {y1:g}C{x1:g} {middle:g} {x2:g} {middle:g} {x2:g} {y2:g}"/>'


def document(box: Box, title: str, style: str, *elements: str) -> str:
    """Return an SVG file whose picture is `box`; `style` is CSS."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{box.width:g}" height="{box.height:g}" '
        f'viewBox="{box.x:g} {box.y:g} {box.width:g} {box.height:g}">'
    )
    return "\n".join(
        (head, f"<title>{escape(title)}</title>", f"<style>{style}</style>", *elements, "</svg>", "")
    )
