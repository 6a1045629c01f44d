"""The manifest: what is written is read, whatever the texts hold."""

from hypothesis import given
from hypothesis import strategies as st

from agch.manifest import read_manifest, write_manifest

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["a\u2028b", "a\u2029b", "a\x85b", "a\nb", "a\r\nb"]
)


@given(st.lists(st.fixed_dictionaries({"id": TEXTS, "caption": TEXTS, "tags": st.lists(TEXTS)})))
def test_what_is_written_is_read_line_by_line(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("manifest") / "manifest.jsonl"
    write_manifest(path, entries)
    assert read_manifest(path) == entries
    assert path.read_bytes().count(b"\n") == len(entries)
