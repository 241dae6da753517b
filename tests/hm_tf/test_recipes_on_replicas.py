"""Every recipe starts on any number of devices: on as many as divide its batch into shards."""

import recipes_on_replicas
from forked import ran


def test_every_recipe_starts_on_1_to_8_devices_and_the_smallest_trains_on_2(tmp_path):
    code, said = ran(recipes_on_replicas.start, tmp_path / "run", output=tmp_path / "said.txt")
    assert code == 0, said[-3000:]
    assert "digits [1, 1, 1, 1, 1]" in said and "cub200 [1, 2, 2, 2, 2]" in said
    assert "on 2 replicas" in said and (tmp_path / "run" / "results.jsonl").exists()
