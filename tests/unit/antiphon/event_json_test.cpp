// Events as JSON: places in a text are characters, not bytes; a final has both forms of its words.
#include "antiphon/event_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace antiphon {
namespace {

using nlohmann::json;

TEST(EventJson, StableCountsCharacters) {
  Transcript t;
  t.text = "caf\u00e9 \U0001F600 now";  // 2 bytes and 4 bytes
  t.stable_bytes = 10;
  EXPECT_EQ(json::parse(partial_json(t))["stable"], 6);
  t.stable_bytes = static_cast<std::int32_t>(t.text.size());
  EXPECT_EQ(json::parse(partial_json(t))["stable"], 10);
  t.stable_bytes = 0;
  EXPECT_EQ(json::parse(partial_json(t))["stable"], 0);
}

TEST(EventJson, SlotsArePlacedByCharacters) {
  Understanding u;
  u.text = "zwei gro\u00dfe lattes";
  u.slots = {{"size", "large", "gro\u00dfe", 5, 11}, {"drink", "latte", "lattes", 12, 18}};
  const json slots = json::parse(understanding_json(u))["slots"];
  EXPECT_EQ(slots[0]["start"], 5);
  EXPECT_EQ(slots[0]["end"], 10);
  EXPECT_EQ(slots[1]["start"], 11);
  EXPECT_EQ(slots[1]["end"], 17);
}

TEST(EventJson, AFinalIsWrittenAndSpoken) {
  Transcript t;
  t.text = "I have 20 cats.";
  t.spoken = "i have twenty cats";
  const json heard = json::parse(final_json(t));
  EXPECT_EQ(heard["text"], "I have 20 cats.");
  EXPECT_EQ(heard["spoken"], "i have twenty cats");
  t.spoken.clear();  // a typed turn
  EXPECT_EQ(json::parse(final_json(t))["spoken"], "I have 20 cats.");
}

}  // namespace
}  // namespace antiphon
