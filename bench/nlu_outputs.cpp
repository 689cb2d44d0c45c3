// The encoder's outputs for ids on standard input: for evaluations that are written in Python.
//
//   nlu_outputs PACK f32|int8
//
// In, little-endian: i32 count, i32 ids[count], i32 types[count]; again and again. Out, each time:
// f32 sentence[width], intent[intents], tags[count * tags], answer[count * 2]. Ends with the input.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/pack_encoder.h"

namespace antiphon::bench {
namespace {

bool read_all(void* data, std::size_t bytes) { return std::fread(data, 1, bytes, stdin) == bytes; }

bool write_all(std::span<const float> values) {
  return std::fwrite(values.data(), sizeof(float), values.size(), stdout) == values.size();
}

Status run(const std::string& dir, Precision precision) {
  ANTIPHON_ASSIGN_OR_RETURN(const PackEncoder pack, open_encoder(dir, precision));
  const int positions = pack.manifest.positions;
  std::vector<std::int32_t> ids, types;
  for (std::int32_t count = 0; read_all(&count, sizeof(count));) {
    if (count < 1 || count > positions)
      return invalid_argument("count: is " + std::to_string(count) + ", wanted 1 to " +
                              std::to_string(positions));
    ids.resize(static_cast<std::size_t>(count));
    types.resize(ids.size());
    if (!read_all(ids.data(), ids.size() * 4) || !read_all(types.data(), types.size() * 4))
      return invalid_argument("the input ends within a query");
    ANTIPHON_ASSIGN_OR_RETURN(const nlu::Encoded out, pack.encoder->run(ids, types));
    if (!write_all(out.sentence) || !write_all(out.intent) || !write_all(out.tags) ||
        !write_all(out.answer) || std::fflush(stdout) != 0)
      return internal_error("standard output is closed");
  }
  return {};
}

}  // namespace
}  // namespace antiphon::bench

int main(int argc, char** argv) {
  const std::string precision = argc == 3 ? argv[2] : "";
  if (precision != "f32" && precision != "int8") {
    std::fprintf(stderr, "usage: nlu_outputs PACK f32|int8\n");
    return 2;
  }
  const antiphon::Status status = antiphon::bench::run(
      argv[1], precision == "f32" ? antiphon::Precision::kF32 : antiphon::Precision::kInt8);
  if (status.ok()) return 0;
  std::fprintf(stderr, "nlu_outputs: %s\n", status.to_string().c_str());
  return 1;
}
