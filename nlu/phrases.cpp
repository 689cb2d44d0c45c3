// Splits phrases at their slots and fills them with values.
#include "nlu/phrases.h"

#include <algorithm>
#include <array>

namespace antiphon::nlu {
namespace {

// What stands for the slot in variant `v`; lists go through their values in a fixed order.
std::string sample_value(const SlotSpec& slot, std::size_t v) {
  static constexpr std::array kNumbers = {"two", "three", "five"};
  static constexpr std::array kTimes = {"seven thirty", "noon", "five p m"};
  static constexpr std::array kLetters = {"a b c", "x y z", "k l m"};
  switch (slot.type) {
    case SlotType::kList:
      return slot.values.empty() ? slot.name : slot.values[(v * 7 + 1) % slot.values.size()].value;
    case SlotType::kNumber: return kNumbers[v % kNumbers.size()];
    case SlotType::kTime: return kTimes[v % kTimes.size()];
    case SlotType::kLetters: return kLetters[v % kLetters.size()];
    case SlotType::kText: break;
  }
  return slot.name;
}

}  // namespace

std::vector<PhrasePart> phrase_parts(std::string_view phrase) {
  std::vector<PhrasePart> parts;
  while (!phrase.empty()) {
    const std::size_t open = phrase.find('{');
    const std::size_t close = open == phrase.npos ? open : phrase.find('}', open);
    if (close == phrase.npos) {
      parts.push_back({false, std::string(phrase)});
      break;
    }
    if (open > 0) parts.push_back({false, std::string(phrase.substr(0, open))});
    parts.push_back({true, std::string(phrase.substr(open + 1, close - open - 1))});
    phrase.remove_prefix(close + 1);
  }
  return parts;
}

std::string said_name(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string plain_phrase(std::string_view phrase) {
  std::string out;
  for (const PhrasePart& part : phrase_parts(phrase))
    out += part.is_slot ? said_name(part.text) : part.text;
  return out;
}

std::vector<Example> expand_phrases(const IntentSpec& intent, int most) {
  std::vector<Example> out;
  for (std::size_t p = 0; p < intent.phrases.size(); ++p) {
    const std::vector<PhrasePart> parts = phrase_parts(intent.phrases[p]);
    for (int variant = 0; variant < most; ++variant) {
      Example example;
      example.phrase = static_cast<int>(p);
      for (const PhrasePart& part : parts) {
        const auto slot = std::find_if(intent.slots.begin(), intent.slots.end(),
                                       [&](const SlotSpec& s) { return s.name == part.text; });
        const bool fills = part.is_slot && slot != intent.slots.end();
        example.num_slots += fills;
        example.text +=
            fills ? sample_value(*slot, p + static_cast<std::size_t>(variant)) : part.text;
      }
      const bool varies = example.num_slots > 0;
      out.push_back(std::move(example));
      if (!varies) break;
    }
  }
  return out;
}

}  // namespace antiphon::nlu
