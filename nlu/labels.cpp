// Reads labels.json with nlohmann's JSON, whose exceptions end here.
#include "nlu/labels.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace antiphon::nlu {
namespace {

using nlohmann::json;

Status read_names(const json& object, const char* key, std::vector<std::string>& out) {
  if (!object.contains(key)) return {};
  const json& list = object[key];
  if (!list.is_array()) return invalid_argument(std::string(key) + ": wanted a list of strings");
  for (const json& item : list) {
    if (!item.is_string()) return invalid_argument(std::string(key) + ": wanted strings");
    out.push_back(item.get<std::string>());
  }
  return {};
}

Status read_rows(const json& object, const std::string& where, const char* key, std::size_t limit,
                 std::vector<int>& out) {
  const std::string path = where + "." + key;
  if (!object.contains(key) || !object[key].is_array())
    return invalid_argument(path + ": wanted a list of row numbers");
  for (const json& item : object[key]) {
    if (!item.is_number_unsigned() || item.get<std::uint64_t>() >= limit)
      return invalid_argument(path + ": has " + item.dump() + ", wanted row numbers below " +
                              std::to_string(limit));
    out.push_back(item.get<int>());
  }
  return {};
}

template <typename T>
Status read_number(const json& object, const std::string& where, const char* key, double low,
                   double high, T& out) {
  if (!object.contains(key)) return {};
  const json& value = object[key];
  const bool ok = value.is_number() && value.get<double>() >= low && value.get<double>() <= high;
  if (!ok)
    return invalid_argument(where + "." + key + ": is " + value.dump() + ", wanted a number from " +
                            std::to_string(low) + " to " + std::to_string(high));
  out = static_cast<T>(value.get<double>());
  return {};
}

Status read_question(const json& object, QuestionRules& rules) {
  const std::string where = "question";
  ANTIPHON_RETURN_IF_ERROR(read_number(object, where, "min_score", -1000, 1000, rules.min_score));
  ANTIPHON_RETURN_IF_ERROR(
      read_number(object, where, "max_answer_pieces", 1, 512, rules.max_answer_pieces));
  ANTIPHON_RETURN_IF_ERROR(
      read_number(object, where, "window_pieces", 16, 512, rules.window_pieces));
  ANTIPHON_RETURN_IF_ERROR(
      read_number(object, where, "stride_pieces", 1, 512, rules.stride_pieces));
  ANTIPHON_RETURN_IF_ERROR(
      read_number(object, where, "max_question_pieces", 1, 512, rules.max_question_pieces));
  if (rules.max_question_pieces + 4 > rules.window_pieces)
    return invalid_argument("question.max_question_pieces: leaves no room in window_pieces");
  return {};
}

Status read_all(const json& object, Labels& labels) {
  if (!object.is_object()) return invalid_argument("wanted an object");
  ANTIPHON_RETURN_IF_ERROR(read_names(object, "intents", labels.intents));
  ANTIPHON_RETURN_IF_ERROR(read_names(object, "slots", labels.tags));
  labels.out_of_scope = object.value("out_of_scope", labels.out_of_scope);
  labels.default_domain = object.value("default_domain", labels.default_domain);
  if (object.contains("domains")) {
    if (!object["domains"].is_object()) return invalid_argument("domains: wanted an object");
    for (const auto& [name, value] : object["domains"].items()) {
      const std::string where = "domains." + name;
      LabelDomain& domain = labels.domains[name];
      ANTIPHON_RETURN_IF_ERROR(
          read_rows(value, where, "intents", labels.intents.size(), domain.intents));
      ANTIPHON_RETURN_IF_ERROR(read_rows(value, where, "slots", labels.tags.size(), domain.tags));
      ANTIPHON_RETURN_IF_ERROR(
          read_number(value, where, "min_confidence", 0, 1, domain.min_confidence));
    }
  }
  if (!labels.default_domain.empty() && !labels.domains.contains(labels.default_domain))
    return invalid_argument("default_domain: '" + labels.default_domain + "' is none of domains");
  if (object.contains("question")) return read_question(object["question"], labels.question);
  return {};
}

}  // namespace

Result<Labels> parse_labels(const std::string& text, const std::string& name) {
  try {
    Labels labels;
    if (Status s = read_all(json::parse(text), labels); !s.ok()) return s.with_context(name);
    return labels;
  } catch (const std::exception& e) {
    return invalid_argument(name + ": " + e.what());
  }
}

Result<Labels> read_labels(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return not_found(path + ": cannot be opened");
  return parse_labels(std::string((std::istreambuf_iterator<char>(in)), {}), path);
}

}  // namespace antiphon::nlu
