#!/bin/sh
# One staging call on the machine: [PLAN=FILE] stage.sh PIECE_FOLDER [STAY] [--dry]. The first one starts the conductor, which waits for the rest.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
piece=$1
stay=${2:-/tmp/stay}
mkdir -p "$stay"
if [ ! -e "$stay/conduct.pid" ]; then
    setsid nohup python3 -u "$here/conduct.py" "$stay" --plan "${PLAN:-$here/plan.toml}" ${3:-} >"$stay/conduct.log" 2>&1 &
    echo $! >"$stay/conduct.pid"
fi
python3 "$here/pieces.py" take "$piece" "$stay/in"
tail -n 3 "$stay/conduct.log"
