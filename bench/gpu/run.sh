#!/usr/bin/env bash
# Checks LongTake on this machine's GPU against the CPU and against PyTorch, and writes one JSON. Wants Linux, Python
# with PyTorch 2.10 or later and about 70 GiB of device memory (else SMALL=1: ten layers); no .NET, no ffmpeg, no
# network. Under 8 minutes.
#   ./run.sh OUT.json [FOLDER for the parts and pictures]
# PYTHON names the interpreter, DEVICE the device ("cpu" tries the script itself, with SMALL=2).
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: run.sh OUT.json [FOLDER]}
parts=${2:-$(mktemp -d)}
python=${PYTHON:-python3}
device=${DEVICE:-cuda}
mkdir -p "$parts"
: > "$parts/status.txt"

LIBTORCH=${LIBTORCH:-$("$python" -c 'import torch, os; print(os.path.dirname(torch.__file__))')} || {
    echo "run.sh: $python has no PyTorch" >&2
    exit 1
}
export LIBTORCH DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_gcServer=0 DOTNET_TieredPGO=0
sizes=()
case ${SMALL:-0} in
    1) sizes=(--layers 10 --head-blocks 2) ;;
    2) sizes=(--layers 4 --head-blocks 2 --dim 96 --ffn 256 --heads 3 --text 48 --height 8 --width 8) ;;
esac

# A part a process, each with a limit of its own: what one breaks the others still tell.
part() {
    local name=$1 limit=$2 started=$SECONDS
    shift 2
    timeout -k 5 "$limit" "$@" > "$parts/$name.log" 2>&1
    local code=$?
    echo "$name=$code" >> "$parts/status.txt"
    echo "run.sh: $name ended with $code after $((SECONDS - started)) s" >&2
    [ $code = 0 ] || tail -n 5 "$parts/$name.log" >&2
}
ours() { part "$1" "$2" "$here/LongTake.Bench" gpu "$3" "$parts/$1.json" --device "$device" "${@:4}"; }
peer() { part "peer-$1" "$2" "$python" "$here/peer.py" "$3" "$parts/peer-$1.json" --device "$device" "${@:4}"; }

ours facts 30 facts
ours parity 40 parity --fixtures "$here/fixtures"
ours video 90 video --model "$here/model" --pictures "$parts/pictures"
ours train 90 train --model "$here/model"
ours wan-21 60 wan --latents 21 --turns 3 --samples "$parts/wan-21.bin" "${sizes[@]}"
peer wan-21 60 wan --latents 21 --turns 3 --samples "$parts/peer-wan-21.bin" "${sizes[@]}"
ours mmm 60 mmm --latents 21 --turns 1 "${sizes[@]}"
peer mmm 60 mmm --latents 21 --turns 1 "${sizes[@]}"
ours wan-245 130 wan --latents 245 --turns 1 --samples "$parts/wan-245.bin" "${sizes[@]}"
peer wan-245 130 wan --latents 245 --turns 1 --samples "$parts/peer-wan-245.bin" "${sizes[@]}"
"$python" "$here/report.py" "$parts" "$out"
