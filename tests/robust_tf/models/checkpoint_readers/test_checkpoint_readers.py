"""Weights of other formats, and files that are none; the .pth files are torch's own."""

import os
import pathlib
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

from robust_tf.errors import UserError
from robust_tf.models.checkpoint_readers import formats

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
