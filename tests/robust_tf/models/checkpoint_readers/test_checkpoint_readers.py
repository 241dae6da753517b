"""Weights of other formats, and files that are none; the .pth files are torch's own."""

import io
import json
import os
import pathlib
import pickle
import shutil
import tracemalloc
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

from robust_tf.errors import UserError
from robust_tf.models.checkpoint_readers import formats, torch_pickle

HERE = pathlib.Path(__file__).parent
BASE = np.arange(24, dtype=np.float32).reshape(6, 4)


def refusal(path):
    """The one line that a file is refused with."""
    with pytest.raises(UserError) as error:
        formats.read(path)
    text = str(error.value)
    assert len(text.splitlines()) == 1 and path.name in text
    return text


@pytest.fixture
def checkpoint(tmp_path):
    """The prefix of a checkpoint of TensorFlow 1."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.get_variable("conv/DW", initializer=BASE)
        tf.compat.v1.get_variable("global_step", initializer=np.int64(5))
        session.run(tf.compat.v1.global_variables_initializer())
        return pathlib.Path(tf.compat.v1.train.Saver().save(session, str(tmp_path / "ck-5")))


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth"])
def test_torch_files(name):
    found = formats.read(HERE / name)
    assert found.pop("bn.num_batches_tracked") == 7
    assert found["double"] == 0.1 and found.pop("double").dtype == np.float64
    expected = {"whole": BASE, "view": BASE[2:5, 1:], "turned": BASE.T, "empty": BASE[:0]}
    expected["parameter"] = np.array([0.5, -1, 2])
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value)
        assert found[key].dtype == np.float32


def test_an_accuracy_beside_the_weights_is_none_of_them(tmp_path):
    """PyTorch's own ImageNet script saves its best accuracy as a tensor."""
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\nFloatStorage\n"
    tensor += b"S'0'\nS'cpu'\nI24\ntQI0\n(t(tI00\nNtR"
    saved = b"(dS'best_acc1'\n" + tensor + b"sS'state_dict'\n(dS'weight'\n" + tensor + b"ss."
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("archive/data.pkl", saved)
        archive.writestr("archive/data/0", BASE.tobytes())
    assert formats.read(tmp_path / "a.pth").keys() == {"weight"}


def test_npz_and_safetensors(tmp_path):
    np.savez(tmp_path / "a.npz", weight=BASE)
    save_file({"weight": BASE}, tmp_path / "a.safetensors")
    for name in "a.npz", "a.safetensors":
        np.testing.assert_array_equal(formats.read(tmp_path / name)["weight"], BASE)


@pytest.mark.parametrize("ending", ["", ".index", ".meta", ".data-00000-of-00001"])
def test_tensorflow_1(checkpoint, ending):
    found = formats.read(f"{checkpoint}{ending}")
    np.testing.assert_array_equal(found["conv/DW"], BASE)
    assert found["global_step"] == 5 and len(found) == 2


def test_tensorflow_1_without_its_parts(checkpoint):
    assert f"holds {checkpoint}" in refusal(checkpoint.parent)
    data = checkpoint.with_name("ck-5.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:-20])
    assert "TensorFlow checkpoint" in refusal(checkpoint)
    data.unlink()
    assert "all .data files" in refusal(checkpoint)
    index = checkpoint.with_name("ck-5.index")
    index.write_bytes(b"no index")
    assert "TensorFlow checkpoint" in refusal(checkpoint)
    index.unlink()
    assert "does not exist" in refusal(checkpoint)


class Harm:
    """Runs a function where an ordinary unpickler reads it."""

    def __reduce__(self):
        return os.mkdir, ("harm",)


def pickled_zip(path, thing):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(thing, protocol=2))
    return path


def test_foreign_globals_are_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = pickled_zip(tmp_path / "a.pth", {"weight": Harm()})
    assert f"{os.name}.mkdir" in refusal(path) and "nothing of the file was run" in refusal(path)
    legacy = tmp_path / "b.pt"
    legacy.write_bytes(pickle.dumps({"weight": Harm()}, protocol=2))
    assert f"{os.name}.mkdir" in refusal(legacy)
    assert not (tmp_path / "harm").exists()
    for module, name in [("os", "system"), ("builtins", "eval"), ("torch.nn", "Linear")]:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", f"c{module}\n{name}\n.".encode())
        assert f"{module}.{name}" in refusal(path)
    assert "torch.nn.modules.linear.Linear" in refusal(HERE / "module.pth")


@pytest.mark.parametrize("size, stride", [((5,), (6,)), ((25,), (0,)), ((2,), (-1,))])
def test_views_past_their_storage_are_refused(tmp_path, size, stride):
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n"
    storage = b"(S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI24\ntQ"
    shape = "".join(f"(I{one[0]}\nt" for one in (size, stride)).encode()
    text = b"(dS'weight'\n" + rebuild + b"(" + storage + b"I0\n" + shape + b"I00\nNtRs."
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("archive/data.pkl", text)
        archive.writestr("archive/data/0", BASE.tobytes())
    assert "does not fit its 24 values" in refusal(tmp_path / "a.pth")


def text(value):
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def sharing(tensors, count, *, legacy):
    """A pickle of tensors that all are one storage of `count` values."""
    whole = b"J" + count.to_bytes(4, "little")
    end = b"N" if legacy else b""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + whole
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + end + b"tQK\x00" + whole + b"\x85"
    tensor += b"K\x01\x85\x89}tR"
    return b"\x80\x02}(" + b"".join(text(f"w{n}") + tensor for n in range(tensors)) + b"u."


@pytest.fixture
def peak_of():
    """Gives a function (path) -> bytes that the largest allocation at once of a reading took."""

    def measured(path):
        tracemalloc.start()
        try:
            formats.read(path)
        except UserError:
            pass
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return peak

    return measured


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_that_share_a_storage_take_its_memory_once(legacy, tmp_path, peak_of):
    count, path = 250_000, tmp_path / "a.pth"
    saved, values = sharing(200, count, legacy=legacy), bytes(4 * count)
    if legacy:
        head = [torch_pickle._LEGACY_MAGIC, 1001, {"little_endian": True}]
        parts = [*(pickle.dumps(one, 2) for one in head), saved, pickle.dumps(["0"], 2)]
        path.write_bytes(b"".join([*parts, count.to_bytes(8, "little"), values]))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", saved)
            archive.writestr("archive/data/0", values)
    found = formats.read(path)
    assert len(found) == 200 and found["w199"].shape == (count,)
    assert peak_of(path) < 10 * 4 * count  # 200 copies would take 200 times as much


def test_a_small_file_takes_little_memory(tmp_path, peak_of):
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}r" + (2**24).to_bytes(4, "little") + b".")
    assert peak_of(path) < 2**20
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", sharing(1, 2**23, legacy=False))
        archive.writestr("archive/data/0", bytes(2**25))
    assert "unpacks to 33,5" in refusal(path)
    assert peak_of(path) < 2**20


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_torch_files(tmp_path, name, share):
    content = (HERE / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    refusal(tmp_path / name)


def test_low_precision_is_refused(tmp_path):
    assert "weight is float16" in refusal(HERE / "half.pth")
    assert "BFloat16Storage" in refusal(HERE / "bfloat16.pth")
    np.savez(tmp_path / "a.npz", weight=BASE.astype(np.float16))
    assert "weight is float16" in refusal(tmp_path / "a.npz")
    header = b'{"weight":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    assert "weight is BF16" in refusal(path)


@pytest.mark.parametrize("ending", [".pt", ".pth", ".safetensors", ".npz"])
@pytest.mark.parametrize(
    "content",
    [b"<!DOCTYPE html><html>Sign in</html>", b"", b"Salted__\x01\x92\x83" * 40, b"{}", bytes(200)],
    ids=["html", "empty", "encrypted", "json", "zeros"],
)
def test_files_of_something_else(tmp_path, ending, content):
    path = tmp_path / f"weights{ending}"
    path.write_bytes(content)
    text = refusal(path)
    if content.startswith(b"<") and ending.startswith(".p"):
        assert "web page" in text


def test_other_archives_and_other_objects(tmp_path):
    shutil.copy(pickled_zip(tmp_path / "a.pth", [1, 2]), tmp_path / "b.pth")
    assert "a list" in refusal(tmp_path / "b.pth")
    assert "holds epoch" in refusal(pickled_zip(tmp_path / "c.pth", {"epoch": 3}))
    with zipfile.ZipFile(tmp_path / "d.pth", "w") as archive:
        archive.writestr("word/document.xml", "text")
    assert "something else" in refusal(tmp_path / "d.pth")
    np.save(tmp_path / "e.npy", BASE)
    assert "no known format" in refusal(tmp_path / "e.npy")
    np.savez(tmp_path / "f.npz", thing=np.array({"weight": 1}, dtype=object))
    refusal(tmp_path / "f.npz")


@pytest.mark.parametrize("header", [b"\xff" * 8, b"\x05" + bytes(7) + b"{...}", bytes(7)])
def test_wrong_safetensors_headers(tmp_path, header):
    path = tmp_path / "a.safetensors"
    path.write_bytes(header)
    assert "safetensors" in refusal(path)
    whole = tmp_path / "b.safetensors"
    save_file({"weight": BASE}, whole)
    whole.write_bytes(whole.read_bytes()[:-8])
    assert "safetensors" in refusal(whole)


@pytest.mark.parametrize(
    "facts",
    [
        {"dtype": "F4", "shape": [2], "data_offsets": [0, 1]},
        {"dtype": "F8_E8M0", "shape": [1], "data_offsets": [0, 1]},
        {"dtype": "F32", "shape": [0, 2**32, 2**32], "data_offsets": [0, 0]},
    ],
    ids=["4 bits", "exponents", "empty and huge"],
)
def test_safetensors_that_numpy_does_not_take(facts, tmp_path):
    header = json.dumps({"weight": facts}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(facts["data_offsets"][1]))
    refusal(path)


@pytest.mark.parametrize("shape", [(10**12,), (2**40, 2**40)])
def test_a_header_that_announces_more_than_the_memory_holds(shape, tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("weight.npy", header.getvalue() + bytes(64))
    assert ".npz file" in refusal(tmp_path / "a.npz")


def test_a_member_that_is_no_array_is_no_number(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("weight.npy", b"text")
    assert formats.read(tmp_path / "a.npz")["weight"].dtype.kind == "S"
