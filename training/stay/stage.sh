#!/bin/sh
# One staging call on the machine: [PLAN=FILE] stage.sh PIECE_FOLDER [STAY] [--dry]. The first one, which brings the wheels, starts the conductor
# when its piece is whole; the conductor waits for the rest.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
piece=$1
stay=${2:-/tmp/stay}
mkdir -p "$stay"
python3 "$here/pieces.py" take "$piece" "$stay/in"
if [ ! -e "$stay/conduct.pid" ]; then
    setsid nohup python3 -u "$here/conduct.py" "$stay" --plan "${PLAN:-$here/plan.toml}" ${3:-} >"$stay/conduct.log" 2>&1 &
    echo $! >"$stay/conduct.pid"
    sleep 1
fi
tail -n 3 "$stay/conduct.log"
