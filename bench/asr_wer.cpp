// asr_wer: word error rate and real-time factor of the recogniser over corpora of recordings.
//
//   asr_wer [options] CORPUS.tsv...
//
// A corpus is a table with a head line. Column `text` is what is said; either `file` names a
// recording (from the table's folder), or `start_sample` and `num_samples` say where the utterance
// lies in CORPUS.opus (or .wav, .flac) beside the table, at the rate of that file. Columns
// `speaker` and `split` may be there to choose by. --heard scores what somebody else heard, by the
// same rules: FOLDER/CORPUS.tsv with columns id and heard (bench/peers/whisper_wer.py writes it).
// --words FILE writes every heard word with its confidence and whether it was said
// (training/asr/confidence.py). --candidates FILE writes the texts that the final was chosen from,
// best first, with each one's share among them, which is exp(its score) over the sum of all of
// theirs; at most 32, and none of an utterance that was heard in several turns.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "antiphon/assistant.h"
#include "bench/word_errors.h"
#include "cli/audio_file.h"
#include "cli/command.h"

namespace antiphon::bench {
namespace {

namespace fs = std::filesystem;

struct Options {
  cli::ModelOptions models;
  std::vector<std::string> corpora, speakers, splits;
  std::string heard;              // folder
  std::string words, candidates;  // files
  std::string hot_file;
  float hot_boost = 4;
  std::vector<std::string> hot;  // words
  std::size_t limit = 0;
  double max_s = 60;
  bool show = false;
};

struct Utterance {
  std::string id, text, file;
  std::size_t start = 0, count = 0;  // samples; count 0: the whole file
};

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells(1);
  for (const char c : line) {
    if (c == '\t')
      cells.emplace_back();
    else if (c != '\r')
      cells.back() += c;
  }
  return cells;
}

// The file of the corpus's audio beside its table.
std::string audio_beside(const fs::path& table) {
  for (const char* ending : {".opus", ".flac", ".wav", ".ogg"})
    if (fs::path path = fs::path(table).replace_extension(ending); fs::exists(path))
      return path.string();
  return "";
}

Result<std::vector<Utterance>> read_table(const std::string& path, const Options& options) {
  std::ifstream in(path);
  if (!in) return not_found(path + ": cannot be opened");
  std::string line;
  std::getline(in, line);
  std::map<std::string, std::size_t> column;
  for (const std::string& name : cells_of(line)) column.try_emplace(name, column.size());
  const bool files = column.contains("file");
  if (!column.contains("text") ||
      !(files || (column.contains("start_sample") && column.contains("num_samples"))))
    return invalid_argument(
        path + ": line 1: wanted columns text and file, or text, start_sample and num_samples");
  const std::string audio = files ? "" : audio_beside(path);
  if (!files && audio.empty())
    return not_found(path + ": there is no .opus, .flac, .wav or .ogg of that name beside it");
  std::vector<Utterance> out;
  for (int number = 2; std::getline(in, line); ++number) {
    const std::vector<std::string> cells = cells_of(line);
    if (cells.size() < column.size())
      return invalid_argument(path + ": line " + std::to_string(number) + ": has " +
                              std::to_string(cells.size()) + " columns, wanted " +
                              std::to_string(column.size()));
    const auto keeps = [&](const char* name, const std::vector<std::string>& wanted) {
      return wanted.empty() || !column.contains(name) ||
             std::find(wanted.begin(), wanted.end(), cells[column[name]]) != wanted.end();
    };
    if (!keeps("speaker", options.speakers) || !keeps("split", options.splits)) continue;
    Utterance u;
    u.text = cells[column["text"]];
    if (column.contains("id")) u.id = cells[column["id"]];
    if (u.text.empty()) continue;
    if (files) {
      u.file = (fs::path(path).parent_path() / cells[column["file"]]).string();
    } else {
      u.file = audio;
      u.start = std::strtoull(cells[column["start_sample"]].c_str(), nullptr, 10);
      u.count = std::strtoull(cells[column["num_samples"]].c_str(), nullptr, 10);
    }
    out.push_back(std::move(u));
  }
  // Spread over the table, so that a limit hears all speakers.
  if (options.limit > 0 && out.size() > options.limit) {
    std::vector<Utterance> some;
    for (std::size_t i = 0; i < options.limit; ++i)
      some.push_back(out[i * out.size() / options.limit]);
    out = std::move(some);
  }
  return out;
}

struct Score {
  WordErrors errors;
  double audio_s = 0, wall_s = 0;
  std::size_t num_utterances = 0, num_perfect = 0;
  std::size_t hot_said = 0, hot_found = 0, hot_false = 0;  // occurrences of listed words
};

// Listed words of one utterance: said, of them heard, and heard without being said.
void count_hot(const std::vector<std::string>& said, const std::vector<std::string>& heard,
               const Options& options, Score& score) {
  for (const std::string& word : options.hot) {
    const auto in = [&](const std::vector<std::string>& words) {
      return static_cast<std::size_t>(std::count(words.begin(), words.end(), word));
    };
    const std::size_t want = in(said), got = in(heard);
    score.hot_said += want;
    score.hot_found += std::min(want, got);
    score.hot_false += got - std::min(want, got);
  }
}

void print(const std::string& path, const Score& score, const nlohmann::json& more) {
  const WordErrors& e = score.errors;
  nlohmann::json line = {{"bench", "asr_wer"},
                         {"case", fs::path(path).stem().string()},
                         {"wer", e.rate()},
                         {"words", e.words},
                         {"substituted", e.substituted},
                         {"deleted", e.deleted},
                         {"inserted", e.inserted},
                         {"utterances", score.num_utterances},
                         {"perfect", score.num_perfect}};
  if (score.hot_said + score.hot_false > 0)
    line.update({{"hot_said", score.hot_said},
                 {"hot_found", score.hot_found},
                 {"hot_false", score.hot_false}});
  line.update(more);
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

// corpus, id, word, confidence, right; a word that scoring splits or drops is left out.
void write_words(std::FILE* out, const std::string& corpus, const Utterance& u,
                 const std::vector<Transcript>& got) {
  std::vector<std::string> words;
  std::vector<float> confidence;
  for (const Transcript& t : got)
    for (const auto& word : t.words)
      if (const auto scored = scored_words(word.word); scored.size() == 1) {
        words.push_back(scored.front());
        confidence.push_back(word.confidence);
      }
  const std::vector<bool> right = words_right(scored_words(u.text), words);
  for (std::size_t i = 0; i < words.size(); ++i)
    std::fprintf(out, "%s\t%s\t%s\t%.6g\t%d\n", corpus.c_str(), u.id.c_str(), words[i].c_str(),
                 static_cast<double>(confidence[i]), right[i] ? 1 : 0);
}

// corpus, id, said, candidate, share
void write_candidates(std::FILE* out, const std::string& corpus, const Utterance& u,
                      const std::vector<Transcript>& got) {
  if (got.size() != 1) return;
  for (const TranscriptAlternative& a : got.front().alternatives)
    std::fprintf(out, "%s\t%s\t%s\t%s\t%.9g\n", corpus.c_str(), u.id.c_str(), u.text.c_str(),
                 a.text.c_str(), static_cast<double>(a.confidence));
}

// Tables that are asked for; null: not.
struct Tables {
  using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
  File words{nullptr, &std::fclose}, candidates{nullptr, &std::fclose};
};

Status open_table(const std::string& path, const char* head, Tables::File& file) {
  if (path.empty()) return {};
  file.reset(std::fopen(path.c_str(), "w"));
  if (!file) return not_found(path + ": cannot be written");
  std::fprintf(file.get(), "%s\n", head);
  return {};
}

Status score_one(Assistant& assistant, const Utterance& u, std::span<const float> pcm, int rate_hz,
                 const Options& options, Score& score, std::vector<Transcript>& got) {
  RecognizerOptions recognizer;
  recognizer.endpointing = recognizer.partials = recognizer.written = false;
  if (!options.candidates.empty()) recognizer.num_alternatives = 32;
  for (const std::string& word : options.hot)
    recognizer.hotwords.push_back({word, options.hot_boost});
  const auto begin = std::chrono::steady_clock::now();
  ANTIPHON_ASSIGN_OR_RETURN(got, assistant.transcribe(pcm, rate_hz, recognizer));
  score.wall_s += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  score.audio_s += static_cast<double>(pcm.size()) / rate_hz;
  std::string heard;
  for (const Transcript& t : got) heard += (heard.empty() ? "" : " ") + t.text;
  const auto said = scored_words(u.text), words = scored_words(heard);
  const WordErrors errors = word_errors(said, words);
  score.errors += errors;
  score.num_utterances += 1;
  score.num_perfect += errors.all() == 0 ? 1 : 0;
  count_hot(said, words, options, score);
  if (options.show && errors.all() > 0)
    std::fprintf(stderr, "- %s\n+ %s\n", u.text.c_str(), heard.c_str());
  return {};
}

Result<Score> score_corpus(Assistant& assistant, const std::string& path, const Options& options,
                           const Tables& tables) {
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Utterance> utterances, read_table(path, options));
  Score score;
  cli::Recording recording;
  std::string loaded;
  for (const Utterance& u : utterances) {
    if (u.file != loaded) {
      ANTIPHON_ASSIGN_OR_RETURN(recording, cli::read_audio(u.file));
      loaded = u.file;
    }
    const std::size_t have = recording.samples.size(), count = u.count ? u.count : have;
    if (u.start > have || count > have - u.start)
      return invalid_argument(path + ": samples " + std::to_string(u.start) + " to " +
                              std::to_string(u.start + count) + ", but " + u.file + " has " +
                              std::to_string(have));
    if (static_cast<double>(count) > options.max_s * recording.rate_hz) continue;
    std::vector<Transcript> got;
    ANTIPHON_RETURN_IF_ERROR(score_one(assistant, u,
                                       std::span(recording.samples).subspan(u.start, count),
                                       recording.rate_hz, options, score, got));
    const std::string corpus = fs::path(path).stem().string();
    if (tables.words) write_words(tables.words.get(), corpus, u, got);
    if (tables.candidates) write_candidates(tables.candidates.get(), corpus, u, got);
  }
  return score;
}

// Errors of what a peer heard: --heard's table of the same name.
Result<Score> score_heard(const std::string& path, const Options& options) {
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Utterance> utterances, read_table(path, options));
  const std::string table = (fs::path(options.heard) / fs::path(path).filename()).string();
  std::ifstream in(table);
  if (!in) return not_found(table + ": cannot be opened");
  std::map<std::string, std::string> heard;
  std::string line;
  std::getline(in, line);
  if (line != "id\theard") return invalid_argument(table + ": line 1: wanted id and heard");
  while (std::getline(in, line))
    if (const auto cells = cells_of(line); cells.size() == 2) heard[cells[0]] = cells[1];
  Score score;
  for (const Utterance& u : utterances) {
    const auto found = heard.find(u.id);
    if (found == heard.end()) return not_found(table + ": there is no " + u.id + " in it");
    const WordErrors errors = word_errors(scored_words(u.text), scored_words(found->second));
    score.errors += errors;
    score.num_utterances += 1;
    score.num_perfect += errors.all() == 0 ? 1 : 0;
  }
  return score;
}

int run_heard(const Options& options) {
  for (const std::string& path : options.corpora) {
    const auto score = score_heard(path, options);
    if (!score.ok()) return cli::fail(score.status());
    print(path, *score, {{"peer", options.heard}});
  }
  return 0;
}

int run(const Options& options) {
  AssistantConfig config = options.models.config(cli::Stage::kRecognize);
  const auto assistant = Assistant::create(config);
  if (!assistant.ok()) return cli::fail(assistant.status());
  Tables tables;
  Status opened = open_table(options.words, "corpus\tid\tword\tconfidence\tright", tables.words);
  if (opened.ok())
    opened =
        open_table(options.candidates, "corpus\tid\tsaid\tcandidate\tshare", tables.candidates);
  if (!opened.ok()) return cli::fail(opened);
  for (const std::string& path : options.corpora) {
    const auto score = score_corpus(**assistant, path, options, tables);
    if (!score.ok()) return cli::fail(score.status());
    print(path, *score,
          {{"audio_s", score->audio_s},
           {"rtf", score->audio_s > 0 ? score->wall_s / score->audio_s : 0},
           {"threads", options.models.threads},
           {"precision", options.models.precision}});
  }
  return 0;
}

}  // namespace
}  // namespace antiphon::bench

int main(int argc, char** argv) {
  CLI::App app("Word error rate and real-time factor of the recogniser over corpora");
  antiphon::bench::Options options;
  app.add_option("corpora", options.corpora, "Tables of utterances")->required();
  app.add_option("--speaker", options.speakers, "Only of these speakers");
  app.add_option("--split", options.splits, "Only of these splits");
  app.add_option("--limit", options.limit,
                 "At most so many utterances of each, spread over the table");
  app.add_option("--max-seconds", options.max_s, "Longer utterances are left out")
      ->capture_default_str();
  app.add_option("--hot-words", options.hot_file, "Words that are likely to be said, one a line");
  app.add_option("--hot-boost", options.hot_boost, "Of each")->capture_default_str();
  app.add_option("--heard", options.heard, "Folder of tables of what a peer heard");
  app.add_option("--words", options.words,
                 "File for every heard word, how sure it was, and whether it was said");
  app.add_option("--candidates", options.candidates,
                 "File for the texts that each final was chosen from, with their shares");
  app.add_flag("--show", options.show, "Print what was heard wrongly");
  options.models.add_to(app);
  CLI11_PARSE(app, argc, argv);
  if (std::ifstream in(options.hot_file); !options.hot_file.empty()) {
    if (!in)
      return antiphon::cli::fail(antiphon::not_found(options.hot_file + ": cannot be opened"));
    for (std::string word; std::getline(in, word);)
      if (!word.empty()) options.hot.push_back(word);
  }
  return options.heard.empty() ? antiphon::bench::run(options)
                               : antiphon::bench::run_heard(options);
}
