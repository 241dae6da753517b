#!/bin/bash
# What only a GPU can show, in at most 10 minutes. NOT RUN in the round in which it was written: no GPU was at hand.
# Usage: [DATA_DIR=FOLDER_OF_TFDS] tools/gpu_check.sh [OUTPUT_DIR]; from the root of the repository, with TensorFlow
# for GPUs installed. (c) needs CIFAR-10.
set -u
out=${1:-gpu_check}
mkdir -p "$out"
failed=0
start=$SECONDS

check() { # check NAME SECONDS COMMAND...: runs the command, keeps its output, says how it ended
  local name=$1 limit=$2 left=$((600 - SECONDS + start)) began=$SECONDS code
  shift 2
  ((limit > left)) && limit=$left
  ((limit > 0)) || { echo "$name: left out, the 10 minutes are over"; failed=1; return; }
  timeout "$limit" "$@" > "$out/$name.log" 2>&1
  code=$?
  grep -q Traceback "$out/$name.log" && code="$code, traceback"
  echo "$name: exit $code after $((SECONDS - began)) s"
  [ "$code" = 0 ] || failed=1
}

resumed() { # resumed DETERMINISTIC: kills a training, then resumes it
  local flags="--deterministic=$1 --train_steps=400 --checkpoint_every=50 --limit_test=100 --workdir=$out/resume_$1"
  # shellcheck disable=SC2086
  python -m tla_tf.train $flags > "$out/killed_$1.log" 2>&1 &
  local process=$!
  while kill -0 $process 2> /dev/null && ! ls -d "$out/resume_$1"/checkpoints/step-*[0-9] > /dev/null 2>&1; do sleep 0.1; done
  kill -KILL $process
  wait $process 2> /dev/null
  # shellcheck disable=SC2086
  python -m tla_tf.train $flags && grep -q '"step": 400' "$out/resume_$1/metrics.jsonl"
}
export out
export -f resumed

nvidia-smi --query-gpu=name --format=csv,noheader || { echo "no GPU"; exit 2; }
# (a) the first commands of the READMEs
check tla 90 python -m tla_tf.train --workdir="$out/tla"
check hm 90 python -m hm_tf.train --workdir="$out/hm"
# (b) a network with max pooling, deterministic: XLA is left out, nothing crashes
check deterministic 90 python -m tla_tf.train --deterministic=true --train_steps=50 --checkpoint_every=50 --workdir="$out/deterministic"
# (c) speed of a training step, XLA on and off
for xla in true false; do
  check "wrn_16_4_xla_$xla" 75 python tools/benchmark.py training \
    --flagfile=flags/tla/cifar10_quick.flags ${DATA_DIR:+--data_dir=$DATA_DIR} --model=wrn_16_4 --batch_size=256 \
    --precision=mixed_bfloat16 --jit_compile=$xla
  check "wrn_32_10_xla_$xla" 75 python tools/benchmark.py training \
    --flagfile=flags/tla/cifar10_quick.flags ${DATA_DIR:+--data_dir=$DATA_DIR} --model=wrn_32_10 --batch_size=50 \
    --precision=mixed_bfloat16 --jit_compile=$xla
done
# (d) SIGKILL and resume
check resume_deterministic 60 bash -c "resumed true"
check resume 60 bash -c "resumed false"
# (e) the tests that need a GPU
check tests 60 python -m pytest -n 0 -q -m gpu tests
exit $failed
