"""How much of a network's own speed the extraction keeps, as ratios in one run.

    python -m benchmarks.extract

Extraction is what the stage does: encoded pictures out of a zip, prepared in threads beside the
network, features into an HDF5 file. The bare forward pass has its pixels in memory. They alternate
under `runtime` and `extract.batch` of params.yaml, on every device there is; medians of the rounds.
Preparing takes a second core; where other programs hold it the ratio falls by a tenth or more.
"""

from __future__ import annotations

from stages import params  # isort: skip  # pins the instruction set, before torch is imported

import io
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Literal, NamedTuple
from zipfile import ZipFile

import h5py
import numpy as np
import torch
from PIL import Image
from torchvision import models

from agch.backbones import Backbone, open_backbone
from agch.feature_file import allocate_images, fill
from agch.features import extract, forward
from agch.pictures import decode
from agch.runtime import RuntimeParams, pin_runtime

CLIP_ART = Path("data/openclipart/openclipart.zip")
PICTURES, PART, ROUNDS = 256, 64, 6


class Setting(NamedTuple):
    """What is the same for both."""

    device: torch.device
    batch: int
    threads: int


def main() -> None:
    """Print the memory of a long run, then a line per backbone, device and kind of pictures."""
    with tempfile.TemporaryDirectory() as name:
        archives = {"photos": Path(name) / "photos.zip", "clip art": CLIP_ART}
        make_photos(archives["photos"], PICTURES)
        subprocess.run([sys.executable, "-m", "benchmarks.extract", archives["photos"]], check=True)
        for backbone, opened in backbones(Path(name) / "alexnet.pth"):
            compare(backbone, opened, archives, pinned("cpu"))
            if torch.cuda.is_available():
                compare(backbone, opened, archives, pinned("cuda"))


def compare(name: str, backbone: Backbone, archives: dict[str, Path], setting: Setting) -> None:
    """Alternate the bare forward pass and the extraction of each archive; print the medians."""
    works = {"bare": bare(backbone, archives["photos"], setting)}
    works |= {k: extraction(backbone, a, PART, setting) for k, a in archives.items()}
    speeds: dict[str, list[float]] = {kind: [] for kind in works}
    for _ in range(ROUNDS):
        for kind, work in works.items():
            start, count = time.perf_counter(), work()
            speeds[kind].append(count / (time.perf_counter() - start))
    alone = statistics.median(speeds["bare"])
    for kind in archives:
        ratio = statistics.median(ours / bare for ours, bare in zip(speeds[kind], speeds["bare"]))
        print(
            f"{name} on {setting.device}, batch {setting.batch}, threads {setting.threads}, "
            f"{kind}: {statistics.median(speeds[kind]):.1f} images/s, {ratio:.2f} of the bare "
            f"forward pass ({alone:.1f})"
        )


def bare(backbone: Backbone, archive: Path, setting: Setting) -> Callable[[], int]:
    """The forward pass over pixels in memory; the work returns the number of pictures."""
    pixels = [backbone.preprocess(decode(data)) for data in islice(pictures(archive), PART)]
    network = backbone.network.to(setting.device).to(memory_format=torch.channels_last)
    blocks = [block.to(setting.device) for block in torch.stack(pixels).split(setting.batch)]
    forward(network, blocks[0])  # to warm up
    return lambda: sum(len(forward(network, block)) for block in blocks)


def extraction(backbone: Backbone, archive: Path, count: int, to: Setting) -> Callable[[], int]:
    """Features of the next `count` pictures into a file; the work returns their number."""
    entries, encoded = [{"id": str(row)} for row in range(count)], pictures(archive)

    def work() -> int:
        blocks = extract(backbone, islice(encoded, count), to.batch, to.device, to.threads)
        with tempfile.NamedTemporaryFile() as place, h5py.File(place.name, "w") as file:
            return len(fill(allocate_images(file, count, backbone), blocks, entries))

    return work


def pictures(archive: Path) -> Iterator[bytes]:
    """The first encoded pictures of an archive, over and over again."""
    with ZipFile(archive) as file:
        names = [name for name in file.namelist() if name.endswith((".webp", ".jpg"))]
        for name in cycle(names[:PICTURES]):
            yield file.read(name)


def make_photos(path: Path, count: int) -> None:
    """JPEGs of 500 x 375 pixels and, as photos of that size, some 110 kB: noise, made smooth."""
    random = np.random.default_rng(0)
    with ZipFile(path, "w") as file:
        for row in range(count):
            coarse = random.integers(0, 256, (125, 167, 3), dtype=np.uint8)
            photo = Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC)
            data = io.BytesIO()
            photo.save(data, "JPEG", quality=90)
            file.writestr(f"{row:03}.jpg", data.getvalue())


def backbones(weights: Path) -> Iterator[tuple[str, Backbone]]:
    """EfficientNet-Lite0 and, because speed does not depend on weights, a random AlexNet."""
    yield "efficientnet_lite0", open_backbone("efficientnet_lite0", None, None, pool5=False)
    torch.save(models.alexnet().state_dict(), weights)
    yield "alexnet", open_backbone("alexnet", None, weights, pool5=False)


def pinned(device: Literal["cpu", "cuda"]) -> Setting:
    """The runtime of params.yaml on `device`."""
    runtime = replace(params.load("runtime", RuntimeParams), device=device)
    return Setting(pin_runtime(runtime), params.read()["extract"]["batch"], runtime.threads)


def memory(archive: Path) -> str:
    """How the peak grows with the photos; a process starts with the peak of the one before it."""
    backbone, peaks = open_backbone("efficientnet_lite0", None, None, pool5=False), []
    for count in (PICTURES, 4 * PICTURES):
        extraction(backbone, archive, count, pinned("cpu"))()
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    growth = f"{peaks[1] - peaks[0]:+.0f} MiB with {4 * PICTURES}"
    return f"efficientnet_lite0: {peaks[0]:.0f} MiB at the peak with {PICTURES} photos, {growth}"


if __name__ == "__main__":
    print(memory(Path(sys.argv[1]))) if sys.argv[1:] else main()
