// Reads and searches the lexicon.
#include "tts/phonemes/lexicon.h"

#include <zstd.h>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace antiphon::tts {
namespace {

constexpr unsigned long long kMaxBytes = 64u << 20;

}  // namespace

Result<Lexicon> Lexicon::load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return not_found(path + ": no such lexicon");
  const std::string packed((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
  const unsigned long long size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (size == ZSTD_CONTENTSIZE_ERROR) return invalid_argument(path + ": wanted a zstd frame");
  const bool unknown = size == ZSTD_CONTENTSIZE_UNKNOWN;
  if (!unknown && size > kMaxBytes)
    return invalid_argument(path + ": wanted at most 64 MiB expanded, got " + std::to_string(size) +
                            " bytes");
  std::string text;
  text.resize(unknown ? std::min<std::size_t>(kMaxBytes, packed.size() * 40 + 1024)
                      : static_cast<std::size_t>(size));
  const std::size_t got = ZSTD_decompress(text.data(), text.size(), packed.data(), packed.size());
  if (ZSTD_isError(got)) return invalid_argument(path + ": zstd: " + ZSTD_getErrorName(got));
  text.resize(got);
  return parse(std::move(text), path);
}

Result<Lexicon> Lexicon::parse(std::string text, const std::string& name) {
  Lexicon lexicon;
  lexicon.text_ = std::make_shared<const std::string>(std::move(text));
  const std::string& all = *lexicon.text_;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find('\n', at), all.size());
    const std::size_t tab = all.find('\t', at);
    if (end > at) {
      if (tab >= end)
        return invalid_argument(name + ": line " + std::to_string(lexicon.lines_.size() + 1) +
                                ": wanted word, tab, phonemes");
      lexicon.lines_.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(tab),
                                static_cast<std::uint32_t>(end)});
    }
    at = end + 1;
  }
  const auto before = [&](const Line& a, const Line& b) {
    return lexicon.word_of(a) < lexicon.word_of(b);
  };
  if (!std::is_sorted(lexicon.lines_.begin(), lexicon.lines_.end(), before))
    std::stable_sort(lexicon.lines_.begin(), lexicon.lines_.end(), before);
  return lexicon;
}

std::string_view Lexicon::find(std::string_view word) const {
  const auto found =
      std::lower_bound(lines_.begin(), lines_.end(), word,
                       [&](const Line& line, std::string_view w) { return word_of(line) < w; });
  if (found == lines_.end() || word_of(*found) != word) return {};
  return std::string_view(*text_).substr(found->tab + 1, found->end - found->tab - 1);
}

}  // namespace antiphon::tts
