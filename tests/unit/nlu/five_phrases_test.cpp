// Typed coffee orders by the pack that ships and an assistant of five phrases an intent.
#include <gtest/gtest.h>

#include "nlu/understander.h"
#include "tests/unit/nlu/coffee_orders.h"

namespace antiphon::nlu {
namespace {

TEST(FivePhrases, AreEnoughForCoffeeOrders) {
  const std::string models = ANTIPHON_SOURCE_DIR "/models/";
  const auto spec = read_assistant(models + "assistants/coffee.toml");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  UnderstanderConfig config;
  config.pack_dir = models + "nlu-en";
  config.assistant = *spec;
  for (IntentSpec& intent : config.assistant.intents)
    if (intent.phrases.size() > 5) intent.phrases.resize(5);
  const auto understander = create_understander(config);
  ASSERT_TRUE(understander.ok()) << understander.status().message();
  std::size_t right = 0;
  std::string wrong;
  for (const CoffeeOrder& order : coffee_orders()) {
    const auto u = (*understander)->understand({.text = order.text, .context = {}});
    ASSERT_TRUE(u.ok()) << order.text;
    std::vector<std::pair<std::string, std::string>> slots;
    for (const Slot& s : u->slots) slots.emplace_back(s.name, s.value);
    if (u->domain == "assistant" && u->intent == "order_drink" && slots == order.slots)
      ++right;
    else
      wrong += order.text + ": " + u->domain + "/" + u->intent + "\n";
  }
  RecordProperty("right", static_cast<int>(right));
  EXPECT_GE(10 * right, 9 * coffee_orders().size()) << wrong;
  std::printf("%zu of %zu orders are right\n%s", right, coffee_orders().size(), wrong.c_str());
}

}  // namespace
}  // namespace antiphon::nlu
