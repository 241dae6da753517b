#!/bin/bash
# Makes a task of SLURM a worker of one training: writes TF_CONFIG, then runs the command.
# Usage, in a job script with one task a node (or a GPU):
#   srun --ntasks-per-node=1 --gpus-per-task=4 --kill-on-bad-exit tools/launch_slurm.sh python -m tla_tf.train --strategy=multi_worker --workdir=SHARED/RUN ...
# docs/scaling.md has a whole job script. --workdir must be on a file system that all nodes see. The
# first task of a node listens on PORT, the next ones on the ports above it. PORT comes from the number
# of the job. Two steps of a job that run at once need a PORT each.
set -eu
case ${1:-} in -h | --help) sed -n '2,/^[^#]/s/^# //p' "$0"; exit ;; esac
# Without srun a job script is task 0 of its job, too, and would wait for the others for ever.
if [[ -z ${SLURM_STEP_NODELIST:-} || $# = 0 ]]; then
  echo "start this with srun and a command; --help shows an example" >&2
  exit 2
fi
# Jobs that share a node must not meet: 16 ports for each, below those that kernels give away.
port=${PORT:-$((10000 + ${SLURM_JOB_ID:-0} % 1375 * 16))}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_STEP_NODELIST")
if ((${#nodes[@]} == 0)); then
  echo "scontrol does not name the nodes of $SLURM_STEP_NODELIST; it must run here" >&2
  exit 2
fi
if ((SLURM_NTASKS % ${#nodes[@]})); then
  echo "$SLURM_NTASKS tasks do not divide over ${#nodes[@]} nodes evenly; set --ntasks-per-node" >&2
  exit 2
fi
each=$((SLURM_NTASKS / ${#nodes[@]}))
workers=()
for name in "${nodes[@]}"; do # SLURM numbers the tasks node by node
  for ((task = 0; task < each; task++)); do
    workers+=("\"$name:$((port + task))\"")
  done
done
node=${nodes[SLURM_PROCID / each]}
if [[ ${SLURMD_NODENAME:-$node} != "$node" ]]; then
  echo "task $SLURM_PROCID runs on $SLURMD_NODENAME, not on $node: tasks must fill node by node;" \
    "set --ntasks-per-node and --distribution=block" >&2
  exit 2
fi
list=$(IFS=,; echo "${workers[*]}")
export TF_CONFIG="{\"cluster\": {\"worker\": [$list]}, \"task\": {\"type\": \"worker\", \"index\": $SLURM_PROCID}}"
exec "$@"
