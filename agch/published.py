"""Numbers as printed in papers, to stand beside ours."""

from __future__ import annotations

Printed = dict[str, dict[int, float]]

PUBLISHED: dict[str, Printed] = {
    "mirflickr25k": {
        "i2t": {16: 0.865, 32: 0.887, 64: 0.892, 128: 0.912},
        "t2i": {16: 0.829, 32: 0.849, 64: 0.852, 128: 0.880},
    }
}
"""map@50 of AGCH by source, direction and bits: table III of the AGCH paper."""
