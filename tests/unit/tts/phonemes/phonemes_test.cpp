// Lexicon, forms of words, neighbours, and the letter-to-sound network against PyTorch.
#include <gtest/gtest.h>
#include <zstd.h>

#include <cstdio>
#include <fstream>
#include <random>

#include "tests/unit/tts/reference_runner.h"
#include "tts/phonemes/g2p_network.h"
#include "tts/phonemes/phonemiser.h"
#include "tts/text/normalise.h"

namespace antiphon::tts {
namespace {

const char* const kLines =
    "a\tɐ\na.\tˈA\nand\tænd\napple\tˈæpᵊl\nb.\tbˈi\nbook\tbˈʊk\nbus\tbˈʌs\nc."
    "\tsˈi\ncat\tkˈæt\ndog\tdˈɔɡ\nf.\tˈɛf\nhave\thˈæv\nhouse\thˈWs\n"
    "i\tˌI\ni."
    "\tˈI\nin\tˈɪn\nkeeper\tkˈipəɹ\nplay\tplˈA\nsay\tsˈA\nshe\tʃi\nstore\tstˈɔɹ\nthe\tðə\nthe(v)"
    "\tði\nto\ttu\nto(c)\ttə\nto(v)\ttʊ\n"
    "town\ttˈWn\ntry\ttɹˈI\nwait\twˈAt\nwell\twˈɛl\nknown\tnˈOn\nwho\thu\nyou\tju\n";

std::string said(const std::string& text, std::u32string_view symbols = U"") {
  static const Lexicon lexicon = *Lexicon::parse(kLines, "test");
  const auto speech = normalise(text);
  std::string all;
  for (const Utterance& u : cut_utterances(*speech)) {
    const auto symbols_of = Phonemiser(lexicon, nullptr).phonemise(*speech, u, symbols);
    EXPECT_TRUE(symbols_of.ok());
    all += to_utf8(symbols_of->symbols);
    for (const WordSpan& span : symbols_of->words) {
      EXPECT_LT(span.begin, span.end);
      EXPECT_LE(span.end, symbols_of->symbols.size());
    }
  }
  return all;
}

TEST(Phonemiser, WordsAndNeighbours) {
  EXPECT_EQ(said("The cat."), "^ðə kˈæt.$");
  EXPECT_EQ(said("the apple"), "^ði ˈæpᵊl$");
  EXPECT_EQ(said("to town, to apple"), "^tə tˈWn, tʊ ˈæpᵊl$");
  EXPECT_EQ(said("you have a cat"), "^ju hæv ɐ kˈæt$");
  EXPECT_EQ(said("you have"), "^ju hˈæv$");
  EXPECT_EQ(said("in town"), "^ɪn tˈWn$");
  EXPECT_EQ(said("Who"), "^hˌu$");  // a capital gives a stress
  EXPECT_EQ(said("BIC"), "^bˌiˌIsˈi$");
}

TEST(Phonemiser, FormsOfWords) {
  EXPECT_EQ(said("cats dogs buses"), "^kˈæts dˈɔɡz bˈʌsᵻz$");
  EXPECT_EQ(said("cat's dogs'"), "^kˈæts dˈɔɡz$");
  EXPECT_EQ(said("played tries waiting waited"), "^plˈAd tɹˈIz wˈATɪŋ wˈATᵻd$");
  EXPECT_EQ(said("well-known"), "^wˌɛlnˈOn$");
  EXPECT_EQ(said("storekeeper"), "^stˈɔɹkˌipəɹ$");
}

TEST(Phonemiser, Heteronyms) {
  EXPECT_EQ(said("you have read the book"), "^ju hæv ɹˈɛd ðə bˈʊk$");
  EXPECT_EQ(said("you read the book"), "^ju ɹˈid ðə bˈʊk$");
  EXPECT_EQ(said("live in town"), "^lˈɪv ɪn tˈWn$");
  EXPECT_EQ(said("a live show").find("lˈIv") != std::string::npos, true);
}

TEST(Phonemiser, OnlySymbolsOfTheNetwork) {
  EXPECT_EQ(said("The cats!", U"^$ kætsðə."), "^ðə kæts.$");
  EXPECT_EQ(said("waiting; the", U"^$wAtɪŋ ðə,"), "^wAtɪŋ, ðə$");
  for (const char* text : {"zzzz qqq xkcd", "aaaaaaa", "'", "I.I.I", "a-b-c"}) {
    const auto all = to_phonemes(said(text, U"^$ æ"));
    for (const char32_t c : all)
      EXPECT_NE(std::u32string_view(U"^$ æ").find(c), std::u32string_view::npos);
  }
}

TEST(Lexicon, ReadsZstdAndNamesItsErrors) {
  const std::string path = testing::TempDir() + "lexicon.tsv.zst";
  const std::string text(kLines);
  std::string packed(ZSTD_compressBound(text.size()), ' ');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  std::ofstream(path, std::ios::binary) << packed;
  const auto lexicon = Lexicon::load(path);
  ASSERT_TRUE(lexicon.ok()) << lexicon.status().to_string();
  EXPECT_EQ(lexicon->find("cat"), "kˈæt");
  EXPECT_EQ(lexicon->find("ca"), "");
  EXPECT_EQ(lexicon->find(""), "");
  for (std::size_t n = 0; n < packed.size(); n += 7) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << packed.substr(0, n);
    const auto cut = Lexicon::load(path);
    ASSERT_FALSE(cut.ok()) << n;
    EXPECT_NE(cut.status().message().find("lexicon.tsv.zst"), std::string::npos);
  }
  EXPECT_EQ(Lexicon::load("/nowhere/lexicon").status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(Lexicon::parse("no tab here\n", "x").ok());
  std::remove(path.c_str());
}

TEST(Sounds, RandomBytesAreHarmless) {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 20, ' ');
    for (char& c : bytes) c = static_cast<char>(random());
    const Phonemes p = to_phonemes(bytes);
    (void)to_utf8(plural(past(ing(with_stress(p, Stress::kStrong)))));
  }
}

TEST(G2p, EqualsPyTorch) {
  const auto weights = golden_weights("tiny_g2p.safetensors");
  ASSERT_TRUE(weights);
  G2pConfig config;
  config.phonemes = U"abcdefghi";
  ReferenceRunner net(g2p_network(*weights, config));
  const auto ids = weights->tensor("golden.ids");
  const auto* letters = static_cast<const std::int32_t*>(ids->data);
  const std::int64_t dims[] = {1, 3 * ids->num_elements()};
  auto* input = static_cast<std::int32_t*>(*net.input("ids", dims));
  for (std::int64_t i = 0; i < dims[1]; ++i) input[i] = letters[i / 3];
  const Status status = net.run(-1);
  ASSERT_TRUE(status.ok()) << status.to_string();
  const auto got = *net.output("logits");
  expect_near({got.begin(), got.end()}, golden(*weights, "logits"), 1e-5, "logits");
}

TEST(G2p, GreedyMergesRepeats) {
  const std::int32_t best[] = {0, 1, 1, 0, 1, 2, 2, 3, 0, 99, -4};
  EXPECT_EQ(ctc_greedy(best, U"xyz"), U"xxyz");
}

}  // namespace
}  // namespace antiphon::tts
