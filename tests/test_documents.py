"""The README and the documents say what is so: commands, flags, links and code."""

import pathlib
import re

import pytest

from hm_tf import options as hm
from robust_tf.cli.run_table import RUN_TABLE
from tla_tf import options as tla

ROOT = pathlib.Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
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
    """All commands of this project in the documents."""
    for path in DOCUMENTS:
        for line in re.findall(r"python -m ((?:tla|hm)_tf\.\w+)([^`\n|]*)", path.read_text()):
            yield line


@pytest.mark.parametrize("name, rest", sorted(set(commands())))
def test_every_command_has_only_flags_that_exist(name, rest):
    given = re.findall(r"--[\w=./,]+", rest.split("&&")[0])
    given = [flag for flag in given if flag != "--help"]
    COMMANDS[name].parse(given)


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
