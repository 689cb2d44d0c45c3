// Words, numbers, times and answers as people say them.
#include "nlu/said_words.h"

#include <gtest/gtest.h>

#include <random>

namespace antiphon::nlu {
namespace {

std::string words(const std::string& text) {
  std::string out;
  for (const SaidWord& w : said_words(text))
    out += w.text + "@" + std::to_string(w.start) + "-" + std::to_string(w.end) + " ";
  return out;
}

TEST(SaidWords, LowerCaseWithPlaces) {
  EXPECT_EQ(words("Two LATTES, please!"), "two@0-3 lattes@4-10 please@12-18 ");
  EXPECT_EQ(words("don't \xE2\x80\x98it\xE2\x80\x99s\xE2\x80\x99 'so' 7:30:"),
            "don't@0-5 it's@9-15 so@20-22 7:30@24-28 ");
  EXPECT_EQ(words("Caf\xC3\x89\xF0\x9F\x98\x80ok\xFF"), "caf\xC3\xA9@0-5 ok@9-11 ");
  EXPECT_EQ(words(""), "");
  EXPECT_EQ(words("'':"), "");
}

std::string number(const std::string& text) {
  const auto n = number_at(said_words(text), 0);
  return n ? std::to_string(n->value) + "/" + std::to_string(n->num_words) : "none";
}

TEST(SaidNumbers, Cardinals) {
  EXPECT_EQ(number("two lattes"), "2/1");
  EXPECT_EQ(number("twenty-one"), "21/2");
  EXPECT_EQ(number("ninety nine red"), "99/2");
  EXPECT_EQ(number("a hundred"), "100/2");
  EXPECT_EQ(number("two hundred and five"), "205/4");
  EXPECT_EQ(number("two hundred and milk"), "200/2");
  EXPECT_EQ(number("three thousand four hundred twelve"), "3412/5");
  EXPECT_EQ(number("a thousand"), "1000/2");
  EXPECT_EQ(number("twelve thousand and six"), "12006/4");
  EXPECT_EQ(number("zero"), "0/1");
  EXPECT_EQ(number("17 things"), "17/1");
}

TEST(SaidNumbers, OrdinalsAndDozens) {
  EXPECT_EQ(number("twenty first"), "21/2");
  EXPECT_EQ(number("a dozen"), "12/2");
  EXPECT_EQ(number("a couple of"), "2/3");
}

TEST(SaidNumbers, OtherWords) {
  EXPECT_EQ(number("a latte"), "none");
  EXPECT_EQ(number("oh well"), "none");
  EXPECT_EQ(number("hundred"), "none");
  EXPECT_EQ(number(""), "none");
  EXPECT_EQ(number("1234567890123456789"), "none");
}

std::string time(const std::string& text) {
  const auto t = time_at(said_words(text), 0);
  return t ? t->value + "/" + std::to_string(t->num_words) + (t->sure ? "" : "?") : "none";
}

TEST(SaidTimes, Clock) {
  EXPECT_EQ(time("seven"), "07:00/1?");
  EXPECT_EQ(time("seven thirty"), "07:30/2");
  EXPECT_EQ(time("seven thirty p m"), "19:30/4");
  EXPECT_EQ(time("seven oh five"), "07:05/3");
  EXPECT_EQ(time("six forty five am"), "06:45/4");
  EXPECT_EQ(time("twelve am"), "00:00/2");
  EXPECT_EQ(time("twelve pm"), "12:00/2");
  EXPECT_EQ(time("nine o'clock in the evening"), "21:00/5");
  EXPECT_EQ(time("eleven at night"), "23:00/3");
  EXPECT_EQ(time("twenty two fifteen"), "22:15/3");
  EXPECT_EQ(time("noon"), "12:00/1");
  EXPECT_EQ(time("midnight"), "00:00/1");
}

TEST(SaidTimes, Relative) {
  EXPECT_EQ(time("half past seven"), "07:30/3");
  EXPECT_EQ(time("a quarter to nine"), "08:45/4");
  EXPECT_EQ(time("quarter past one in the afternoon"), "13:15/6");
  EXPECT_EQ(time("ten to one"), "12:50/3");
  EXPECT_EQ(time("twenty minutes past six"), "06:20/4");
}

TEST(SaidTimes, Written) {
  EXPECT_EQ(time("7:30"), "07:30/1");
  EXPECT_EQ(time("19:05"), "19:05/1");
  EXPECT_EQ(time("7pm"), "19:00/1");
  EXPECT_EQ(time("7:45 p.m."), "19:45/3");
  EXPECT_EQ(time("25:00"), "none");
  EXPECT_EQ(time("7:99"), "none");
  EXPECT_EQ(time("99"), "none");
  EXPECT_EQ(time("latte"), "none");
}

Answer answer(const std::string& text) { return answer_in(said_words(text)); }

TEST(Answers, Yes) {
  for (const char* text : {"yes", "Yes please.", "yeah sure", "that's right", "sounds good", "ok",
                           "go ahead", "please do", "perfect, thanks", "no problem", "of course"})
    EXPECT_EQ(answer(text), Answer::kYes) << text;
}

TEST(Answers, No) {
  for (const char* text : {"no", "nope", "no thanks", "that's wrong", "not quite", "don't do it",
                           "no that isn't right", "that's not right"})
    EXPECT_EQ(answer(text), Answer::kNo) << text;
}

TEST(Answers, Cancel) {
  for (const char* text : {"cancel", "cancel that please", "never mind", "forget it", "oh stop it",
                           "I changed my mind", "please cancel my order"})
    EXPECT_EQ(answer(text), Answer::kCancel) << text;
}

TEST(Answers, None) {
  for (const char* text : {"", "a large latte", "Anna", "don't cancel the whole order now then ok",
                           "could you tell me when you close on sunday"})
    EXPECT_EQ(answer(text), Answer::kNone) << text;
  EXPECT_FALSE(is_cancel(said_words("don't cancel it")));
}

TEST(SaidWords, RandomTextNeverBreaksThem) {
  const char* const parts[] = {"a",  "hundred", "and", "seven",  "to",       "past",   "half",
                               "pm", "7:",      "oh",  "\xFF",   "thousand", "twenty", "quarter",
                               "'",  "p",       "m",   "in the", ":"};
  std::mt19937 random(5);
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (unsigned k = 0; k < random() % 12; ++k)
      text += std::string(parts[random() % std::size(parts)]) + " ";
    const auto w = said_words(text);
    for (std::size_t at = 0; at <= w.size(); ++at) {
      const auto n = number_at(w, at);
      const auto t = time_at(w, at);
      ASSERT_LE(at + (n ? n->num_words : 0), w.size()) << text;
      ASSERT_LE(at + (t ? t->num_words : 0), w.size()) << text;
    }
    (void)answer_in(w);
  }
}

}  // namespace
}  // namespace antiphon::nlu
