// nlu_examples: how many texts find their intent among a user's own, by a few phrases of each.
//
//   nlu_examples PACK f32|int8 PHRASES.tsv TEXTS.tsv VECTORS.f32
//
// Both tables have lines of an intent, a tab and a text. Prints one line of JSON: texts whose first
// intent is right ("first"), those that are accepted and right ("accepted"), those accepted and
// wrong, seconds that encoding the phrases and fitting took. VECTORS.f32 is written for a peer
// (peers/examples_peer.py): f32 [phrases + texts, width], of length 1.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "bench/pack_encoder.h"
#include "nlu/intent_examples.h"
#include "nlu/wordpiece.h"

namespace antiphon::bench {
namespace {

struct Line {
  std::string intent, text;
};

Result<std::vector<Line>> read_lines(const std::string& path) {
  std::ifstream in(path);
  if (!in) return not_found(path + ": cannot be opened");
  std::vector<Line> out;
  for (std::string line; std::getline(in, line);) {
    const std::size_t tab = line.find('\t');
    if (tab == line.npos)
      return invalid_argument(path + ": line " + std::to_string(out.size() + 1) +
                              ": wanted an intent, a tab and a text");
    out.push_back({line.substr(0, tab), line.substr(tab + 1)});
  }
  if (out.empty()) return invalid_argument(path + ": has no lines");
  return out;
}

// Sentence vectors of length 1.
class Sentences {
 public:
  static Result<Sentences> open(const std::string& pack_dir, Precision precision) {
    ANTIPHON_ASSIGN_OR_RETURN(PackEncoder pack, open_encoder(pack_dir, precision));
    ANTIPHON_ASSIGN_OR_RETURN(nlu::WordPiece tokenizer,
                              nlu::WordPiece::load(pack.manifest.vocab_path));
    return Sentences(std::move(pack), std::move(tokenizer));
  }

  Result<std::vector<float>> vector_of(const std::string& text) {
    ANTIPHON_ASSIGN_OR_RETURN(const std::vector<nlu::Piece> pieces, tokenizer_.encode(text));
    const auto room = static_cast<std::size_t>(pack_.manifest.positions - 2);
    std::vector<std::int32_t> ids = {tokenizer_.cls()};
    for (std::size_t i = 0; i < std::min(pieces.size(), room); ++i) ids.push_back(pieces[i].id);
    ids.push_back(tokenizer_.sep());
    const std::vector<std::int32_t> types(ids.size(), 0);
    ANTIPHON_ASSIGN_OR_RETURN(const nlu::Encoded encoded, pack_.encoder->run(ids, types));
    std::vector<float> v(encoded.sentence.begin(), encoded.sentence.end());
    const float length = std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0f));
    for (float& x : v) x /= length;
    return v;
  }

 private:
  Sentences(PackEncoder pack, nlu::WordPiece tokenizer)
      : pack_(std::move(pack)), tokenizer_(std::move(tokenizer)) {}
  PackEncoder pack_;
  nlu::WordPiece tokenizer_;
};

struct Counts {
  std::size_t first = 0, accepted = 0, accepted_wrong = 0;
};

void count(const std::vector<nlu::IntentScore>& ranked, const std::string& wanted, Counts& counts) {
  if (!ranked.empty() && ranked.front().intent->name == wanted) ++counts.first;
  const nlu::IntentScore* own = nlu::accepted(ranked, {});
  if (own != nullptr) ++(own->intent->name == wanted ? counts.accepted : counts.accepted_wrong);
}

Status run(const std::string& pack_dir, Precision precision, const std::string& phrases_path,
           const std::string& texts_path, const std::string& vectors_path) {
  ANTIPHON_ASSIGN_OR_RETURN(Sentences sentences, Sentences::open(pack_dir, precision));
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Line> phrases, read_lines(phrases_path));
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Line> texts, read_lines(texts_path));
  std::ofstream vectors(vectors_path, std::ios::binary);
  const auto keep = [&](const std::vector<float>& v) {
    vectors.write(reinterpret_cast<const char*>(v.data()),
                  static_cast<std::streamsize>(v.size() * sizeof(float)));
  };
  AssistantSpec spec;
  for (const Line& line : phrases)
    if (spec.find(line.intent) == nullptr) spec.intents.emplace_back().name = line.intent;
  nlu::IntentExamples examples(&spec);
  const auto begin = std::chrono::steady_clock::now();
  for (const Line& line : phrases) {
    ANTIPHON_ASSIGN_OR_RETURN(const std::vector<float> v, sentences.vector_of(line.text));
    keep(v);
    examples.add(spec.find(line.intent), 0, v);
  }
  const auto embedded = std::chrono::steady_clock::now();
  examples.learn();
  const auto learnt = std::chrono::steady_clock::now();
  Counts counts;
  for (const Line& line : texts) {
    ANTIPHON_ASSIGN_OR_RETURN(const std::vector<float> v, sentences.vector_of(line.text));
    keep(v);
    count(examples.rank(v, line.text), line.intent, counts);
  }
  if (!vectors.flush()) return not_found(vectors_path + ": cannot be written");
  const auto seconds = [](auto span) { return std::chrono::duration<double>(span).count(); };
  const nlohmann::json told = {{"bench", "nlu_examples"},
                               {"intents", spec.intents.size()},
                               {"phrases", phrases.size()},
                               {"texts", texts.size()},
                               {"first", counts.first},
                               {"accepted", counts.accepted},
                               {"accepted_wrong", counts.accepted_wrong},
                               {"encoding_s", seconds(embedded - begin)},
                               {"fitting_s", seconds(learnt - embedded)}};
  std::printf("%s\n", told.dump().c_str());
  return {};
}

}  // namespace
}  // namespace antiphon::bench

int main(int argc, char** argv) {
  const std::string precision = argc == 6 ? argv[2] : "";
  if (precision != "f32" && precision != "int8") {
    std::fprintf(
        stderr,
        "usage: nlu_examples PACK f32|int8 PHRASES.tsv TEXTS.tsv VECTORS.f32\n"
        "example: nlu_examples models/nlu-en int8 phrases.tsv texts.tsv /tmp/vectors.f32\n");
    return 2;
  }
  using antiphon::Precision;
  const antiphon::Status status = antiphon::bench::run(
      argv[1], precision == "f32" ? Precision::kF32 : Precision::kInt8, argv[3], argv[4], argv[5]);
  if (status.ok()) return 0;
  std::fprintf(stderr, "nlu_examples: %s\n", status.to_string().c_str());
  return 1;
}
