#!/usr/bin/env python3
"""Fails when deploy/install_deps.sh and what the build looks for differ: check_packages.py [ROOT]."""
import os
import re
import sys

# What CMake looks for -> the Debian package that brings it; None: comes with another one.
FOUND_BY_CMAKE = {
    "CLI11": "libcli11-dev", "ICU": "libicu-dev", "dnnl": "libdnnl-dev", "GTest": "libgtest-dev",
    "nlohmann_json": "nlohmann-json3-dev", "spdlog": "libspdlog-dev", "prometheus-cpp": "prometheus-cpp-dev",
    "Boost": "libboost-dev", "benchmark": "libbenchmark-dev", "Python3": "python3", "PkgConfig": "pkg-config",
    "Protobuf": "libprotobuf-dev", "OpenSSL": "libssl-dev", "ZLIB": "zlib1g-dev", "hwy": "libhwy-dev",
    "OpenMP": None, "Threads": None, "antiphon": None,
    # pkg-config modules
    "tomlplusplus": "libtomlplusplus-dev", "libzstd": "libzstd-dev", "soxr": "libsoxr-dev",
    "sndfile": "libsndfile1-dev", "sentencepiece": "libsentencepiece-dev", "opus": "libopus-dev",
}
# What is found by its headers alone.
FOUND_BY_INCLUDE = {"hwy/": "libhwy-dev", "websocketpp/": "libwebsocketpp-dev", "gmock/": "libgmock-dev"}
# Packages that a build uses without naming them in CMake.
TOOLS = {"g++", "cmake", "ninja-build", "clang-format"}
BROUGHT_ALONG = {"libdnnl-dev": {"ocl-icd-opencl-dev"}, "libprotobuf-dev": {"protobuf-compiler"}}
FOLDERS = "engine pipeline asr nlu dialog tts plugins antiphon server cli bench tests cmake".split()
LOOKUP = re.compile(r"^\s*(?:find_package|find_dependency)\(\s*([\w-]+)|pkg_check_modules\(\s*\w+[^)]*?([\w+-]+)\s*\)", re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([\w+-]+/)', re.M)


def files(root):
    yield os.path.join(root, "CMakeLists.txt")
    for top in FOLDERS:
        for folder, _, names in os.walk(os.path.join(root, top)):
            yield from (os.path.join(folder, n) for n in names)


def needs(root):
    """Package -> a file that needs it; names without a package come as "?name"."""
    out = {package: "every build" for package in TOOLS}
    for path in files(root):
        if path.endswith(("CMakeLists.txt", ".cmake")):
            for found in LOOKUP.finditer(open(path, encoding="utf-8").read()):
                name = found[1] or found[2]
                package = FOUND_BY_CMAKE.get(name, "?" + name)
                if package:
                    out[package] = path
        elif path.endswith((".h", ".cpp")):
            for start in INCLUDE.findall(open(path, encoding="utf-8").read()):
                if start in FOUND_BY_INCLUDE:
                    out[FOUND_BY_INCLUDE[start]] = path
    for package in list(out):
        out.update(dict.fromkeys(BROUGHT_ALONG.get(package, ()), package))
    return out


def listed(root):
    text = open(os.path.join(root, "deploy/install_deps.sh"), encoding="utf-8").read()
    return {p for value in re.findall(r'^\w+="([^"$]+)"$', text, re.M) for p in value.split()}


def check(root):
    wanted, have = needs(root), listed(root)
    errors = [f"{os.path.relpath(by, root)}: {p[1:]} is in no table: add its package to tests/lint/check_packages.py"
              for p, by in wanted.items() if p.startswith("?")]
    errors += [f"deploy/install_deps.sh: {p} is missing; {by} needs it"
               for p, by in wanted.items() if p not in have and not p.startswith("?")]
    errors += [f"deploy/install_deps.sh: nothing needs {p}" for p in sorted(have - wanted.keys())]
    return errors


if __name__ == "__main__":
    found = check(sys.argv[1] if len(sys.argv) > 1 else ".")
    print("\n".join(found) or "packages: ok")
    sys.exit(bool(found))
