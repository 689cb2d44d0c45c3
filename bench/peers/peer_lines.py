"""What the peers of the stages share: timing, spreads and JSON lines."""
import csv
import json
import time


def spread(values):
    """Percentiles by nearest rank."""
    ordered = sorted(values)
    rank = lambda hundredths: round(ordered[max(0, -(-hundredths * len(ordered) // 100) - 1)], 2)
    return dict(p50=rank(50), p95=rank(95), p99=rank(99), n=len(ordered))


def say(case, peer, precision, threads, ms, **more):
    print(json.dumps(dict(case=case, peer=peer, unit="ms", precision=precision, threads=threads, peer_ms=round(ms, 2), **more)), flush=True)


def milliseconds(run):
    begin = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - begin)


def read_table(path):
    with open(path, encoding="utf-8") as f:
        return list(csv.DictReader(f, delimiter="\t"))
