// Reads the ANLM file and answers with back-off.
#include "asr/language_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

namespace antiphon::asr {
namespace {

constexpr std::uint32_t kMagic = 0x4d4c4e41;  // "ANLM"
constexpr std::size_t kCodes = 256;

float half_to_float(std::uint16_t h) {
  const int exponent = (h >> 10) & 31, mantissa = h & 1023;
  const float sign = (h & 0x8000) ? -1.0f : 1.0f;
  if (exponent == 31) return sign * (mantissa ? NAN : INFINITY);
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  return sign * std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
}

// Takes aligned sections off a file; the first that does not fit sticks.
class Sections {
 public:
  explicit Sections(const std::string& bytes) : bytes_(bytes) {}

  template <typename T>
  std::vector<T> take(const char* name, std::size_t count) {
    at_ = (at_ + 7) / 8 * 8;
    if (!status_.ok()) return {};
    if (at_ > bytes_.size() || count > (bytes_.size() - at_) / sizeof(T)) {
      status_ = invalid_argument(std::string(name) + ": reaches beyond the file's " +
                                 std::to_string(bytes_.size()) + " bytes");
      return {};
    }
    std::vector<T> out(count);
    if (count > 0) std::memcpy(out.data(), bytes_.data() + at_, count * sizeof(T));
    at_ += count * sizeof(T);
    return out;
  }
  Status end() const {
    if (!status_.ok()) return status_;
    if (at_ != bytes_.size())
      return invalid_argument("file: " + std::to_string(bytes_.size() - at_) +
                              " bytes are left over");
    return {};
  }
  const Status& status() const { return status_; }

 private:
  const std::string& bytes_;
  std::size_t at_ = 0;
  Status status_;
};

// Where the n-grams of each history begin: running sums of the counts.
Result<std::vector<std::uint32_t>> running_sums(const std::vector<std::uint16_t>& counts,
                                                std::size_t total, const char* name) {
  std::vector<std::uint32_t> begin(counts.size() + 1, 0);
  for (std::size_t i = 0; i < counts.size(); ++i) begin[i + 1] = begin[i] + counts[i];
  if (begin.back() != total)
    return invalid_argument(std::string(name) + ": add up to " + std::to_string(begin.back()) +
                            ", wanted " + std::to_string(total));
  return begin;
}

Status check_ids(const std::vector<std::uint16_t>& ids, const std::vector<std::uint32_t>& begin,
                 std::size_t num_words, const char* name) {
  for (std::size_t h = 0; h + 1 < begin.size(); ++h)
    for (std::uint32_t i = begin[h]; i < begin[h + 1]; ++i) {
      if (ids[i] >= num_words)
        return invalid_argument(std::string(name) + ": word " + std::to_string(ids[i]) + " of " +
                                std::to_string(num_words));
      if (i > begin[h] && ids[i] <= ids[i - 1])
        return invalid_argument(std::string(name) + ": words do not ascend");
    }
  return {};
}

class NgramModel final : public LanguageModel {
 public:
  Status parse(const std::string& bytes);

  LmState start() const override { return {begin_id_, -1}; }
  std::int32_t word(std::string_view text) const override {
    const auto at = std::lower_bound(words_.begin(), words_.end(), text);
    return at != words_.end() && *at == text ? static_cast<std::int32_t>(at - words_.begin()) : -1;
  }
  float score(const LmState& state, std::int32_t word, LmState* next) const override;
  float end(const LmState& state) const override {
    LmState unused;
    return score(state, end_id_, &unused);
  }
  WordRange all_words() const override { return {0, static_cast<std::int32_t>(words_.size())}; }
  WordRange narrowed(const WordRange& range, std::size_t depth, char c) const override;
  float most_likely(const WordRange& range) const override;

 private:
  // Index of `id` in ids[begin, end); -1: not there.
  static std::int64_t find(const std::vector<std::uint16_t>& ids, std::uint32_t begin,
                           std::uint32_t end, std::int32_t id) {
    const auto first = ids.begin() + begin, last = ids.begin() + end;
    const auto at = std::lower_bound(first, last, static_cast<std::uint16_t>(id));
    return at != last && *at == id ? at - ids.begin() : -1;
  }

  static constexpr std::int32_t kBlock = 64;  // words that share an entry of block_most_

  std::vector<std::string> words_;
  std::vector<float> block_most_;
  std::vector<float> unigram_, unigram_backoff_;
  std::vector<float> bigram_code_, backoff_code_, trigram_code_;
  std::vector<std::uint32_t> bigram_begin_, trigram_begin_;
  std::vector<std::uint16_t> bigram_word_, trigram_word_;
  std::vector<std::uint8_t> bigram_, bigram_backoff_, trigram_;
  std::int32_t begin_id_ = -1, end_id_ = -1, unknown_id_ = -1;
};

Status NgramModel::parse(const std::string& bytes) {
  Sections file(bytes);
  const auto head = file.take<std::uint32_t>("head", 8);
  if (!file.status().ok()) return file.status();
  if (head[0] != kMagic) return invalid_argument("magic: is not an ANLM language model");
  if (head[1] != 1)
    return invalid_argument("version: is " + std::to_string(head[1]) + ", wanted 1");
  if (head[2] != 3) return invalid_argument("order: is " + std::to_string(head[2]) + ", wanted 3");
  const std::size_t v = head[3], b = head[4], t = head[5];
  if (v > 65535)
    return invalid_argument("vocabulary: " + std::to_string(v) + " words, at most 65535");
  bigram_code_ = file.take<float>("bigram codebook", kCodes);
  backoff_code_ = file.take<float>("back-off codebook", kCodes);
  trigram_code_ = file.take<float>("trigram codebook", kCodes);
  const auto text = file.take<char>("vocabulary", head[6]);
  for (const std::uint16_t h : file.take<std::uint16_t>("unigrams", v))
    unigram_.push_back(half_to_float(h));
  for (const std::uint16_t h : file.take<std::uint16_t>("unigram back-offs", v))
    unigram_backoff_.push_back(half_to_float(h));
  const auto bigram_counts = file.take<std::uint16_t>("bigram counts", v);
  const auto trigram_counts = file.take<std::uint16_t>("trigram counts", b);
  bigram_word_ = file.take<std::uint16_t>("bigram words", b);
  bigram_ = file.take<std::uint8_t>("bigram probabilities", b);
  bigram_backoff_ = file.take<std::uint8_t>("bigram back-offs", b);
  trigram_word_ = file.take<std::uint16_t>("trigram words", t);
  trigram_ = file.take<std::uint8_t>("trigram probabilities", t);
  ANTIPHON_RETURN_IF_ERROR(file.end());

  ANTIPHON_ASSIGN_OR_RETURN(bigram_begin_, running_sums(bigram_counts, b, "bigram counts"));
  ANTIPHON_ASSIGN_OR_RETURN(trigram_begin_, running_sums(trigram_counts, t, "trigram counts"));
  ANTIPHON_RETURN_IF_ERROR(check_ids(bigram_word_, bigram_begin_, v, "bigram words"));
  ANTIPHON_RETURN_IF_ERROR(check_ids(trigram_word_, trigram_begin_, v, "trigram words"));
  std::string word;
  for (const char c : text) {
    if (c != '\n') {
      word += c;
      continue;
    }
    if (!words_.empty() && words_.back() >= word)
      return invalid_argument("vocabulary: '" + word + "' does not ascend");
    words_.push_back(std::move(word));
    word.clear();
  }
  if (words_.size() != v || !word.empty())
    return invalid_argument("vocabulary: has " + std::to_string(words_.size()) + " words, wanted " +
                            std::to_string(v));
  begin_id_ = this->word("<s>");
  end_id_ = this->word("</s>");
  unknown_id_ = this->word("<unk>");
  if (begin_id_ < 0 || end_id_ < 0 || unknown_id_ < 0)
    return invalid_argument("vocabulary: <s>, </s> or <unk> is missing");
  for (std::size_t i = 0; i < v; i += kBlock)
    block_most_.push_back(
        *std::max_element(unigram_.begin() + static_cast<std::ptrdiff_t>(i),
                          unigram_.begin() + static_cast<std::ptrdiff_t>(std::min(i + kBlock, v))));
  return {};
}

WordRange NgramModel::narrowed(const WordRange& range, std::size_t depth, char c) const {
  const auto letter = [depth](const std::string& word) {  // a word's end comes before any letter
    return depth < word.size() ? static_cast<unsigned char>(word[depth]) : -1;
  };
  const int wanted = static_cast<unsigned char>(c);
  const auto first = words_.begin() + range.begin, last = words_.begin() + range.end;
  const auto begin =
      std::partition_point(first, last, [&](const auto& w) { return letter(w) < wanted; });
  const auto end =
      std::partition_point(begin, last, [&](const auto& w) { return letter(w) <= wanted; });
  return {static_cast<std::int32_t>(begin - words_.begin()),
          static_cast<std::int32_t>(end - words_.begin())};
}

float NgramModel::most_likely(const WordRange& range) const {
  if (range.empty()) return unigram_[static_cast<std::size_t>(unknown_id_)];
  float most = -INFINITY;
  for (std::int32_t i = range.begin; i < range.end;) {
    const bool whole = i % kBlock == 0 && i + kBlock <= range.end;
    most = std::max(most, whole ? block_most_[static_cast<std::size_t>(i / kBlock)]
                                : unigram_[static_cast<std::size_t>(i)]);
    i += whole ? kBlock : 1;
  }
  return most;
}

float NgramModel::score(const LmState& state, std::int32_t word, LmState* next) const {
  const std::int32_t w = word < 0 ? unknown_id_ : word;
  const std::int32_t u = state.before, v = state.last < 0 ? unknown_id_ : state.last;
  *next = {w, v};
  float log_p = 0;
  if (u >= 0) {
    const auto uu = static_cast<std::size_t>(u);
    const std::int64_t uv = find(bigram_word_, bigram_begin_[uu], bigram_begin_[uu + 1], v);
    if (uv >= 0) {
      const auto at = static_cast<std::size_t>(uv);
      const std::int64_t uvw = find(trigram_word_, trigram_begin_[at], trigram_begin_[at + 1], w);
      if (uvw >= 0) return trigram_code_[trigram_[static_cast<std::size_t>(uvw)]];
      log_p += backoff_code_[bigram_backoff_[at]];
    }
  }
  const auto vv = static_cast<std::size_t>(v);
  const std::int64_t vw = find(bigram_word_, bigram_begin_[vv], bigram_begin_[vv + 1], w);
  if (vw >= 0) return log_p + bigram_code_[bigram_[static_cast<std::size_t>(vw)]];
  return log_p + unigram_backoff_[vv] + unigram_[static_cast<std::size_t>(w)];
}

}  // namespace

Result<std::unique_ptr<LanguageModel>> LanguageModel::load(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return not_found(path + ": cannot be opened");
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  auto model = std::make_unique<NgramModel>();
  if (Status s = model->parse(bytes); !s.ok()) return s.with_context(path);
  return std::unique_ptr<LanguageModel>(std::move(model));
}

}  // namespace antiphon::asr
