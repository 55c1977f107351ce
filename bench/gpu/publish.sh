#!/usr/bin/env bash
# Makes one archive for a Linux machine with a GPU: the bench program with .NET and without libtorch, the fixtures and
# the model that its checks
# read, and the scripts. There: tar xf longtake-gpu.tar.xz && longtake-gpu/run.sh out.json
#   bench/gpu/publish.sh [ARCHIVE]     LONGTAKE_FIXTURES: the folder of the fixtures (else ../shared/fixtures beside
# the checkout)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
archive=$(realpath -m "${1:-$root/artifacts/longtake-gpu.tar.xz}")
fixtures=${LONGTAKE_FIXTURES:-$root/../shared/fixtures}
most=$((35 * 1000 * 1000))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
to=$work/longtake-gpu

# .NET's own libraries are trimmed to what is called; ours and TorchSharp stay whole.
dotnet publish "${BENCH:-$root/bench/LongTake.Bench.csproj}" -c Release -r linux-x64 --self-contained -o "$to" \
    -p:Torch=none -p:DebugType=none -p:GenerateDocumentationFile=false \
    -p:PublishTrimmed=true -p:TrimMode=partial -p:SuppressTrimAnalysisWarnings=true -p:NoWarn=IL2104 \
    -p:TreatWarningsAsErrors=false -p:ILLinkTreatWarningsAsErrors=false \
    -p:JsonSerializerIsReflectionEnabledByDefault=true --nologo -v quiet
# What only debuggers and picture files need.
rm -f "$to"/*.pdb "$to"/createdump "$to"/libmscordbi.so "$to"/libmscordaccore.so "$to"/libSkiaSharp.so
mkdir -p "$to/fixtures" "$to/model"
for name in wan_dit wan_vae umt5_encoder; do
    cp "$fixtures/$name.json" "$fixtures/$name.safetensors" "$to/fixtures/"
done
cp -r "$root/models/traveller/." "$to/model/"
rm -rf "$to/model/logs"
cp "$here"/{run.sh,peer.py,report.py} "$to/"
chmod +x "$to/run.sh" "$to/LongTake.Bench"
mkdir -p "$(dirname "$archive")"
tar -C "$work" --sort=name --owner=0 --group=0 -c longtake-gpu | xz -9e -T2 > "$archive"
size=$(stat -c %s "$archive")
echo "publish.sh: $archive, $size bytes"
[ "$size" -le $most ] || { echo "publish.sh: more than $most bytes" >&2; exit 1; }
