"""Plans of stays and their clock.

    python3 -m unittest training.tests.test_stay        from the top of the repository
"""
import glob
import os
import sys
import tempfile
import tomllib
import types
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, ROOT)

from training.stay.conduct import SAVING_S, Stay, Step


class Plans(unittest.TestCase):
    def test_a_step_beside_a_file_of_another_has_a_schedule_of_its_own(self):
        step = Step("half", [0], "true", 1e9, "precisions.jsonl", load=10)
        minutes = lambda left, resumed: Stay.minutes(types.SimpleNamespace(), step, left, resumed)
        self.assertEqual(2.0, minutes(130, True))
        self.assertEqual(2.0, minutes(70, True))  # goes on by the schedule that it began with
        self.assertEqual(1.0, minutes(70, False))

    def test_a_training_has_time_to_save_behind_its_schedule(self):
        with tempfile.TemporaryDirectory() as folder:
            stay = Stay(folder, dict(clock=dict(end=500, load=10), gpus=dict(count=1)), False)
            step = Step("x", [0], "true", 300, "x/last.pt", load=20)
            stay.start(step)
            step.process.wait()
            self.assertAlmostEqual(280 / 60, step.total, places=3)  # minutes of its schedule
            self.assertAlmostEqual(300 + 20 + SAVING_S, step.limit - stay.now(), delta=5)
            self.assertGreater(SAVING_S, 30)

    def test_everything_that_a_plan_needs_comes_from_somewhere(self):
        plans = glob.glob(os.path.join(ROOT, "training", "stay", "*.toml"))
        self.assertGreater(len(plans), 5)
        for path in plans:
            with open(path, "rb") as f:
                plan = tomllib.load(f)
            made = {"staged"} | {step["name"] for kind in ("generate", "train") for step in plan.get(kind, [])}
            for step in plan["train"]:
                for need in step["needs"]:
                    self.assertTrue("/" in need or need in made, f"{path}: {step['name']} needs {need}")


if __name__ == "__main__":
    unittest.main()
