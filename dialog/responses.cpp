// Reads responses.toml and fills templates.
#include "dialog/responses.h"

#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "dialog/wording.h"
#include "pipeline/placeholder.h"

namespace antiphon::dialog {
namespace {

Status read(const toml::table& table, std::string& not_understood, std::string& fallback,
            std::map<std::string, std::vector<std::string>>& replies) {
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (name == "not_understood" || name == "fallback") {
      const auto text = node.value_exact<std::string>();
      if (!text) return invalid_argument(name + ": wanted a string");
      (name == "fallback" ? fallback : not_understood) = *text;
    } else if (name != "reply" || !node.is_table()) {
      return invalid_argument("unknown key '" + name +
                              "'; known: not_understood, fallback, [reply]");
    }
  }
  const toml::table* section = table["reply"].as_table();
  if (!section) return invalid_argument("[reply]: is missing");
  for (const auto& [key, node] : *section) {
    const std::string intent(key.str());
    if (const auto one = node.value_exact<std::string>()) {
      replies[intent] = {*one};
      continue;
    }
    const toml::array* list = node.as_array();
    if (!list || list->empty())
      return invalid_argument("reply." + intent + ": wanted a string or a list of strings");
    for (const toml::node& item : *list) {
      const auto text = item.value_exact<std::string>();
      if (!text) return invalid_argument("reply." + intent + ": wanted strings");
      replies[intent].push_back(*text);
    }
  }
  return {};
}

}  // namespace

namespace {

const Slot* find_slot(const std::vector<Slot>& slots, std::string_view name) {
  const auto at = std::ranges::find(slots, name, &Slot::name);
  return at == slots.end() ? nullptr : &*at;
}

const std::string& value_of(const Slot& slot) {
  return slot.value.empty() ? slot.text : slot.value;
}

// Appends what stands for {text}. False: it is no placeholder, or a slot of it is not there.
bool fill_placeholder(std::string_view text, const std::vector<Slot>& slots, std::string& out) {
  const std::optional<Placeholder> place = read_placeholder(text);
  const Slot* slot = place ? find_slot(slots, place->slot) : nullptr;
  if (!slot) return false;
  if (place->in_words) {
    out += in_words(value_of(*slot));
    return true;
  }
  const Slot* count = place->count.empty() ? nullptr : find_slot(slots, place->count);
  if (!count && !place->count.empty()) return false;
  out += count && value_of(*count) != "1" ? plural(value_of(*slot)) : value_of(*slot);
  return true;
}

}  // namespace

bool fill_template(const std::string& text, const std::vector<Slot>& slots, std::string& out) {
  out.clear();
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '[') {
      const std::size_t close = std::min(text.find(']', at), text.size());
      std::string part;
      if (fill_template(text.substr(at + 1, close - at - 1), slots, part)) out += part;
      at = close + 1;
    } else if (text[at] == '{') {
      const std::size_t close = text.find('}', at);
      if (close == std::string::npos) return false;
      const std::string_view name = std::string_view(text).substr(at + 1, close - at - 1);
      if (!fill_placeholder(name, slots, out)) return false;
      at = close + 1;
    } else {
      out += text[at++];
    }
  }
  return true;
}

Result<Responses> Responses::load(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return not_found(path + ": there is no such file");
  try {
    Responses responses;
    const toml::table table = toml::parse_file(path);
    if (Status s = read(table, responses.not_understood_, responses.fallback_, responses.replies_);
        !s.ok())
      return s.with_context(path);
    return responses;
  } catch (const toml::parse_error& e) {
    return invalid_argument(path + ": line " + std::to_string(e.source().begin.line) + ": " +
                            std::string(e.description()));
  } catch (const std::exception& e) {
    return invalid_argument(path + ": " + e.what());
  }
}

std::string Responses::reply(const std::string& intent, const std::vector<Slot>& slots) const {
  std::string out;
  const auto found = replies_.find(intent);
  if (found != replies_.end())
    for (const std::string& text : found->second)
      if (fill_template(text, slots, out)) return out;
  if (!fallback_.empty()) {
    std::string readable = intent;
    std::replace(readable.begin(), readable.end(), '_', ' ');
    fill_template(fallback_, {{"intent", readable, "", 0, 0}}, out);
    return out;
  }
  return {};
}

}  // namespace antiphon::dialog
