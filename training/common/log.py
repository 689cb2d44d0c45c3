"""The log of a training: a JSON object a line, to its file and to the terminal."""
import json


def to_file(path):
    """-> log(dict), which appends to `path`."""
    lines = open(path, "a", encoding="utf-8")

    def log(line):
        for out in (None, lines):
            print(json.dumps(line), file=out, flush=True)

    return log
