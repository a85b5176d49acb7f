#!/bin/sh
# Join the Ray cluster as a node without CPUs (a driver needs one beside it) and search there.
# RAY_HEAD is host:port of the head, MLFLOW the server, CPUS how many to wait for; arguments are loco_search.py's.
set -eu
: "${RAY_HEAD:?}" "${MLFLOW:?}"

ray start --address="$RAY_HEAD" --num-cpus=0 --disable-usage-stats >/dev/null
cpus=$(python docker/wait_for_cpus.py --address "$RAY_HEAD" --cpus "${CPUS:-1}" --seconds "${WAIT_S:-300}")
echo "the cluster has $cpus CPUs" >&2

# exec: Ctrl-C and docker stop reach the search, which ends gently
exec python experiments/loco_search.py --address "$RAY_HEAD" --tracking-uri "$MLFLOW" \
    --max-concurrent "$cpus" "$@"
