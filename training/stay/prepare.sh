#!/bin/sh
# Everything that a stay needs, made at home: prepare.sh DATA TEACHER ENV STAGE     from the top of the repository, half an hour of one core
#   DATA     folder of the corpora                     TEACHER  folder of generate.py, phonemise.py and voices
#   ENV      the teacher's virtual environment, with model/weights-*.npz       STAGE  is written: what pieces.py cuts up
set -eu
[ $# -eq 4 ] || { sed -n 2,4p "$0"; exit 2; }
data=$1 teacher=$2 env=$3 stage=$4
python=$env/bin/python
mkdir -p "$stage/teacher" "$stage/sentences" "$stage/speech" "$stage/noise" "$stage/wheels" "$stage/sample"
cp "$teacher/generate.py" "$teacher/kokoro_torch.py" "$teacher/vocab.json" "$env"/model/weights-*.npz "$stage/teacher/"
cp -r "$teacher/voices" "$stage/teacher/"
cp "$data"/noise/* "$stage/noise/"
"$env/bin/pip" download -q --no-deps --only-binary=:all: --python-version "${WHEEL_PYTHON:-3.12}" --implementation cp \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    -d "$stage/wheels" soundfile cffi pycparser
chmod -R u+w "$stage"

plan() { # NAME OPTIONS...
    name=$1
    shift
    "$python" -m training.common.sentences plan "$stage/$name.tsv" --data "$data" "$@"
    say "$name"
}
say() { # with phonemes of both accents
    "$python" "$teacher/phonemise.py" "$stage/$1.tsv" "$stage/sentences/$1.tsv"
    xz -9 -f "$stage/sentences/$1.tsv"
    rm "$stage/$1.tsv"
}
plan voice --count 11500 --seed 7 --ids t --mix dialogue=0.33,books=0.3,commands=0.07,templates=0.25,assistant=0.05 --most-words 30
plan many --count 44000 --seed 1 --ids a --mix dialogue=0.3,books=0.3,commands=0.22,templates=0.13,assistant=0.05
tail -n +2 training/heldout/teacher_sentences.tsv >"$stage/held.tsv"
say held

sample() { # NAME SENTENCES OPTIONS...: a few minutes, on which every training is tried at once
    name=$1 sentences=$2
    shift 2
    [ -e "$stage/sample/$name-1.tsv" ] || "$python" "$teacher/generate.py" "$stage/sentences/$sentences.tsv.xz" "$stage/sample/$name" \
        --model "$env/model" --device cpu --batch 60 --hours 0.07 --format flac "$@"
}
sample heart voice --voices af_heart
sample many many --blend 0.3

for corpus in librispeech_mini commonvoice_delta commonvoice_v1_dev commonvoice_v6_sample kathleen_arctic vctk_p239 fsdd; do
    "$python" -m training.common.ogg_cut "$data/speech/$corpus.tsv" "$stage/speech/$corpus" --limit 300
done
"$python" -m training.common.ogg_cut "$data/speech/speechocean762.tsv" "$stage/speech/speechocean762" --limit 200
"$python" -m training.common.ogg_cut "$data/speech/librispeech_train_unlabelled.tsv" "$stage/speech/librispeech_train_unlabelled" \
    --untold training/asr/pseudo_texts.tsv
du -sh "$stage"
echo "next: python3 training/stay/pieces.py make $stage PIECES --mib 50 --order wheels sample noise teacher sentences/voice sentences/held sentences/many"
