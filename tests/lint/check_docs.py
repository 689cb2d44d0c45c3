#!/usr/bin/env python3
"""Fails when README.md or docs/ name what does not exist, or leave out a configuration key: check_docs.py [ROOT].

Checked: links and `paths` into the repository; sub-commands and --options of antiphon; make targets; CMake presets;
that docs/user-guide.md has every key of server.toml and assistant.toml.
"""
import glob
import json
import os
import re
import sys

TOPS = set("engine pipeline asr nlu tts dialog plugins antiphon cli server models training bench tests web docs deploy "
           "examples cmake".split())
LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)(?:#[^)]*)?\)")
PATH = re.compile(r"`([\w.-]+(?:/[\w.*{},-]+)+/?)`")
COMMAND = re.compile(r"^\s*(?:\$ )?(?:\S*/)?antiphon ([a-z]+)\b(.*)$")
OPTION = re.compile(r"(--[a-z][a-z-]+)")


def read(root, *path):
    return open(os.path.join(root, *path), encoding="utf-8").read()


def documents(root):
    found = [os.path.join(root, "README.md")] + sorted(glob.glob(os.path.join(root, "docs", "*.md")))
    return [os.path.relpath(path, root) for path in found if os.path.exists(path)]


def expanded(path):
    """"a/{b,c}.h" names a/b.h and a/c.h."""
    brace = re.search(r"\{([^}]*)\}", path)
    if not brace:
        return [path]
    return [p for part in brace[1].split(",") for p in expanded(path[:brace.start()] + part + path[brace.end():])]


def exists(root, path):
    return bool(glob.glob(os.path.join(root, path)))


def check_paths(root, document, text):
    base = os.path.dirname(document)
    for target in LINK.findall(text):
        if "://" not in target and not exists(root, os.path.join(base, target)):
            yield f"{document}: link to {target}, which does not exist"
    for named in PATH.findall(text):
        for path in expanded(named):
            if path.split("/")[0] in TOPS and not exists(root, path):
                yield f"{document}: `{path}` does not exist"


def code_lines(text):
    for block in re.findall(r"^```[^\n]*\n(.*?)^```", text, re.S | re.M):
        yield from re.sub(r"\\\n\s*", " ", block).splitlines()


def check_commands(root, document, text):
    sources = {os.path.basename(f): open(f, encoding="utf-8").read() for f in glob.glob(os.path.join(root, "cli/*.cpp"))}
    commands = {name: source for source in sources.values() for name in re.findall(r'add_subcommand\("([a-z]+)"', source)}
    shared = "".join(sources.get(name, "") for name in ("command.cpp", "main.cpp", "network_options.cpp")) + "--help --version"
    targets = set(re.findall(r"^([a-z]+):", read(root, "Makefile"), re.M))
    presets = {p["name"] for p in json.loads(read(root, "CMakePresets.json"))["configurePresets"]}
    for line in code_lines(text):
        run = COMMAND.match(line.split(" #")[0])
        if run and run[1] not in commands:
            yield f"{document}: there is no command antiphon {run[1]}"
        elif run:
            for option in OPTION.findall(run[2]):
                if option not in commands[run[1]] + shared:
                    yield f"{document}: antiphon {run[1]} has no option {option}"
        for target in re.findall(r"^\s*(?:\$ )?make ([a-z]+)", line):
            if target not in targets:
                yield f"{document}: there is no make {target}"
        for preset in re.findall(r"--preset[ =]([\w-]+)", line):
            if preset not in presets:
                yield f"{document}: there is no preset {preset}"


def check_keys(root):
    guide = "docs/user-guide.md"
    text = read(root, guide)
    for section, name in re.findall(r'^\s*\{"(\w+)", "(\w+)", &ServerConfig', read(root, "server/server_config.cpp"), re.M):
        if f"`{section}.{name}`" not in text:
            yield f"{guide}: server.toml has a key {section}.{name} that is not described"
    spec = read(root, "pipeline/assistant_spec.cpp")
    for known in re.findall(r"check_keys\([^{]*\{([^}]*)\}", spec):
        for name in re.findall(r'"(\w+)"', known):
            if f"`{name}`" not in text:
                yield f"{guide}: assistant.toml has a key {name} that is not described"


def check(root):
    errors = []
    for document in documents(root):
        text = read(root, document)
        errors += [*check_paths(root, document, text), *check_commands(root, document, text)]
    return errors + [*check_keys(root)]


if __name__ == "__main__":
    found = check(sys.argv[1] if len(sys.argv) > 1 else ".")
    print("\n".join(found) or "docs: ok")
    sys.exit(bool(found))
