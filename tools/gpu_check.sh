#!/bin/bash
# What only a GPU can show, in at most 10 minutes. NOT RUN on a GPU so far: none was at hand when it was written.
# Usage: [DATA_DIR=FOLDER_OF_TFDS] [LIMIT=SECONDS] tools/gpu_check.sh [OUTPUT_DIR]; from the root of the repository, with
# TensorFlow for GPUs and pytest-xdist installed. Without DATA_DIR (c) takes random images. What LIMIT (600) leaves no time
# for is named and counts as failed; the least important comes last. DRY_RUN=1 runs the same commands at their smallest on
# a CPU, to test this script. OUTPUT_DIR has a log for each check; ends.txt has the end of each log and is small.
set -u
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# //p' "$0"; exit ;; esac
python=$(command -v python3 || command -v python)
out=${1:-gpu_check}
mkdir -p "$out"
# What an earlier check has left there would be found as done.
[ -z "$(ls -A "$out")" ] || { echo "$out is not empty; name another OUTPUT_DIR"; exit 2; }
# A first start must find no program of an earlier one.
XDG_CACHE_HOME=$(cd "$out" && pwd)/cache
export XDG_CACHE_HOME
start=$SECONDS
quick=(--flagfile=flags/tla/cifar10_quick.flags --attack_steps=7 --attack_step_size=2/255 ${DATA_DIR:+"--data_dir=$DATA_DIR"})
wide=(--model=wrn_16_4 --batch_size=256 --precision=mixed_bfloat16)
wider=(--model=wrn_32_10 --batch_size=50 --precision=mixed_bfloat16)
steps=400
if [ -n "${DRY_RUN:-}" ]; then
  smoke=(--flagfile=flags/tla/smoke.flags --jit_compile=true)
  hm_smoke=(--flagfile=flags/hm/smoke.flags --jit_compile=true)
  quick=(--flagfile=flags/tla/smoke.flags) wide=(--model=mlp --optimizer=momentum) wider=("${wide[@]}")
  steps=100 slow=10 many=3 few=3
else
  slow=1 many=100 few=20 smoke=() hm_smoke=()
  nvidia-smi --query-gpu=name,driver_version --format=csv,noheader || { echo "no GPU"; exit 2; }
  "$python" -c 'import sys, tensorflow as tf; sys.exit(not tf.config.list_physical_devices("GPU"))' > "$out/device.log" 2>&1 ||
    { tail -n 20 "$out/device.log"; echo "TensorFlow of $python finds no GPU"; exit 2; }
fi

check() { # check NAME SECONDS COMMAND...: runs the command, keeps its output, says how it ended
  local name=$1 limit=$(($2 * slow)) left=$((${LIMIT:-600} * slow - SECONDS + start)) began=$SECONDS code
  shift 2
  ((limit > left)) && limit=$left
  ((limit > 0)) || { echo "$name: left out, the time is over"; touch "$out/failed"; return; }
  timeout -k 5 "$limit" "$@" > "$out/$name.log" 2>&1
  code=$?
  grep -q Traceback "$out/$name.log" && code="$code, traceback"
  echo "$name: exit $code after $((SECONDS - began)) s"
  grep -h "goes on without XLA" "$out/$name.log"
  { echo "== $name: exit $code"; tail -n 25 "$out/$name.log"; } >> "$out/ends.txt"
  [ "$code" = 0 ] || touch "$out/failed"
}

resumed() { # resumed DETERMINISTIC: kills a training, then resumes it
  local flags=(--deterministic="$1" --train_steps="$steps" --checkpoint_every=50 --limit_test=100 --eval_attacks=clean)
  local killed=$out/resume_$1 whole=$out/whole_$1
  "$python" -m tla_tf.train "${flags[@]}" --workdir="$killed" > "$out/killed_$1.log" 2>&1 &
  local process=$!
  while kill -0 $process 2> /dev/null && ! ls -d "$killed"/checkpoints/step-*[0-9] > /dev/null 2>&1; do sleep 0.1; done
  kill -KILL $process || return 1 # it ended before
  wait $process 2> /dev/null
  "$python" -m tla_tf.train "${flags[@]}" --workdir="$killed" | tee "$killed.txt"
  [ "${PIPESTATUS[0]}" = 0 ] && grep "resuming after step" "$killed.txt" | grep -qv "after step $steps " || return 1
  grep -q "\"step\": $steps" "$killed/metrics.jsonl" || return 1
  [ "$1" = true ] || return 0
  # Bit for bit what nothing has stopped.
  "$python" -m tla_tf.train "${flags[@]}" --workdir="$whole" || return 1
  [ "$(weights "$killed")" = "$(weights "$whole")" ] || { echo "the weights differ from those of $whole"; return 1; }
}
weights() { # weights RUN: the hash of its final weights
  grep -o '"weights_hash": "[0-9a-f]*"' "$1/results.jsonl" | sort -u
}
export out steps python
export -f resumed weights

# What is not timed shares the card. (a) The first commands of the READMEs, and what users do next: exports, attacked as
# they are served, all attacks on a ranking, AutoAttack. A second start has its programs from the cache.
{
  check tla 200 "$python" -m tla_tf.train "${smoke[@]}" --workdir="$out/tla"
  check export 120 "$python" -m tla_tf.export --workdir="$out/tla" --export_dir="$out/tla_export" &
  check standard 120 "$python" -m tla_tf.evaluate --workdir="$out/tla" --attacks=standard --limit_test=100 &
  check tla_second_start 100 "$python" -m tla_tf.train "${smoke[@]}" --workdir="$out/tla_again" &
  wait
} &
{
  check hm 200 "$python" -m hm_tf.train "${hm_smoke[@]}" --workdir="$out/hm"
  check hm_export 120 "$python" -m hm_tf.export --workdir="$out/hm" --export_dir="$out/hm_export" &
  check hm_evaluate 120 "$python" -m hm_tf.evaluate --workdir="$out/hm" &
  wait
} &
# (b) Networks with max pooling, deterministic: XLA is left out, nothing crashes. (d) SIGKILL and resume. (e) The tests that
# need a GPU.
check deterministic 200 "$python" -m tla_tf.train "${smoke[@]}" --deterministic=true --train_steps=50 --checkpoint_every=50 \
  --workdir="$out/deterministic" &
check hm_deterministic 200 "$python" -m hm_tf.train --flagfile=flags/hm/smoke.flags --deterministic=true \
  --workdir="$out/hm_deterministic" &
check resume_deterministic 240 bash -c "resumed true" &
check resume 200 bash -c "resumed false" &
check tests 200 "$python" -m pytest -n 4 -q -m gpu tests/test_gpu.py &
wait
# (c) The loop against the bare step, TFLOP/s; the defenses against each other; XLA on and off. The step of wrn_16_4 took XLA
# 33 s on an H100, and a loop compiles two.
loop_of() { # loop_of NETWORK XLA SECONDS UPDATES FLAGS...
  check "loop_$1_xla_$2" "$3" "$python" tools/benchmark.py loop "${quick[@]}" --method=at --jit_compile="${2%_again}" --rounds=3 \
    --updates="$4" "${@:5}"
}
training_of() { # training_of NETWORK XLA SECONDS FLAGS...
  check "training_$1_xla_$2" "$3" "$python" tools/benchmark.py training "${quick[@]}" --jit_compile="$2" --rounds=5 \
    --rows="at;tla, pool=batch" "${@:4}"
}
loop_of wrn_16_4 true 170 $many "${wide[@]}"
loop_of wrn_16_4 true_again 60 $many "${wide[@]}"
training_of wrn_32_10 false 120 "${wider[@]}"
training_of wrn_16_4 true 220 "${wide[@]}"
loop_of wrn_32_10 false 90 $few "${wider[@]}"
loop_of wrn_16_4 false 90 $many "${wide[@]}"
training_of wrn_16_4 false 90 "${wide[@]}"
loop_of wrn_32_10 true 240 $few "${wider[@]}"
training_of wrn_32_10 true 300 "${wider[@]}"
echo
(cd "$out" && grep -E "bare step / loop|first round|PGD step / bare pass|^\| tla, pool=batch|TFLOP/s|compiled in" ./*.log)
[ ! -e "$out/failed" ]
