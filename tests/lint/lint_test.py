#!/usr/bin/env python3
"""The lint checks find what they are for."""
import os
import tempfile
import unittest

import check_layers
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


if __name__ == "__main__":
    unittest.main()
