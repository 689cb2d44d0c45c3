"""Batches, rounds, agreement of two views and packed weights of the understanding network's training.

    python3 -m unittest training.tests.test_nlu_training        from the top of the repository; needs PyTorch
"""
import os
import sys
import tempfile
import types
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, ROOT)

try:
    import numpy as np
    import torch

    from training.nlu.batches import QUESTION_WIDTHS, Batches, question_shapes, unpacked, utterance_shapes
    from training.nlu.evaluate_engine import write_column
    from training.nlu.examples import drawn_again, question_batch, question_row, utterance_batch
    from training.nlu.model import Geometry, Understanding
    from training.nlu.packed import load_weights, save_packed
    from training.nlu.tokenizer import CLS, PAD, SEP
    from training.nlu.taught import Teachers, behind, disagreement
except ImportError:  # PyTorch or num2words
    torch = None


def prepared(utterances=40, questions=9):
    """A stand-in for what prepare.py writes."""
    rng = np.random.default_rng(3)
    data = types.SimpleNamespace(labels={"intents": ["a/x", "b/y", "oos"]}, utt_n=rng.integers(1, 20, utterances).astype(np.uint8), ctx_n=rng.integers(30, 400, 5),
                                 q_n=rng.integers(3, 9, questions).astype(np.uint8), q_ctx=np.arange(questions) % 5, q_real=np.zeros(questions, np.uint8))
    for kind in ("utt", "ctx", "q"):
        n = getattr(data, kind + "_n").astype(np.int64)
        setattr(data, kind + "_at", np.cumsum(n) - n)
        setattr(data, kind + "_ids", rng.integers(200, 900, n.sum()).astype(np.int16))
    data.utt_tags = rng.integers(-1, 4, len(data.utt_ids)).astype(np.int16)
    data.utt_kind, data.utt_domain, data.utt_intent = (rng.integers(low, 3, utterances).astype(np.int16) for low in (0, 0, -1))
    data.q_begin = np.where(np.arange(questions) % 3, 7, -1)
    data.q_end = np.where(data.q_begin < 0, -1, 9)
    data.part = lambda kind, field, i: getattr(data, f"{kind}_{field}")[getattr(data, kind + "_at")[i]:][:int(getattr(data, kind + "_n")[i])]
    return data


def batches(data, jobs=0, views=2, teachers=()):
    a = types.SimpleNamespace(w_agree=float(views - 1), seed=4, round=[1.0, 0.5, 1.5], batch=8, question_batch=3, question_every=2, hide=0.2, jobs=jobs, device="cpu", teachers=teachers)
    return Batches(a, data, np.arange(len(data.utt_n)), np.arange(len(data.q_n)))


@unittest.skipUnless(torch, "no PyTorch or num2words here")
class Training(unittest.TestCase):
    def test_batch_of_utterances(self):
        n = np.array([2, 7, 1], np.uint8)
        data = types.SimpleNamespace(utt_n=n, utt_at=np.array([0, 2, 9]), utt_ids=np.arange(10, 20, dtype=np.int16), utt_tags=np.array([0, -1, 3, 4, 4, -1, 0, 0, 0, 5], np.int16))
        ids, keep, tags = utterance_batch(data, np.array([2, 0, 1]))
        self.assertEqual((3, 16), tuple(ids.shape))
        self.assertEqual([CLS, 19, SEP] + [PAD] * 13, ids[0].tolist())
        self.assertEqual([CLS, 10, 11, SEP] + [PAD] * 12, ids[1].tolist())
        self.assertEqual([CLS, *range(12, 19), SEP] + [PAD] * 7, ids[2].tolist())
        self.assertEqual([3, 4, 9], keep.sum(1).tolist())
        self.assertTrue(all(row[:k].all() for row, k in zip(keep, (3, 4, 9))))
        self.assertEqual([-1, 3, 4, 4, -1, 0, 0, 0] + [-1] * 8, tags[2].tolist())
        self.assertEqual([-1, 5] + [-1] * 14, tags[0].tolist())

    def test_round_takes_each_kind_as_often_as_asked(self):
        kinds = np.repeat([0, 1, 2], [100, 40, 20])
        first, again = (drawn_again(kinds, [1.0, 0.0, 2.5], np.random.default_rng(seed)) for seed in (1, 2))
        self.assertEqual(list(range(100)), first[first < 100].tolist())
        self.assertFalse(((first >= 100) & (first < 140)).any())
        counts = np.bincount(first[first >= 140] - 140, minlength=20)
        self.assertEqual({2, 3}, set(counts.tolist()))
        self.assertNotEqual(first.tolist(), again.tolist())

    def test_batches_are_the_same_after_a_resumption_and_in_any_process(self):
        data, seen = prepared(), []
        for first, jobs in ((0, 0), (5, 0), (5, 2)):
            ahead = iter(batches(data, jobs).ahead(first))
            seen.append([next(ahead) for _ in range(20 - first)][-12:])
        for a, b, c in zip(*seen):
            for kind in (0, 1):
                self.assertEqual(a[kind] is None, b[kind] is None)
                if a[kind]:
                    self.assertEqual(a[kind][:2], b[kind][:2])
                    self.assertTrue(torch.equal(a[kind][2], b[kind][2]) and torch.equal(a[kind][2], c[kind][2]))
        self.assertEqual({True, False}, {x[1] is None for x in seen[0]})

    def test_packed_batches(self):
        data = prepared()
        rows = np.array([3, 8, 11])
        n, width, flat = batches(data).told(rows, data.utt_domain[rows].astype(np.int64), data.utt_intent[rows].astype(np.int64), rows)
        ids, number, places, tags, domain, intent, picks = unpacked(flat, utterance_shapes(n, width, 1))
        want, keep, told = utterance_batch(data, rows)
        self.assertTrue(torch.equal(want, ids[:, :want.shape[1]]))
        self.assertEqual(keep.sum(1).tolist(), (number + 2).tolist())
        self.assertEqual([t[t >= 0].tolist() for t in told], [t[t >= 0].tolist() for t in tags])
        self.assertEqual([torch.nonzero(t >= 0)[:, 0].tolist() for t in told], [p[:int((t >= 0).sum())].tolist() for p, t in zip(places, tags)])
        self.assertEqual([data.utt_intent[rows].tolist(), rows.tolist()], [intent.tolist(), picks.tolist()])
        asked = np.arange(9)
        n, width, flat = batches(data).questions(asked, np.random.default_rng(1))
        self.assertIn(width, QUESTION_WIDTHS)
        for a, b in zip(question_batch(data, asked, np.random.default_rng(1), widths=QUESTION_WIDTHS), unpacked(flat, question_shapes(n, width))):
            self.assertTrue(torch.equal(a.long(), b))

    def test_questions_are_laid_out_as_one_row_is(self):
        data = prepared()
        data.ctx_n[:] = 30  # whole paragraphs
        ids, types_, keep, begin, end = question_batch(data, np.arange(9), np.random.default_rng(1), other=0.0)
        for i in range(9):
            want, kinds = question_row(data.part("q", "ids", i), data.part("ctx", "ids", data.q_ctx[i]))
            self.assertEqual([list(map(int, want)), kinds], [ids[i, keep[i]].tolist(), types_[i, keep[i]].tolist()])
            at = int(data.q_n[i]) + 2
            self.assertEqual([7 + at, 9 + at] if data.q_begin[i] >= 0 else [0, 0], [int(begin[i]), int(end[i])])

    def test_geometry(self):
        net = Understanding(50, 3, 5, size=Geometry(16, 2, 1, 24)).eval()
        net.begin_anew()
        ids, keep = torch.randint(0, 50, (2, 8)), torch.ones(2, 8, dtype=torch.bool)
        logits, slots, embed, _ = net.utterance(ids, keep)
        self.assertEqual([(2, 3), (2, 8, 5), (2, 16)], [tuple(x.shape) for x in (logits, slots, embed)])
        table, types_ = net.bert.embeddings.token_type_embeddings.weight, ids % 2
        none = net.bert.embeddings(ids, types_) - net.bert.embeddings.LayerNorm(net.bert.embeddings.word_embeddings(ids) + net.bert.embeddings.position_embeddings.weight[:8] + table[types_])
        self.assertLess(float(none.abs().max()), 1e-5)

    def test_disagreement_is_both_divergences(self):
        torch.manual_seed(5)
        p = torch.softmax(torch.randn(4, 3, 6), -1)
        want = torch.stack([0.5 * sum(float((a * (a / b).log()).sum()) * torch.ones(()) for a, b in ((x, y), (y, x))) for x, y in zip(p[:2].reshape(-1, 6), p[2:].reshape(-1, 6))])
        self.assertTrue(torch.allclose(want, disagreement(p.log()).reshape(-1), atol=1e-5))
        self.assertEqual(0.0, float(disagreement(torch.cat([p[:2], p[:2]]).log()).abs().max()))

    def test_teachers_see_what_the_views_hide(self):
        data, key = prepared(), (3, np.arange(8), None)
        (n, width, flat), _ = batches(data, teachers=["x"])[key]
        ids = unpacked(flat, utterance_shapes(n, width, 2, True))[0]
        (_, _, without), _ = batches(data)[key]
        self.assertTrue(torch.equal(ids[:2 * n], unpacked(without, utterance_shapes(n, width, 2))[0]))
        want = utterance_batch(data, np.arange(8), (width,))[0]
        self.assertTrue(torch.equal(want, ids[2 * n:]))
        self.assertFalse(torch.equal(want, ids[:n]))

    def test_teachers_are_followed_by_their_mean(self):
        size, keep = Geometry(128, 2, 1, 48), torch.ones(2, 5, dtype=torch.bool)
        ids, make = torch.randint(5, 40, (2, 5)), lambda size=size: Understanding(40, 3, 5, size=size)
        nets = [make().eval() for _ in range(2)]
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, f"{i}.pt") for i in range(2)]
            for net, path in zip(nets, paths):
                torch.save({"net": net.state_dict()}, path)
            teachers = Teachers(paths, make, "cpu")
        first = lambda x: x[..., :2]
        told = teachers.utterance(ids, keep, first, first)
        for got, each in zip(told, zip(*(net.utterance(ids, keep)[:2] for net in nets))):
            self.assertTrue(torch.allclose(got, sum(x[..., :2].softmax(-1) for x in each) / 2, atol=1e-6))
        half = keep & (torch.arange(5) < 3)
        for got, each in zip(teachers.question(ids, ids * 0, half), zip(*(net.question(ids, ids * 0, half)[:2] for net in nets))):
            self.assertTrue(torch.allclose(got, sum(x.softmax(-1) for x in each) / 2, atol=1e-6))
            self.assertEqual([0.0] * 4, got[:, 3:].flatten().tolist())
            apart = behind(each[0].log_softmax(-1), got)
            self.assertTrue(torch.allclose(apart, torch.nn.functional.kl_div(each[0][:, :3].log_softmax(-1), got[:, :3], reduction="none").sum(-1), atol=1e-6))
            self.assertGreater(float(apart.min().detach()), 0.0)

    def test_figures_of_the_engine_go_into_their_column(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "manifest.toml")
            with open(path, "w", encoding="utf-8") as f:
                f.write('[accuracy]\n"a/b" = { f32 = 97.86, int8 = 98.00 }\n"heard" = { int8 = 1.00 }\n"new" = { f32 = 5.0 }\n"other" = { int8 = 2.00 }\n"sha" = "{ f32 = 1 }"\n')
            write_column(path, {"a/b": 97.0, "heard": 3.456, "new": 6.0, "sha": 7.0})
            with open(path, encoding="utf-8") as f:
                self.assertEqual('[accuracy]\n"a/b" = { f32 = 97.86, int8 = 97.00 }\n"heard" = { int8 = 3.46 }\n"new" = { f32 = 5.0, int8 = 6.00 }\n"other" = { int8 = 2.00 }\n"sha" = "{ f32 = 1 }"\n', f.read())

    def test_packed_weights(self):
        torch.manual_seed(6)
        state = {"a": torch.randn(3, 5), "b": torch.tensor([0.0, -0.0, 6.5e4, 1e-7]), "c": torch.randn(2, 2, 2).half()}
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.pt")
            save_packed(path, state, step=3)
            back = load_weights(path)
            self.assertEqual(3, torch.load(path, weights_only=True)["step"])
            self.assertEqual(list(state), list(back))
            for k, v in state.items():
                self.assertTrue(torch.equal(v.half(), back[k]), k)
            torch.save({"net": state}, path)
            self.assertTrue(torch.equal(state["a"], load_weights(path)["a"]))


if __name__ == "__main__":
    unittest.main()
