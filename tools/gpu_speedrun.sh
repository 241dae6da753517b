#!/bin/bash
# Trains flags/tla/cifar10_speedrun.flags on one GPU, attacks the first 1,000 test images with the standard ensemble, and
# keeps records, log and weights (float16, two files). NOT RUN on a GPU. On a processor the whole script ran with
# --model=mlp and four updates.
# Usage: [DATA_DIR=FOLDER_OF_TFDS] tools/gpu_speedrun.sh METHOD [OUTPUT_DIR] [FLAGS OF tla_tf.train...]
# METHOD is at, tla or another one. TRAIN_S and EVALUATE_S bound the two parts (default: 600 seconds each). A training
# that does not end is not evaluated; the same command goes on with it. The exit code is that of the part that failed.
set -eu -o pipefail
case ${1:-} in "" | -h | --help) sed -n '2,/^[^#]/s/^# //p' "$0"; exit $(($# ? 0 : 2)) ;; esac
python=$(command -v python3 || command -v python)
method=$1 out=${2:-speedrun_$1}
shift $(($# < 2 ? $# : 2))
mkdir -p "$out"
run=$out/run
data=(${DATA_DIR:+"--data_dir=$DATA_DIR"})
code=0
{ nvidia-smi --query-gpu=name,driver_version --format=csv,noheader || echo "no GPU"; git rev-parse HEAD; } > "$out/machine.txt" 2> /dev/null || true

keep_records() {
  for file in results.jsonl metrics.jsonl flags.txt; do [ ! -e "$run/$file" ] || cp "$run/$file" "$out/"; done
}
trap keep_records EXIT
began=$SECONDS
timeout "${TRAIN_S:-600}" "$python" -m tla_tf.train --flagfile=flags/tla/cifar10_speedrun.flags --method="$method" \
  --workdir="$run" --limit_test=1000 --eval_attacks=clean,pgd20 "${data[@]}" "$@" 2>&1 | tee "$out/train.log"
echo "training and its evaluation: $((SECONDS - began)) s" | tee "$out/seconds.txt"
began=$SECONDS
timeout "${EVALUATE_S:-600}" "$python" -m tla_tf.evaluate --workdir="$run" --attacks=standard --limit_test="${LIMIT_TEST:-1000}" \
  --batch_size=500 "${data[@]}" 2>&1 | tee "$out/evaluate.log" || code=$?
[ "$code" = 0 ] || echo "the attack did not end: exit $code" | tee -a "$out/seconds.txt"
echo "standard: $((SECONDS - began)) s" | tee -a "$out/seconds.txt"
"$python" - "$run" "$out" << 'PYTHON'
import sys

import numpy as np

from tla_tf.runs.finished_run import FinishedRun

weights = FinishedRun(sys.argv[1]).network().get_weights()
ends = np.cumsum([w.size for w in weights])
for part in (0, 1):
    rows = [i for i, end in enumerate(ends) if (end > ends[-1] / 2) == part]
    arrays = {str(i): weights[i].astype("float16") for i in rows}
    np.savez_compressed(f"{sys.argv[2]}/weights_{part}.npz", **arrays)
PYTHON
exit "$code"
