// Basic tokenization by ICU's character properties, then greedy longest-match pieces.
#include "nlu/wordpiece.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <fstream>

namespace antiphon::nlu {
namespace {

constexpr std::size_t kMaxWordChars = 100;

// A character of the normalised text, and the bytes of the original it came from.
struct Char {
  UChar32 c;
  std::int32_t start, end;
};

bool is_cjk(UChar32 c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B820 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool is_space(UChar32 c) {
  const int type = u_charType(c);
  if (type == U_LINE_SEPARATOR || type == U_PARAGRAPH_SEPARATOR) return true;
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || type == U_SPACE_SEPARATOR;
}

bool is_dropped(UChar32 c) {
  if (c == 0 || c == 0xFFFD) return true;
  if (c == '\t' || c == '\n' || c == '\r') return false;
  const int type = u_charType(c);
  return type == U_CONTROL_CHAR || type == U_FORMAT_CHAR || type == U_PRIVATE_USE_CHAR ||
         type == U_SURROGATE || type == U_UNASSIGNED;
}

bool is_punctuation(UChar32 c) {
  if ((c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
      (c >= 123 && c <= 126))
    return true;
  return u_ispunct(c);
}

Result<std::vector<Char>> decode(std::string_view text) {
  std::vector<Char> chars;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  const auto length = static_cast<std::int32_t>(text.size());
  for (std::int32_t at = 0; at < length;) {
    const std::int32_t start = at;
    UChar32 c = 0;
    U8_NEXT(bytes, at, length, c);
    if (c < 0) return invalid_argument("text: byte " + std::to_string(start) + " is not UTF-8");
    if (!is_dropped(c)) chars.push_back({c, start, at});
  }
  return chars;
}

// Lower case, decomposed, without combining marks; several characters may come from one.
void fold(const Char& in, const icu::Normalizer2* nfd, std::vector<Char>& out) {
  if (in.c < 128) {
    out.push_back({in.c >= 'A' && in.c <= 'Z' ? in.c + 32 : in.c, in.start, in.end});
    return;
  }
  icu::UnicodeString text(in.c);
  text.toLower(icu::Locale::getRoot());
  UErrorCode error = U_ZERO_ERROR;
  const icu::UnicodeString decomposed = nfd->normalize(text, error);
  if (U_SUCCESS(error)) text = decomposed;
  for (std::int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) {
    const UChar32 c = text.char32At(i);
    if (u_charType(c) != U_NON_SPACING_MARK) out.push_back({c, in.start, in.end});
  }
}

void append_utf8(UChar32 c, std::string& out) {
  std::uint8_t buffer[4];
  std::int32_t n = 0;
  UBool error = false;
  U8_APPEND(buffer, n, 4, c, error);
  if (!error) out.append(reinterpret_cast<const char*>(buffer), static_cast<std::size_t>(n));
}

std::vector<std::vector<Char>> split_words(const std::vector<Char>& chars) {
  std::vector<std::vector<Char>> words;
  bool open = false;
  for (const Char& c : chars) {
    if (is_space(c.c)) {
      open = false;
    } else if (is_punctuation(c.c) || is_cjk(c.c)) {
      words.push_back({c});
      open = false;
    } else {
      if (!open) words.emplace_back();
      words.back().push_back(c);
      open = true;
    }
  }
  return words;
}

}  // namespace

Result<WordPiece> WordPiece::load(const std::string& path) {
  std::ifstream in(path);
  if (!in) return not_found(path + ": cannot be opened");
  std::vector<std::string> pieces;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    pieces.push_back(line);
  }
  auto made = create(pieces);
  if (!made.ok()) return made.status().with_context(path);
  return made;
}

Result<WordPiece> WordPiece::create(const std::vector<std::string>& pieces) {
  WordPiece tokenizer;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    tokenizer.ids_.emplace(pieces[i], static_cast<std::int32_t>(i));
  const std::pair<const char*, std::int32_t*> special[] = {{"[CLS]", &tokenizer.cls_},
                                                           {"[SEP]", &tokenizer.sep_},
                                                           {"[PAD]", &tokenizer.pad_},
                                                           {"[UNK]", &tokenizer.unk_}};
  for (const auto& [piece, id] : special) {
    *id = tokenizer.find(piece);
    if (*id < 0) return invalid_argument("vocabulary: has no " + std::string(piece));
  }
  return tokenizer;
}

std::int32_t WordPiece::find(std::string_view piece) const {
  const auto at = ids_.find(piece);
  return at == ids_.end() ? -1 : at->second;
}

Result<std::vector<Piece>> WordPiece::encode(std::string_view text) const {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(error);
  if (U_FAILURE(error)) return internal_error("ICU has no NFD data");
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Char> raw, decode(text));
  std::vector<Char> chars;
  chars.reserve(raw.size());
  for (const Char& c : raw) fold(c, nfd, chars);

  std::vector<Piece> pieces;
  std::int32_t word_index = 0;
  for (const std::vector<Char>& word : split_words(chars)) {
    const std::size_t before = pieces.size();
    bool known = word.size() <= kMaxWordChars;
    for (std::size_t at = 0; known && at < word.size();) {
      std::string piece = at == 0 ? "" : "##";
      std::int32_t best = -1;
      std::size_t best_end = at;
      for (std::size_t end = at; end < word.size(); ++end) {
        append_utf8(word[end].c, piece);
        if (const std::int32_t id = find(piece); id >= 0) {
          best = id;
          best_end = end + 1;
        }
      }
      known = best >= 0;
      if (!known) break;
      pieces.push_back({best, word[at].start, word[best_end - 1].end, word_index, at == 0});
      at = best_end;
    }
    if (!known) {
      pieces.resize(before);
      pieces.push_back({unk_, word.front().start, word.back().end, word_index, true});
    }
    ++word_index;
  }
  return pieces;
}

}  // namespace antiphon::nlu
