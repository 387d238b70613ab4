"""What a format carries comes back from it: ``import(export(d)) == d``, for documents of what it carries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coedit.formats import FORMATS, export_document, import_document
from coedit.formats.lines import DIVIDER, Line, Run, document_of
from coedit.ot.delta import Delta
from coedit.ot.parts.attributes import Attributes
from coedit.testing.strategies import documents
from tests.laws import heavy_law

_CHARACTERS = "ab1  \t.,;:!?#*_-+=~`'\"()[]{}<>&|\\/%@$^é\u00a0漢😀\u200d\u0301\u2028€ש"
_texts = st.text(_CHARACTERS, min_size=1, max_size=8)
_LINKS = [
    "https://example.org/a?b=1&c=(2)",
    "mailto:a@b.c",
    "/relative/*_x_*",
    "#here",
    "https://é.example/\\(x",
]
_IMAGES = ["https://example.org/i.png", "data:image/png;base64,iVBORw0KGgo="]


def _sometimes(name: str, *values: object) -> st.SearchStrategy[Attributes]:
    return st.sampled_from([{}, {}, *({name: value} for value in values)])


def _marks(*parts: st.SearchStrategy[Attributes]) -> st.SearchStrategy[Attributes]:
    return st.tuples(*parts).map(
        lambda found: {name: value for part in found for name, value in part.items()}
    )


_MARKDOWN_MARKS = (
    _sometimes("bold", True),
    _sometimes("italic", True),
    _sometimes("strike", True),
    _sometimes("link", *_LINKS),
)
_markdown_marks = _marks(*_MARKDOWN_MARKS)
_code_marks = _marks(*_MARKDOWN_MARKS, st.just({"code": True}))
_html_marks = _marks(
    *_MARKDOWN_MARKS,
    _sometimes("underline", True),
    _sometimes("code", True),
    _sometimes("script", "sub", "super"),
)


def _runs(*marks: st.SearchStrategy[Attributes]) -> st.SearchStrategy[tuple[Run, ...]]:
    texts = st.builds(Run, _texts, st.one_of(*marks))
    alts = st.sampled_from([{}, {"alt": "a picture"}, {"alt": "*[x](y) & <b>"}])
    images = st.builds(
        lambda address, marked, alt: Run({"image": address}, marked | alt),
        st.sampled_from(_IMAGES),
        marks[0],
        alts,
    )
    return st.lists(texts | texts | texts | images, max_size=5).map(tuple)


def _code(min_size: int = 0) -> st.SearchStrategy[tuple[Run, ...]]:
    return st.lists(st.builds(Run, _texts, st.just({})), min_size=min_size, max_size=2).map(tuple)


_kinds = st.sampled_from(
    [
        {},
        {},
        {"header": 1},
        {"header": 6},
        {"blockquote": True},
        {"list": "bullet"},
        {"list": "ordered"},
        {"list": "checked"},
        {"list": "unchecked"},
    ]
)
_code_kinds = st.sampled_from([{"code-block": True}, {"code-block": "python"}, {"code-block": "c++"}])
_dividers = st.just(Line((Run(DIVIDER, {}),), {}))


@st.composite
def html_documents(draw: st.DrawFn) -> Delta:
    """Draw a document of all that HTML carries."""
    layouts = _marks(_sometimes("indent", 1, 2, 5), _sometimes("align", "center", "right", "justify"))
    plain = st.builds(
        lambda runs, kind, layout: Line(runs, kind | layout), _runs(_html_marks), _kinds, layouts
    )
    code = st.builds(Line, _code(), _code_kinds)
    return document_of(draw(st.lists(plain | plain | code | _dividers, max_size=6)))


@st.composite
def markdown_documents(draw: st.DrawFn) -> Delta:
    """Draw a document of all that Markdown carries: no line is empty but in code, and no level of a list left out."""
    runs = _runs(_markdown_marks, _code_marks).filter(bool)
    lines = draw(
        st.lists(
            st.builds(Line, runs, _kinds) | st.builds(Line, _code(), _code_kinds) | _dividers, max_size=7
        )
    )
    indent = -1
    placed: list[Line] = []
    for line in lines:
        indent = draw(st.integers(0, indent + 1)) if "list" in line.attributes else -1
        placed.append(Line(line.runs, line.attributes | ({"indent": indent} if indent > 0 else {})))
    return document_of(placed)


@heavy_law
@given(html_documents())
def test_html_comes_back(document: Delta) -> None:
    assert import_document(export_document(document, "html"), "html") == document


@heavy_law
@given(markdown_documents())
def test_markdown_comes_back(document: Delta) -> None:
    body = export_document(document, "markdown")
    assert import_document(body, "markdown") == document, body.decode()


@pytest.mark.parametrize("name", ["delta", "yjs"])
@heavy_law
@given(documents())
def test_delta_and_yjs_carry_everything(name: str, document: Delta) -> None:
    assert import_document(export_document(document, name), name) == document


@heavy_law
@given(
    st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"])).filter(
        lambda text: text[:1] != "\ufeff"
    )
)
def test_text_comes_back(text: str) -> None:
    document = Delta().insert(text)
    assert import_document(export_document(document, "text"), "text") == document


@heavy_law
@given(documents(), st.sampled_from(sorted(FORMATS)))
def test_what_was_lost_once_is_lost(document: Delta, name: str) -> None:
    """Any document at all can be exported, and from then on nothing more is lost."""
    once = import_document(export_document(document, name), name)
    assert import_document(export_document(once, name), name) == once


@heavy_law
@given(st.text(_CHARACTERS + "\n\x00", max_size=60), st.sampled_from(["markdown", "html", "text"]))
def test_any_text_can_be_imported(text: str, name: str) -> None:
    document = import_document(text.encode(), name)
    assert document.is_document
