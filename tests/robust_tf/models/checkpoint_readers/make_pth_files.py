"""Makes the .pth files of this folder; needs torch, which no test does.

python tests/robust_tf/models/checkpoint_readers/make_pth_files.py
"""

import collections
import pathlib

import torch
from torch import nn

FOLDER = pathlib.Path(__file__).parent


def main():
    """Views, a parameter and a counter, nested as training scripts nest them, in both formats."""
    base = torch.arange(24, dtype=torch.float32).reshape(6, 4)
    state = collections.OrderedDict(
        [("whole", base), ("view", base[2:5, 1:]), ("turned", base.T), ("empty", base[:0])]
    )
    state["parameter"] = nn.Parameter(torch.tensor([0.5, -1.0, 2.0]))
    state["double"] = torch.tensor(0.1, dtype=torch.float64)
    state["bn.num_batches_tracked"] = torch.tensor(7)
    saved = {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}}
    torch.save(saved, FOLDER / "zip.pth")
    torch.save(saved, FOLDER / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"weight": base.half()}, FOLDER / "half.pth")
    torch.save({"weight": base.bfloat16()}, FOLDER / "bfloat16.pth")
    torch.save(nn.Linear(2, 1), FOLDER / "module.pth")


if __name__ == "__main__":
    main()
