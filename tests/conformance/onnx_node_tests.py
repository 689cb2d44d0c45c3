#!/usr/bin/env python3
"""Runs the ONNX backend node tests against `antiphon run` and writes the table of passes.

    python tests/conformance/onnx_node_tests.py --antiphon build/bin/antiphon --write docs/onnx-operators.md

The tests are those of the `onnx` package (onnx.backend.test.case.node). Each runs in a process of its own, so that a
crash is seen as one. Inputs that the network's structure depends on (shapes, axes, counts) are frozen when the importer
asks for it; such a pass counts as one and is also counted by itself. Outputs are compared with the tolerances of the test
cases, in the element type of the test (the engine holds f16, bf16 and double in f32).
"""
import argparse
import collections
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx

warnings.filterwarnings("ignore")


def test_cases():
    """Each case of the package, in the order of their names."""
    try:  # versions that make the cases when asked
        from onnx.backend.test.case.node import collect_testcases
        cases = collect_testcases(None)
    except ImportError:  # versions that ship them as files
        from onnx.backend.test.loader import load_model_tests
        cases = load_model_tests(kind="node")
    return sorted(cases, key=lambda case: case.name)


def base_name(name):
    return re.sub(r"_expanded(_function\w*|_ver\w*)?$", "", re.sub(r"_expanded.*$", "_expanded", name))


def operators_under_test(cases):
    """Case name -> the operator it is a test of: its only one, or the rarest of a graph of several."""
    counts = collections.Counter()
    for case in cases:
        if "_expanded" not in case.name:
            counts.update({node.op_type for node in case.model.graph.node})
    found = {}
    for case in cases:
        if "_expanded" not in case.name:
            found[case.name] = min((node.op_type for node in case.model.graph.node), key=lambda op: (counts[op], op))
    for case in cases:
        if "_expanded" in case.name:
            found[case.name] = found.get(base_name(case.name), case.model.graph.node[-1].op_type)
    return found


def plain(value):
    """The value in a type of NumPy's own that holds it exactly; None: not a tensor of numbers."""
    if value is None or isinstance(value, (list, tuple, dict, str, bytes)):
        return None
    array = np.asarray(onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value)
    name = array.dtype.name
    if array.dtype.kind in "fbiu" and name in ("bool", "float16", "float32", "float64") or re.fullmatch(r"u?int(8|16|32|64)", name):
        return array
    if name.startswith(("bfloat16", "float8", "float4")) and "e8m0" not in name:
        return array.astype(np.float32)
    if re.fullmatch(r"u?int[24]", name):
        return array.astype(np.uint8 if name[0] == "u" else np.int8)
    return None


def save(path, array):
    np.save(path, np.ascontiguousarray(array).reshape(np.shape(array)))


def run(arguments, timeout_s=60):
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=timeout_s)
    return done.returncode, done.stdout, done.stderr.strip()


def inputs_to_freeze(model, message):
    """Graph inputs that a message says must be constants."""
    names = set()
    graph_inputs = {value.name for value in model.graph.input}
    for node_name, position in re.findall(r"node '([^']*)' \([^)]*\): [^\n]*?\(input (\d+)\)", message):
        for node in model.graph.node:
            labels = [node.name] if node.name else [output for output in node.output if output][:1]
            if node_name in labels and int(position) < len(node.input) and node.input[int(position)] in graph_inputs:
                names.add(node.input[int(position)])
    return names


def compare(want, got, rtol, atol):
    want = onnx.numpy_helper.to_array(want) if isinstance(want, onnx.TensorProto) else np.asarray(want)
    got, want = plain(got.astype(want.dtype)), plain(want)
    if want.shape != got.shape:
        return f"shape {list(got.shape)}, wanted {list(want.shape)}"
    if want.dtype.kind in "biu":
        return None if np.array_equal(want, got) else "values differ"
    close = np.allclose(got.astype(np.float64), want.astype(np.float64), rtol=rtol, atol=atol, equal_nan=True)
    return None if close else "values differ"


def check_case(antiphon, case):
    """(status, detail): pass, frozen, wrong, refused, crash."""
    model = case.model
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        onnx.save(model, path)
        initializers = {tensor.name for tensor in model.graph.initializer}
        names = [value.name for value in model.graph.input if value.name not in initializers]
        frozen = set()
        for inputs, outputs in case.data_sets:
            files = {}
            for name, value in zip(names, inputs):
                if plain(value) is None:
                    return run_without(antiphon, path)
                files[name] = os.path.join(folder, f"in_{len(files)}.npy")
                save(files[name], plain(value))
            for _ in range(6):
                arguments = [antiphon, "run", path, "--output-dir", os.path.join(folder, "out"), "--json"]
                for name, file in files.items():
                    arguments += ["--freeze" if name in frozen else "--input", f"{name}={file}"]
                code, text, message = run(arguments)
                more = inputs_to_freeze(model, message) - frozen if code in (1, 2) else set()
                if not more:
                    break
                frozen |= more
            if code not in (0, 1, 2):
                return "crash", f"exit code {code}"
            if code != 0:
                return "refused", message
            report = json.loads(text)
            for value, want, line in zip(model.graph.output, outputs, report["outputs"]):
                if plain(want) is None:
                    return "refused", "outputs that are no tensors of numbers"
                wrong = compare(want, np.load(line["file"]), case.rtol, case.atol)
                if wrong:
                    return "wrong", f"{value.name}: {wrong}"
    return ("frozen" if frozen else "pass"), ""


def run_without(antiphon, path):
    """A case with inputs that are no tensors of numbers: it is refused, or crashes."""
    code, _, message = run([antiphon, "inspect", path])
    return ("refused", message or "inputs that are no tensors of numbers") if code in (0, 1, 2) else ("crash", f"{code}")


def safe_check(antiphon, case):
    try:
        return check_case(antiphon, case)
    except subprocess.TimeoutExpired:
        return "crash", "no end within 60 s"


def table(results, listed, other_domains, versions):
    rows = collections.defaultdict(collections.Counter)
    for operator, status in results:
        rows[operator][status] += 1
    total = collections.Counter()
    lines = []
    for operator in sorted(set(rows) | set(listed)):
        if operator not in listed:
            continue
        counts = rows[operator]
        total.update(counts)
        passed, tests = counts["pass"] + counts["frozen"], sum(counts.values())
        lines.append(f"| {operator} | {tests} | {passed} | {counts['frozen']} | {counts['refused']} | {counts['wrong']} |")
    passed, tests = total["pass"] + total["frozen"], sum(total.values())
    others = collections.Counter()
    for operator, status in results:
        if operator not in listed:
            others[status] += 1
    crashes = total["crash"] + others["crash"]
    head = [
        "# ONNX operators",
        "",
        "The operators of the default domain that `antiphon build` imports, with how many of the ONNX backend node tests of",
        f"each pass. Made by `tests/conformance/onnx_node_tests.py` with {versions}.",
        "",
        f"**{passed} of {tests} tests of the {len(listed)} listed operators pass ({100 * passed / max(tests, 1):.1f} %)**, "
        f"{total['frozen']} of them with inputs frozen to",
        f"constants. {total['refused']} are refused with an error that says what is not supported, {total['wrong']} give other values, "
        f"{crashes} crash.",
        f"Of the {sum(others.values())} tests of other operators {others['pass'] + others['frozen']} pass (as functions of listed ones), "
        f"{others['refused']} are refused, {others['wrong']} give other values, {others['crash']} crash.",
        "",
        "A test is counted at the operator it is written for, the ones that spell a function out in simpler operators too.",
        "*frozen*: passes once inputs that decide shapes (a shape, axes, a count) are constants, as exported models have them;",
        "*refused*: an error names the node and the reason. Operators without tests in the package show 0.",
        "",
        f"Of the domain `com.microsoft`, of which the package has no tests: {', '.join(sorted(other_domains))}.",
        "",
        "| operator | tests | pass | of these frozen | refused | other values |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    return "\n".join(head + lines) + "\n", (passed, tests, crashes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--antiphon", default="build/bin/antiphon")
    parser.add_argument("--write", help="file that gets the table")
    parser.add_argument("--only", default="", help="regular expression of case names")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--details", help="file that gets one line a case that does not pass")
    options = parser.parse_args()
    cases = test_cases()
    under_test = operators_under_test(cases)
    cases = [case for case in cases if re.search(options.only, case.name)]
    names = set(run([options.antiphon, "inspect", "--operators"])[1].split())
    other_domains = {name.removeprefix("com.microsoft.") for name in names if "." in name}
    listed = {name for name in names if "." not in name}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        found = list(pool.map(lambda case: safe_check(options.antiphon, case), cases))
    details = open(options.details, "w", encoding="utf-8") if options.details else None
    for case, (status, detail) in zip(cases, found):
        if details and status not in ("pass", "frozen"):
            mark = "" if under_test[case.name] in listed else " (not listed)"
            print(f"{status} {under_test[case.name]}{mark} {case.name}: {' | '.join(detail.split(chr(10)))[:400]}", file=details)
    results = [(under_test[case.name], status) for case, (status, _) in zip(cases, found)]
    text, (passed, tests, crashes) = table(results, listed, other_domains, f"onnx {onnx.__version__}")
    if options.write:
        with open(options.write, "w", encoding="utf-8") as file:
            file.write(text)
    print(f"{passed} of {tests} tests of listed operators pass ({100 * passed / max(tests, 1):.1f} %), {crashes} crashes")
    return 0 if crashes == 0 and passed >= 0.9 * tests else 1


if __name__ == "__main__":
    sys.exit(main())
