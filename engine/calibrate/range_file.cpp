// The text file of a calibration.
#include <charconv>
#include <cmath>
#include <fstream>
#include <optional>
#include <sstream>

#include "engine/calibrate.h"

namespace antiphon {
namespace {

constexpr std::string_view kFirstLine = "antiphon ranges 1";

std::string number(float value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

// Takes the text up to the next space.
std::string_view word(std::string_view& rest) {
  const std::size_t end = std::min(rest.find(' '), rest.size());
  const std::string_view out = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return out;
}

template <typename T>
bool read_all(std::string_view text, T& value, int base) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}
bool read_all(std::string_view text, float& value) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() && std::isfinite(value);
}

// "LOW HIGH [SHAPE] TENSOR"
std::string read_range(std::string_view rest, Calibration& out) {
  TensorRange range;
  if (!read_all(word(rest), range.low) || !read_all(word(rest), range.high))
    return "wanted two finite numbers";
  if (range.low > range.high) return "wanted the low end first";
  const std::size_t close = rest.find(']');
  if (rest.empty() || rest[0] != '[' || close == std::string_view::npos ||
      close + 2 >= rest.size() || rest[close + 1] != ' ')
    return "wanted [SHAPE] and the tensor's name";
  range.shape = rest.substr(0, close + 1);
  const std::string tensor(rest.substr(close + 2));
  if (!out.ranges.emplace(tensor, range).second) return "tensor '" + tensor + "' was there before";
  return {};
}

// What is wrong with the line; empty: nothing.
std::string read_line(std::string_view line, Calibration& out) {
  std::string_view rest = line;
  const std::string kind(word(rest));
  if (kind == "range") return read_range(rest, out);
  if (rest.empty()) return kind + ": wanted a value behind it";
  if (kind == "method") {
    out.method = rest;
  } else if (kind == "samples") {
    if (!read_all(rest, out.num_samples, 10)) return "wanted a whole number";
  } else if (kind == "weights") {
    if (!read_all(rest, out.weights_hash, 16)) return "wanted a hexadecimal number";
  } else if (kind == "f32") {
    out.keep_f32.emplace(rest);
  } else {
    return kind + ": wanted method, samples, weights, range or f32";
  }
  return {};
}

}  // namespace

Status Calibration::save(const std::string& path) const {
  std::ofstream file(path, std::ios::binary);
  file << kFirstLine << "\nmethod " << method << "\nsamples " << num_samples << "\nweights "
       << std::hex << weights_hash << std::dec << "\n";
  for (const auto& [tensor, range] : ranges)
    file << "range " << number(range.low) << " " << number(range.high) << " " << range.shape << " "
         << tensor << "\n";
  for (const std::string& layer : keep_f32) file << "f32 " << layer << "\n";
  file.close();
  return file ? Status() : internal_error(path + ": cannot be written");
}

Result<Calibration> Calibration::load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return not_found(path + ": no such file");
  std::string line;
  std::getline(file, line);
  if (line != kFirstLine)
    return invalid_argument(path + ": not a file of ranges: wanted '" + std::string(kFirstLine) +
                            "' in its first line");
  Calibration out;
  for (int at = 2; std::getline(file, line); ++at) {
    if (line.empty() || line[0] == '#') continue;
    if (const std::string wrong = read_line(line, out); !wrong.empty())
      return invalid_argument(path + ":" + std::to_string(at) + ": " + wrong);
  }
  return out;
}

}  // namespace antiphon
