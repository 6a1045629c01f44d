"""What the documents show in `>>>` is what comes out."""

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", ["evaluation.md"])
def test_examples_of_the_documents_hold(name: str) -> None:
    failed, tried = doctest.testfile(str(DOCS / name), module_relative=False)
    assert tried and not failed
