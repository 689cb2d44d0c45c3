// libFuzzer: any bytes as every TOML file that the program reads: manifests of packs, an assistant,
// replies, the server's settings.
#include <filesystem>
#include <fstream>

#include "asr/pack.h"
#include "cli/pack_table.h"
#include "dialog/responses.h"
#include "nlu/pack.h"
#include "pipeline/assistant_spec.h"
#include "server/server_config.h"
#include "tests/fuzz/input_file.h"
#include "tts/pack/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t num_bytes) {
  using namespace antiphon;
  static const std::string kModels = "/dev/shm/manifest_fuzz." + std::to_string(getpid());
  const std::string pack = kModels + "/pack", text(reinterpret_cast<const char*>(data), num_bytes);
  std::filesystem::create_directories(pack);
  std::ofstream(pack + "/manifest.toml", std::ios::binary) << text;
  fuzz::check_error(asr::read_pack(pack));
  fuzz::check_error(nlu::read_pack(pack));
  fuzz::check_error(tts::read_tts_manifest(pack));
  fuzz::check_error(tts::read_vocoder_manifest(pack));
  fuzz::check_error(cli::read_packs(kModels));
  fuzz::check_error(dialog::Responses::load(pack + "/manifest.toml"));
  fuzz::check_error(parse_assistant(text, "fuzzed"));
  fuzz::check_error(server::parse_server_config(text, "fuzzed", {}));
  return 0;
}
