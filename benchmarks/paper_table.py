"""The paper's table: map@50 at 16, 32, 64 and 128 bits as printed, as found here, the difference.

python -m benchmarks.paper_table openclipart --seeds 3
python -m benchmarks.paper_table mirflickr25k         # the paper's experiment, whole

Writes docs/tables/paper-<source>.md and .tex, and prints the first.
"""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path

import torch

from agch.files import replacing
from agch.published import PUBLISHED, Printed
from benchmarks.experiments import Result, check_metrics, results, settings

LENGTHS = [16, 32, 64, 128]
TABLES = Path("docs/tables")
HEADER = ("bits", "direction", "paper", "ours", "difference")
Row = tuple[str, ...]


def main() -> None:
    """Run the experiments of a source, write and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = settings("paper")
    parser.add_argument("source", choices=list(known))
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0")
    asked = parser.parse_args()
    check_metrics()
    group = {"paper": known[asked.source]}
    found = [row for row in results(group, LENGTHS, asked.seeds, {}) if row.name in group]
    rows = compare(found, PUBLISHED.get(asked.source, {}))
    note = provenance(asked.source, asked.seeds)
    write(TABLES / f"paper-{asked.source}.md", markdown(rows, note))
    write(TABLES / f"paper-{asked.source}.tex", latex(rows, note))
    print(markdown(rows, note), end="")


def compare(found: list[Result], printed: Printed) -> list[Row]:
    """A row a length and direction; a dash where the paper has no such data."""
    rows: list[Row] = []
    for result in found:
        for direction in ("i2t", "t2i"):
            ours = result.mean(direction, "map@50")[0]
            paper = printed.get(direction, {}).get(result.bits)
            rows.append(
                (
                    str(result.bits),
                    direction,
                    "-" if paper is None else f"{paper:.3f}",
                    result.cell(direction, "map@50"),
                    "-" if paper is None else f"{ours - paper:+.3f}",
                )
            )
    return rows


def provenance(source: str, seeds: int) -> list[str]:
    """What a reader needs to run the table again."""
    processor = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).is_file():
        lines = info.read_text(encoding="utf-8").splitlines()
        names = [line.split(": ", 1)[1] for line in lines if line.startswith("model name")]
        processor = f"{len(names)} cores of {names[0]}" if names else processor
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else processor
    return [
        f"map@50 of AGCH as published on {source}; ours: mean ± deviation over {seeds} seeds.",
        f"Command: python -m benchmarks.paper_table {source} --seeds {seeds}",
        f"Hardware: {device}; torch {torch.__version__}.",
    ]


def markdown(rows: list[Row], note: list[str]) -> str:
    """The table and its provenance as Markdown."""
    lines = [HEADER, tuple("---:" for _ in HEADER), *rows]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return table + "\n" + "  \n".join(note) + "\n"


def latex(rows: list[Row], note: list[str]) -> str:
    """The table as a LaTeX tabular, its provenance as comments."""
    body = "".join(" & ".join(row) + r" \\" + "\n" for row in (HEADER, *rows))
    comments = "".join(f"% {line}\n" for line in note)
    tabular = "\\begin{tabular}{rlrrr}\n\\hline\n" + body + "\\hline\n\\end{tabular}\n"
    return (comments + tabular).replace("±", r"$\pm$").replace("& -", "& $-$")


def write(path: Path, text: str) -> None:
    """Write whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
    print(f"wrote {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
