#!/bin/bash
# A search on several nodes of Slurm:  sbatch slurm.sh
# Submitted again, it goes on: the folder is on the shared file system.
#SBATCH --job-name=nasnet-search
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=4
#SBATCH --time=24:00:00
#SBATCH --requeue

set -euo pipefail
SHARED=${SHARED:-$HOME/nasnet}  # Seen by all nodes: environment, data, search.
source "$SHARED/venv/bin/activate"

# Ray's nodes know each other by a token; without it, whoever reaches their ports
# runs code.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$SHARED/ray_token"
[ -s "$RAY_AUTH_TOKEN_PATH" ] || (umask 077; openssl rand -hex 32 > "$RAY_AUTH_TOKEN_PATH")

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
# Starts Ray on each node, the command on the first, and stops Ray at its end.
srun ray symmetric-run --address "$head:6379" \
    --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_PER_TASK" --num-gpus "$SLURM_GPUS_ON_NODE" -- \
    nasnet search --data cifar10 --data-dir "$SHARED/data" \
    --space nasnet_a --oracle ppo --trials 5000 \
    --engine ray --address auto --cpus-per-trial 4 --gpus-per-trial 0.5 \
    --timeout 3600 --directory "$SHARED/runs/first" --no-compare
