#!/bin/bash
# One spoken turn with a server of its own: demo.sh [BUILD_DIR] [QUESTION.wav] [ANSWER.wav]
# Starts the coffee bar on a free port, streams the question to it in real time and stops it again.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
question=${2:-models/demo/question.wav}
answer=${3:-$build/demo/answer.wav}
models=${ANTIPHON_MODELS:-models}
assistant=models/assistants/coffee.toml
antiphon=$build/bin/antiphon
log=$build/demo/server.log

fail() { echo "demo: $*" >&2; exit 1; }

[ -x "$antiphon" ] || fail "$antiphon is missing; build it with: make build"
[ -f "$question" ] || fail "$question is missing; give a recorded question: deploy/demo.sh $build my_question.wav"
for pack in asr-en nlu-en tts-en vocoder-en vad; do
  [ -f "$models/$pack/manifest.toml" ] || fail "the pack $models/$pack is missing; is this clone complete?"
done
mkdir -p "$build/demo" "$(dirname "$answer")"

server=
stop_server() {
  [ -n "$server" ] || return 0
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
}
trap stop_server EXIT
trap 'exit 130' INT TERM

: > "$log"  # else the last server's address can be read before the new one has opened it
"$antiphon" serve --port 0 --models "$models" --assistant "$assistant" --plans "$build/demo/plans" > "$log" 2>&1 &
server=$!
echo "starting the server with $assistant (log: $log)"
url=
for _ in $(seq 600); do  # the first start builds the plans
  url=$(sed -n 's/^listening on \(ws:.*\)$/\1/p' "$log")
  [ -z "$url" ] || break
  kill -0 "$server" 2>/dev/null || { tail -n 5 "$log" >&2; server=; fail "the server did not start"; }
  sleep 0.2
done
[ -n "$url" ] || { tail -n 5 "$log" >&2; fail "the server did not start in 120 s"; }

echo "streaming $question to $url in real time"
"$antiphon" converse "$question" --server "$url" --endpointing --output "$answer"
echo "the spoken answer is in $answer"
