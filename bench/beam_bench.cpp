// beam_bench: the beam search a second of audio, and the end of a phrase: last chunk in, final text
// out.
//
//   beam_bench --lm LM.anlm                              beam search alone, on letters heard with
//   doubt beam_bench --pack models/asr-en --vad models/vad     the whole recogniser, in chunks of
//   100 ms
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>

#include "asr/ctc_decoder.h"
#include "asr/recognizer.h"
#include "cli/audio_file.h"
#include "engine/machine.h"

namespace antiphon::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string lm, pack, vad = "models/vad", audio, assistant, precision = "int8", max_isa, isa;
  int threads = 2, turns = 60, beam = 32, blanks = 0;
};

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

void print(const std::string& name, std::vector<double> ms, const Options& options,
           const char* unit) {
  std::sort(ms.begin(), ms.end());
  const auto at = [&](double share) {
    return ms[static_cast<std::size_t>(share * static_cast<double>(ms.size() - 1))];
  };
  const nlohmann::json line = {{"bench", "asr"},
                               {"case", name},
                               {"ours_ms", at(0.5)},
                               {"p50", at(0.5)},
                               {"p95", at(0.95)},
                               {"p99", at(0.99)},
                               {"n", ms.size()},
                               {"unit", unit},
                               {"threads", options.threads},
                               {"precision", options.precision},
                               {"isa", options.isa},
                               {"machine", machine_name()}};
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

// Somebody who says `text` at 15 letters a second, [steps, 29]: each step one letter or the blank,
// with doubts, and behind it `blanks` rows that are almost surely blank, as networks of several
// outputs a step have them.
std::vector<float> heard(const std::string& text, float sure, int blanks, std::mt19937& random) {
  const std::string alphabet = " 'abcdefghijklmnopqrstuvwxyz";
  std::uniform_real_distribution<float> uniform(1e-6f, 1.0f);
  std::vector<float> out;
  const auto step = [&](std::size_t symbol) {
    float row[29], sum = 0;
    for (std::size_t k = 0; k < 29; ++k) {
      row[k] = -std::log(-std::log(uniform(random))) + (k == symbol ? sure : 0);
      sum += std::exp(row[k]);
    }
    for (float& x : row) out.push_back(x - std::log(sum));
    for (int i = 0; i < blanks; ++i) {
      const std::size_t begin = out.size();
      for (int k = 0; k < 29; ++k) out.push_back(-13 - 4 * uniform(random));
      out[begin] = -1e-4f;
      // A letter in doubt in every second one.
      const float doubt = uniform(random);
      if (doubt < 0.5f) out[begin + 1 + static_cast<std::size_t>(doubt * 55)] = -7.5f;
    }
  };
  for (const char c : text) {
    step(alphabet.find(c) + 1);
    if (uniform(random) < 0.7f) step(0);
  }
  return out;
}

Status bench_search(const Options& options) {
  ANTIPHON_ASSIGN_OR_RETURN(const std::unique_ptr<asr::LanguageModel> lm,
                            asr::LanguageModel::load(options.lm));
  const char* sentences[] = {
      "could you please book a table for four people on friday evening at half past seven",
      "i would like a large latte with oat milk and two small cappuccinos to take away",
      "what is the weather going to be like in new york on the third of september",
      "mister quilter is the apostle of the middle classes and we are glad to welcome his gospel"};
  AssistantSpec spec;
  if (!options.assistant.empty()) {
    ANTIPHON_ASSIGN_OR_RETURN(spec, read_assistant(options.assistant));
  }
  const asr::PhraseModel phrases = asr::PhraseModel::create(spec, asr::CtcDecoderConfig().alphabet);
  for (const float sure : {9.0f, 6.0f}) {
    for (const auto& [name, with_lm, with_hot] : {std::tuple{"no lm", false, false},
                                                  {"lm", true, false},
                                                  {"lm, 100 hot words", true, true}}) {
      std::vector<HotWord> words;
      for (int i = 0; i < 100; ++i)
        words.push_back({std::string(1, static_cast<char>('a' + i % 26)) + "bcdef" +
                             static_cast<char>('a' + i / 26),
                         4});
      ANTIPHON_ASSIGN_OR_RETURN(const asr::HotWords hot,
                                asr::HotWords::create(words, " 'abcdefghijklmnopqrstuvwxyz"));
      asr::CtcDecoderConfig config;
      config.beam_width = options.beam;
      asr::CtcDecoder decoder(config, with_lm ? lm.get() : nullptr,
                              with_hot ? hot : asr::HotWords(), &phrases);
      std::mt19937 random(3);
      std::vector<double> per_second, finish;
      for (int turn = 0; turn < options.turns; ++turn) {
        const std::vector<float> log_probs =
            heard(sentences[turn % 4], sure, options.blanks, random);
        const int steps = static_cast<int>(log_probs.size() / 29);
        const double seconds = steps * 0.04 / (1 + options.blanks);
        decoder.reset();
        auto begin = Clock::now();
        decoder.advance(log_probs, steps);
        per_second.push_back(ms_since(begin) / seconds);
        begin = Clock::now();
        if (decoder.finish(1).empty()) return internal_error("the search gave no text");
        finish.push_back(ms_since(begin));
      }
      const std::string kind = std::string(name) + (sure > 8 ? ", clear" : ", doubtful");
      print("search: " + kind, per_second, options, "ms/s of audio");
      print("search: finish, " + kind, finish, options, "ms");
    }
  }
  return {};
}

Status bench_phrase(const Options& options) {
  ANTIPHON_ASSIGN_OR_RETURN(const std::unique_ptr<ThreadTeam> team,
                            ThreadTeam::create(options.threads));
  ANTIPHON_ASSIGN_OR_RETURN(const cli::Recording recording, cli::read_audio(options.audio));
  if (recording.rate_hz != 16000) return invalid_argument(options.audio + ": wanted 16000 Hz");
  asr::RecognizerConfig config;
  config.pack_dir = options.pack;
  config.vad_dir = options.vad;
  config.precision = options.precision == "f32" ? Precision::kF32 : Precision::kInt8;
  config.max_streams = 4;
  config.max_isa = options.max_isa;
  config.team = team.get();
  ANTIPHON_ASSIGN_OR_RETURN(const std::unique_ptr<Recognizer> recognizer,
                            asr::create_recognizer(config));
  RecognizerOptions stream_options;
  stream_options.endpointing = false;
  ANTIPHON_ASSIGN_OR_RETURN(const std::unique_ptr<RecognizerStream> stream,
                            recognizer->open(stream_options));
  RecognizerStream* streams[] = {stream.get()};
  std::vector<double> ends, chunks;
  double heard_s = 0, spent_ms = 0;
  for (int turn = 0; turn < options.turns + 3; ++turn) {
    // 2 to 3 s of the recording, from another place each turn; the last chunk is a whole one.
    const std::size_t length = 32000 + static_cast<std::size_t>(turn % 10) * 1600;
    const std::size_t start =
        recording.samples.size() > length
            ? static_cast<std::size_t>(turn) * 7919 % (recording.samples.size() - length)
            : 0;
    const auto pcm =
        std::span(recording.samples).subspan(start, std::min(length, recording.samples.size()));
    for (std::size_t at = 0; at < pcm.size(); at += 1600) {
      const bool last = at + 1600 >= pcm.size();
      const auto begin = Clock::now();
      ANTIPHON_RETURN_IF_ERROR(
          stream->push(pcm.subspan(at, std::min<std::size_t>(1600, pcm.size() - at))));
      if (last) stream->end_turn();
      ANTIPHON_RETURN_IF_ERROR(recognizer->advance(streams));
      const double ms = ms_since(begin);
      while (stream->pop()) continue;
      if (turn < 3) continue;  // warm-up
      (last ? ends : chunks).push_back(ms);
      spent_ms += ms;
      heard_s += 0.1;
    }
  }
  print("chunk of 100 ms", chunks, options, "ms");
  print("end of phrase: last 100 ms chunk to final text", ends, options, "ms");
  std::printf("%s\n", nlohmann::json{{"bench", "asr"},
                                     {"case", "rtf"},
                                     {"rtf", spent_ms / 1000 / heard_s},
                                     {"threads", options.threads},
                                     {"precision", options.precision},
                                     {"isa", options.isa},
                                     {"machine", machine_name()}}
                          .dump()
                          .c_str());
  return {};
}

int run(const Options& options) {
  Status status = options.lm.empty() ? Status() : bench_search(options);
  if (status.ok() && !options.pack.empty()) status = bench_phrase(options);
  if (!status.ok()) std::fprintf(stderr, "beam_bench: %s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace antiphon::bench

int main(int argc, char** argv) {
  CLI::App app("Beam search and end of phrase");
  antiphon::bench::Options options;
  app.add_option("--lm", options.lm, "Language model for the beam search alone");
  app.add_option("--pack", options.pack, "Recognition pack");
  app.add_option("--vad", options.vad, "Voice activity pack")->capture_default_str();
  app.add_option("--audio", options.audio, "Recording at 16 kHz that is heard");
  app.add_option("--assistant", options.assistant, "assistant.toml whose phrases are expected");
  app.add_option("--precision", options.precision)->check(CLI::IsMember({"int8", "f32"}));
  app.add_option("--max-isa", options.max_isa)->envname("ANTIPHON_MAX_ISA");
  app.add_option("--threads", options.threads)->capture_default_str();
  app.add_option("--turns", options.turns)->capture_default_str();
  app.add_option("--beam", options.beam)->capture_default_str();
  app.add_option("--blanks", options.blanks, "Rows surely blank behind each step's first")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const auto isa = antiphon::isa_under(options.max_isa);
  if (!isa.ok()) {
    std::fprintf(stderr, "beam_bench: %s\n", isa.status().message().c_str());
    return 2;
  }
  options.isa = *isa;
  return antiphon::bench::run(options);
}
