#!/bin/bash
# clang-tidy (.clang-tidy) on the C++ files that differ from a commit: tidy.sh [COMMIT|--all] [BUILD_DIR]
# Default: what differs from main, or is not committed yet. Needs a configured build for its flags.
set -euo pipefail
cd "$(dirname "$0")/../.."
base=${1:-$(git merge-base HEAD main 2>/dev/null || echo HEAD)}
build=${2:-build}
[ -f "$build/compile_commands.json" ] || { echo "tidy: $build is not configured; run: cmake --preset release" >&2; exit 1; }
command -v clang-tidy >/dev/null || { echo "tidy: no clang-tidy; on Debian: apt install clang-tidy" >&2; exit 1; }
if [ "$base" = --all ]; then
  files=$(git ls-files '*.cpp')
else
  files=$(git diff --name-only --diff-filter=d "$base" -- '*.cpp'; git ls-files --others --exclude-standard -- '*.cpp')
fi
# Only what the build compiles has flags.
checked=$(for f in $files; do grep -qF "\"$PWD/$f\"" "$build/compile_commands.json" && echo "$f" || true; done | sort -u)
[ -n "$checked" ] || { echo "tidy: nothing to check"; exit 0; }
# -Wno-...: flags of gcc that clang does not know.
status=0
report=$(printf '%s\n' $checked |
  xargs -P "$(nproc)" -n 1 clang-tidy -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option 2>&1) || status=1
grep -v -E "warnings? (and [0-9]+ errors? )?generated\.$|^Suppressed|^Use -header-filter|^$" <<< "$report" || true
[ $status != 0 ] || echo "tidy: ok, $(wc -w <<< "$checked") files"
exit $status
