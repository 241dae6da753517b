"""The page of the TensorFlow 1 era: published networks, an imported one and our own."""

import csv

from made_results import DOUBTED, made

from robust_tf.reports.recorded_run import RecordedRun
from tla_tf import compare
from tla_tf.options import TRAIN
from tla_tf.reporting import published_rows, tf_era


def record(attack, value, n, method, **threat):
    return made(attack, value, dataset="mnist", n=n, method=method, threat_model=threat)


def runs():
    ball = {"eps": 0.3, "norm": "linf", "lower": 0, "upper": 1}
    imported = [record("clean", 0.985, 10_000, "imported"), record("pgd100", 0.9, 500, "imported")]
    imported[1] = record("pgd100", 0.9, 500, "imported", **ball)
    other_ball = record("pgd40", 0.1, 77, "imported", **{**ball, "eps": 0.4})
    flags = {"architecture": "madry_mnist", "checkpoint": "models/secret/checkpoint-24900"}
    own = [record("clean", 0.99, 1_000, "at")]
    return [
        RecordedRun("runs/secret", [*imported, other_ball], {"flags": flags}),
        RecordedRun("/home/me/mine", own, {"flags": {"model": "lenet_small", "batch_size": 50}}),
    ]


def test_every_cell_has_its_number_of_images_and_every_row_its_source():
    html = tf_era.tf_era_page(published_rows.rows(TRAIN), runs()).html()
    for text in (
        *("imported: madry_<wbr>mnist", "98.50 (10,000)", "90.00 (500)", "here: runs/secret"),
        *("unknown, models/secret/checkpoint-24900", "AT, seed 0", "99.00 (1,000)"),
        *("Mao et al. 2019, table 1", "89.62 (10,000)", "88.50 (10,000)", "batch_size 50"),
        *("cleverhans tutorial", "Guided Local Attack", "43.95"),
    ):
        assert text in html, text
    assert "(77)" not in html  # another radius
    assert "here: mine" in html and "/home/me" not in html  # others read the page


def test_doubtful_numbers_are_marked_those_of_the_paper_and_ours():
    rows = published_rows.rows(TRAIN)
    (_, own) = runs()
    assert "96.64 ? (10,000)" in tf_era.tf_era_page(rows, [own]).html()
    assert "!" not in tf_era.tf_era_page(rows, [own]).html().split("<body")[1]
    over = {"over": ["clean", "fgsm"]}
    worst = made("worst case", 0.4, dataset="mnist", attack_settings=over, warnings=DOUBTED)
    worst.threat_model["eps"] = 0.3
    html = tf_era.tf_era_page(rows, [RecordedRun("run", [worst], own.config)]).html()
    assert "40.00 ! (100)" in html and "! zero gradients" in html and "worst case of 2" in html


def test_entries_agree_with_the_challenge_rows():
    """The same numbers stand on the leaderboards, in the table and among the anchors."""
    with tf_era.ENTRIES.open(newline="") as file:
        listed = {(line["dataset"], line["accuracy"]) for line in csv.DictReader(file)}
    rows = [row for row in published_rows.rows(TRAIN) if row.table == published_rows.CHALLENGE]
    assert [row.flags for row in rows] == [
        ("--flagfile=flags/tla/madry_mnist.flags",),
        ("--flagfile=flags/tla/madry_cifar10.flags",),
    ]
    for row in rows:
        for value in row.values.values():
            assert (row.dataset, f"{value:.2f}") in listed
    best = {
        dataset: min(float(value) for name, value in listed if name == dataset and value[0] != "<")
        for dataset in ("cifar10",)
    }
    assert best == {"cifar10": 43.95}


def test_command_writes_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    assert compare.main(["compare", "--html=page.html"]) == 0
    assert "Guided Local Attack" in (tmp_path / "page.html").read_text()
    assert "page.html" in capsys.readouterr().out
