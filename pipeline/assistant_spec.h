// A user's own assistant as assistant.toml describes it: intents by example, their slots and what
// to say.
#pragma once

#include <string>
#include <vector>

#include "engine/base/status.h"

namespace antiphon {

// Domains of an Understanding: the user's own intents, and answers to what the assistant asked.
inline constexpr const char* kAssistantDomain = "assistant";
inline constexpr const char* kDialogDomain = "dialog";
// Intents of kDialogDomain.
inline constexpr const char* kAffirm = "affirm";
inline constexpr const char* kDeny = "deny";
inline constexpr const char* kCancel = "cancel";

enum class SlotType { kList, kNumber, kTime, kText, kLetters };

struct SlotValue {
  std::string value;                 // what the program gets
  std::vector<std::string> said_as;  // what people say; holds `value` too
};

struct SlotSpec {
  std::string name;
  SlotType type = SlotType::kList;
  std::vector<SlotValue> values;  // kList
  bool required = false;
  std::string ask;       // said when a required slot is missing
  std::string fallback;  // value when it was not said; empty: none
};

struct IntentSpec {
  std::string name;
  std::vector<std::string> phrases;  // "i would like a {size} {drink}"
  std::vector<SlotSpec> slots;
  std::string reply;    // "One {size} {drink}, coming up."
  std::string confirm;  // question before it is done; empty: done at once
  std::string cancelled = "All right, I have cancelled that.";
  bool ends_dialog = false;
};

struct AssistantSpec {
  std::string name;
  std::string greeting;
  std::string voice;  // that replies are spoken in; empty: the pack's first
  std::string not_understood = "Sorry, I did not understand that.";
  std::vector<IntentSpec> intents;

  const IntentSpec* find(const std::string& intent) const;
};

// Reads a file. kNotFound; kInvalidArgument: names file, line where known, intent and key, with
// what was wanted. Unknown keys are errors. A phrase's {slot} must be one of its intent's slots.
Result<AssistantSpec> read_assistant(const std::string& path);
Result<AssistantSpec> parse_assistant(const std::string& toml, const std::string& name);

}  // namespace antiphon
