// Whole turns over WebSocket: users stream recorded questions in real time to a server in a child
// process on the same cores, and the peer answers the same questions.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <map>
#include <thread>

#include "bench/child.h"
#include "bench/report.h"
#include "bench/turn_client.h"

namespace antiphon::bench {
namespace {

struct Options {
  std::string server = ANTIPHON_BINARY_DIR "/bin/antiphon";
  std::string models = "models", assistant, precision = "int8", plans;
  std::string questions = ANTIPHON_SOURCE_DIR "/bench/recordings/questions.tsv";
  std::vector<int> streams = {1, 4};
  std::vector<std::string> endpointing = {"server", "end"};
  int turns = 100;
  std::string peer = ANTIPHON_SOURCE_DIR "/bench/peers/whisper_espeak_turn.py", python = "python3";
  std::string keep;
  bool no_peer = false, transcripts = false;
};

struct Load {
  std::vector<SpokenTurn> turns;
  double wall_s = 0, cpu_s = 0;
};

int fail(const Status& status) {
  std::fprintf(stderr, "turn_bench: %s\n", status.to_string().c_str());
  return 1;
}

Result<Load> run_clients(const Child& server, const TurnClientConfig& config,
                         const std::vector<Question>& questions, int streams, int turns) {
  std::atomic<int> next{0};
  std::vector<std::future<Result<std::vector<SpokenTurn>>>> users;
  const double cpu_s = server.cpu_s();
  const auto begin = std::chrono::steady_clock::now();
  for (int client = 0; client < streams; ++client) {
    users.push_back(std::async(std::launch::async, [&, client] {
      std::this_thread::sleep_for(std::chrono::milliseconds(730 * client));  // not in step
      return speak_turns(config, questions, next, turns, client);
    }));
  }
  Load load;
  Status failed;
  for (auto& user : users) {
    auto spoken = user.get();
    if (!spoken.ok())
      failed = spoken.status();
    else
      load.turns.insert(load.turns.end(), spoken->begin(), spoken->end());
  }
  ANTIPHON_RETURN_IF_ERROR(failed);
  load.wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  load.cpu_s = server.cpu_s() - cpu_s;
  return load;
}

nlohmann::json to_json(const SpokenTurn& t, int streams, const std::string& ended_by) {
  const TurnLatency& l = t.latency;
  return {{"streams", streams},
          {"ended_by", ended_by},
          {"id", t.id},
          {"heard", t.heard},
          {"intent", t.intent},
          {"reply", t.reply},
          {"reason", t.reason},
          {"first_audio_ms", t.first_audio_ms},
          {"chunks", t.chunks},
          {"late_chunks", t.late_chunks},
          {"interrupted", t.interrupted},
          {"ahead", t.ahead},
          {"dry_ms", t.dry_ms},
          {"latency", {l.asr_ms, l.nlu_ms, l.tts_ms, l.total_ms, l.endpoint_ms, l.heard_ms}}};
}

SpokenTurn turn_of(const nlohmann::json& j) {
  SpokenTurn t;
  t.id = j.value("id", ""), t.heard = j.value("heard", ""), t.intent = j.value("intent", "");
  t.reply = j.value("reply", ""), t.reason = j.value("reason", "");
  t.first_audio_ms = j.value("first_audio_ms", -1.0);
  t.chunks = j.value("chunks", 0), t.late_chunks = j.value("late_chunks", 0);
  t.ahead = j.value("ahead", false);
  t.interrupted = j.value("interrupted", 0), t.dry_ms = j.value("dry_ms", 0.0);
  const auto l = j.value("latency", std::vector<double>(6));
  t.latency = {l.at(0), l.at(1), l.at(2), l.at(3), l.at(4), l.at(5)};
  return t;
}

// Adds the turns to the file, and those that earlier runs left there to the turns.
Status keep_turns(const std::string& path, int streams, const std::string& ended_by, Load& load) {
  std::vector<SpokenTurn> earlier;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    const auto j = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!j.is_object()) return invalid_argument(path + ": has a line that is not of kept turns");
    if (j.value("streams", 0) == streams && j.value("ended_by", "") == ended_by)
      earlier.push_back(turn_of(j));
  }
  std::ofstream out(path, std::ios::app);
  for (const SpokenTurn& t : load.turns)
    out << to_json(t, streams, ended_by)
               .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
        << "\n";
  if (!out.flush()) return internal_error(path + ": cannot be written");
  load.turns.insert(load.turns.begin(), earlier.begin(), earlier.end());
  return {};
}

// Values of all turns that ended with a spoken answer.
template <typename Get>
std::vector<double> values_of(const Load& load, const Get& get) {
  std::vector<double> out;
  for (const SpokenTurn& turn : load.turns)
    if (turn.reason == "done" && turn.chunks > 0) out.push_back(get(turn));
  return out;
}

void report_load(Report& report, const Options& options, const Load& load, int streams,
                 const std::string& ended_by) {
  const auto line = [&](const char* name) {
    return nlohmann::json{{"case", std::string(name) + ", ended by " + ended_by},
                          {"unit", "ms"},
                          {"streams", streams},
                          {"precision", options.precision}};
  };
  const auto part = [&](const char* name, double TurnLatency::*field) {
    report.add(line(name), values_of(load, [&](const SpokenTurn& t) { return t.latency.*field; }));
  };
  part("turn total", &TurnLatency::total_ms);
  part("end of phrase (asr)", &TurnLatency::asr_ms);
  part("nlu and reply", &TurnLatency::nlu_ms);
  part("tts", &TurnLatency::tts_ms);
  part("endpoint_ms", &TurnLatency::endpoint_ms);
  part("heard_ms", &TurnLatency::heard_ms);
  if (ended_by == "end")  // where the server decides, the client cannot know which chunk decided
    report.add(line("end sent to first audio, by the client"),
               values_of(load, [](const SpokenTurn& t) { return t.first_audio_ms; }));
  auto counts = line("answers");
  int chunks = 0, late = 0, interrupted = 0, ahead = 0;
  double dry_ms = 0;
  std::map<std::string, int> reasons;
  for (const SpokenTurn& t : load.turns) {
    chunks += t.chunks;
    late += t.late_chunks;
    interrupted += t.interrupted;
    ahead += t.ahead;
    dry_ms = std::max(dry_ms, t.dry_ms);
    ++reasons[t.reason];
  }
  counts.erase("unit");
  counts["n"] = load.turns.size();
  counts["reasons"] = reasons;
  counts["chunks"] = chunks;
  counts["late_chunks"] = late;
  counts["interrupted"] = interrupted;
  counts["answered_ahead"] = ahead;
  counts["longest_dry_ms"] = rounded(dry_ms);
  counts["server_cores_used"] = rounded(load.cpu_s / load.wall_s);
  report.add(counts);
  if (!options.transcripts) return;
  for (const SpokenTurn& t : load.turns)
    report.add({{"case", "transcript"},
                {"id", t.id},
                {"heard", t.heard},
                {"intent", t.intent},
                {"reply", t.reply},
                {"reason", t.reason},
                {"total_ms", rounded(t.latency.total_ms)}});
}

Status report_peer(Report& report, const Options& options, const Load& load, int streams,
                   const std::string& ended_by) {
  ANTIPHON_ASSIGN_OR_RETURN(
      const auto lines,
      run_peer({options.python, options.peer, "--questions", options.questions, "--streams",
                std::to_string(streams), "--turns", std::to_string(std::min(options.turns, 40))}));
  const Spread ours =
      spread_of(values_of(load, [](const SpokenTurn& t) { return t.latency.total_ms; }));
  for (nlohmann::json line : lines) {
    line["streams"] = streams;
    if (line.value("case", "") == "turn total") {
      line["case"] = "turn total against ended by " + ended_by;
      const double peer_ms = line.value("p50", 0.0);
      line["ours_ms"] = ours.p50;
      line["peer_ms"] = peer_ms;
      line["ratio"] = ours.p50 > 0 ? rounded(peer_ms / ours.p50) : 0;
    }
    report.add(line);
  }
  return {};
}

std::string wait_for_url(Child& server) {
  while (const auto line = server.read_line())
    if (const std::size_t at = line->find("ws://"); at != std::string::npos)
      return line->substr(at);
  return "";
}

int run(const Options& options, const std::string& isa_cap) {
  const auto questions = read_questions(options.questions);
  if (!questions.ok()) return fail(questions.status());
  std::vector<std::string> command = {
      options.server, "serve",        "--port",      "0",
      "--models",     options.models, "--precision", options.precision};
  if (!options.assistant.empty()) command.insert(command.end(), {"--assistant", options.assistant});
  if (!options.plans.empty()) command.insert(command.end(), {"--plans", options.plans});
  auto server = Child::start(command);
  if (!server.ok()) return fail(server.status());
  TurnClientConfig config;
  config.url = wait_for_url(*server);
  if (config.url.empty()) return fail(internal_error("the server did not start"));
  Report report("turn", isa_cap);
  for (const int streams : options.streams) {
    for (const std::string& ended_by : options.endpointing) {
      config.endpointing = ended_by == "server";
      config.listen = streams > 1;  // a lone user's answers disturb nobody
      auto load = run_clients(*server, config, *questions, streams, options.turns);
      if (!load.ok()) return fail(load.status());
      if (!options.keep.empty())
        if (const Status kept = keep_turns(options.keep, streams, ended_by, *load); !kept.ok())
          return fail(kept);
      report_load(report, options, *load, streams, ended_by);
      if (options.no_peer || ended_by != options.endpointing.back()) continue;
      if (const Status peer = report_peer(report, options, *load, streams, ended_by); !peer.ok())
        std::fprintf(stderr, "turn_bench: the peer is left out: %s\n", peer.to_string().c_str());
    }
  }
  const ChildUsage usage = server->wait(SIGTERM);
  report.add({{"case", "server"},
              {"peak_rss_mb", rounded(usage.peak_rss_mb)},
              {"exit_code", usage.exit_code}});
  report.print_table();
  return usage.exit_code == 0 ? 0 : 1;
}

}  // namespace
}  // namespace antiphon::bench

int main(int argc, char** argv) {
  antiphon::bench::Options options;
  CLI::App app("Turn latency under real-time load");
  app.add_option("--server", options.server, "The antiphon program")->capture_default_str();
  app.add_option("--models", options.models, "Folder of the model packs")->capture_default_str();
  app.add_option("--assistant", options.assistant, "assistant.toml");
  app.add_option("--precision", options.precision)
      ->check(CLI::IsMember({"int8", "f32"}))
      ->capture_default_str();
  app.add_option("--plans", options.plans, "Folder of built plans");
  app.add_option("--questions", options.questions, "Table of recordings")->capture_default_str();
  app.add_option("--streams", options.streams, "Users at the same time")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--ended-by", options.endpointing, "server, end")
      ->delimiter(',')
      ->check(CLI::IsMember({"server", "end"}))
      ->capture_default_str();
  app.add_option("--turns", options.turns, "Of each case")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--python", options.python, "Of the peer")->capture_default_str();
  app.add_option(
      "--keep", options.keep,
      "File of turns: this run's are added, and earlier ones count too (same server and packs)");
  app.add_flag("--no-peer", options.no_peer);
  app.add_flag("--transcripts", options.transcripts, "Print what was heard and answered");
  CLI11_PARSE(app, argc, argv);
  const char* cap = std::getenv("ANTIPHON_MAX_ISA");
  return antiphon::bench::run(options, cap == nullptr ? "" : cap);
}
