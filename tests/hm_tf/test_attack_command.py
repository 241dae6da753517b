"""python -m hm_tf.attack on the user's own images: files, numbers, mistakes."""

import json
import shutil

import matplotlib.image
import numpy as np
import pytest
import tensorflow as tf

from hm_tf import attack
from hm_tf.image_attack import attack_files
from hm_tf.runs.finished_run import FinishedRun
from robust_tf.errors import RunError
from robust_tf.results.result import read_results

EAGER = pytest.mark.usefixtures("eager")

STATES = ("before", "after", "saved file")


@pytest.fixture(scope="module")
def images(finished_smoke, tmp_path_factory):
    """A gallery of 24 digits by class, the same flat, and a query of class 5 that is in none."""
    folder = tmp_path_factory.mktemp("images")
    test = FinishedRun(finished_smoke).test_images(25)
    for number, (image, label) in enumerate(zip(test.images, test.labels, strict=True)):
        data = tf.io.encode_png(image).numpy()
        places = [f"classes/digit {label}", "flat"] if number else ["."]
        for place in places:
            path = folder / place / f"{number:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return folder


@pytest.fixture
def command(finished_smoke, images, tmp_path):
    """Returns the function (gallery, *flags) -> exit code; files go to tmp_path / "out"."""

    def run(gallery, *flags):
        where = f"--workdir={finished_smoke}", f"--gallery={images / gallery}"
        more = f"--query={images / '00.png'}", f"--output_dir={tmp_path / 'out'}"
        return attack.main(["attack", *where, *more, *flags])

    return run


def read(folder):
    numbers = json.loads((folder / "attack.json").read_text())
    assert tuple(numbers["states"]) == STATES
    return numbers


def pixels(path):
    return matplotlib.image.imread(path)[..., None]


def test_a_query_moves_a_candidate_up(command, images, finished_smoke, tmp_path, capsys):
    candidate = images / "flat" / "20.png"
    flags = "--attack=QA+", f"--candidate={candidate}", "--steps=8", "--eps=38.25/255", "--top=2"
    assert command("flat", *flags) == 0
    said, numbers = capsys.readouterr().out, read(tmp_path / "out")
    before, after, saved = (numbers["states"][state] for state in STATES)
    assert after["place"] < before["place"] and "without subfolders it has no classes" in said
    assert "the query is added" in said and f"{after['place']} of 24" in said
    assert numbers["aim"] == "20.png" and numbers["gallery"] == 25
    assert f"aim {numbers['outcome']}\n" in said and "reached: 20.png" in numbers["outcome"]
    assert (numbers["run"], numbers["seed"], numbers["aim_drawn"]) == (
        str(finished_smoke),
        0,
        False,
    )
    assert numbers["query"] == str(images / "00.png") and "drawn" not in said
    present = read_results(finished_smoke / "results.jsonl")[-1].weights_hash
    assert numbers["weights_hash"] == present
    # The saved file: in the ball in whole levels, and its ranking that of the file read anew.
    clean, attacked = pixels(images / "00.png"), pixels(tmp_path / "out/adversarial.png")
    change = np.round(255 * (attacked - clean))
    assert 0 < np.abs(change).max() <= 38
    network = FinishedRun(finished_smoke).network()
    gallery = np.stack([pixels(p) for p in sorted((images / "flat").iterdir())])
    vectors, query = (network(x)["embedding"].numpy() for x in (gallery, attacked[None]))
    distances = np.linalg.norm(vectors - query, axis=1)
    assert saved["place"] == 1 + np.sum(distances < distances[19])  # 01.png is the first
    np.testing.assert_allclose(saved["distances"], np.sort(distances)[:2], atol=1e-5)
    gray = pixels(tmp_path / "out/difference.png")
    np.testing.assert_allclose(gray, np.clip(0.5 + change / 76.5, 0, 1), atol=1 / 255)
    assert (tmp_path / "out/ranking.png").read_bytes().startswith(b"\x89PNG")


@EAGER
def test_without_eps_nothing_changes_and_the_gallery_knows_the_class(command, images, tmp_path):
    own = next((images / "classes").rglob("07.png"))
    assert command("classes", "--attack=gtm", f"--query={own}", "--eps=0", "--top=1") == 0
    before, after, saved = read(tmp_path / "out")["states"].values()
    assert before["first"] == after["first"] == saved["first"]
    assert after["moved_by"] == saved["moved_by"] == 0
    assert set(before["measured"]) == {"GTM: R@1 %"}
    assert before["measured"] == after["measured"]


@EAGER
def test_a_candidate_moves_in_the_ranking_of_the_query(command, images, tmp_path):
    candidate = f"--candidate={images / 'flat' / '03.png'}"
    assert command("classes", "--attack=ca-", candidate, "--steps=8", "--top=1") == 0
    numbers = read(tmp_path / "out")
    assert numbers["moved"] == numbers["aim"]
    assert numbers["moved"].endswith("/03.png")
    before, after, _ = numbers["states"].values()
    assert after["place"] > before["place"]
    clean, attacked = pixels(images / "flat/03.png"), pixels(tmp_path / "out/adversarial.png")
    assert 0 < np.abs(attacked - clean).max() <= 0.15 + 1e-6


@EAGER
def test_a_query_that_the_gallery_has_in_another_file_is_not_its_own_aim(
    command, images, tmp_path, capsys
):
    levels = tf.io.decode_png((images / "flat/05.png").read_bytes())
    again = tmp_path / "again.png"
    again.write_bytes(tf.io.encode_png(levels, compression=0).numpy())
    flags = "--attack=qa-", "--mode=compat", f"--query={again}", "--steps=1", "--top=1"
    assert command("flat", *flags) == 0
    assert read(tmp_path / "out")["aim"] == "05.png"
    assert "aim: 05.png, drawn with --seed; --candidate=IMG names one\n" in capsys.readouterr().out


@EAGER
def test_images_of_the_same_name_do_not_replace_each_other(images, finished_smoke, tmp_path):
    run = shutil.copytree(finished_smoke, tmp_path / "run")
    for digit in ("three", "four"):
        (tmp_path / digit).mkdir()
        query = shutil.copy(images / "00.png", tmp_path / digit / "000.png")
        where = f"--workdir={run}", f"--gallery={images / 'flat'}", f"--query={query}"
        assert attack.main(["attack", *where, "--attack=ES", "--steps=1", "--top=1"]) == 0
    made = sorted(path.name for path in (run / "attacks").iterdir())
    assert made == ["four_000_es", "three_000_es"]


@EAGER
def test_an_interrupted_attack_has_no_numbers_of_the_one_before(command, tmp_path, monkeypatch):
    def interrupted(*figure):
        raise RunError("interrupted")

    numbers = tmp_path / "out/attack.json"
    assert command("flat", "--attack=es", "--steps=1", "--top=1") == 0 and numbers.exists()
    monkeypatch.setattr(attack_files, "save_figure", interrupted)
    assert command("flat", "--attack=es", "--steps=1", "--top=1", "--eps=0.3") == 1
    assert not numbers.exists()


def test_a_network_that_embeds_nothing_is_refused(command, finished_smoke, tmp_path, capsys):
    run = shutil.copytree(finished_smoke, tmp_path / "run")
    network = FinishedRun(run).network()
    network.set_weights([np.full_like(weight, np.nan) for weight in network.get_weights()])
    network.save(run / "final.keras")
    (run / "digest.json").unlink()  # it would refuse weights of another
    assert command("flat", f"--workdir={run}", "--attack=es") == 1
    assert "outputs of the network are not finite" in capsys.readouterr().err


def harmed(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "empty").mkdir()
    (tmp_path / "one").mkdir()
    pixels = tf.io.encode_png(np.zeros((8, 8, 1), np.uint8)).numpy()
    (tmp_path / "one" / "a.png").write_bytes(pixels)
    large = tf.io.encode_png(np.zeros((9, 9, 1), np.uint8)).numpy()
    (tmp_path / "large.png").write_bytes(large)


MISTAKES = {
    "attack": ("--attack=nosuch", "unknown attack 'nosuch'"),
    "no attack": ("--attack=", "flag --attack=: it has no value"),
    "workdir": ("--workdir=/nowhere", "holds no run"),
    "no query": ("--query=TMP/nowhere.png", "is no regular file"),
    "bad query": ("--query=TMP/bad.png", "cannot be decoded"),
    "size": ("--query=TMP/large.png", "images of digits are 8x8"),
    "empty gallery": ("--gallery=TMP/empty", "has no images"),
    "small gallery": ("--gallery=TMP/one", "has 1 image besides the query; the attacks need at"),
    "top": ("--top=25", "24 images besides the query"),
    "output": ("--output_dir=TMP/bad.png", "is no folder to write to"),
    "eps": ("--eps=8", "did you mean 8/255"),
    "large step": ("--step_size=2", "--step_size=2: pixels are in [0, 1]; did you mean 2/255"),
    "no step": ("--steps=3 --step_size=0", "--step_size=0: steps of no length attack nothing"),
    "step size": ("--steps=1 --step_size=0.1", "--step_size does nothing with one step"),
}


@pytest.mark.parametrize("flags, said", MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_one_line(command, tmp_path, capsys, flags, said):
    harmed(tmp_path)
    assert command("flat", "--attack=qa+", *flags.replace("TMP", str(tmp_path)).split()) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    assert said in line
    assert not (tmp_path / "out").exists()
