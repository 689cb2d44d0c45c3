#!/bin/sh
# One polling call: [PLAN=FILE] look.sh SECONDS FOLDER [STAY] [GROUP]. Sleeps (less if all is over), tells how it stands, brings files of GROUP home.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
seconds=$1
folder=$2
stay=${3:-/tmp/stay}
group=${4:-look}
end=$(($(date +%s) + seconds))
while [ "$(date +%s)" -lt "$end" ] && ! grep -q "  over$" "$stay/conduct.log"; do sleep 2; done
tail -n 20 "$stay/conduct.log"
for log in "$stay"/logs/*.log; do echo "== $log: $(tail -n 1 "$log" | tr '\r' '\n' | tail -n 1 | cut -c1-220)"; done
if command -v nvidia-smi >/dev/null; then nvidia-smi --query-gpu=index,utilization.gpu,memory.used --format=csv,noheader; fi
mkdir -p "$folder"
python3 "$here/pieces.py" home "$stay" "$folder" --group "$group" --plan "${PLAN:-$here/plan.toml}"
