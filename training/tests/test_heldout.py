"""What is kept out stays out: the lists agree with their rules, and nothing that trains shares text with them.

    python3 -m unittest training.tests.test_heldout        from the top of the repository

Set ANTIPHON_DATA to the folder of the corpora to check those too (else ../shared/data, if it is there).
"""
import lzma
import os
import sys
import unittest
import zlib

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, ROOT)

from training.common.text import GRAM, HELDOUT, KeptOut, clean, grams, judged, read_table  # noqa: E402

DATA = os.environ.get("ANTIPHON_DATA", os.path.join(ROOT, "..", "shared", "data"))
TEXTS = [os.path.join(ROOT, "training", "asr", "pseudo_texts.tsv")]
PLANS = [p for p in os.environ.get("ANTIPHON_PLANS", "").split(":") if p]  # sentences.tsv.xz, to check what was generated
there = unittest.skipUnless(os.path.isdir(os.path.join(DATA, "speech")), "no corpora here")


def rows(corpus):
    return list(read_table(os.path.join(DATA, "speech", corpus + ".tsv")))


class Lists(unittest.TestCase):
    """On committed files alone."""

    @classmethod
    def setUpClass(cls):
        cls.kept = KeptOut()

    def test_speakers_and_voices_are_named(self):
        for speaker in "1272 1673 652 2902 174".split():
            self.assertTrue(self.kept.row("librispeech_mini", dict(speaker=speaker, split="dev-clean")))
        for voice in "bf_emma am_michael af_nova bm_george".split():
            self.assertTrue(self.kept.row("teacher", dict(speaker=voice, split="train")))
            self.assertTrue(self.kept.row("teacher", dict(speaker=f"af_bella+{voice}:0.30", split="train")))
        self.assertTrue(self.kept.row("ljspeech_part", dict(speaker="lj", split="train")))
        self.assertTrue(self.kept.row("speechocean762", dict(speaker="so-1", split="test")))
        self.assertFalse(self.kept.row("speechocean762", dict(speaker="so-1", split="train")))
        self.assertFalse(self.kept.row("librispeech_mini", dict(speaker="19", split="train-clean-100")))

    def test_common_voice_speakers_follow_the_hash(self):
        listed = [s for corpus, s in self.kept.speakers if corpus == "commonvoice_delta"]
        self.assertGreater(len(listed), 20)
        for speaker in listed:
            self.assertEqual(0, zlib.crc32(f"commonvoice_delta/{speaker}".encode()) % 12, speaker)

    def test_every_reference_is_refused(self):
        for r in read_table(os.path.join(HELDOUT, "references.tsv")):
            self.assertTrue(self.kept.text(r["text"]), r["text"])
        for r in read_table(os.path.join(HELDOUT, "teacher_sentences.tsv")):
            self.assertTrue(self.kept.text(r["text"]), r["text"])

    def test_six_words_decide_and_five_do_not(self):
        long = next(r["text"] for r in read_table(os.path.join(HELDOUT, "references.tsv")) if len(r["text"].split()) > 12)
        words = long.split()
        self.assertTrue(self.kept.text("Indeed, " + " ".join(words[3:3 + GRAM]).upper() + "!"))
        self.assertFalse(self.kept.text("qqq " + " ".join(words[3:2 + GRAM]) + " zzz"))

    def test_a_short_text_is_refused_only_as_a_whole(self):
        short = next(iter(sorted(self.kept.texts)))
        self.assertTrue(self.kept.text(short.capitalize() + "."))
        self.assertFalse(self.kept.text(short + " qqq"))

    def test_committed_training_texts(self):
        for path in TEXTS:
            for r in read_table(path):
                self.assertFalse(self.kept.text(r["text"]), r["id"])

    def test_generated_plans(self):
        judged_by = judged()
        for path in PLANS:
            with lzma.open(path, "rt", encoding="utf-8") as f:
                for line in f:
                    self.assertFalse(self.kept.text(line.split("\t")[1]), line)
                    self.assertNotIn(clean(line.split("\t")[1]), judged_by, line)

    def test_what_voices_are_judged_by(self):
        self.assertGreater(len(judged()), 500)
        self.assertIn("hello", judged())


class Corpora(unittest.TestCase):
    """On the corpora, where they are."""

    @there
    def test_lists_are_complete(self):
        kept = KeptOut()
        listed = {s for corpus, s in kept.speakers if corpus == "commonvoice_delta"}
        spoken = {r["speaker"] for r in rows("commonvoice_delta")}
        self.assertEqual(listed, {s for s in spoken if zlib.crc32(f"commonvoice_delta/{s}".encode()) % 12 == 0})
        references = {r["text"] for r in read_table(os.path.join(HELDOUT, "references.tsv"))}
        for corpus in ("librispeech_mini", "commonvoice_delta", "speechocean762", "ljspeech_part"):
            for r in rows(corpus):
                if kept.row(corpus, r):
                    self.assertIn(clean(r["text"]), references)

    @there
    def test_training_rows_share_no_run_of_words(self):
        kept, runs, whole = KeptOut(), set(), set()
        for r in read_table(os.path.join(HELDOUT, "references.tsv")):
            words = r["text"].split()
            runs.update(grams(words))
            whole.add(r["text"])
        for corpus in ("librispeech_mini", "commonvoice_delta", "commonvoice_v1_dev", "commonvoice_v6_sample",
                       "speechocean762", "kathleen_arctic", "vctk_p239", "fsdd"):
            for r in rows(corpus):
                if kept.row(corpus, r) or kept.text(r["text"]):
                    continue
                said = clean(r["text"])
                self.assertFalse(runs & set(grams(said.split())), r["id"])
                self.assertFalse(len(said.split()) < GRAM and said in whole, r["id"])


if __name__ == "__main__":
    unittest.main()
