#!/usr/bin/env python3
"""The lint checks find what they are for."""
import os
import shutil
import tempfile
import unittest

import check_docs
import check_format
import check_layers
import check_packages
import check_size


def tree(files):
    root = tempfile.mkdtemp()
    for path, text in files.items():
        os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="utf-8") as out:
            out.write(text)
    return root


class Layers(unittest.TestCase):
    def test_upward_include_is_found(self):
        errors = check_layers.check(tree({"asr/a.cpp": '#include "server/config.h"\n'}))
        self.assertEqual(len(errors), 1)
        self.assertIn("asr may not include server", errors[0])

    def test_private_header_is_found(self):
        errors = check_layers.check(tree({"antiphon/a.cpp": '#include "tts/text/numbers.h"\n'}))
        self.assertIn("private", errors[0])

    def test_relative_include_is_found(self):
        self.assertTrue(check_layers.check(tree({"asr/a.cpp": '#include "b.h"\n'})))

    def test_allowed(self):
        self.assertEqual(check_layers.check(tree({"asr/a.cpp": '#include "engine/engine.h"\n#include <vector>\n'})), [])


class Size(unittest.TestCase):
    def test_long_file_is_found(self):
        self.assertTrue(check_size.check(tree({"asr/a.cpp": "\n" * 401})))
        self.assertEqual(check_size.check(tree({"asr/a.cpp": "\n" * 399})), [])


def packages(listed, cmake):
    return check_packages.check(tree({"deploy/install_deps.sh": f'tools="g++ cmake ninja-build clang-format {listed}"\n',
                                      "CMakeLists.txt": "", "asr/CMakeLists.txt": cmake}))


class Packages(unittest.TestCase):
    def test_missing_and_needless_packages_are_found(self):
        self.assertIn("libicu-dev is missing", packages("", "find_package(ICU REQUIRED COMPONENTS uc)\n")[0])
        self.assertIn("nothing needs libicu-dev", packages("libicu-dev", "")[0])
        self.assertIn("libsoxr-dev is missing", packages("", "pkg_check_modules(SOXR REQUIRED IMPORTED_TARGET soxr)\n")[0])

    def test_unknown_library_is_found(self):
        self.assertIn("Strange is in no table", packages("", "find_package(Strange)\n")[0])

    def test_allowed(self):
        self.assertEqual(packages("libdnnl-dev ocl-icd-opencl-dev", "find_package(dnnl REQUIRED)\n"), [])


def docs(readme, guide="`server.port` `name`\n"):
    return check_docs.check(tree({
        "README.md": readme, "docs/user-guide.md": guide, "Makefile": "demo: build\n",
        "CMakePresets.json": '{"configurePresets": [{"name": "dev"}]}', "asr/recognizer.h": "",
        "cli/serve.cpp": 'add_subcommand("serve", "x"); add_option("--port")', "cli/command.cpp": '"--models"',
        "server/server_config.cpp": '    {"server", "port", &ServerConfig::port, 0, 1},\n',
        "pipeline/assistant_spec.cpp": 'check_keys(table, where, {"name"});'}))


class Docs(unittest.TestCase):
    def test_missing_paths_are_found(self):
        self.assertIn("link to docs/nothing.md", docs("[x](docs/nothing.md)")[0])
        self.assertIn("`asr/nothing.h`", docs("see `asr/{recognizer,nothing}.h`")[0])

    def test_wrong_commands_are_found(self):
        self.assertIn("no command antiphon dance", docs("```\nantiphon dance\n```\n")[0])
        self.assertIn("no option --loud", docs("```\nbuild/bin/antiphon serve --port 1 --loud\n```\n")[0])
        self.assertIn("no make tea", docs("```\nmake tea\n```\n")[0])
        self.assertIn("no preset fast", docs("```\ncmake --preset fast\n```\n")[0])

    def test_missing_keys_are_found(self):
        self.assertEqual(len(docs("", guide="")), 2)

    def test_allowed(self):
        self.assertEqual(docs("[x](docs/user-guide.md) `asr/recognizer.h`\n```\nmake demo\nantiphon serve --models x\n"
                              "cmake --preset dev\n```\n"), [])


@unittest.skipUnless(shutil.which("clang-format"), "there is no clang-format")
class Format(unittest.TestCase):
    def test_unformatted_is_found(self):
        root = tree({".clang-format": "BasedOnStyle: Google\n", "asr/a.cpp": "int  a;\n", "asr/b.cpp": "int a;\n"})
        self.assertEqual(len(check_format.check(root, list(check_format.sources(root)))), 1)


if __name__ == "__main__":
    unittest.main()
