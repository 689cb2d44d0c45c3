// Softmax over served classes, and spans from BIO tags.
#include "nlu/trained_intents.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "nlu/said_words.h"

namespace antiphon::nlu {
namespace {

// "hwu64/alarm_set" -> "hwu64"
std::string domain_of(const std::string& label) { return label.substr(0, label.find('/')); }
std::string name_of(const std::string& label) { return label.substr(label.find('/') + 1); }

Slot make_slot(std::string name, std::string_view text, std::int32_t start, std::int32_t end) {
  const std::string_view said =
      text.substr(static_cast<std::size_t>(start), static_cast<std::size_t>(end - start));
  std::string value = normalised_value(name, said);
  return {std::move(name), std::move(value), std::string(said), start, end};
}

}  // namespace

TrainedIntent classify(const Labels& labels, const std::vector<std::string>& served,
                       std::span<const float> logits) {
  std::set<int> rows;
  for (const std::string& name : served)
    if (const auto at = labels.domains.find(name); at != labels.domains.end())
      rows.insert(at->second.intents.begin(), at->second.intents.end());
  if (rows.empty()) return {};
  const auto logit = [&](int row) { return logits[static_cast<std::size_t>(row)]; };
  const int best = *std::max_element(rows.begin(), rows.end(),
                                     [&](int a, int b) { return logit(a) < logit(b); });
  double sum = 0;
  for (const int row : rows) sum += std::exp(static_cast<double>(logit(row) - logit(best)));
  TrainedIntent out;
  out.confidence = static_cast<float>(1 / sum);
  const std::string& label = labels.intents[static_cast<std::size_t>(best)];
  if (label == labels.out_of_scope) return out;
  const auto domain = labels.domains.find(domain_of(label));
  if (domain != labels.domains.end() && out.confidence < domain->second.min_confidence) {
    out.confidence = 1 - out.confidence;
    return out;
  }
  out.in_scope = true;
  out.domain = domain_of(label);
  out.intent = name_of(label);
  return out;
}

std::vector<Slot> tagged_slots(const Labels& labels, const TagChain& chain,
                               const std::string& domain, std::string_view text,
                               std::span<const Piece> pieces, std::span<const float> logits) {
  const auto found = labels.domains.find(domain);
  if (found == labels.domains.end() || found->second.tags.empty()) return {};
  std::vector<const float*> words;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    if (pieces[i].first_of_word) words.push_back(logits.data() + (i + 1) * labels.tags.size());
  const std::vector<int> best = chain.best(found->second.tags, words);
  std::vector<Slot> slots;
  std::string open;  // name of the span in progress
  std::int32_t start = 0, end = 0;
  const auto close = [&] {
    if (!open.empty()) slots.push_back(make_slot(open, text, start, end));
    open.clear();
  };
  auto next = best.begin();
  for (const Piece& piece : pieces) {
    if (piece.first_of_word) {
      const std::string& tag = labels.tags[static_cast<std::size_t>(*next++)];
      if (tag[0] != 'I') close();
      if (tag[0] == 'B') {
        open = name_of(tag.substr(2));
        start = piece.start;
      }
    }
    if (!open.empty()) end = piece.end;
  }
  close();
  return slots;
}

std::string normalised_value(std::string_view slot_name, std::string_view text) {
  const std::vector<SaidWord> words = said_words(text);
  if (slot_name.find("time") != slot_name.npos) {
    // "at half past six": the time is behind a preposition.
    static const std::set<std::string> kBefore = {"at", "for", "by", "around"};
    const std::size_t at = !words.empty() && kBefore.contains(words[0].text) ? 1 : 0;
    const auto time = time_at(words, at);
    if (time && (time->sure || at > 0) && at + time->num_words == words.size()) return time->value;
  } else if (const auto number = number_at(words, 0); number && number->num_words == words.size()) {
    return std::to_string(number->value);
  }
  return std::string(text);
}

}  // namespace antiphon::nlu
