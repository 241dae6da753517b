"""A plain fit under MirroredStrategy, with a last batch that the replicas share unequally."""

import plain_fit_on_two_replicas
from forked import ran


def test_a_plain_fit_trains_and_validates_on_two_replicas(tmp_path):
    code, said = ran(plain_fit_on_two_replicas.main, output=tmp_path / "said.txt")
    assert code == 0, said[-3000:]
