"""Docstrings repeat the noun: no phrase sends the reader back to an earlier one."""

import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("robust_tf", "tla_tf", "hm_tf")
BACKWARDS = re.compile(r"\b(?:that|those) of\b|\bthose (?:in|on|that|with)\b|\bwhat is\b|\bas of\b")


def docstrings():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                    yield (
                        f"{path.relative_to(ROOT)}",
                        " ".join((ast.get_docstring(node) or "").split()),
                    )


def test_no_phrase_points_backwards():
    found = [
        f"{path}: {match[0]}" for path, text in docstrings() for match in BACKWARDS.finditer(text)
    ]
    assert not found
