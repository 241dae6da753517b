"""tools/collect_results.py: records and table of runs of ranking attacks."""

import dataclasses
import importlib.util
import json
import pathlib
import re

import pytest
from made_results import DOUBTED, made
from ranking_results import attacked, clean, result

from robust_tf.reports.recorded_run import find_runs
from robust_tf.results.result import append_results

TOOL = pathlib.Path(__file__).parents[2] / "tools" / "collect_results.py"
WIDE = {"eps": 77 / 255, "norm": "linf", "lower": 0.0, "upper": 1.0}


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("collect_results", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_folder(folder, results, commit):
    folder.mkdir()
    append_results(folder / "results.jsonl", results)
    flags = {"dataset": "cub200", "defense": "hm", "workdir": str(folder), "data_dir": "/data"}
    config = {"flags": flags, "commit": commit}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "metrics.jsonl").write_text(
        '{"step": 1, "seconds": 2.5}\n{"step": 2, "seconds": 1.5}\n'
    )
    return str(folder)


def collected(tool, tmp_path, *results, commit="0123456789abcdef"):
    runs = [run_folder(tmp_path / f"seed{i}", found, commit) for i, found in enumerate(results)]
    tool.main([str(tmp_path / "new" / "all"), *runs])
    return (tmp_path / "new" / "all.md").read_text()


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_run_of_an_installed_package_has_no_commit(tool, tmp_path):
    text = collected(tool, tmp_path, [*clean(), *attacked()], commit=None)
    assert "| 4 | - | `--dataset=cub200 --defense=hm` |" in text


def test_a_run_of_a_checkout_names_its_commit(tool, tmp_path):
    assert "| 4 | 0123456789ab |" in collected(tool, tmp_path, [*clean(), *attacked()])


def test_a_run_that_is_missing_leaves_what_was_collected(tool, tmp_path, capsys):
    collected(tool, tmp_path, [*clean(), *attacked()])
    before = (tmp_path / "new" / "all.jsonl").read_text()
    run_folder(tmp_path / "empty", [], None)
    for name, said in ("nowhere", "nowhere"), ("empty", "no results yet: .*empty"):
        with pytest.raises(SystemExit, match="^2$"):
            tool.main(
                [str(tmp_path / "new" / "all"), str(tmp_path / "seed0"), str(tmp_path / name)]
            )
        assert re.search(f"error: .*{said}", capsys.readouterr().err)
    assert (tmp_path / "new" / "all.jsonl").read_text() == before


def test_a_run_without_the_ten_columns_has_a_line(tool, tmp_path):
    recall = result("ES", "R@1", 0.5, settings={"mode": "fixed", "strength": "protocol"})
    header, _, line = collected(tool, tmp_path, [*clean(), recall]).splitlines()[2:5]
    assert cells(header)[-1] == "ERS" and cells(line)[-1] == "-"


def test_clean_values_are_of_the_gallery(tool, tmp_path):
    few = [
        dataclasses.replace(r, attack_settings={**r.attack_settings, "gallery": 500})
        for r in attacked(n=60)
    ]
    other = clean(n=60, recall=0.9)
    found = collected(tool, tmp_path, [*clean(n=500, recall=0.7), *few, *other])
    header, _, line = found.splitlines()[2:5]
    row = dict(zip(cells(header), cells(line), strict=True))
    assert (row["n"], row["R@1"]) == ("60", "70.0") and "eps" not in row


def test_rows_of_two_threat_models_are_told_apart(tool, tmp_path):
    both = [*clean(), *attacked(), *attacked(threat_model=WIDE)]
    header, _, *lines = collected(tool, tmp_path, both).splitlines()[2:6]
    place = cells(header).index("eps")
    assert [cells(line)[place] for line in lines] == ["8/255", "77/255"]


def test_runs_of_one_method_and_seed_are_told_apart(tool, tmp_path):
    both = [*clean(), *attacked()], [*clean(), *attacked()]
    header, _, *lines = collected(tool, tmp_path, *both).splitlines()[2:6]
    assert cells(header)[0] == "run"
    assert [cells(line)[0].split()[-1] for line in lines] == ["seed0", "seed1"]


def test_the_flags_stay_beside_the_records(tool, tmp_path):
    """Of collected records too, runs of one title that differ in a flag are two methods."""
    collected(tool, tmp_path, [*clean(), *attacked()])
    [run] = find_runs([tmp_path / "new" / "all.jsonl"])
    assert run.flags == {"dataset": "cub200", "defense": "hm"}
    (tmp_path / "new" / "all.flags.json").unlink()
    [run] = find_runs([tmp_path / "new" / "all.jsonl"])
    assert run.flags == {}


def test_doubted_numbers_are_marked_and_the_doubt_is_said(tool, tmp_path):
    doubted = [dataclasses.replace(r, warnings=DOUBTED) for r in attacked()]
    text = collected(tool, tmp_path, [*clean(), *doubted])
    assert "seed0 ! |" in text and "\n\n! zero gradients\n" in text


def test_doubted_accuracies_are_marked_and_the_doubt_is_said(tool, tmp_path):
    folder = tmp_path / "run"
    run_folder(folder, [made("clean", 0.5, warnings=DOUBTED)], None)
    (folder / "config.json").write_text(json.dumps({"flags": {"method": "tla"}}))
    tool.main([str(tmp_path / "all"), str(folder)])
    text = (tmp_path / "all.md").read_text()
    assert "50.00 ! |" in text and "\n\n! TLA: zero gradients (clean)\n" in text
