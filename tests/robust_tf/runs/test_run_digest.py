"""What was changed in a run folder is named, and the copy of its config.json stands in."""

import errno
import io
import json
import os

import keras
import pytest

from robust_tf.errors import RunError, UserError
from robust_tf.runs.run_digest import RunDigest
from robust_tf.runs.run_folder import RunFolder
from robust_tf.runs.run_identity import RunIdentity

FLAGS = {"train_steps": 4, "eps": "8/255", "method": "tla"}


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.claim(RunIdentity(FLAGS), ["cat", "dog"])
    return folder


def network():
    return keras.Sequential([keras.Input([3]), keras.layers.Dense(2)])


def edit(folder, old, new):
    path = folder.path / "config.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.filterwarnings("error::UserWarning")
def test_nothing_is_said_of_what_was_written(folder):
    assert folder.read_flags() == FLAGS
    folder.claim(RunIdentity({**FLAGS, "train_steps": 8}), ["cat", "dog"])
    assert folder.read_flags()["train_steps"] == 8


@pytest.mark.parametrize(
    "old, new, said",
    [
        ('"8/255"', '"16/255"', r"was changed \(eps was 8/255, is 16/255\)"),
        ('"cat"', '"cow"', "was changed .class_names was .'cat', 'dog'., is .'cow', 'dog'.."),
        ("{", "[", "is missing or damaged"),
        ('"flags": {', '"flags": 5, "x": {', "is missing or damaged"),
    ],
)
def test_an_edited_config_is_named_and_not_believed(old, new, said, folder):
    edit(folder, old, new)
    with pytest.warns(UserWarning, match=f"config.json {said}.*what was written first is used"):
        assert folder.read_flags() == FLAGS
    with pytest.warns(UserWarning):
        assert folder.read_config()["class_names"] == ["cat", "dog"]


def test_a_config_that_is_gone_comes_back(folder):
    (folder.path / "config.json").unlink()
    with pytest.warns(UserWarning, match="is missing or damaged"):
        folder.check(RunIdentity(FLAGS))
    with pytest.warns(UserWarning, match="is missing or damaged"):
        folder.claim(RunIdentity(FLAGS), ["cat", "dog"])
    assert json.loads((folder.path / "config.json").read_text())["flags"] == FLAGS


@pytest.mark.parametrize("damage", ["{", "[]", "5", '{"sha256": "0"}', "\udcff"])
def test_a_damaged_digest_file_is_named_and_all_is_read(damage, folder):
    (folder.path / "digest.json").write_bytes(damage.encode("utf-8", "surrogateescape"))
    with pytest.warns(UserWarning, match="digest.json is damaged: the files beside it are read"):
        assert folder.read_flags() == FLAGS


@pytest.fixture
def kept_from(monkeypatch):
    """Function (name) that takes away the permission to read files of that name; also for root."""

    def take_away(name):
        opened = io.open

        def refused(path, *given, **named):
            if os.path.basename(path) == name:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return opened(path, *given, **named)

        monkeypatch.setattr("io.open", refused)

    return take_away


@pytest.mark.filterwarnings("error::UserWarning")
def test_what_may_not_be_read_is_neither_damaged_nor_missing(folder, kept_from):
    """Who thinks that it is damaged, removes it or trains again."""
    folder.save_network(network(), folder.final_weights)
    kept_from("final.keras")
    with pytest.raises(PermissionError, match="final.keras"):
        folder.load_weights(network(), folder.final_weights)
    kept_from("digest.json")
    with pytest.raises(UserError, match="digest.json cannot be read: no permission"):
        folder.read_flags()


def test_a_folder_of_an_older_version_is_read_as_it_is(folder):
    (folder.path / "digest.json").unlink()
    edit(folder, '"8/255"', '"16/255"')
    assert folder.read_flags()["eps"] == "16/255"


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_process_killed_between_two_files_leaves_no_doubt(folder, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    longer = RunIdentity({**FLAGS, "train_steps": 8})
    folder.save_network(network(), folder.final_weights)
    with monkeypatch.context() as patch:
        patch.setattr("robust_tf.results.atomic.rename", die)
        with pytest.raises(KeyboardInterrupt):
            folder.save_network(network(), folder.final_weights)
    assert not folder.damage(folder.final_weights)
    config, write = folder.path / "config.json", os.replace

    def die_at_config(old, new):
        if new == config:
            raise KeyboardInterrupt
        write(old, new)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", die_at_config)
        with pytest.raises(KeyboardInterrupt):
            folder.claim(longer, ["cat", "dog"])
    assert folder.read_flags()["train_steps"] == 4


def test_weights_that_have_changed_are_refused(folder):
    path = folder.final_weights
    folder.save_network(network(), path)
    with folder.reading(path):
        whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(RunError, match="final.keras cannot be read: it is cut off"):
        with folder.reading(path):
            pass
    network().save(path)
    with pytest.raises(RunError, match="has changed since .*; without it the command of its"):
        with folder.reading(path):
            pass


@pytest.mark.parametrize("place, value", [(8, 1), (10, 7), (16, 5)])
@pytest.mark.parametrize("name", ["final", "best"])
def test_damage_that_only_reading_shows_is_one_line(place, value, name, folder):
    """A folder of an older version has no digest. The damage: a password, a method, a checksum."""
    path = folder.path / f"{name}.keras"
    network().save(path)
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\1\2") + place] ^= value  # of the file of the weights
    path.write_bytes(content)
    with pytest.raises(RunError, match=f"{name}.keras cannot be read: .*train"):
        folder.load_weights(network(), path)


def test_digests_follow_renamed_weights(folder):
    folder.save_network(network(), folder.final_weights)
    folder.claim(RunIdentity({**FLAGS, "train_steps": 8}))
    kept = folder.path / "final-step-00000004.keras"
    assert not folder.damage(kept)
    network().save(kept)
    assert RunDigest(folder.path).damage(kept)


def test_other_conditions_begin_a_segment(folder, monkeypatch):
    now = {"versions": {"tensorflow": "2.21"}, "commit": "a", "device": "cpu", "precision": "x"}
    monkeypatch.setattr("robust_tf.runs.provenance.provenance", lambda: dict(now))
    folder.begin_segment(0)
    folder.begin_segment(2)
    assert folder.segments() == [{"after": 0, **now}]
    now["versions"], now["commit"] = {"tensorflow": "2.22"}, "b"
    with pytest.warns(UserWarning, match="tensorflow 2.21, now 2.22; commit a, now b"):
        folder.begin_segment(3)
    assert [segment["after"] for segment in folder.segments()] == [0, 3]
    now["commit"] = "c"
    with pytest.warns(UserWarning, match="commit a, now c"):
        folder.begin_segment(2)  # the checkpoint of 3 was torn
    assert [(s["after"], s["commit"]) for s in folder.segments()] == [(0, "a"), (2, "c")]
    folder.begin_segment(0)
    assert folder.segments() == [{"after": 0, **now}]


def test_the_last_process_of_an_older_version_is_the_first_segment(folder):
    (folder.path / "digest.json").unlink()
    old = {"flags": FLAGS, "versions": {"tensorflow": "2.18"}, "commit": None}
    (folder.path / "config.json").write_text(json.dumps(old))
    assert folder.segments() == [{"after": 0, "versions": {"tensorflow": "2.18"}, "commit": None}]
    folder.claim(RunIdentity(FLAGS))
    assert folder.segments()[0]["versions"] == {"tensorflow": "2.18"}


def test_no_run_and_no_copy_of_one(tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        RunFolder(tmp_path).read_config()
