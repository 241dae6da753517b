"""The page: everything escaped and described, nothing loaded from elsewhere, tags that match."""

import base64
import configparser
import errno
import html.parser
import io
import pathlib
import re

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from robust_tf.errors import UserError
from robust_tf.reports.bars import Bar
from robust_tf.reports.html_table import Mark, Picture
from robust_tf.reports.page import Page

NASTY = "<script>alert(\"1\")</script> & 'x'"
ROOT = pathlib.Path(__file__).parents[3]
VOID = ("meta", "img", "br", "wbr")


class Reader(html.parser.HTMLParser):
    """Collects tags and text; fails where an end tag does not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def figure():
    drawn = Figure(figsize=(1, 1))
    drawn.subplots().plot([0, 1])
    return drawn


def full_page(text):
    page = Page(text, lead=text)
    page.section(text)
    page.paragraph(text)
    page.missing(text, "python", text)
    page.status("amber", text)
    page.table((text, "n"), [(text, "1"), ("b", text)], caption=text)
    cells = (text, Picture(np.zeros((4, 4, 3)), text, text))
    page.table((text, "b"), [cells], caption=text, kind="grid")
    page.bars({text: [Bar(50.0, 40.0, 60.0, text), None]}, [text, "b"], alt=text, caption=text)
    page.figure(figure(), alt=text, caption=text)
    with page.details(text):
        page.paragraph(text)
    return page


def test_tags_match_and_text_is_escaped():
    page = Reader(full_page(NASTY).html())
    assert page.all("script") == []
    assert page.text.count(NASTY) == 23  # all but the alternative texts
    assert [image["alt"] for image in page.all("img")] == [NASTY, NASTY]


def test_nothing_is_loaded():
    text = full_page("x").html()
    page = Reader(text)
    for _, attributes in page.tags:
        assert "style" not in attributes or "url" not in attributes["style"]
        for name in ("src", "href", "srcset", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:image/"))
    assert page.all("link") == page.all("script") == page.all("iframe") == []
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style and "@import" not in style
    assert "://" not in re.sub(r"data:[^\"]*", "", text)


def test_contents_link_to_the_sections():
    page = Page("x")
    page.section("first")
    page.section("second")
    read = Reader(page.html())
    assert [h["id"] for h in read.all("h2")] == ["section-1", "section-2"]
    assert [a["href"] for a in read.all("a")] == ["#section-1", "#section-2"]
    assert Reader(Page("x").html()).all("nav") == []


@pytest.mark.parametrize(
    "add",
    [
        lambda page: page.figure(figure(), alt=" ", caption="c"),
        lambda page: page.figure(figure(), alt="a", caption=""),
        lambda page: page.figure("figure.pdf", alt="a", caption="c"),
        lambda page: page.table(("a",), [(Picture(np.zeros((2, 2)), ""),)]),
        lambda page: page.status("blue", "x"),
    ],
    ids=["no alt", "no caption", "file type", "grid without alt", "level"],
)
def test_what_is_refused(add):
    with pytest.raises(ValueError):
        add(Page("x"))


def test_what_is_missing_is_said_and_its_command_is_printed(tmp_path, capsys):
    page = Page("x")
    page.missing("Nothing was attacked.", "python", "--workdir=a run")
    page.write(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "Nothing was attacked." in text and "python" not in text
    assert capsys.readouterr().out == (
        "not on the page: Nothing was attacked.\n  python '--workdir=a run'\n"
    )


def test_status_says_its_level_in_words():
    page = Page("x")
    page.status("red", "gradients are zero")
    assert "red gradients are zero" in Reader(page.html()).text


@pytest.mark.parametrize("shape", [(2, 2), (2, 2, 1), (2, 2, 3)], ids=str)
def test_pixels_survive(shape):
    pixels = np.linspace(0, 1, int(np.prod(shape))).reshape(shape)
    expected = np.round(255 * pixels).reshape(2, 2, -1)
    for given in (pixels, np.round(255 * pixels).astype(np.uint8)):
        page = Page("x")
        page.table(("a",), [(Picture(given, "a"),)])
        (image,) = Reader(page.html()).all("img")
        data = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))
        read = matplotlib.image.imread(io.BytesIO(data), format="png")[..., :3]
        np.testing.assert_allclose(255 * read, np.broadcast_to(expected, (2, 2, 3)), atol=0.01)


def test_bars_are_as_long_as_their_values_and_numbered_by_method():
    page = Page("x")
    page.bars(
        {"pgd": [Bar(50.0, 25.0, 75.0, "50.0"), Bar(100.0, None, None, "100.0")]},
        "ab",
        alt="a 50.0, b 100.0",
        caption="c",
    )
    read = Reader(page.html())
    short, full = (float(rect["width"].rstrip("%")) for rect in read.all("rect"))
    assert full == 2 * short
    interval = read.all("line")[0]
    assert float(interval["x1"].rstrip("%")) == full / 4
    assert float(interval["x2"].rstrip("%")) == 3 * full / 4
    assert [group["class"] for group in read.all("g")] == ["s0", "s1"]
    assert {"role": "img", "aria-label": "a 50.0, b 100.0"} in read.all("div")


def test_bars_are_told_apart_without_colour():
    page = Page("x")
    bar = Bar(50.0, None, None, "50.0")
    page.bars({"pgd": [bar, None, bar]}, ["at", "um", "tla"], alt="a", caption="c")
    page.bars({"pgd": [bar] * 28}, list(map(str, range(28))), alt="a", caption="c")
    text = page.html()
    assert "</i><b>A</b> at" in text and "</i><b>C</b> tla" in text
    letters = re.findall(r'<text x="-[^>]*>(.*?)</text>', text)
    assert letters[:2] == ["A", "C"] and letters[-3:] == ["Z", "A1", "B1"]


def test_what_is_read_aloud_has_a_name():
    text = full_page("x").html()
    read = Reader(text)
    boxes = [box for box in read.all("div") if "tabindex" in box]
    assert [box["aria-label"] for box in boxes] == ["x", "x"]
    assert {box["role"] for box in boxes} == {"group"}
    assert [table["aria-label"] for table in read.all("table")] == ["x", "x"]
    assert re.search('<header>\n<h1>.*<p class="lead">.*</header>', text, re.DOTALL)
    # A caption inside of a picture would not be read.
    assert re.search('role="img" aria-label="x">.*</div></div><figcaption>', text)
    page = Page("x")
    page.table(("", "flag", "value"), [("a", "b", "c")])
    assert Reader(page.html()).all("table")[0]["aria-label"] == "flag, value"


def test_paper_is_light_and_keeps_the_colours_of_the_legend():
    style = (ROOT / "robust_tf/reports/page.css").read_text("utf-8")
    assert "@media screen and (prefers-color-scheme: dark)" in style
    assert "@media (prefers-color-scheme" not in style
    paper = style[style.index("@media print") :]
    assert ".legend i { print-color-adjust: exact;" in paper and "white-space: normal" in paper


def test_a_marked_cell_and_a_doubted_message_have_a_colour():
    page = Page("x", "message", "red")
    page.table(("a", "b"), [("c", Mark("+1.0", "green"))])
    read = Reader(page.html())
    assert [cell["class"] for cell in read.all("td")] == ["number mark green"]
    assert {"class": "lead red"} in read.all("p")


def test_a_level_of_a_record_opens_no_tag():
    page = Page("x")
    page.table(("a", "b"), [("c", Mark("+1.0", 'red"><meta http-equiv="refresh">'))])
    assert len(Reader(page.html()).all("meta")) == len(Reader(Page("x").html()).all("meta"))


def test_a_figure_is_the_same_page_each_time():
    first, second = (full_page("x").html() for _ in range(2))
    assert first == second


def test_stored_figures(tmp_path):
    for name, media, content in (
        ("a.png", "image/png", b"\x89PNG\r\n\x1a\nbytes"),
        ("a.svg", "image/svg+xml", b"<?xml bytes"),
    ):
        (tmp_path / name).write_bytes(content)
        page = Page("x")
        page.figure(tmp_path / name, alt="a", caption="c")
        text = base64.b64encode(content).decode()
        assert f'src="data:{media};base64,{text}"' in page.html()


def test_the_name_of_a_flag_breaks_after_its_words():
    page = Page("x")
    page.table(("flag", "TLA, attack_steps 9"), [("learning_rate", "a_b")])
    text = page.html()
    assert ">learning_<wbr>rate</th>" in text and ">TLA, attack_<wbr>steps 9<" in text
    assert ">a_b</td>" in text and "learning_rate" in Reader(text).text


@pytest.mark.parametrize("name", ["ranking.png", "figure4.svg"])
def test_a_figure_that_leads_to_something_else_is_not_shown(name, tmp_path):
    (tmp_path / "secret").write_text("a key of the reader")
    (tmp_path / name).symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match="is no .(png|svg) file"):
        Page("x").figure(tmp_path / name, alt="a", caption="b")


def test_numbers_stand_right_and_long_text_wraps():
    page = Page("x")
    header = ("name", "1 number", "signed", "range", "mixed", "remark")
    lines = [
        ("a", "12.5", "-3", "97.3 to 98.1", "1", "short"),
        ("b", "1,797", "-", "-", "x", "word " * 20),
    ]
    page.table(header, lines)
    kinds = ["", "number", "number", "", "", "long"]
    read = Reader(page.html())
    assert [cell["class"] for tag, cell in read.tags if tag in ("th", "td")] == 3 * kinds
    assert [cell["scope"] for cell in read.all("th")] == 6 * ["col"] + 2 * ["row"]


def test_a_full_disk_leaves_the_page_before(tmp_path, monkeypatch):
    page, path = Page("Title", "Lead"), tmp_path / "page.html"
    path.write_text("<!DOCTYPE html>before")
    (tmp_path / "latest.html").symlink_to(path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            page.write(path)
    assert path.read_text() == "<!DOCTYPE html>before"
    page.write(tmp_path / "latest.html")
    assert "Lead" in path.read_text("utf-8")
    assert {found.name for found in tmp_path.iterdir()} == {"page.html", "latest.html"}


def test_a_link_to_what_is_no_page_is_not_written_through(tmp_path):
    (tmp_path / "notes").write_text("of the user")
    (tmp_path / "report.html").symlink_to(tmp_path / "notes")
    with pytest.raises(UserError, match="leads to a file that is no page"):
        Page("x").write(tmp_path / "report.html")
    assert (tmp_path / "notes").read_text() == "of the user"


def test_writing(tmp_path):
    Page("Überschrift").write(tmp_path / "new/report.html")
    assert "Überschrift" in (tmp_path / "new/report.html").read_text(encoding="utf-8")
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file/report.html"):
        with pytest.raises(UserError, match="cannot be written"):
            Page("x").write(path)


def test_the_style_is_installed():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["options.package_data"]["robust_tf.reports"] == "page.css"
