// Reads assistant.toml with toml++, whose exceptions end here.
#include "pipeline/assistant_spec.h"

#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <set>

#include "pipeline/placeholder.h"

namespace antiphon {
namespace {

Status check_keys(const toml::table& table, const std::string& where,
                  std::initializer_list<const char*> known) {
  for (const auto& [key, value] : table) {
    const std::string_view name = key.str();
    if (std::none_of(known.begin(), known.end(), [&](const char* k) { return name == k; })) {
      std::string list;
      for (const char* k : known) list += std::string(list.empty() ? "" : ", ") + k;
      return invalid_argument(where + ": unknown key '" + std::string(name) + "'; known: " + list);
    }
  }
  return {};
}

Status read_text(const toml::table& table, const std::string& where, const char* key, bool wanted,
                 std::string& out) {
  const auto node = table[key];
  if (!node) return wanted ? invalid_argument(where + ": '" + key + "' is missing") : Status();
  const auto text = node.value_exact<std::string>();
  if (!text) return invalid_argument(where + "." + key + ": wanted a string");
  out = *text;
  return {};
}

Status read_flag(const toml::table& table, const std::string& where, const char* key, bool& out) {
  const auto node = table[key];
  if (!node) return {};
  const auto flag = node.value_exact<bool>();
  if (!flag) return invalid_argument(where + "." + key + ": wanted true or false");
  out = *flag;
  return {};
}

Result<std::vector<std::string>> strings(const toml::node_view<const toml::node>& node,
                                         const std::string& where) {
  std::vector<std::string> out;
  const toml::array* array = node.as_array();
  if (!array) return invalid_argument(where + ": wanted a list of strings");
  for (const toml::node& item : *array) {
    const auto text = item.value_exact<std::string>();
    if (!text || text->empty())
      return invalid_argument(where + ": wanted strings that are not empty");
    out.push_back(*text);
  }
  return out;
}

// values = ["latte", ["large", "big", "grande"]]: a list's first string is the value.
Status read_values(const toml::table& table, const std::string& where, SlotSpec& slot) {
  const toml::array* array = table["values"].as_array();
  if (!array || array->empty())
    return invalid_argument(where +
                            ".values: wanted a list, as in [\"small\", [\"large\", \"big\"]]");
  for (const toml::node& item : *array) {
    SlotValue value;
    if (const auto text = item.value_exact<std::string>()) {
      value.said_as = {*text};
    } else {
      ANTIPHON_ASSIGN_OR_RETURN(
          value.said_as, strings(toml::node_view<const toml::node>(item), where + ".values"));
    }
    if (value.said_as.empty() || value.said_as.front().empty())
      return invalid_argument(where + ".values: an entry is empty");
    value.value = value.said_as.front();
    slot.values.push_back(std::move(value));
  }
  return {};
}

Result<SlotSpec> read_slot(const toml::table& table, const std::string& intent) {
  SlotSpec slot;
  ANTIPHON_RETURN_IF_ERROR(read_text(table, intent + ": slot", "name", true, slot.name));
  const std::string where = intent + ": slot '" + slot.name + "'";
  ANTIPHON_RETURN_IF_ERROR(
      check_keys(table, where, {"name", "type", "values", "required", "ask", "default"}));
  std::string type = "list";
  ANTIPHON_RETURN_IF_ERROR(read_text(table, where, "type", false, type));
  static const std::pair<const char*, SlotType> kTypes[] = {{"list", SlotType::kList},
                                                            {"number", SlotType::kNumber},
                                                            {"time", SlotType::kTime},
                                                            {"text", SlotType::kText},
                                                            {"letters", SlotType::kLetters}};
  const auto found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const auto& t) { return type == t.first; });
  if (found == std::end(kTypes))
    return invalid_argument(where + ".type: is '" + type +
                            "', wanted list, number, time, text or letters");
  slot.type = found->second;
  if (slot.type == SlotType::kList) ANTIPHON_RETURN_IF_ERROR(read_values(table, where, slot));
  ANTIPHON_RETURN_IF_ERROR(read_flag(table, where, "required", slot.required));
  ANTIPHON_RETURN_IF_ERROR(read_text(table, where, "ask", slot.required, slot.ask));
  ANTIPHON_RETURN_IF_ERROR(read_text(table, where, "default", false, slot.fallback));
  return slot;
}

bool has_slot(const IntentSpec& intent, std::string_view name) {
  return std::ranges::any_of(intent.slots, [&](const SlotSpec& s) { return s.name == name; });
}

// Every {name} in `text` must be a slot; a reply may say how its value is put.
Status check_placeholders(const IntentSpec& intent, const std::string& text, const char* key,
                          bool is_reply) {
  for (std::size_t at = text.find('{'); at != std::string::npos; at = text.find('{', at + 1)) {
    const std::size_t close = text.find('}', at);
    const std::string name = close == std::string::npos ? "" : text.substr(at + 1, close - at - 1);
    const auto place =
        is_reply ? read_placeholder(name) : std::optional<Placeholder>({.slot = name});
    if (!place || !has_slot(intent, place->slot) ||
        (!place->count.empty() && !has_slot(intent, place->count)))
      return invalid_argument("intent '" + intent.name + "'." + key + ": '" + text +
                              "' names no slot '" + name + "'");
  }
  return {};
}

Result<IntentSpec> read_intent(const toml::table& table) {
  IntentSpec intent;
  ANTIPHON_RETURN_IF_ERROR(read_text(table, "intent", "name", true, intent.name));
  const std::string where = "intent '" + intent.name + "'";
  ANTIPHON_RETURN_IF_ERROR(check_keys(
      table, where, {"name", "phrases", "slot", "reply", "confirm", "cancelled", "ends_dialog"}));
  ANTIPHON_ASSIGN_OR_RETURN(intent.phrases, strings(table["phrases"], where + ".phrases"));
  if (intent.phrases.empty())
    return invalid_argument(where + ".phrases: wanted at least one example");
  ANTIPHON_RETURN_IF_ERROR(read_text(table, where, "reply", true, intent.reply));
  ANTIPHON_RETURN_IF_ERROR(read_text(table, where, "confirm", false, intent.confirm));
  ANTIPHON_RETURN_IF_ERROR(read_text(table, where, "cancelled", false, intent.cancelled));
  ANTIPHON_RETURN_IF_ERROR(read_flag(table, where, "ends_dialog", intent.ends_dialog));
  if (table["slot"]) {
    const toml::array* slots = table["slot"].as_array();
    if (!slots) return invalid_argument(where + ": slots are written as [[intent.slot]]");
    for (const toml::node& node : *slots) {
      if (!node.as_table())
        return invalid_argument(where + ": slots are written as [[intent.slot]]");
      ANTIPHON_ASSIGN_OR_RETURN(SlotSpec slot, read_slot(*node.as_table(), where));
      for (const SlotSpec& other : intent.slots)
        if (other.name == slot.name)
          return invalid_argument(where + ": slot '" + slot.name + "' is there twice");
      intent.slots.push_back(std::move(slot));
    }
  }
  for (const std::string& phrase : intent.phrases)
    ANTIPHON_RETURN_IF_ERROR(check_placeholders(intent, phrase, "phrases", false));
  ANTIPHON_RETURN_IF_ERROR(check_placeholders(intent, intent.reply, "reply", true));
  ANTIPHON_RETURN_IF_ERROR(check_placeholders(intent, intent.confirm, "confirm", true));
  return intent;
}

Result<AssistantSpec> read_spec(const toml::table& table) {
  AssistantSpec spec;
  ANTIPHON_RETURN_IF_ERROR(
      check_keys(table, "assistant", {"name", "greeting", "voice", "not_understood", "intent"}));
  ANTIPHON_RETURN_IF_ERROR(read_text(table, "assistant", "name", true, spec.name));
  ANTIPHON_RETURN_IF_ERROR(read_text(table, "assistant", "greeting", false, spec.greeting));
  ANTIPHON_RETURN_IF_ERROR(read_text(table, "assistant", "voice", false, spec.voice));
  ANTIPHON_RETURN_IF_ERROR(
      read_text(table, "assistant", "not_understood", false, spec.not_understood));
  const toml::array* intents = table["intent"].as_array();
  if (!intents) return invalid_argument("assistant: has no [[intent]]");
  std::set<std::string> names;
  for (const toml::node& node : *intents) {
    if (!node.as_table()) return invalid_argument("assistant: intents are written as [[intent]]");
    ANTIPHON_ASSIGN_OR_RETURN(IntentSpec intent, read_intent(*node.as_table()));
    if (!names.insert(intent.name).second)
      return invalid_argument("intent '" + intent.name + "' is there twice");
    spec.intents.push_back(std::move(intent));
  }
  return spec;
}

}  // namespace

const IntentSpec* AssistantSpec::find(const std::string& intent) const {
  for (const IntentSpec& i : intents)
    if (i.name == intent) return &i;
  return nullptr;
}

Result<AssistantSpec> parse_assistant(const std::string& toml, const std::string& name) {
  try {
    auto spec = read_spec(toml::parse(toml));
    if (!spec.ok()) return spec.status().with_context(name);
    return spec;
  } catch (const toml::parse_error& e) {
    return invalid_argument(name + ": line " + std::to_string(e.source().begin.line) + ": " +
                            std::string(e.description()));
  } catch (const std::exception& e) {
    return invalid_argument(name + ": " + e.what());
  }
}

Result<AssistantSpec> read_assistant(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return not_found(path + ": cannot be opened");
  return parse_assistant(std::string((std::istreambuf_iterator<char>(in)), {}), path);
}

}  // namespace antiphon
