"""The command `studio`.

    studio study create NAME                # the adapter's ranges and objective, 30 trials
    studio study run NAME                   # goes on where it was
    studio study status [NAME]
    studio study best NAME
    studio study importance NAME
    studio study promote NAME [--apply]     # the best trial as a full experiment
    studio study export NAME > trials.csv   # or --chart FILE.svg
    studio serve [--repo PATH]              # runs, studies, jobs and search in the browser

Exit status: 0 done, 1 an error that a line explains, 2 a wrong command line, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from studio import commands
from studio.cli_json import plain
from studio.creation import RUNNERS
from studio.engines import list_engines
from studio.errors import StudioError
from studio.process import STORAGE, heeded_by_children
from studio.store import open_store
from studio.web import serve


def main(words: list[str] | None = None) -> None:
    """Run one command; an error is one message on standard error."""
    asked = arguments().parse_args(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    heeded_by_children()
    try:
        asked.run(asked)
        sys.stdout.flush()
    except StudioError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # who read what we print has had enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def about_studies(asked: argparse.Namespace) -> None:
    """A command on the store of the studies; with `--json` its answer."""
    answer = asked.command(open_store(asked.storage), asked)
    if asked.json:
        print(json.dumps(plain(answer), indent=2))


def positive(word: str) -> int:
    """A number of things."""
    if int(word) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; got {word}")
    return int(word)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        "studio", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    groups = parser.add_subparsers(required=True, metavar="study | serve")
    pages = groups.add_parser("serve", help="the studio in the browser")
    serve.arguments(pages)
    pages.set_defaults(run=serve.serve, storage=os.environ.get(STORAGE))
    group = groups.add_parser("study", help="hyper-parameter studies")
    verbs = group.add_subparsers(required=True, metavar="COMMAND")
    made = {
        "create": (commands.create, "a new study"),
        "run": (commands.run, "run the trials that are left"),
        "status": (commands.status, "how a study stands, or all of them"),
        "best": (commands.best, "the best trials"),
        "importance": (commands.importance, "which parameters matter"),
        "promote": (commands.promote, "the best trial as a full experiment"),
        "export": (commands.export, "all trials as CSV"),
    }
    for verb, (command, text) in made.items():
        sub = verbs.add_parser(verb, help=text, description=text)
        sub.add_argument("name", nargs="?" if verb == "status" else None, help="of the study")
        sub.add_argument("--json", action="store_true", help="the answer as JSON")
        sub.add_argument("--storage", metavar="URL", help=f"a database of Optuna's (${STORAGE})")
        sub.set_defaults(run=about_studies, command=command, storage=os.environ.get(STORAGE))
    _create_arguments(verbs.choices["create"])
    verbs.choices["run"].add_argument("--jobs", type=positive, help="trials at a time")
    verbs.choices["export"].add_argument(
        "--chart", type=Path, metavar="FILE.svg", help="the objective by trial, drawn, not CSV"
    )
    verbs.choices["promote"].add_argument("--trial", type=int, help="not the best, but this one")
    verbs.choices["promote"].add_argument("--apply", action="store_true", help="dvc exp apply it")
    return parser


def _create_arguments(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--adapter", help="of the model, where there are several")
    sub.add_argument("--n-trials", type=int, default=30, help="(30)")
    sub.add_argument("--timeout", type=float, metavar="SECONDS", help="no new trial after it")
    sub.add_argument("--engine", default="optuna", help=f"(optuna) of {', '.join(list_engines())}")
    sub.add_argument("--pruner", default="none", help="(none) median, hyperband, asha")
    sub.add_argument("--runner", default="dvc", choices=RUNNERS, help="(dvc)")
    sub.add_argument("--jobs", type=int, default=1, help="trials at a time (1)")
    sub.add_argument("--objective", action="append", metavar="FILE:KEY", help="several: Pareto")
    sub.add_argument("--search-epochs", type=int, metavar="N", help="fewer epochs for a trial")
    sub.add_argument(
        "--subset-ratio", type=float, metavar="SHARE", help="share of the rows for a trial"
    )
    sub.add_argument("--seed", type=int, default=0, help="(0)")
    sub.add_argument("--keep", type=int, metavar="N", help="experiments of the best N trials only")
    sub.add_argument("--space", type=Path, metavar="FILE", help="YAML; replaces the adapter's")
    sub.add_argument(
        "--set", action="extend", nargs="+", default=[], metavar="KEY=RANGE", help="null drops it"
    )
    sub.add_argument("--from", dest="earlier", metavar="STUDY", help="reuse its trials")
    sub.add_argument("--dry-run", action="store_true", help="check and show, create nothing")
