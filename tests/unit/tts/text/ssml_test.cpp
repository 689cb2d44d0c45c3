// SSML: what is understood, and how each mistake is named.
#include "tts/text/ssml.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace antiphon::tts {
namespace {

std::string said(const std::string& ssml) {
  const auto speech = parse_ssml(ssml);
  return speech.ok() ? to_string(*speech) : speech.status().message();
}

TEST(Ssml, SaysItsText) {
  EXPECT_EQ(said("<speak>Hello &amp; welcome, 5 km.</speak>"),
            "hello and welcome, five kilometers.");
  EXPECT_EQ(said("<?xml version=\"1.0\"?><!-- hi --><speak "
                 "xml:lang='en'><p><s>One</s><s>Two</s></p></speak>"),
            "one. two.");
  EXPECT_EQ(said("<speak>a &#233; &#x41;</speak>"), "a E A");
  EXPECT_EQ(said("<speak></speak>"), "");
  EXPECT_EQ(said("<speak/>"), "");
}

TEST(Ssml, SayAs) {
  EXPECT_EQ(said("<speak><say-as interpret-as='characters'>nasa1</say-as></speak>"), "N-A-S-A one");
  EXPECT_EQ(said("<speak><say-as interpret-as='ordinal'>21</say-as> of <say-as "
                 "interpret-as='cardinal'>1984</say-as></speak>"),
            "twenty first of one thousand nine hundred and eighty four");
  EXPECT_EQ(said("<speak><say-as interpret-as='digits'>1984</say-as></speak>"),
            "one nine eight four");
  EXPECT_EQ(said("<speak><sub alias='World Wide Web Consortium'>W3C</sub> rules</speak>"),
            "world wide web consortium rules");
}

TEST(Ssml, BreaksAndRates) {
  const auto speech = parse_ssml(
      "<speak>one<break time='300ms'/> two <prosody rate='80%'>three</prosody> four<break "
      "strength='strong'/></speak>");
  ASSERT_TRUE(speech.ok()) << speech.status().message();
  ASSERT_EQ(speech->words.size(), 4u);
  EXPECT_EQ(speech->words[0].pause_ms, 300);
  EXPECT_FLOAT_EQ(speech->words[1].rate, 1.0f);
  EXPECT_FLOAT_EQ(speech->words[2].rate, 0.8f);
  EXPECT_FLOAT_EQ(speech->words[3].rate, 1.0f);
  EXPECT_EQ(speech->words[3].pause_ms, 700);
  const auto lead = parse_ssml("<speak><break time='1s'/>hi</speak>");
  ASSERT_TRUE(lead.ok());
  EXPECT_EQ(lead->lead_pause_ms, 1000);
}

TEST(Ssml, VoicesOfThePack) {
  const std::string voices[] = {"heart", "puck"};
  const auto speech = parse_ssml(
      "<speak>a <voice name='puck'>b <voice name='heart'>c</voice> d</voice> e</speak>", voices);
  ASSERT_TRUE(speech.ok()) << speech.status().message();
  std::vector<int> spoken;
  for (const SpokenWord& word : speech->words) spoken.push_back(word.voice);
  EXPECT_EQ(spoken, (std::vector<int>{-1, 1, 0, 1, -1}));
  for (const std::string bad : {"<voice name='nobody'>", "<voice>"}) {
    const auto got = parse_ssml("<speak>" + bad + "a</voice></speak>", voices);
    EXPECT_NE(got.status().message().find("byte 7: voice: wanted \"heart\", \"puck\", got \""),
              std::string::npos)
        << got.status().message();
  }
}

TEST(Ssml, WordsNameTheirBytes) {
  const std::string text = "<speak>a &amp; <sub alias='dog'>D</sub></speak>";
  const auto speech = parse_ssml(text);
  ASSERT_TRUE(speech.ok());
  ASSERT_EQ(speech->words.size(), 3u);
  const auto slice = [&](int k) {
    const SpokenWord& w = speech->words[static_cast<std::size_t>(k)];
    return text.substr(static_cast<std::size_t>(w.begin),
                       static_cast<std::size_t>(w.end - w.begin));
  };
  EXPECT_EQ(slice(0), "a");
  EXPECT_EQ(slice(1), "&amp;");
  EXPECT_EQ(slice(2), "<sub alias='dog'>D</sub>");
}

TEST(Ssml, ErrorsNameWhatWasWanted) {
  const std::pair<const char*, const char*> cases[] = {
      {"hello", "wanted <speak>"},
      {"<speak>hello", "wanted </speak>"},
      {"<speak><p>x</speak>", "wanted </p>, got </speak>"},
      {"<speak>a < b</speak>", "wanted the name of an element"},
      {"<speak>a & b</speak>", "wanted an entity"},
      {"<speak><audio src='x'/></speak>", "<audio> is not supported"},
      {"<speak><break time='5'/></speak>", "wanted 300ms or 1.5s"},
      {"<speak><break time='99s'/></speak>", "wanted 0 to 10 s"},
      {"<speak><break strength='huge'/></speak>", "got \"huge\""},
      {"<speak><prosody rate='900%'>x</prosody></speak>", "50% to 200%"},
      {"<speak><say-as interpret-as='song'>x</say-as></speak>", "got \"song\""},
      {"<speak><say-as interpret-as='digits'>x</say-as></speak>", "wanted digits"},
      {"<speak><sub>x</sub></speak>", "wanted alias"},
      {"<speak><speak>x</speak></speak>", "wanted one <speak>"},
      {"<speak x>x</speak>", "name=\"value\""},
      {"<speak x='1>x</speak>", "in quotes"},
      {"<speak>x</speak> tail", "wanted <speak> around"},
      {"<!-- never closed", "wanted '-->'"},
      {"<speak", "wanted '>'"},
  };
  for (const auto& [ssml, wanted] : cases) {
    const auto speech = parse_ssml(ssml);
    ASSERT_FALSE(speech.ok()) << ssml;
    EXPECT_EQ(speech.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(speech.status().message().find(wanted), std::string::npos)
        << ssml << " -> " << speech.status().message();
  }
}

TEST(Ssml, RandomMarkupNeverCrashes) {
  const std::string pieces[] = {"<speak>",     "</speak>",
                                "<p>",         "</p>",
                                "<break/>",    "<",
                                ">",           "&",
                                "&amp;",       "&#",
                                "&#99999999;", "'",
                                "\"",          "=",
                                "/",           "<!--",
                                "-->",         "<prosody rate='",
                                "80%",         "'>",
                                "text ",       "5 km ",
                                "é",           "<say-as interpret-as='digits'>",
                                "</say-as>",   "<sub alias='a'>",
                                "</sub>"};
  std::mt19937 random(3);
  int good = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = random() % 2 ? "<speak>" : "";
    for (unsigned k = random() % 8; k > 0; --k) text += pieces[random() % std::size(pieces)];
    if (random() % 2) text += "</speak>";
    good += parse_ssml(text).ok();
  }
  EXPECT_GT(good, 100);
}

}  // namespace
}  // namespace antiphon::tts
