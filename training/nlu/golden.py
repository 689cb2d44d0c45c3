"""Golden values of the understanding pack: PyTorch's numbers for a few sentences, and the tokenizer's pieces for many strings.

    python3 -m training.nlu.golden tests/golden/nlu --pack models/nlu-en [--checkpoint CHECKPOINT.pt] [--texts FILE...]

NAME.safetensors: ids and types i32 [T]; under "int8." (dequantised INT8 weights; with --checkpoint also "f32."):
embeddings, layer0 and hidden [T, 384], and intent [intents], slots [T, labels], embed [384] for an utterance or start, end [T] for a question.
Of an utterance also: places i32 [W], the first piece of each word, and chain.DOMAIN i32 [W], the words' best labels in a domain (INT8 weights).
tokenizer.tsv: a JSON string, a tab, the ids that Hugging Face's BERT tokenizer gives with the pack's vocabulary (no special pieces).
"""
import argparse
import json
import os
import random

import numpy as np
import torch

from .chain import Chain
from .examples import question_row
from .model import Understanding
from .packed import load_weights
from .quantise import unpack
from .tokenizer import CLS, SEP, WordPiece

SENTENCES = {
    "alarm": "wake me up at half past seven tomorrow morning",
    "playlist": "Add Sabrina Salerno to the grime instrumentals playlist.",
    "weather": "will it rain in san francisco this weekend",
    "one_word": "stop",
    "lights": "turn the living room lights down to twenty percent please",
    "nonsense": "the grandfather's umbrella zxqj 42 ☂ dreamt naïvely",
}
QUESTIONS = {"opening": ("when does the museum open on sunday",
                         "The City Museum stands beside the river. It opens at nine in the morning from Tuesday to Saturday, and at eleven on Sunday. On Mondays it is closed. Tickets cost eight euros.")}
_ODD = [
    "", " ", "\t\n", "a", "A", "é", "E\u0301", "ÀÉÎÕÜ", "naïve café", "Straße", "İstanbul", "ΑΒΓ Σίσυφος", "Привет, мир!", "你好世界", "日本語テキスト", "한국어", "ไทย", "עברית", "العربية",
    "😀", "I ❤️ you", "👩‍👩‍👧‍👦 family", "🇩🇪", "rock'n'roll", "don't", "it’s", "“quoted”", "«guillemets»", "a-b", "a—b", "…", "...", "e.g.", "U.S.A.", "C++", "C#", "$5.00", "£3", "€20", "¥100", "50%",
    "3.14159", "1,000,000", "10:30 a.m.", "2026-11-24", "http://example.org/a?b=c&d=e#f", "user@example.com", "#hash @tag", "snake_case", "camelCaseWord", "a/b\\c", "[CLS]", "[MASK] me", "[UNK]", "##ing", "<tag>", "{json: true}",
    "a" * 100, "a" * 101, "b" * 300, "antidisestablishmentarianism", "supercalifragilisticexpialidocious", "zzzzqqqq", "\u200bzero\u200bwidth", "soft\u00adhyphen", "non\u00a0breaking", "thin\u2009space", "ideographic\u3000space",
    "\ufeffbom", "\ufffdreplacement", "nul\u0000byte", "bell\u0007", "del\u007f", "line\u2028separator", "½ cup", "x²", "10°C", "№ 5", "ﬁne ligature", "Ⅷ", "①②③", "ﾊﾝｶｸ", "Ａｌｐｈａ", "ß", "ẞ", "ǆ", "ŉ", "ﷺ", "a\u0300\u0301\u0302",
    "\u0301alone", "Å", "Å", "ø æ œ", "Łódź", "Đ", "ı", "ĳ", "…dots…", "''", "\"\"", "``", "~!@#$%^&*()_+-=[]{};':\",./<>?|\\", "−5", "×", "÷", "√2", "∞", "∑x", "→", "■", "♥", "☂", "𝓯𝓪𝓷𝓬𝔂", "𝟘𝟙", "𠀀𠀁", "🧑🏽‍🚀 astronaut", "tab\tin\tside", "  lead", "trail  ", "multi   space",
]


def tokenizer_strings(texts, vocabulary, num, seed=11):
    """`num` strings: the odd ones, lines of `texts`, and mixtures of pieces, signs and accents."""
    rng = random.Random(seed)
    out = list(dict.fromkeys(_ODD))
    lines = [line.strip() for path in texts for line in open(path, encoding="utf-8") if 5 < len(line) < 160 and "\t" not in line]
    out += rng.sample(lines, min(len(lines), 150))
    signs = list(".,;:!?'\"-()$€£&/ ’—…") + ["é", "ü", "ñ", "ç", "å", "É", "中", "文", "😀", "\u0301", "\u00a0", "д", "ß"]
    words = [p.removeprefix("##") for p in vocabulary[5:]]
    while len(out) < num:
        parts = [rng.choice(words) if rng.random() < 0.7 else rng.choice(signs) for _ in range(rng.randint(1, 14))]
        text = "".join(p.upper() if rng.random() < 0.1 else p.title() if rng.random() < 0.1 else p for p in (p + (" " if rng.random() < 0.6 else "") for p in parts))
        out.append(text)
    return out[:num]


def write_tokenizer_cases(path, vocab_path, texts, num=500):
    from tokenizers.implementations import BertWordPieceTokenizer
    theirs, ours = BertWordPieceTokenizer(vocab_path, lowercase=True), WordPiece.load(vocab_path)
    # Special pieces are plain text to us: "[CLS]" in the input must not become the special piece.
    different, written = [], 0
    with open(path, "w", encoding="utf-8") as f:
        for text in tokenizer_strings(texts, ours.pieces, num):
            if any(s in text for s in ("[CLS]", "[MASK]", "[UNK]", "[SEP]", "[PAD]")):
                ids = ours.encode(text)[0]
            else:
                ids = theirs.encode(text, add_special_tokens=False).ids
            if ids != ours.encode(text)[0]:
                different.append(text)
            print(json.dumps(text, ensure_ascii=False), " ".join(map(str, ids)), sep="\t", file=f)
            written += 1
    print(f"{path}: {written} strings; training/nlu/tokenizer.py differs on {len(different)}: {different[:10]}")


@torch.no_grad()
def values(net, ids, types, question):
    """All intermediate values of one input, each without the batch."""
    ids, types = torch.tensor([ids]), torch.tensor([types])
    keep = torch.ones_like(ids).bool()
    x = net.bert.embeddings(ids, types)
    out = {"embeddings": x, "layer0": net.bert.encoder["layer"][0](x, keep[:, None, None])}
    if question:
        out["start"], out["end"], out["hidden"] = net.question(ids, types, keep)
    else:
        out["intent"], out["slots"], out["embed"], out["hidden"] = net.utterance(ids, keep)
    return {k: v[0].float().contiguous() for k, v in out.items()}


def best_chains(labels, slots, next, first):
    """slots [T, labels] of a sentence, `first` of its pieces -> places and the best labelling in each domain that has slots."""
    places = [i + 1 for i, begins in enumerate(first) if begins]  # behind [CLS]
    out = {"places": places}
    for name, domain in labels["domains"].items():
        if len(domain["slots"]) > 1:
            mask = np.isin(np.arange(len(labels["slots"])), domain["slots"])
            out["chain." + name] = Chain(labels["slots"]).best(next.numpy(), slots[places].numpy(), mask)
    return {k: torch.tensor(v, dtype=torch.int32) for k, v in out.items()}


def main():
    from safetensors.torch import load_file, save_file
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--pack", required=True)
    parser.add_argument("--checkpoint")
    parser.add_argument("--texts", nargs="*", default=[], help="plain text files to take tokenizer cases from")
    parser.add_argument("--tokenizer-only", action="store_true")
    a = parser.parse_args()
    os.makedirs(a.out, exist_ok=True)
    vocab = os.path.join(a.pack, "vocab.txt")
    write_tokenizer_cases(os.path.join(a.out, "tokenizer.tsv"), vocab, a.texts)
    if a.tokenizer_only:
        return
    tokenizer = WordPiece.load(vocab)
    with open(os.path.join(a.pack, "labels.json"), encoding="utf-8") as f:
        labels = json.load(f)
    states = {"int8": unpack(load_file(os.path.join(a.pack, "weights.safetensors")))}
    if a.checkpoint:
        states["f32"] = load_weights(a.checkpoint)
    for name, text in (SENTENCES | QUESTIONS).items():
        question = isinstance(text, tuple)
        if question:
            ids, types = question_row(*(tokenizer.encode(t)[0] for t in text))
        else:
            ids = [CLS, *tokenizer.encode(text)[0], SEP]
            types = [0] * len(ids)
        out = {"ids": torch.tensor(ids, dtype=torch.int32), "types": torch.tensor(types, dtype=torch.int32)}
        for precision, state in states.items():
            net = Understanding(len(tokenizer.pieces), state["intent.out.bias"].numel(), state["slots.bias"].numel())
            net.load_state_dict({"slot_next": net.slot_next} | state)
            out |= {f"{precision}.{k}": v for k, v in values(net.eval(), ids, types, question).items()}
            if precision == "int8" and not question:
                out |= best_chains(labels, out["int8.slots"], net.slot_next.detach(), tokenizer.encode(text)[2])
        path = os.path.join(a.out, name + ".safetensors")
        save_file(out, path, {"text": text[0] if question else text, "context": text[1] if question else ""})
        os.chmod(path, 0o644)
        print(path, os.path.getsize(path), "bytes")


if __name__ == "__main__":
    main()
