// The slots of typed coffee orders with the assistant that ships.
#include <gtest/gtest.h>

#include <algorithm>

#include "nlu/slot_matcher.h"
#include "tests/unit/nlu/coffee_orders.h"

namespace antiphon::nlu {
namespace {

TEST(CoffeeSlots, TypedOrders) {
  const auto spec = read_assistant(ANTIPHON_SOURCE_DIR "/models/assistants/coffee.toml");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  const IntentSpec& order = *spec->find("order_drink");
  EXPECT_GE(coffee_orders().size(), 40u);
  for (const CoffeeOrder& want : coffee_orders()) {
    EXPECT_EQ(std::count(order.phrases.begin(), order.phrases.end(), want.text), 0);
    std::vector<std::pair<std::string, std::string>> got;
    for (const Slot& s : match_slots(order, want.text, "")) got.emplace_back(s.name, s.value);
    EXPECT_EQ(got, want.slots) << want.text;
  }
}

}  // namespace
}  // namespace antiphon::nlu
