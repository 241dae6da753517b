"""The README and the documents say what is so: commands, flags, links and code."""

import configparser
import importlib
import pathlib
import re

import keras
import numpy as np
import pytest
from test_prose import BACKWARDS

from hm_tf import options as hm
from robust_tf.cli.run_table import RUN_TABLE
from tla_tf import options as tla

ROOT = pathlib.Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = r"^```.*?^```"
# docs/results/records holds pages that a tool has written.
WRITTEN = [path for path in DOCUMENTS if path.parent.name != "records"]
COMMANDS = {
    "tla_tf.train": tla.TRAIN,
    "tla_tf.evaluate": tla.EVALUATE,
    "tla_tf.import_weights": tla.IMPORT_WEIGHTS,
    "tla_tf.export": tla.EXPORT,
    "tla_tf.analyze": tla.ANALYZE,
    "tla_tf.report": tla.REPORT,
    "tla_tf.compare": tla.COMPARE,
    "hm_tf.train": hm.TRAIN,
    "hm_tf.evaluate": hm.EVALUATE,
    "hm_tf.attack": hm.ATTACK,
    "hm_tf.analyze": hm.ANALYZE,
    "hm_tf.compare": hm.COMPARE,
    "hm_tf.report": hm.REPORT,
    "hm_tf.export": hm.EXPORT,
    "hm_tf.search": hm.SEARCH,
    "tla_tf.run_table": RUN_TABLE,
    "hm_tf.run_table": RUN_TABLE,
}


def commands():
    """All commands of this project in the documents; code within text may go over line breaks."""
    for path in DOCUMENTS:
        text = path.read_text().replace("\\\n", " ")
        found = re.findall(BLOCK, text, re.S | re.M)
        inline = re.findall(r"`([^`]+)`", re.sub(BLOCK, "", text, flags=re.S | re.M))
        found += [" ".join(code.split()) for code in inline]
        yield from re.findall(r"python -m ((?:tla|hm)_tf\.\w+)(.*)", "\n".join(found))


@pytest.mark.parametrize("name, rest", sorted(set(commands())))
def test_every_command_has_only_flags_that_exist(name, rest):
    given = re.findall(r"--[\w=./,-]+", rest.split("&&")[0])
    given = [flag for flag in given if flag != "--help"]
    COMMANDS[name].parse(given)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_names_only_flags_of_the_commands_that_it_names(name):
    about = importlib.import_module(name).__doc__
    named = {name, *re.findall(r"(?:tla|hm)_tf\.\w+", about)} & COMMANDS.keys()
    known = {flag for one in named for flag in COMMANDS[one].flags}
    assert {*re.findall(r"--(\w+)", about)} <= known


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\((?!http)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_every_line_for_keras_users_names_its_test():
    table = (ROOT / "docs" / "api.md").read_text().split("## What Keras users type")[1]
    lines = re.findall(r"\| \[(.+)\]\(\.\./(.+)\) \|\n", table)
    assert len(lines) == table.count("\n| ") - 1 >= 25
    for name, path in lines:
        found = path.endswith(f"{name}.py") or f"test_{name.replace(' ', '_')}(" in (
            (ROOT / path).read_text()
        )
        assert found, name


def test_every_promise_of_a_run_names_its_tests():
    table = (ROOT / "docs" / "runs.md").read_text().split("## What a run survives")[1]
    lines = re.findall(
        r"\n\| [^|]+ \| [^|]+ \| ([^|]*test_[^|]*) \|", table.split("Other tools")[0]
    )
    assert len(lines) == 18
    for name in re.findall(r"`(.+?)`", " ".join(lines)):
        assert list((ROOT / "tests").rglob(name)), name


def test_the_code_of_extending_runs(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.S)
    namespace = {}
    for block in blocks:
        exec(block, namespace)
    assert abs(namespace["adversarial"] - namespace["images"]).numpy().max() > 0.9 * 8 / 255
    assert list(namespace["robust"].attacks) == ["RandomSearch", "pgd20"]
    model, file = namespace["model"], tmp_path / "model.keras"
    model.save(file)
    loaded = namespace["keras"].models.load_model(file)
    assert loaded.weight == model.weight and loaded.attack == model.attack


def test_ci_runs_the_test_command_of_the_readme():
    command = "python -m pip install -e '.[test]' && python -m pytest"
    assert command in (ROOT / "README.md").read_text()
    assert command in (ROOT / ".ci" / "run").read_text()


def test_the_documents_hold_no_placeholder():
    for path in DOCUMENTS:
        assert not re.search(r"RESULTS_\w+|TODO|FIXME", path.read_text()), path


def words(sentence):
    return [word for word in sentence.split() if re.search(r"\w", word)]


def sentences(text):
    """The sentences of a document: up to a full stop, or the end of a paragraph, list item or cell.

    Code, titles and link targets are left out. A colon ends a sentence only before a list, a table
    or a block of code.
    """
    text = re.sub(BLOCK, "", text, flags=re.S | re.M)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    text = re.sub(r"`[^`]*`", "code", text)
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*#]|\d+\.) )|\|", text):
        yield from re.split(r"(?<!\bet al\.)(?<=[.?!])[)\"*]*\s+", " ".join(block.split()))


def test_the_readme_is_one_page():
    assert len(words((ROOT / "README.md").read_text())) < 900


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_sentences_have_at_most_25_words_and_repeat_the_noun(path):
    found = list(sentences(path.read_text()))
    assert not [sentence for sentence in found if len(words(sentence)) > 25]
    assert not [sentence for sentence in found if BACKWARDS.search(sentence)]


def test_sentences_are_found():
    text = (
        "# Title\n\nOne two, `three four`. Five: a; b, see X et al. 2020\nsix:\n\n- **g.** h\n  i.\n"
        "| a b | c |\n1. d e.\n\n```\nf\n```\n"
    )
    found = [" ".join(words(sentence)) for sentence in sentences(text) if words(sentence)]
    assert found == [
        *("Title", "One two, code.", "Five: a; b, see X et al. 2020 six:"),
        *("**g.", "h i.", "a b", "c", "1.", "d e."),
    ]


def test_the_python_of_the_readme_and_the_api_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).random([20, 8, 8, 3], dtype=np.float32)
    dense = keras.Sequential([keras.Input([8, 8, 3]), keras.layers.Flatten()])
    dense.add(keras.layers.Dense(2))
    for row, image in enumerate(x):
        file = tmp_path / "photos" / str(row % 2) / f"{row}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(file, image)
    for name in "README.md", "docs/api.md":
        blocks = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.S)
        assert blocks
        base = keras.models.clone_model(dense)
        namespace = {"model": dense, "network": dense, "base": base, "x": x, "y": np.arange(20) % 2}
        for block in blocks:
            exec(block.replace('attack="standard"', 'attack="pgd2"'), namespace)
    assert (tmp_path / "robust.keras").exists()


def test_the_lower_bounds_are_versions_that_were_run():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].splitlines()
    bounds = dict(line.split(">=") for line in lines if line and not line.startswith("#"))
    floor = (ROOT / "tests" / "floor_requirements.txt").read_text().splitlines()
    run = dict(line.split("==") for line in floor if not line.startswith("#"))
    assert run.pop("tensorflow-metadata")
    assert bounds.keys() == run.keys()
    for name, bound in bounds.items():
        assert f"{run[name]}.".startswith(f"{bound}."), name
