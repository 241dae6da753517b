"""The README and the documents say what is so: commands, flags, links and code."""

import pathlib
import re

import pytest
from absl import flags as absl_flags

import hm_tf.export
import hm_tf.flags
import hm_tf.search
import tla_tf.export
from robust_tf.cli import recipe
from tla_tf import flags, import_weights

ROOT = pathlib.Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = {
    "tla_tf.train": flags.define_train,
    "tla_tf.evaluate": flags.define_evaluate,
    "tla_tf.import_weights": import_weights.define,
    "tla_tf.export": tla_tf.export.define,
    "tla_tf.analyze": flags.define_analyze,
    "tla_tf.report": flags.define_report,
    "tla_tf.compare": flags.define_compare,
    "hm_tf.train": hm_tf.flags.define_train,
    "hm_tf.evaluate": hm_tf.flags.define_evaluate,
    "hm_tf.attack": hm_tf.flags.define_attack,
    "hm_tf.analyze": hm_tf.flags.define_analyze,
    "hm_tf.compare": hm_tf.flags.define_compare,
    "hm_tf.report": hm_tf.flags.define_report,
    "hm_tf.export": hm_tf.export.define,
    "hm_tf.search": hm_tf.search.define,
}


def commands():
    """All commands of this project in the documents."""
    for path in DOCUMENTS:
        for line in re.findall(r"python -m ((?:tla|hm)_tf\.\w+)([^`\n|]*)", path.read_text()):
            yield line


@pytest.mark.parametrize("name, rest", sorted(set(commands())))
def test_every_command_has_only_flags_that_exist(name, rest):
    values = absl_flags.FlagValues()
    COMMANDS[name](values)
    given = re.findall(r"--[\w=./,]+", rest.split("&&")[0])
    given = [flag for flag in given if flag != "--help"]
    if name.endswith(".train"):
        given = recipe.combine(given, lambda _: "digits", name.split("_")[0])
    values(["command", *given])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\((?!http)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_the_code_of_extending_runs():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.S)
    namespace = {}
    for block in blocks:
        exec(block, namespace)
    assert abs(namespace["adversarial"] - namespace["images"]).numpy().max() > 0.9 * 8 / 255


def test_ci_runs_the_test_command_of_the_readme():
    command = "python -m pip install -e '.[test]' && python -m pytest"
    assert command in (ROOT / "README.md").read_text()
    assert command in (ROOT / ".ci" / "run").read_text()


def test_the_documents_hold_no_placeholder():
    for path in DOCUMENTS:
        assert not re.search(r"RESULTS_\w+|TODO|FIXME", path.read_text()), path
