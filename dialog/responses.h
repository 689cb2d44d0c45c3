// responses.toml: what is said for each trained intent.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/base/status.h"
#include "pipeline/messages.h"

namespace antiphon::dialog {

// Puts slot values in place of {name}, and as pipeline/placeholder.h says of {name in words} and
// {name by count}. A part in [brackets] is left out when a slot in it is not
// there: "One {size} {drink}[ with {milk}]." Brackets are not nested. False: a slot outside of
// brackets is not there.
bool fill_template(const std::string& text, const std::vector<Slot>& slots, std::string& out);

// Immutable: any thread. The file:
//   not_understood = "..."   fallback = "..."
//   [reply]
//   play_music = ["Playing {artist}.", "Playing music."]  # the first whose slots are known
class Responses {
 public:
  static Result<Responses> load(const std::string& path);

  // Empty: nothing is written for this intent, and there is no fallback.
  std::string reply(const std::string& intent, const std::vector<Slot>& slots) const;
  const std::string& not_understood() const { return not_understood_; }

 private:
  std::string not_understood_, fallback_;
  std::map<std::string, std::vector<std::string>> replies_;
};

}  // namespace antiphon::dialog
