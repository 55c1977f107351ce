#!/usr/bin/env bash
# Looking at footage beside decoding it alone:  bench/ingest.sh FOLDER... [COPIES=50] [LONGESTs]
# Every video of the folders that ffmpeg opens (of at most LONGEST seconds, as in 5s) is copied COPIES times; `ffmpeg -f null` and `longtake data
# ingest` go over the same files in turn, one video at a time, with a model without an autoencoder, so nothing is encoded. Told of each: frames a
# second of processor (user and system, children included) and the peak resident memory of its largest process, with one copy and with all; then of
# the largest video, its first 10 seconds, once and four times over (the window of 832 thumbnails is full after half a minute). Copies are duplicates by content: each is looked at all the same (a record belongs to a
# path), and only the verdict drops all but one. What is kept does not matter here.
set -euo pipefail
copies=50 longest=1000000 folders=()
for word in "$@"; do
  if [[ $word =~ ^[0-9]+$ ]]; then copies=$word; elif [[ $word =~ ^[0-9]+s$ ]]; then longest=${word%s}; else folders+=("$(readlink -f "$word")"); fi
done
[ ${#folders[@]} -gt 0 ] || { sed -n '2p' "$0"; exit 2; }
here=$(dirname "$(dirname "$(readlink -f "$0")")") work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/once" "$work/model"
cp "$here/models/traveller/config.json" "$work/model/"

measured() { # command...: sets seconds and memory; exit code 1 with a report is a set of which nothing is kept
  /usr/bin/time -o "$work/time" -f '%U %S %M' "$@" >"$work/out" 2>"$work/err" || [ -e "$work/set/report.json" ] || { tail -5 "$work/err" >&2; exit 1; }
  read -r user system memory < <(tail -n 1 "$work/time"); seconds=$(echo "$user + $system" | bc) memory=$((memory / 1024))
}
decode() { find "$1" -type f -print0 | xargs -0 -n 1 sh -c 'ffmpeg -v quiet -nostdin -threads 2 -i "$0" -map 0:V:0 -an -f null - </dev/null || true'; }
export -f decode
packets() { find "$1" -type f -exec ffprobe -v quiet -select_streams V:0 -count_packets -show_entries stream=nb_read_packets -of csv=p=0 {} \; | tr -dc '0-9\n' | awk '{ n += $1 } END { print n }'; }
compare() { # name, folder, frames
  measured bash -c "decode '$2'"; local alone=$seconds memory_alone=$memory
  rm -rf "$work/set"
  measured "$here/bin/longtake" data ingest "$2" -o "$work/set" --model "$work/model" --jobs 1 --json
  printf '%-22s %7d frames: ffmpeg alone %6.0f frames/s of processor, %4d MiB; looking %6.0f frames/s, %4d MiB; ratio %.2f\n' "$1" "$3" \
    "$(echo "$3 / $alone" | bc -l)" "$memory_alone" "$(echo "$3 / $seconds" | bc -l)" "$memory" "$(echo "$alone / $seconds" | bc -l)"
}

while IFS= read -r -d '' f; do
  length=$(ffprobe -v quiet -select_streams V:0 -show_entries format=duration:stream=codec_name -of csv=p=0 "$f" </dev/null | tail -n 1)
  [[ $length =~ ^[0-9.]+$ ]] && [ "$(echo "$length <= $longest" | bc)" = 1 ] || continue
  cp "$f" "$work/once/"; echo "$length $f"
done < <(find "${folders[@]}" -maxdepth 1 -type f -size -8M -print0) >"$work/lengths"
[ -s "$work/lengths" ] || { echo "no video of at most $longest s in ${folders[*]}" >&2; exit 2; }
frames=$(packets "$work/once")
for n in 1 "$copies"; do
  mkdir -p "$work/videos/"
  for c in $(seq "$n"); do mkdir -p "$work/videos/$c"; cp --reflink=auto "$work/once"/* "$work/videos/$c/"; done
  compare "$n x $(wc -l <"$work/lengths") videos" "$work/videos" $((frames * n))
done

video=$(find "${folders[@]}" -maxdepth 1 -name '*.mp4' -size -8M -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)
[ -n "$video" ] || exit 0
mkdir "$work/ten" "$work/one" "$work/long"
ffmpeg -v error -nostdin -t 10 -i "$video" -map 0:V:0 -c copy "$work/ten/video.mp4"
ffmpeg -v error -nostdin -i "$video" -map 0:V:0 -c copy "$work/one/video.mp4"
ffmpeg -v error -nostdin -stream_loop 3 -i "$video" -map 0:V:0 -c copy "$work/long/video.mp4"
for part in ten one long; do compare "$(basename "$video" | cut -c1-12), $(ffprobe -v quiet -show_entries format=duration -of csv=p=0 "$work/$part/video.mp4" | cut -d. -f1) s" "$work/$part" "$(packets "$work/$part")"; done
