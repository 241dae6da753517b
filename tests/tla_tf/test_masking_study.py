"""tools/masking_study.py: the gap of runs beside the signs of masked gradients."""

import dataclasses
import importlib.util
import pathlib
import re
import shutil

import pytest

from robust_tf.results.result import append_results, read_results

TOOL = pathlib.Path(__file__).parents[2] / "tools" / "masking_study.py"


@pytest.fixture
def tool(monkeypatch):
    spec = importlib.util.spec_from_file_location("masking_study", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SIGNS", {"zero_gradients": module.zero_gradients})
    return module


def test_the_gap_and_the_correlation(finished, tmp_path, tool, monkeypatch, capsys):
    """Records of other metrics under PGD, as analyses leave them, and other balls do not count."""
    other = shutil.copytree(finished, tmp_path / "other")
    (pgd,) = [r for r in read_results(finished / "results.jsonl") if r.attack == "pgd2"]
    analysed = dataclasses.replace(pgd, metric="50-NN accuracy", value=0.9)
    wider = dataclasses.replace(pgd, value=0.0, threat_model={**pgd.threat_model, "eps": 0.9})
    for folder, lost in (finished, 0.2), (other, 0.1):
        standard = dataclasses.replace(pgd, attack="standard", value=pgd.value - lost)
        append_results(folder / "results.jsonl", [standard, analysed, wider])
    assert tool.gap_of(str(other)) == (pgd.n, pgd.value, pgd.value - 0.1)
    shares = iter((0.6, 0.3))
    signs_of = tool.signs_of
    assert set(signs_of(str(other))) == {"zero_gradients"}
    monkeypatch.setattr(tool, "signs_of", lambda folder: {"zero_gradients": next(shares)})
    tool.main([str(finished), str(other)])
    printed = capsys.readouterr().out
    assert "| 20.0 | 0.600 |" in printed and "| 10.0 | 0.300 |" in printed
    assert "zero_gradients: Spearman 1.00 over 2 networks" in printed


def test_a_run_without_the_ensemble_is_named(finished, tool, capsys):
    for folder, said in (finished, "needs --attacks=pgd40,standard"), ("no/where", "holds no run"):
        with pytest.raises(SystemExit, match="^2$"):
            tool.main([str(folder)])
        assert re.search(f"error: .*{said}", capsys.readouterr().err)
