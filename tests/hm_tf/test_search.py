"""python -m hm_tf.search, and the search endpoints of an export, on the finished smoke run."""

import contextlib
import errno
import io
import json
import os
import pathlib
import re
import shutil
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from eagerly import eagerly
from forked import reloads

from hm_tf import attack, evaluate, export, search
from hm_tf.evaluation.nearest_images import NearestImages
from hm_tf.image_attack import image_search, served_gallery
from hm_tf.image_attack.image_search import Found, search_table
from hm_tf.runs import saved_run
from hm_tf.runs.finished_run import FinishedRun
from robust_tf import data
from robust_tf.data import gallery_folder
from robust_tf.data.augment import ResizedCrop
from robust_tf.data.dataset_info import DatasetInfo
from robust_tf.data.examples import Examples
from robust_tf.data.folder import FolderInfo
from robust_tf.data.text_lines import printable
from robust_tf.errors import UserError
from robust_tf.evaluation.saved_signature import SavedSignature
from robust_tf.results.result import read_results


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """Forty digits, one subfolder per class, and one that is in none of them."""
    folder, examples = tmp_path_factory.mktemp("digits"), data.open("digits").load("test", 41)
    for number, (pixels, label) in enumerate(zip(examples.images, examples.labels, strict=True)):
        place = folder / "query" if number == 40 else folder / "gallery" / str(label)
        place.mkdir(parents=True, exist_ok=True)
        name = os.fsdecode(b"\xe9.png") if number == 39 else f"{number:02d}.png"  # Latin-1
        (place / name).write_bytes(tf.io.encode_png(pixels).numpy())
    return folder / "gallery"


@pytest.fixture(scope="module")
def exported(finished_smoke, gallery, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    flags = [f"--workdir={finished_smoke}", f"--export_dir={folder}", "--limit_test=40"]
    with contextlib.redirect_stdout(io.StringIO()) as said, eagerly(), reloads():
        assert export.main(["export", *flags, f"--gallery={gallery}", "--top=3"]) == 0
    assert "largest difference" in said.getvalue()
    return folder / "1"


@pytest.fixture(scope="module")
def signatures(exported):
    return tf.saved_model.load(str(exported)).signatures


def test_an_export_embeds_as_the_network(finished_smoke, exported, signatures):
    finished = FinishedRun(finished_smoke)
    images = finished.test_images(5).images.astype(np.float32) / 255
    expected = finished.network()(images)["embedding"]
    found = signatures["serving_default"](image=tf.constant(images))
    assert found.keys() == {"embedding"}
    np.testing.assert_allclose(found["embedding"], expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-5)
    card = (exported / "README.md").read_text()
    assert re.search(r"\| mAP \| 0\.\d+ \(0\.\d+ to [01]\.\d+\) \|", card)
    assert re.search(r"\| NMI \| 0\.\d+ ± 0\.\d+ \|", card)


def images_of(paths):
    pixels = [tf.io.decode_png(path.read_bytes()).numpy() for path in paths]
    return np.stack(pixels).astype(np.float32) / np.float32(255)


def naive(finished_smoke, gallery, query):
    """(names, distances) of the whole gallery, nearest first."""
    network, files = FinishedRun(finished_smoke).network(), sorted(gallery.glob("*/*.png"))
    embeddings = network(images_of([query, *files]), training=False)["embedding"].numpy()
    distances = np.linalg.norm(embeddings[1:] - embeddings[0], axis=1)
    order = np.argsort(distances)
    names = [printable(files[row].relative_to(gallery)) for row in order]
    return names, distances[order]


def command(gallery, *flags):
    return search.main(["search", f"--gallery={gallery}", *flags])


def test_the_nearest_images_are_those_of_a_naive_loop(
    finished_smoke, gallery, exported, tmp_path, capsys
):
    query = gallery.parent / "query" / "40.png"
    names, distances = naive(finished_smoke, gallery, query)
    for network in (f"--workdir={finished_smoke}", f"--saved_model={exported.parent}"):
        flags = [f"--query={query}", "--top=3", f"--picture={tmp_path / 'found.png'}"]
        assert command(gallery, network, *flags) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        found = [line for line in lines if line and line[0] == "40.png"]
        assert [line[3] for line in found] == names[:3]
        np.testing.assert_allclose([float(line[2]) for line in found], distances[:3], atol=1e-4)
        assert (tmp_path / "found.png").stat().st_size > 1000


def test_the_endpoints_of_an_export_find_the_same(finished_smoke, gallery, exported, signatures):
    query = gallery.parent / "query" / "40.png"
    names, distances = naive(finished_smoke, gallery, query)
    of_float = signatures["search"](image=tf.constant(images_of([query] * 2)))
    of_file = signatures["search_encoded"](encoded=tf.constant([query.read_bytes()]))
    for found in (of_float, of_file):
        assert [name.decode() for name in found["names"].numpy()[0]] == names[:3]
        np.testing.assert_allclose(found["distances"][0], distances[:3], atol=1e-5)
    assert of_float["ids"].shape == (2, 3)
    assert json.loads((exported / "model.json").read_text())["gallery"]["images"] == 40


def test_a_query_of_any_name_can_be_printed():
    query = pathlib.Path(os.fsdecode(b"\xe9.png"))
    assert rb"\xe9.png" in search_table([Found(query, 1, 0, 0.5, "a.png")]).encode()


def test_network_and_saved_model_are_attacked_alike(exported):
    """From the image itself, rounding decides ES's first step: 38 of 180 ended otherwise."""
    attack = json.loads((exported / "model.json").read_text())["verification"]["attack"]
    assert attack["title"].endswith("8 steps from a random start:")
    assert attack["n"] == 40 and attack["differing_outcomes"] == 0
    assert attack["correct"] == attack["correct_of_the_network"]


def test_a_folder_of_queries_does_not_find_itself(
    finished_smoke, gallery, tmp_path, capsys, monkeypatch
):
    # The table is at stake; a picture of all would take ten seconds.
    monkeypatch.setattr("robust_tf.reports.panels.save_figure", lambda figure, path: None)
    monkeypatch.setattr(image_search, "picture", lambda *found: None)
    queries = next(gallery.iterdir())
    flags = [f"--query={queries}", "--top=50", f"--picture={tmp_path / 'found.png'}"]
    assert command(gallery, f"--workdir={finished_smoke}", *flags) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    found = [line for line in lines if line and line[0].endswith(".png")]
    assert len(found) == 39 * len(list(queries.iterdir()))
    assert not [line for line in found if line[3] == f"{queries.name}/{line[0]}"]


@pytest.mark.usefixtures("eager")
def test_a_saved_model_is_evaluated_and_attacked_like_its_run(
    finished_smoke, gallery, exported, tmp_path
):
    run = shutil.copytree(finished_smoke, tmp_path / "run")
    flags = ["--attacks=ES", "--mode=fixed", "--limit_test=40", "--eps=0.1", "--eval_steps=3"]
    saved = [f"--saved_model={exported}", "--dataset=digits"]
    assert evaluate.main(["evaluate", f"--workdir={run}", "--eval_step_size=0.05", *flags]) == 0
    assert evaluate.main(["evaluate", *saved, "--eval_step_size=0.05", *flags]) == 0
    of_run, of_saved = (
        [(r.attack, r.metric, round(r.value, 6)) for r in read_results(folder / "results.jsonl")]
        for folder in (run, exported.parent / "1.evaluation")
    )
    assert of_run[-len(of_saved) :] == of_saved and of_saved

    query = gallery.parent / "query" / "40.png"
    flags = [f"--query={query}", f"--gallery={gallery}", "--attack=es", "--eps=0.1", "--steps=3"]
    where = [f"--saved_model={exported}", f"--output_dir={tmp_path / 'attacked'}"]
    assert attack.main(["attack", *where, *flags]) == 0
    assert (tmp_path / "attacked" / "attack.json").exists()


def test_photos_are_cropped_as_the_training_did(tmp_path):
    image = keras.Input((28, 28, 3), name="image")
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    unit = keras.layers.UnitNormalization()(pooled)
    keras.Model(image, {"embedding": unit}).export(str(tmp_path / "1"), verbose=False)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    (tmp_path / "photo.png").write_bytes(tf.io.encode_png(pixels).numpy())
    of_training = DatasetInfo("toy", (28, 28, 3), ("one",), {}, "", augment=ResizedCrop(28))

    def seen(info):
        return gallery_folder.read_single(tmp_path / "photo.png", info)[0]

    for sidecar, info in (
        (None, FolderInfo("toy", (28, 28, 3), (), {}, "")),
        ([32, 32], of_training),
    ):
        if sidecar:
            (tmp_path / "1" / "model.json").write_text(json.dumps({"resized_to": sidecar}))
        run = saved_run.SavedRun(SavedSignature(tmp_path / "1"))
        tf.config.experimental.enable_tensor_float_32_execution(True)
        run.network()
        assert not tf.config.experimental.tensor_float_32_execution_enabled()
        np.testing.assert_array_equal(seen(run.info), seen(info))


def test_a_saved_model_of_batches_of_one_size_is_refused(tmp_path):
    image = keras.Input((2, 2, 1))
    network = keras.Model(image, {"embedding": keras.layers.Flatten()(image)})
    batches = [keras.InputSpec("float32", (4, 2, 2, 1))]
    network.export(str(tmp_path / "1"), input_signature=batches, verbose=False)
    with pytest.raises(UserError, match="takes .4, 2, 2, 1., not any number of images"):
        saved_run.SavedRun(SavedSignature(tmp_path / "1"))


def test_larger_files_than_allowed_are_refused(finished_smoke, gallery, tmp_path, capsys):
    limit, query = "--max_pixels=63", f"--query={next(gallery.rglob('*.png'))}"
    of_run = [f"--workdir={finished_smoke}", f"--gallery={gallery}", limit]
    calls = [
        (search, [*of_run, query]),
        (attack, [*of_run, query, "--attack=es", f"--output_dir={tmp_path / 'attacked'}"]),
        (export, [*of_run, f"--export_dir={tmp_path / 'export'}"]),
    ]
    for command, flags in calls:
        assert command.main(["command", *flags]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
        assert "more pixels than --max_pixels=63" in line


def test_a_full_disk_leaves_the_embeddings_before(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    (path := tmp_path / "gallery.npz").write_bytes(b"before")
    monkeypatch.setattr("os.fsync", full)
    gallery = types.SimpleNamespace(embeddings=np.eye(2, dtype=np.float32), names=["a", "b"])
    with pytest.raises(OSError, match="No space"):
        image_search.save_embeddings(gallery, path)
    assert path.read_bytes() == b"before"


def test_the_embeddings_go_to_a_file(finished_smoke, gallery, tmp_path):
    file = tmp_path / "a new folder" / "embeddings"
    assert command(gallery, f"--workdir={finished_smoke}", f"--embeddings={file}") == 0
    with np.load(file) as stored:
        assert stored["embeddings"].dtype == np.float32 and len(stored["names"]) == 40
        np.testing.assert_allclose(np.linalg.norm(stored["embeddings"], axis=1), 1, atol=1e-5)
        assert (
            sorted(stored["names"])[0]
            == sorted(path.relative_to(gallery).as_posix() for path in gallery.glob("*/*.png"))[0]
        )


def test_a_gallery_that_is_too_large_lies_in_blocks(finished_smoke, gallery, tmp_path, monkeypatch):
    monkeypatch.setattr(served_gallery, "MOST_BYTES", 100)
    monkeypatch.setattr(served_gallery, "BLOCK_BYTES", 1000)
    served = served_gallery.ServedGallery(FinishedRun(finished_smoke), gallery)
    assert served.endpoints(None, 3) == [] and "too large" in served.facts["place"]
    served.write_blocks(tmp_path)
    blocks = [np.load(path) for path in sorted((tmp_path / "gallery").glob("*.npy"))]
    assert len(blocks) > 1 and len(np.concatenate(blocks)) == 40
    assert len(json.loads((tmp_path / "gallery" / "names.json").read_text())) == 40


@pytest.mark.parametrize("count, code", [(2, 0), (1, 2)])
def test_a_small_gallery_is_searched(finished_smoke, gallery, count, code, tmp_path, capsys):
    paths = sorted(gallery.rglob("[0-9]*.png"))[:count]
    for path in paths:
        shutil.copy(path, tmp_path)
    flags = f"--workdir={finished_smoke}", f"--query={tmp_path / paths[0].name}"
    assert command(tmp_path, *flags, f"--picture={tmp_path / 'found.svg'}") == code
    said = capsys.readouterr()
    assert (paths[1].name in said.out) if count == 2 else ("at least two" in said.err)


def test_copies_of_one_image_have_distance_zero():
    points = np.array([[1, 0], [0, 1], [1, 0], [-1, 0]], np.float32)
    found = NearestImages(points, list("abcd"), 3)(tf.constant(points[:1]))
    assert found["ids"].numpy().tolist() == [[0, 2, 1]]
    np.testing.assert_allclose(found["distances"], [[0, 0, np.sqrt(2)]], rtol=1e-6)


def gallery_of(paths):
    """Of images whose embeddings lie on a circle, in the order of their pixels."""

    def embed_fn(images):
        angles = tf.reduce_mean(images, axis=[1, 2, 3])
        return tf.stack([tf.cos(angles), tf.sin(angles)], axis=1)

    embeddings = embed_fn(images_of(paths)).numpy()
    files = gallery_folder.GalleryFolder(paths, None, ())
    names = [path.name for path in paths]
    return types.SimpleNamespace(files=files, names=names, embeddings=embeddings, embed_fn=embed_fn)


def test_links_to_a_query_take_no_place_of_another_image(tmp_path):
    query, others = tmp_path / "query.png", [tmp_path / f"{number}.png" for number in range(3)]
    for pixel, path in enumerate([query, *others]):
        path.write_bytes(tf.io.encode_png(np.full([2, 2, 1], 50 * pixel, np.uint8)).numpy())
    (links := [tmp_path / "hard.png", tmp_path / "soft.png"])[0].hardlink_to(query)
    links[1].symlink_to(query)
    gallery = gallery_of([*links, query, *others])
    queries = [query], Examples(images_of([query]), np.zeros(1, np.int32))
    found = image_search.search(gallery, *queries, 3)
    assert [item.name for item in found] == ["0.png", "1.png", "2.png"]
    assert [item.place for item in found] == [1, 2, 3]
    with pytest.raises(UserError, match="--gallery has 2 links to the query, and no other image"):
        image_search.search(gallery_of(links), *queries, 3)


def test_many_queries_are_embedded_in_batches(tmp_path):
    pixels, calls = np.arange(200, dtype=np.uint8)[:, None, None, None], []
    for number, image in enumerate(pixels):
        (tmp_path / f"{number:03d}.png").write_bytes(tf.io.encode_png(image).numpy())
    paths = sorted(tmp_path.iterdir())
    gallery = gallery_of(paths)
    plain = gallery.embed_fn
    gallery.embed_fn = lambda images: calls.append(len(images)) or plain(images)
    queries = Examples(pixels, np.zeros(200, np.int32))
    found = image_search.search(gallery, paths, queries, 1)
    assert calls == [128, 128]  # a batch is filled up
    # A neighbour on the circle is the nearest.
    assert {abs(int(item.query.stem) - item.row) for item in found} == {1}


def test_a_folder_of_queries_is_read_as_a_gallery_is(tmp_path):
    info = DatasetInfo("digits", (8, 8, 1), ("0", "1"), {}, "")
    (tmp_path / "1.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="none of --query=.*'s images can be read"):
        image_search.read_queries(tmp_path, info, "skip")
    (tmp_path / "0.png").write_bytes(tf.io.encode_png(np.zeros([8, 8, 1], np.uint8)).numpy())
    with pytest.raises(UserError, match="cannot be decoded: .*1.png; .* --on_bad_image=skip"):
        image_search.read_queries(tmp_path, info)
    paths, examples = image_search.read_queries(tmp_path, info, "skip")
    (above := tmp_path / "above").mkdir()
    shutil.copytree(tmp_path, above / "below", ignore=shutil.ignore_patterns("above"))
    with pytest.raises(UserError, match=f"has no images itself .*mean --query={above}/below[?]$"):
        image_search.read_queries(above, info)
    assert paths == [tmp_path / "0.png"] and len(examples) == 1
    assert examples.image_shape == (8, 8, 1) and examples.images.dtype == object
    with pytest.raises(UserError, match="--query=.*1.png cannot be decoded; give a JPEG"):
        image_search.read_queries(tmp_path / "1.png", info, "skip")


def test_embeddings_alone_need_no_place_for_a_picture(tmp_path):
    (tmp_path / "file").touch()
    search._check(None, tmp_path / "photos.npz", tmp_path / "file" / "search.png")


def test_a_missing_query_is_found_before_the_gallery_is_read(finished_smoke, gallery, capsys):
    assert command(gallery, f"--workdir={finished_smoke}", "--query=nothing.png") == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: --query=nothing.png is no file;") and not said.out


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--query=x.png"], "or else --saved_model"),
        (["--workdir=x", "--saved_model=y", "--query=x.png"], "are two places of a network"),
        (["--workdir=x"], "--query=IMG or --embeddings=OUT.npz"),
        (["--saved_model=x", "--query=x.png"], "holds no SavedModel"),
        (["--workdir=x", "--query=x.png", "--picture=found"], "--picture=found is no file .png"),
        (["--workdir=x", "--query=x.png", "--picture="], "flag --picture=: it has no value"),
    ],
)
def test_mistakes(gallery, flags, said, capsys, tmp_path):
    assert command(gallery, f"--picture={tmp_path / 'found.png'}", *flags) == 2
    assert said in capsys.readouterr().err
