"""Tables of pictures: what a row becomes, and every problem with the line an editor shows."""

import csv
import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agch.sources import SourceError
from agch.sources.columns import make_item
from agch.sources.table import read_text, refuse, rows


def read(path, content):
    """The rows of a table with this content, and the problems."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    problems = []
    return list(rows(path, problems)), problems


@pytest.fixture
def read_csv(tmp_path):
    return lambda content: read(tmp_path / "tags.csv", content)


@pytest.fixture
def read_jsonl(tmp_path):
    return lambda content: read(tmp_path / "tags.jsonl", content)


def problem(outcome):
    """The only problem of a table."""
    _, (found,) = outcome
    return found


# what a row becomes


def test_tags_are_tidied_and_labels_keep_their_case():
    item = make_item(
        "a.png", tags=[" New  York ", "cafe\u0301", "", "new\tyork"], labels=["b ", "B", "a", "b"]
    )
    assert item.tags == ("new york", "caf\u00e9")
    assert item.labels == ("B", "a", "b")
    assert make_item("a.png", tags=["m\u00b2"]).tags == ("m\u00b2",)  # another sign than 2


def test_the_words_of_the_caption_are_the_tags_only_where_there_are_none():
    alone = make_item("a.png", caption=" A dog, a Park; the dog.\n", tags=[" "])
    assert (alone.tags, alone.caption) == (("dog", "park", "the"), "A dog, a Park; the dog.")
    both = make_item("a.png", caption="A dog", tags=["cat"])
    assert (both.tags, both.caption) == (("cat",), "A dog")


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0;"))


def items(names):
    rows = st.builds(
        make_item,
        texts.filter(str.strip),
        tags=st.lists(names, max_size=4),
        caption=texts,
        labels=st.lists(names, max_size=3),
        split=st.sampled_from(["", "train", "query", "database"]),
    )
    return st.lists(rows, min_size=1, max_size=5)


@given(items(texts))
def test_tidying_twice_is_tidying_once(made):
    for item in made:
        assert make_item(item.id, item.tags, item.caption, item.labels, item.split) == item


@given(texts)
def test_composed_and_decomposed_accents_are_one_tag(tag):
    forms = [unicodedata.normalize(form, tag) for form in ("NFC", "NFD")]
    assert len(make_item("a.png", tags=[tag, *forms]).tags) <= 1


# CSV


def test_columns_may_come_in_any_order_and_others_are_ignored(read_csv):
    header = "title,labels,tags,split,caption, file ,state\n"
    found, problems = read_csv(header + "T,pets,dog;green park,query,A dog.,a.png,x\n")
    assert problems == []
    item = make_item("a.png", ["dog", "green park"], "A dog.", ["pets"], "query")
    assert found == [(2, item)]


def test_cells_may_hold_commas_quotes_and_any_script(read_csv):
    found, problems = read_csv('file,tags\n"my ""best"", 1.png","a, b;Ключ;犬"\n')
    assert (found, problems) == ([(2, make_item('my "best", 1.png', ["a, b", "ключ", "犬"]))], [])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_byte_order_mark_and_any_line_ends_are_fine(read_csv, end):
    content = end.join(["\ufefffile,tags", "a.png,dog;cat", "", "b.png,dog;cat", ""])
    found, problems = read_csv(content)
    assert [(line, item.id) for line, item in found] == [(2, "a.png"), (4, "b.png")]
    assert problems == []


def test_rows_without_any_text_are_skipped(read_csv):
    found, problems = read_csv("file,tags,labels\na.png,x,\n,,\n , ,\n")
    assert (len(found), problems) == (1, [])


@given(made=items(plain))
def test_csv_gives_back_what_was_written(tmp_path_factory, made):
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["file", "tags", "caption", "labels", "split"])
    for item in made:
        cells = ("".join(f"{name};" for name in names) for names in (item.tags, item.labels))
        tags, labels = cells
        writer.writerow([item.id, tags, item.caption, labels, item.split])
    found, problems = read(tmp_path_factory.getbasetemp() / "round.csv", file.getvalue())
    assert problems == []
    assert [item for _, item in found] == made


def test_lines_are_counted_as_an_editor_does_after_a_text_of_several_lines(read_csv):
    content = 'file,caption,split\r\na.png,"one\r\ntwo\r\n\r\nfour",\r\n\r\nb.png,"x\ny",test\r\n'
    # line 2 to 5 the first row, 6 blank
    assert problem(read_csv(content)).startswith("line 7: the split is 'test'")


def test_a_row_with_another_number_of_fields(read_csv):
    found, problems = read_csv("file,tags\na.png,dog,cat\nb.png\nc.png,dog\n")
    assert [item.id for _, item in found] == ["c.png"]
    assert problems[0].startswith("line 2: 3 fields, expected 2 (file, tags); put quotes")
    assert problems[1].startswith("line 3: 1 fields, expected 2")


def test_a_quote_that_is_not_closed_is_found_where_its_row_begins(read_csv):
    found, problems = read_csv('file,tags\na.png,dog\nb.png,"cat\nc.png,dog\n')
    assert [item.id for _, item in found] == ["a.png"]
    assert problems[0].startswith("line 3: the quotes of the row that begins here do not match (")


def test_text_after_a_closed_quote(read_csv):
    assert "line 2: the quotes" in problem(read_csv('file,tags\na.png,"big" dog\n'))


@pytest.mark.parametrize("mark", [";", "\t"])
def test_columns_that_are_not_separated_by_commas(read_csv, mark):
    told = f"line 1: columns are separated by {mark!r}, expected ','; save the table with commas"
    assert problem(read_csv(f"file{mark}tags\na.png{mark}dog\n")) == told


@pytest.mark.parametrize("column", ["tags", "labels"])
def test_commas_between_names_are_noticed(read_csv, column):
    content = f'file,caption,{column}\na.png,x,\nb.png,x,dog\nc.png,x,"dog,cat"\nd.png,x,"a, b"\n'
    told = f"line 4: {column} are separated by ',', expected ';'; replace the commas, or end"
    assert problem(read_csv(content)).startswith(told)  # 2 of 3 that are not empty


@pytest.mark.parametrize("content", ["dog\n", "x;y\n", '"Rome, Italy;"\n'])
def test_commas_in_half_of_the_names_or_beside_a_semicolon_are_meant(read_csv, content):
    assert read_csv(f'file,tags\na.png,"Paris, France"\nb.png,{content}')[1] == []


# the columns


@pytest.mark.parametrize(
    ("header", "wrong", "right"),
    [
        ("filename,tags", "filename", "file"),
        ("Image File,tags", "Image File", "file"),
        ("file,tag", "tag", "tags"),
        ("file,tags,label", "label", "labels"),
        ("file,Caption", "Caption", "caption"),
        ("file,tags,lables", "lables", "labels"),
    ],
)
def test_a_misspelt_column_is_named_with_the_right_one(read_csv, header, wrong, right):
    told = f"line 1: unknown column '{wrong}'; did you mean '{right}'? rename it"
    assert problem(read_csv(f"{header}\n")) == told


def test_a_column_is_not_misspelt_if_the_right_one_is_there(read_csv):
    assert read_csv("file,tags,tag,title,location,filename\na,b;c,x,x,x,x\n")[1] == []


def test_a_table_without_files(read_csv):
    told = (
        "line 1: there is no column 'file'; found path, tags; expected file, tags or caption or "
        "both, and where wanted labels and split"
    )
    assert problem(read_csv("path,tags\na.png,dog\n")) == told


def test_a_table_without_text(read_csv):
    told = "line 1: there is no column 'tags' and no column 'caption'; found file, labels; expected"
    assert problem(read_csv("file,labels\na.png,dog\n")).startswith(told)


def test_a_column_that_is_there_twice(read_csv):
    assert (
        problem(read_csv("file,tags,tags\n")) == "line 1: there are two columns 'tags'; remove one"
    )


@pytest.mark.parametrize("content", ["file,tags\n", "file,tags\n,\n"])
def test_a_table_without_rows(read_csv, content):
    assert problem(read_csv(content)).startswith("the table has no rows, expected one for each")


def test_an_empty_file(read_csv, read_jsonl):
    _, problems = read_csv("\n")
    assert problems[0].startswith("line 1: there is no column 'file'; found none; expected file")
    assert problem(read_jsonl("\n")).startswith("the table has no rows")


# the values


def test_an_empty_file_name(read_csv, read_jsonl):
    told = "line 2: 'file' is empty, expected the name of a picture; add it or remove the row"
    assert problem(read_csv("file,tags\n ,dog\n")) == told
    assert problem(read_jsonl('\n{"file": null, "tags": ["dog"]}\n')) == told


def test_a_split_that_nobody_knows(read_csv):
    told = "line 2: the split is 'test', expected train, query, database or nothing; correct it"
    assert problem(read_csv("file,tags,split\na.png,dog,test\n")) == told


def test_white_space_around_a_split_does_not_matter(read_csv):
    ((_, item),), problems = read_csv("file,tags,split\na.png,dog, query \n")
    assert (item.split, problems) == ("query", [])


@pytest.mark.parametrize(("written", "code"), [(r"\ud83d", "D83D"), (r"\u0000", "0000")])
def test_what_is_no_character(read_jsonl, written, code):
    told = f"line 1: there is U+{code} in a text, which is no character; remove it"
    assert problem(read_jsonl(f'{{"file": "a.png", "tags": ["dog {written}"]}}')) == told


def test_a_text_that_is_not_utf_8_has_the_line_of_its_first_wrong_byte(read_csv):
    content = "file,tags\r\na.png,dög;x\r\n".encode() + "b.png,dög\r\n".encode("latin-1")
    told = "line 3: byte 0xf6 is not UTF-8; save the file as UTF-8"
    assert problem(read_csv(content)).startswith(told)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be read \(Is a directory\); correct its perm"):
        read_text(tmp_path)


# JSONL


def test_a_line_of_jsonl_needs_a_file_and_a_text_only(read_jsonl):
    lines = [
        {"file": "a.png", "tags": ["Dog", "a;b, c"], "labels": ["pets"], "split": "train"},
        {"file": "b.png", "caption": "A dog.\nA cat.", "tags": None, "labels": None, "more": 1},
    ]
    found, problems = read_jsonl("\ufeff" + "\r\n\r\n".join(map(json.dumps, lines)))
    assert problems == []
    assert found == [
        (1, make_item("a.png", ["dog", "a;b, c"], "", ["pets"], "train")),
        (3, make_item("b.png", caption="A dog.\nA cat.")),
    ]


@given(made=items(texts), ascii_only=st.booleans())
def test_jsonl_gives_back_what_was_written(tmp_path_factory, made, ascii_only):
    keys = ("tags", "caption", "labels", "split")
    lines = [{"file": item.id} | {key: getattr(item, key) for key in keys} for item in made]
    content = "".join(json.dumps(line, ensure_ascii=ascii_only) + "\n" for line in lines)
    found, problems = read(tmp_path_factory.getbasetemp() / "round.jsonl", content)
    assert problems == []
    assert found == list(enumerate(made, start=1))


GOOD = '{"file": "a.png", "tags": []}\n'


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{'file'", "not JSON (Expecting property name enclosed in double quotes at column 2)"),
        ("[" * 100_000, "more brackets than JSON for a picture has; remove them"),
        ("[1]", "found a list, expected one object in each line, such as {"),
        ('{"file": "a", "tag": []}', "unknown key 'tag'; did you mean 'tags'? rename it"),
        ('{"file": "a"}', "there is no key 'tags' and no key 'caption'; found file; expected"),
        ("{}", "there is no key 'file'; found none; expected file, tags or caption or both"),
        ('{"file": 1, "tags": []}', "'file' is 1, expected a string; put quotes around it"),
        ('{"file": "a", "caption": []}', "'caption' is [], expected a string; put quotes around"),
        ('{"file": "a", "tags": "x;y"}', "'tags' is 'x;y', expected a list of strings; write it"),
        (
            '{"file": "a", "tags": [], "labels": [1]}',
            "'labels' is [1], expected a list of strings; write it as",
        ),
    ],
)
def test_a_wrong_line_of_jsonl_is_named_and_the_others_are_read(read_jsonl, line, told):
    found, problems = read_jsonl(GOOD + line + "\n" + GOOD)
    assert [number for number, _ in found] == [1, 3]
    assert problems[0].startswith(f"line 2: {told}")


# the report


def test_no_problem_is_no_error(tmp_path):
    refuse(tmp_path, [])


@pytest.mark.parametrize(
    ("count", "head"),
    [(1, "1 problem:"), (10, "10 problems:"), (1_234, "1,234 problems, the first 10:")],
)
def test_at_most_ten_problems_are_listed_and_all_are_counted(tmp_path, count, head):
    with pytest.raises(SourceError) as error:
        refuse(tmp_path, [f"line {number}" for number in range(count)])
    first, *listed = str(error.value).splitlines()
    assert first == f"{tmp_path}: {head}"
    assert listed == [f"  line {number}" for number in range(min(count, 10))]


def test_a_short_table_leaves_other_readers_their_limit(read_csv):
    before = csv.field_size_limit()
    read_csv("file,caption\na.png,words\n")
    assert csv.field_size_limit() >= before


def test_an_article_may_be_a_caption(read_csv):
    long = "word " * 40_000
    ((_, item),), problems = read_csv(f"file,caption\na.png,{long}\n")
    assert not problems and item.caption == long.strip()
