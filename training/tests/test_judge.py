"""What a recogniser writes is compared by what was said, not by how it is written.

    python3 -m unittest training.tests.test_judge        from the top of the repository; needs numpy, soundfile, num2words
"""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))

try:
    from training.tts.judge import mistakes
except ImportError:
    mistakes = None


@unittest.skipUnless(mistakes, "no numpy, soundfile or num2words here")
class Judge(unittest.TestCase):
    def wrong(self, text, heard):
        return mistakes(text, heard)[1]

    def test_figures_are_read_as_they_may_have_been_said(self):
        for text, heard in (("The number is eight four one, four two four.", "The number is 841-424."),
                            ("The number is zero nine three.", "The number is 093."),
                            ("Your booking code is Z, 1, 0, M, T, 3.", "Your booking code is Z10MT3."),
                            ("The train leaves at 9:59 from platform 15.", "The train leaves at 959 from platform 15."),
                            ("It costs twelve hundred dollars.", "It costs $1,200."),
                            ("The answer is three point one four one five nine.", "The answer is 3.14159."),
                            ("Add 1/2 a teaspoon.", "Add half a teaspoon."),
                            ("It has forty rooms.", "It has 40 rooms."),
                            ("The year is 1999.", "The year is 1999."),
                            ("Sophia wrote it.", "Sofia wrote it.")):
            self.assertEqual((0, 0, 0), self.wrong(text, heard), heard)

    def test_what_was_not_said_counts(self):
        self.assertEqual((1, 0, 0), self.wrong("The number is eight four one.", "The number is 842."))
        self.assertEqual((0, 1, 0), self.wrong("That is really really really small.", "That is really, really small."))
        self.assertEqual((0, 0, 1), self.wrong("That is ha ha heavy.", "That is ha, ha, ha, heavy."))
        self.assertEqual((0, 1, 0), self.wrong("The number is eight four one.", "The number is 84."))


if __name__ == "__main__":
    unittest.main()
