"""Files of text have an encoding: a machine whose locale is C, as in a container, writes ε, too."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
FOLDERS = ("robust_tf", "tla_tf", "hm_tf", "tools", "examples")
# Their `open` opens no file of text.
OTHERS = {"os", "data", "tarfile", "Image"}
ARGUMENTS_BEFORE = {"read_text": 0, "write_text": 1}


def sources():
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def of_the_locale(code):
    """The lines of calls whose text is encoded as the locale says."""
    for call in ast.walk(ast.parse(code)):
        if not isinstance(call, ast.Call) or any(k.arg == "encoding" for k in call.keywords):
            continue
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr in ARGUMENTS_BEFORE:
            if len(call.args) <= ARGUMENTS_BEFORE[function.attr]:
                yield call.lineno
            continue
        method = isinstance(function, ast.Attribute) and function.attr == "open"
        if method and isinstance(function.value, ast.Name) and function.value.id in OTHERS:
            continue
        if method or (isinstance(function, ast.Name) and function.id == "open"):
            mode = call.args[0 if method else 1 :][:1]
            if not (mode and isinstance(mode[0], ast.Constant) and "b" in mode[0].value):
                yield call.lineno


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_text_has_an_encoding(path):
    if path.name == "dataset.py":  # has an `open` of its own
        return
    assert not list(of_the_locale(path.read_text("utf-8")))


def test_what_is_found():
    code = 'p.read_text(); p.write_text("ε"); p.open(); open(p, "w"); open(p, "rb"); os.open(p, 0)'
    assert len(list(of_the_locale(code))) == 4
    assert not list(of_the_locale('p.write_text("ε", "utf-8"); p.open("w", encoding="utf-8")'))
