// Reads a vocabulary; splits texts by it.
#include "asr/pieces.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace antiphon::asr {
namespace {

constexpr std::uintmax_t kMostBytes = 4 << 20;
constexpr std::size_t kMostPieces = 65536;
constexpr std::string_view kMarks[] = {"<end>", "<begin>", "<text>"};

// What is wrong with a piece; empty: nothing.
std::string fault_of(std::string_view name, std::string_view alphabet) {
  if (name.empty()) return "is empty, wanted a piece";
  const std::string_view letters = name.substr(name.front() == '_' ? 1 : 0);
  if (letters.empty()) return "a space without letters, wanted one or more behind it";
  for (const char c : letters)
    if (c == ' ' || alphabet.find(c) == std::string_view::npos)
      return "the piece '" + std::string(name) + "', wanted letters of the alphabet '" +
             std::string(alphabet) + "' behind one underscore or none";
  return "";
}

}  // namespace

Result<Pieces> Pieces::load(const std::string& path, std::string_view alphabet) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  std::ifstream in(path);
  if (error || !in) return not_found(path + ": there is no such file, or it cannot be read");
  if (bytes > kMostBytes)
    return invalid_argument(path + ": has " + std::to_string(bytes) + " bytes, at most " +
                            std::to_string(kMostBytes) + " make a vocabulary");
  Pieces pieces;
  for (std::string line; std::getline(in, line);) {
    const std::size_t number = pieces.names_.size();
    const auto wrong = [&](const std::string& what) {
      return invalid_argument(path + ": line " + std::to_string(number + 1) + ": " + what);
    };
    if (number == kMostPieces)
      return wrong("at most " + std::to_string(kMostPieces) + " pieces make a vocabulary");
    if (number < kNumMarks) {
      if (line != kMarks[number])
        return wrong("is '" + line + "', wanted '" + std::string(kMarks[number]) + "'");
    } else {
      if (const std::string fault = fault_of(line, alphabet); !fault.empty()) return wrong(fault);
      const std::string written = line;
      if (line.front() == '_') line.front() = ' ';
      if (!pieces.numbers_.emplace(line, static_cast<std::int32_t>(number)).second)
        return wrong("the piece '" + written + "' is there twice, wanted once");
      pieces.longest_ = std::max(pieces.longest_, line.size());
    }
    pieces.names_.push_back(line);
  }
  if (pieces.names_.size() < kNumMarks)
    return invalid_argument(path + ": has " + std::to_string(pieces.names_.size()) +
                            " lines, wanted the marks <end>, <begin>, <text> and pieces");
  for (const char c : alphabet)
    for (const std::string& written : {std::string{c}, std::string{'_', c}}) {
      std::string letter = written;
      if (written.size() > 1) letter.front() = ' ';
      if (c != ' ' && !pieces.numbers_.contains(letter))
        return invalid_argument(path + ": has no piece '" + written +
                                "', wanted every letter of the alphabet alone, with and without _");
    }
  return pieces;
}

std::vector<std::int32_t> Pieces::split(std::string_view text) const {
  std::vector<std::int32_t> out;
  std::string word;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    word.assign(1, ' ').append(text.substr(at, end - at));
    at = end + 1;
    for (std::size_t from = 0; word.size() > 1 && from < word.size();) {
      std::size_t size = std::min(longest_, word.size() - from);
      auto found = numbers_.find(std::string_view(word).substr(from, size));
      while (found == numbers_.end() && size > 1)
        found = numbers_.find(std::string_view(word).substr(from, --size));
      // A lone space is no piece: its letter is one together with it.
      ANTIPHON_CHECK(found != numbers_.end());
      out.push_back(found->second);
      from += size;
    }
  }
  return out;
}

std::string Pieces::text(std::span<const std::int32_t> numbers) const {
  std::string out;
  for (const std::int32_t number : numbers)
    if (number >= kNumMarks) out += names_[static_cast<std::size_t>(number)];
  if (!out.empty() && out.front() == ' ') out.erase(0, 1);
  return out;
}

}  // namespace antiphon::asr
