#!/bin/bash
# What only a GPU can show, in at most 10 minutes. NOT RUN on a GPU so far: none was at hand when it was written.
# Usage: [DATA_DIR=FOLDER_OF_TFDS] tools/gpu_check.sh [OUTPUT_DIR]; from the root of the repository, with TensorFlow
# for GPUs installed. Without DATA_DIR (c) takes random images. DRY_RUN=1 runs the same commands at their smallest on
# a CPU, to test this script.
set -u
out=${1:-gpu_check}
mkdir -p "$out"
rm -f "$out/failed"
start=$SECONDS
quick=(--flagfile=flags/tla/cifar10_quick.flags --attack_steps=7 --attack_step_size=2/255 ${DATA_DIR:+--data_dir=$DATA_DIR})
wide=(--model=wrn_16_4 --batch_size=256 --precision=mixed_bfloat16)
wider=(--model=wrn_32_10 --batch_size=50 --precision=mixed_bfloat16)
loop=(--method=at --updates=50 --rounds=3)
steps=400
if [ -n "${DRY_RUN:-}" ]; then
  smoke=(--flagfile=flags/tla/smoke.flags)
  hm_smoke=(--flagfile=flags/hm/smoke.flags)
  quick=(--flagfile=flags/tla/smoke.flags) wide=(--model=mlp --optimizer=momentum) wider=("${wide[@]}")
  loop=(--method=at --updates=3 --rounds=1)
  steps=100 slow=10
else
  slow=1 smoke=() hm_smoke=()
  nvidia-smi --query-gpu=name --format=csv,noheader || { echo "no GPU"; exit 2; }
fi

check() { # check NAME SECONDS COMMAND...: runs the command, keeps its output, says how it ended
  local name=$1 limit=$(($2 * slow)) left=$((600 * slow - SECONDS + start)) began=$SECONDS code
  shift 2
  ((limit > left)) && limit=$left
  ((limit > 0)) || { echo "$name: left out, the 10 minutes are over"; touch "$out/failed"; return; }
  timeout "$limit" "$@" > "$out/$name.log" 2>&1
  code=$?
  grep -q Traceback "$out/$name.log" && code="$code, traceback"
  echo "$name: exit $code after $((SECONDS - began)) s"
  [ "$code" = 0 ] || touch "$out/failed"
}

resumed() { # resumed DETERMINISTIC: kills a training, then resumes it
  local flags=(--deterministic="$1" --train_steps="$steps" --checkpoint_every=50 --limit_test=100 --workdir="$out/resume_$1")
  python -m tla_tf.train "${flags[@]}" > "$out/killed_$1.log" 2>&1 &
  local process=$!
  while kill -0 $process 2> /dev/null && ! ls -d "$out/resume_$1"/checkpoints/step-*[0-9] > /dev/null 2>&1; do sleep 0.1; done
  kill -KILL $process
  wait $process 2> /dev/null
  python -m tla_tf.train "${flags[@]}" && grep -q "\"step\": $steps" "$out/resume_$1/metrics.jsonl"
}
export out steps
export -f resumed

# (a) the first commands of the READMEs; what is not timed shares the card
check tla 100 python -m tla_tf.train "${smoke[@]}" --workdir="$out/tla" &
check hm 100 python -m hm_tf.train "${hm_smoke[@]}" --workdir="$out/hm" &
wait
# A second start has its programs from the cache.
check tla_second_start 60 python -m tla_tf.train "${smoke[@]}" --workdir="$out/tla_again"
# (b) a network with max pooling, deterministic: XLA is left out, nothing crashes. (d) SIGKILL and resume
check deterministic 80 python -m tla_tf.train "${smoke[@]}" --deterministic=true --train_steps=50 --checkpoint_every=50 --workdir="$out/deterministic" &
check resume_deterministic 80 bash -c "resumed true" &
check resume 80 bash -c "resumed false" &
wait
# (c) the loop against the bare step, TFLOP/s; the defenses against each other; XLA on and off
for xla in true false; do
  check "loop_wrn_16_4_xla_$xla" 60 python tools/benchmark.py loop "${quick[@]}" "${wide[@]}" "${loop[@]}" --jit_compile=$xla
  check "loop_wrn_32_10_xla_$xla" 80 python tools/benchmark.py loop "${quick[@]}" "${wider[@]}" "${loop[@]}" --jit_compile=$xla
done
methods="at;tla, pool=batch"
check training_wrn_32_10 120 python tools/benchmark.py training "${quick[@]}" "${wider[@]}" --rounds=5 --rows="$methods" --jit_compile=true
check training_wrn_16_4 90 python tools/benchmark.py training "${quick[@]}" "${wide[@]}" --rounds=5 --rows="$methods" --jit_compile=true
# (e) the tests that need a GPU
check tests 60 python -m pytest -n 0 -q -m gpu tests
[ ! -e "$out/failed" ]
