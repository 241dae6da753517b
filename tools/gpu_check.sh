#!/bin/bash
# What only a GPU can show, in at most 10 minutes. NOT RUN on a GPU so far: none was at hand when it was written.
# Usage: [DATA_DIR=FOLDER_OF_TFDS] tools/gpu_check.sh [OUTPUT_DIR]; from the root of the repository, with TensorFlow
# for GPUs installed. Without DATA_DIR (c) takes random images. DRY_RUN=1 runs the same commands at their smallest on
# a CPU, to test this script. OUTPUT_DIR/ends.txt has the end of each log.
set -u
python=$(command -v python || command -v python3)
out=${1:-gpu_check}
mkdir -p "$out"
# What an earlier check has left there would be found as done.
[ -z "$(ls -A "$out")" ] || { echo "$out is not empty; name another OUTPUT_DIR"; exit 2; }
start=$SECONDS
quick=(--flagfile=flags/tla/cifar10_quick.flags --attack_steps=7 --attack_step_size=2/255 ${DATA_DIR:+"--data_dir=$DATA_DIR"})
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
  grep -h "goes on without XLA" "$out/$name.log"
  [ "$code" = 0 ] || touch "$out/failed"
}

resumed() { # resumed DETERMINISTIC: kills a training, then resumes it
  local flags=(--deterministic="$1" --train_steps="$steps" --checkpoint_every=50 --limit_test=100 --eval_attacks=clean
    --workdir="$out/resume_$1")
  "$python" -m tla_tf.train "${flags[@]}" > "$out/killed_$1.log" 2>&1 &
  local process=$!
  while kill -0 $process 2> /dev/null && ! ls -d "$out/resume_$1"/checkpoints/step-*[0-9] > /dev/null 2>&1; do sleep 0.1; done
  kill -KILL $process || return 1 # it ended before
  wait $process 2> /dev/null
  "$python" -m tla_tf.train "${flags[@]}" && grep -q "\"step\": $steps" "$out/resume_$1/metrics.jsonl"
}
export out steps python
export -f resumed

# (a) the first commands of the READMEs; what is not timed shares the card
check tla 150 "$python" -m tla_tf.train "${smoke[@]}" --workdir="$out/tla" &
check hm 150 "$python" -m hm_tf.train "${hm_smoke[@]}" --workdir="$out/hm" &
wait
# (b) networks with max pooling, deterministic: XLA is left out, nothing crashes. (d) SIGKILL and resume. What users do
# next: exports, attacked as they are served, and all attacks on a ranking.
check deterministic 120 "$python" -m tla_tf.train "${smoke[@]}" --deterministic=true --train_steps=50 --checkpoint_every=50 \
  --workdir="$out/deterministic" &
check hm_deterministic 120 "$python" -m hm_tf.train --flagfile=flags/hm/smoke.flags --deterministic=true \
  --workdir="$out/hm_deterministic" &
check resume_deterministic 120 bash -c "resumed true" &
check resume 120 bash -c "resumed false" &
check export 120 "$python" -m tla_tf.export --workdir="$out/tla" --export_dir="$out/tla_export" &
check hm_export 120 "$python" -m hm_tf.export --workdir="$out/hm" --export_dir="$out/hm_export" &
check hm_evaluate 120 "$python" -m hm_tf.evaluate --workdir="$out/hm" &
wait
# A second start has its programs from the cache.
check tla_second_start 60 "$python" -m tla_tf.train "${smoke[@]}" --workdir="$out/tla_again"
# (c) the loop against the bare step, TFLOP/s; the defenses against each other; XLA on and off. The step of wrn_16_4 took XLA
# 33 s on an H100, and a loop compiles two. What may be left out for time comes last.
methods="at;tla, pool=batch"
loop_of() { # loop_of NETWORK XLA SECONDS FLAGS...
  check "loop_$1_xla_$2" "$3" "$python" tools/benchmark.py loop "${quick[@]}" "${@:4}" "${loop[@]}" --jit_compile="$2"
}
training_of() { # training_of NETWORK XLA SECONDS FLAGS...
  check "training_$1_xla_$2" "$3" "$python" tools/benchmark.py training "${quick[@]}" "${@:4}" --rounds=5 --rows="$methods" \
    --jit_compile="$2"
}
loop_of wrn_16_4 true 150 "${wide[@]}"
loop_of wrn_32_10 false 90 "${wider[@]}"
training_of wrn_32_10 false 90 "${wider[@]}"
training_of wrn_16_4 true 180 "${wide[@]}"
loop_of wrn_16_4 false 60 "${wide[@]}"
# (e) the tests that need a GPU, and AutoAttack
check tests 120 "$python" -m pytest -n 4 -q -m gpu tests/test_gpu.py &
check standard 120 "$python" -m tla_tf.evaluate --workdir="$out/tla" --attacks=standard --limit_test=100 &
wait
loop_of wrn_32_10 true 240 "${wider[@]}"
tail -n 25 "$out"/*.log > "$out/ends.txt"
[ ! -e "$out/failed" ]
