import json
import subprocess
import sys

import pytest

from robust_tf.results import jsonl

RECORDS = [{"step": 1, "loss": 0.5}, {"step": 2, "name": "Zürich"}]


def test_records_come_back_in_order(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert jsonl.read(path) == []
    jsonl.append(path, RECORDS[:1])
    jsonl.append(path, RECORDS[1:])
    assert jsonl.read(path) == RECORDS
    assert path.read_text() == jsonl.text(RECORDS)


def test_records_are_on_the_disk_when_append_returns(tmp_path, monkeypatch):
    path, synced = tmp_path / "metrics.jsonl", []
    monkeypatch.setattr("os.fsync", lambda file: synced.append(path.read_text()))
    jsonl.append(path, RECORDS)
    assert synced == [jsonl.text(RECORDS)]


def test_every_changed_bit_is_noticed_or_changes_nothing():
    good = jsonl.text(RECORDS).encode()
    for bit in range(8 * len(good)):
        content = bytearray(good)
        content[bit // 8] ^= 1 << bit % 8
        found = [jsonl.parsed(line) for line in bytes(content).split(b"\n")]
        assert all(record in (None, *RECORDS) for record in found), bytes(content)


def test_lines_without_a_checksum_are_read(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    assert jsonl.read(path) == RECORDS


APPEND = """
import sys
from robust_tf.results import jsonl
for number in range(50):
    jsonl.append(sys.argv[1], [{"from": sys.argv[2], "number": number, "long": [number] * 5000}])
"""


def test_lines_of_several_processes_stay_whole(tmp_path):
    path, names = tmp_path / "results.jsonl", ["a", "b", "c"]
    processes = [subprocess.Popen([sys.executable, "-c", APPEND, path, name]) for name in names]
    for process in processes:
        assert process.wait() == 0
    records = jsonl.read(path)
    for name in names:
        own = [record["number"] for record in records if record["from"] == name]
        assert own == list(range(50))


@pytest.mark.parametrize("cut", [1, 20])
def test_a_torn_line_does_not_swallow_the_next_record(cut, tmp_path):
    path = tmp_path / "metrics.jsonl"
    jsonl.append(path, RECORDS)
    path.write_bytes(path.read_bytes()[:-cut])
    jsonl.append(path, RECORDS[:1])
    if cut == 1:  # only the end of the line was lost
        assert jsonl.read(path) == [*RECORDS, RECORDS[0]]
        return
    with pytest.warns(UserWarning, match="metrics.jsonl: line 2 was cut off or damaged"):
        assert jsonl.read(path) == [RECORDS[0], RECORDS[0]]


@pytest.mark.parametrize(
    "damage", [b"5", b"[1]", b'"text"', b"null", b"\xff\xfe\x00", b"{", b"[" * 10**5], ids=repr
)
def test_a_line_that_is_no_object_is_left_out(damage, tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(damage[:20] + damage[20:] + b"\n\n" + json.dumps(RECORDS[0]).encode())
    with pytest.warns(UserWarning, match="line 1 was cut off or damaged and left out"):
        assert jsonl.read(path) == RECORDS[:1]


def test_a_file_of_no_text_gives_one_warning(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(bytes(range(256)) * 3 + b"\n\x80" * 1000)
    with pytest.warns(UserWarning, match="lines 1, 2, 3 and 1,001 more were") as said:
        assert jsonl.read(path) == []
    assert len(said) == 1
