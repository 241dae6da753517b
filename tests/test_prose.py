"""Docstrings repeat the noun: phrases that send the reader back to an earlier one are rare."""

import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("robust_tf", "tla_tf", "hm_tf")
BACKWARDS = re.compile(r"\b(?:that|those) of\b|\bthose that\b|\bwhat is\b|\bas of\b")
MOST = 0.5  # of 1,000 words


def docstrings():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                    yield (
                        f"{path.relative_to(ROOT)}",
                        " ".join((ast.get_docstring(node) or "").split()),
                    )


def test_phrases_that_point_backwards_are_rare():
    words = sum(len(text.split()) for _, text in docstrings())
    found = [
        f"{path}: {match[0]}" for path, text in docstrings() for match in BACKWARDS.finditer(text)
    ]
    assert 1000 * len(found) / words < MOST, found
