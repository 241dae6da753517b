#!/bin/bash
# Makes a task of SLURM a worker of one training: writes TF_CONFIG, then runs the command.
# Usage, in a job script with one task a node (or a GPU):
#   srun --ntasks-per-node=1 --gpus-per-task=4 tools/launch_slurm.sh python -m tla_tf.train --strategy=multi_worker --workdir=SHARED/RUN ...
# --workdir must be on a file system that all nodes see. PORT (default 23456) must be free on them.
set -eu
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# //p' "$0"; exit ;; esac
: "${SLURM_JOB_NODELIST:?start this with srun}" "${SLURM_PROCID:?}" "${SLURM_NTASKS:?}"
port=${PORT:-23456}
# A step of srun may have fewer nodes than its job.
mapfile -t nodes < <(scontrol show hostnames "${SLURM_STEP_NODELIST:-$SLURM_JOB_NODELIST}")
if ((SLURM_NTASKS % ${#nodes[@]})); then
  echo "$SLURM_NTASKS tasks do not divide over ${#nodes[@]} nodes evenly; set --ntasks-per-node" >&2
  exit 2
fi
each=$((SLURM_NTASKS / ${#nodes[@]}))
workers=()
for node in "${nodes[@]}"; do # SLURM numbers the tasks node by node
  for ((task = 0; task < each; task++)); do
    workers+=("\"$node:$((port + task))\"")
  done
done
list=$(IFS=,; echo "${workers[*]}")
export TF_CONFIG="{\"cluster\": {\"worker\": [$list]}, \"task\": {\"type\": \"worker\", \"index\": $SLURM_PROCID}}"
exec "$@"
