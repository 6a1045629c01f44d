"""A tiny model with its adapter, found by the server as that of an installed package."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from studio.adapters import Adapter
from studio.adapters.demo import (
    Answer,
    Choice,
    Demo,
    Description,
    Hit,
    Method,
    Picture,
    Side,
    UnknownItem,
)
from studio.errors import StudioError

COLOURS = {"red": (200, 30, 30), "green": (20, 140, 60), "blue": (40, 60, 200)}
SHAPES = ("disc", "box")
ITEMS = [(colour, shape) for colour in COLOURS for shape in SHAPES]


def picture(colour: str, shape: str) -> bytes:
    """A 48 x 48 PNG."""
    made = Image.new("RGB", (48, 48), "white")
    draw = ImageDraw.Draw(made)
    (draw.ellipse if shape == "disc" else draw.rectangle)((8, 8, 40, 40), fill=COLOURS[colour])
    buffer = io.BytesIO()
    made.save(buffer, "PNG")
    return buffer.getvalue()


class Pictures(Demo):
    """Six pictures; the distance is the number of words that are not shared."""

    def describe(self) -> Description:
        """Six made pictures."""
        return Description("made pictures", "CC0", "colour and shape", len(ITEMS), True)

    def choices(self) -> Sequence[Choice]:
        """Both words."""
        return [Choice("both", "both words"), Choice("colour", "the colour alone")]

    def methods(self) -> Sequence[Method]:
        """Counting."""
        return [Method("count", "words that differ", "how many words are not shared")]

    def samples(self) -> Sequence[str]:
        """Of both words and of one."""
        return ["red box", "blue"]

    def complete(self, prefix: str, limit: int) -> Sequence[str]:
        """The five words."""
        known = sorted([*COLOURS, *SHAPES])
        return [word for word in known if word.startswith(prefix)][:limit]

    def by_words(self, text: str, choice: str, method: str, k: int) -> Answer:
        """See `Demo`."""
        words = text.split()
        used = [word for word in words if word in (*COLOURS, *SHAPES)]
        if not used:
            raise StudioError(f"none of these words is known: '{text}'")
        unknown = [word for word in words if word not in used]
        return Answer(_hits(used, k), used, unknown, None, 0.001)

    def by_picture(
        self, data: bytes, choice: str, method: str, k: int, towards: Side = "words"
    ) -> Answer:
        """By the colour in the middle and in a corner of the shape."""
        try:
            given = Image.open(io.BytesIO(data)).convert("RGB").resize((48, 48))
        except OSError:
            raise StudioError("this is no picture that can be read") from None
        middle, corner = given.getpixel((24, 24)), given.getpixel((10, 10))
        colour = next((name for name, value in COLOURS.items() if value == middle), "red")
        shape = "box" if middle == corner else "disc"
        return Answer(_hits([colour, shape], k), [], [], None, 0.001)

    def by_item(self, item: int, towards: Side, choice: str, method: str, k: int) -> Answer:
        """Right is what shares the colour."""
        colour, shape = _item(item)
        hits = _hits([colour, shape], k, colour)
        share = sum(bool(hit.relevant) for hit in hits) / len(hits)
        return Answer(hits, [], [], share, 0.001)

    def thumbnail(self, item: int) -> Picture:
        """The picture itself."""
        return Picture(picture(*_item(item)), "image/png")


class Shapes(Adapter):
    """Has its best score, 10, at x = 3, y = 2."""

    name = "shapes"
    objectives = ("scores.json:deep.score",)
    epochs = "fit.epochs"
    subset = "fit.share"
    commands = (("python", "fit.py"),)
    inputs = ("fit.py",)
    sections = ("fit.",)

    def search_ranges(self) -> dict[str, Any]:
        """Both coordinates."""
        return {"fit.x": {"low": 0.0, "high": 6.0}, "fit.y": {"low": 0, "high": 5}}

    def demo(self, folder: Path, project: Path) -> Demo:
        """Of the made pictures."""
        return Pictures()


def _item(item: int) -> tuple[str, str]:
    if not 0 <= item < len(ITEMS):
        raise UnknownItem(f"no item {item}; there are 0 to {len(ITEMS) - 1}")
    return ITEMS[item]


def _hits(words: Sequence[str], k: int, colour: str | None = None) -> list[Hit]:
    """All items by the number of words that are not theirs."""
    distances = [sum(word not in item for word in words) for item in ITEMS]
    order = sorted(range(len(ITEMS)), key=lambda item: (distances[item], item))
    return [
        Hit(
            rank=rank,
            item=item,
            title=f"{ITEMS[item][0]} {ITEMS[item][1]}",
            words=ITEMS[item],
            distance=distances[item],
            distance_text=f"{distances[item]} of {len(words)}",
            similarity=1 - distances[item] / len(words),
            tied=distances.count(distances[item]) - 1,
            relevant=ITEMS[item][0] == colour if colour else None,
        )
        for rank, item in enumerate(order[:k], 1)
    ]
