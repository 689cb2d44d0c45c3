// Typed coffee orders, none of which is a phrase of the assistant, and what is in them.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace antiphon::nlu {

struct CoffeeOrder {
  std::string text;
  std::vector<std::pair<std::string, std::string>> slots;  // all that are said, in order
};

inline const std::vector<CoffeeOrder>& coffee_orders() {
  static const std::vector<CoffeeOrder> kOrders = {
      {"hi could I please get a large cappuccino", {{"size", "large"}, {"drink", "cappuccino"}}},
      {"I'd love a small latte with oat milk",
       {{"size", "small"}, {"drink", "latte"}, {"milk", "oat milk"}}},
      {"two flat whites to go", {{"number", "2"}, {"drink", "flat white"}}},
      {"can you make me an espresso", {{"drink", "espresso"}}},
      {"one double espresso please", {{"number", "1"}, {"drink", "double espresso"}}},
      {"we need three big americanos",
       {{"number", "3"}, {"size", "large"}, {"drink", "americano"}}},
      {"a medium mocha with whipped cream thanks",
       {{"size", "medium"}, {"drink", "mocha"}, {"extras", "whipped cream"}}},
      {"let me have a grande vanilla latte",
       {{"size", "medium"}, {"extras", "vanilla syrup"}, {"drink", "latte"}}},
      {"iced coffee, large, no sugar",
       {{"drink", "iced coffee"}, {"size", "large"}, {"extras", "no sugar"}}},
      {"I want a cold brew", {{"drink", "cold brew"}}},
      {"give us a couple of hot chocolates", {{"number", "2"}, {"drink", "hot chocolate"}}},
      {"could we get four regular teas",
       {{"number", "4"}, {"size", "medium"}, {"drink", "black tea"}}},
      {"I think I'll take the chai", {{"drink", "chai latte"}}},
      {"may I have a tall soy latte",
       {{"size", "small"}, {"milk", "soy milk"}, {"drink", "latte"}}},
      {"just a black coffee", {{"drink", "americano"}}},
      {"one small macchiato with caramel",
       {{"number", "1"}, {"size", "small"}, {"drink", "macchiato"}, {"extras", "caramel syrup"}}},
      {"a latte macchiato, the biggest you have", {{"drink", "macchiato"}, {"size", "large"}}},
      {"cappucino with an extra shot please",
       {{"drink", "cappuccino"}, {"extras", "an extra shot"}}},
      {"I would fancy a green tea", {{"drink", "green tea"}}},
      {"large filter coffee for Peter",
       {{"size", "large"}, {"drink", "filter coffee"}, {"name", "Peter"}}},
      {"can I order five small espressos",
       {{"number", "5"}, {"size", "small"}, {"drink", "espresso"}}},
      {"an oat flat white would be great", {{"milk", "oat milk"}, {"drink", "flat white"}}},
      {"do me a medium americano without sugar",
       {{"size", "medium"}, {"drink", "americano"}, {"extras", "no sugar"}}},
      {"a huge iced latte with almond milk",
       {{"size", "large"}, {"drink", "iced latte"}, {"milk", "almond milk"}}},
      {"please bring me a mocha, my name is Maria", {{"drink", "mocha"}, {"name", "Maria"}}},
      {"a latte and make it large", {{"drink", "latte"}, {"size", "large"}}},
      {"hot chocolate with cinnamon in a small cup",
       {{"drink", "hot chocolate"}, {"extras", "cinnamon"}, {"size", "small"}}},
      {"six large lattes with skimmed milk",
       {{"number", "6"}, {"size", "large"}, {"drink", "latte"}, {"milk", "skim milk"}}},
      {"I'm in the mood for a cappuccino", {{"drink", "cappuccino"}}},
      {"could you get me a little espresso with sugar",
       {{"size", "small"}, {"drink", "espresso"}, {"extras", "sugar"}}},
      {"a dozen small black teas", {{"number", "12"}, {"size", "small"}, {"drink", "black tea"}}},
      {"coconut milk latte, medium",
       {{"milk", "coconut milk"}, {"drink", "latte"}, {"size", "medium"}}},
      {"not a latte, a mocha please", {{"drink", "mocha"}}},
      {"a small, actually a large cappuccino", {{"size", "large"}, {"drink", "cappuccino"}}},
      {"flat white with whole milk under the name Li",
       {{"drink", "flat white"}, {"milk", "whole milk"}, {"name", "Li"}}},
      {"I'd take 2 medium cold brews",
       {{"number", "2"}, {"size", "medium"}, {"drink", "cold brew"}}},
      {"get me two lattes for Tom", {{"number", "2"}, {"drink", "latte"}, {"name", "Tom"}}},
      {"a house coffee, venti, with brown sugar",
       {{"drink", "filter coffee"}, {"size", "large"}, {"extras", "sugar"}}},
      {"earl grey please, no milk", {{"drink", "black tea"}, {"milk", "no milk"}}},
      {"is it possible to have a decaf cappuccino", {{"drink", "cappuccino"}}},
      {"ten americanos, the small ones",
       {{"number", "10"}, {"drink", "americano"}, {"size", "small"}}},
      {"one more latte with hazelnut and soy milk",
       {{"number", "1"}, {"drink", "latte"}, {"extras", "hazelnut syrup"}, {"milk", "soy milk"}}},
      {"I need caffeine, a doppio", {{"drink", "double espresso"}}},
      {"can my friend get an unsweetened iced latte",
       {{"extras", "no sugar"}, {"drink", "iced latte"}}},
  };
  return kOrders;
}

}  // namespace antiphon::nlu
