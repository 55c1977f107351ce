#!/usr/bin/env bash
# Looking at footage beside decoding it alone:  bench/ingest.sh FOLDER... [COPIES=50]
# Every film that ffmpeg opens is copied COPIES times; `ffmpeg -f null` and `longtake data ingest` (one film at a time, no autoencoder) go over
# the same files in turn. Frames, processor seconds and peak resident memory (of the largest process) of each, with one copy and with all:
# memory must be the same. Copies are duplicates of each other by content, so each is decoded and all but one are then dropped.
set -euo pipefail
copies=50 folders=()
for word in "$@"; do [[ $word =~ ^[0-9]+$ ]] && copies=$word || folders+=("$(readlink -f "$word")"); done
[ ${#folders[@]} -gt 0 ] || { sed -n '2p' "$0"; exit 2; }
here=$(dirname "$(dirname "$(readlink -f "$0")")") work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
measured() { # name, command...: sets seconds and memory
  local log="$work/time"; shift
  /usr/bin/time -o "$log" -f '%U %S %M' "$@" >"$work/out" 2>"$work/err" || { tail -5 "$work/err"; exit 1; }
  read -r user system memory <"$log"; seconds=$(echo "$user + $system" | bc)
}
decode() { find "$1" -type f -print0 | xargs -0 -n 1 -I{} sh -c 'ffmpeg -v quiet -nostdin -threads 2 -i "$1" -map 0:V:0 -an -f null - </dev/null || true' _ {}; }
export -f decode
mkdir "$work/once"
while IFS= read -r -d '' f; do
  ffprobe -v quiet -select_streams V:0 -show_entries stream=codec_name -of csv=p=0 "$f" | grep -q . && cp "$f" "$work/once/"
done < <(find "${folders[@]}" -maxdepth 1 -type f -size -8M -print0)
frames=$(for f in "$work/once"/*; do ffprobe -v quiet -select_streams V:0 -count_packets -show_entries stream=nb_read_packets -of csv=p=0 "$f" | tr -dc '0-9\n' | head -1; done | paste -sd+ | bc)
for n in 1 "$copies"; do
  mkdir -p "$work/films$n"
  for c in $(seq "$n"); do mkdir "$work/films$n/$c"; cp --reflink=auto "$work/once"/* "$work/films$n/$c/"; done
  measured decode bash -c "decode $work/films$n"; alone=$seconds memory_alone=$memory
  (cd "$work" && measured ingest "$here/bin/longtake" data ingest "films$n" -o "set$n" --jobs 1 --json; echo "$seconds $memory" >"$work/ours")
  read -r ours memory_ours <"$work/ours"
  total=$((frames * n))
  printf '%4d copies, %8d frames: ffmpeg alone %7.1f frames/s of processor, %4d MiB; ingest %7.1f frames/s, %4d MiB; ratio %.2f\n' "$n" "$total" \
    "$(echo "$total / $alone" | bc -l)" $((memory_alone / 1024)) "$(echo "$total / $ours" | bc -l)" $((memory_ours / 1024)) "$(echo "$alone / $ours" | bc -l)"
done
