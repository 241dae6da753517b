"""Starts several workers of one training on this machine.

    python tools/launch_local.py [--workers=2] -m tla_tf.train --dataset=cifar10 [its flags]

Each worker is a process of its own. Where there are as many GPUs as workers, each gets one of those
that CUDA_VISIBLE_DEVICES names; otherwise all run on the processor. The exit code is the largest of
the workers'.
"""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys

from robust_tf.runs.child_processes import exit_code, forwarding

REUSE = {"TF_GRPC_REUSE_PORT": "1"}


def main(arguments):
    """Starts the workers, waits for all of them, and returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--workers", type=int, default=2, help="number of processes, 2 or more")
    parser.add_argument("-m", dest="module", required=True, help="training command")
    known, flags = parser.parse_known_args(arguments)
    if known.workers < 2:
        parser.error("--workers must be 2 or more; a training by itself needs no launcher")
    command = [sys.executable, "-m", known.module, "--strategy=multi_worker", *flags]
    held, places = held_places(known.workers)
    gpus, workers = _gpus(), []
    with forwarding() as start:
        for index in range(known.workers):
            task = {"type": "worker", "index": index}
            config = json.dumps({"cluster": {"worker": places}, "task": task})
            gpu = gpus[index] if len(gpus) >= known.workers else "-1"
            settings = {**REUSE, "TF_CONFIG": config, "CUDA_VISIBLE_DEVICES": gpu}
            workers.append(start(command, env={**os.environ, **settings}))
        code = max(map(exit_code, workers))
    for one in held:
        one.close()
    return code


def held_places(count):
    """Returns (sockets, places): free ports that no other process gets while these are open.

    A worker with `REUSE` in its environment may listen there, too.
    """
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("localhost", 0))
    return sockets, [f"localhost:{one.getsockname()[1]}" for one in sockets]


def _gpus():
    """The names of the GPUs that this process may use, list of str."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in visible.split(",") if name not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    found = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return re.findall(r"^GPU (\d+):", found.stdout, re.MULTILINE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
