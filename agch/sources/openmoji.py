"""A second source: emoji with names and tags, in the same archive as openclipart."""

from __future__ import annotations

from pathlib import Path

from agch.sources.openclipart import OpenClipart


class OpenMoji(OpenClipart):
    """The emoji of OpenMoji 17.0.0; data/openmoji/build.py makes the archive from its package."""

    name = "openmoji"
    licence = "CC BY-SA 4.0 (OpenMoji)"
    place = Path("data/openmoji/openmoji.zip")
    digest = None
