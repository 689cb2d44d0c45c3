// The five transcript formats.
#include "cli/transcript_format.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace antiphon::cli {
namespace {

std::vector<Transcript> two_utterances() {
  Transcript first, second;
  first.text = "hello there";
  first.words = {{"hello", 100, 400, 0.9f}, {"there", 450, 800, 0.8f}};
  second.text = "bye";
  second.words = {{"bye", 3661500, 3662000, 0.7f}};
  return {first, second};
}

TEST(TranscriptFormat, Text) {
  EXPECT_EQ(format_transcripts(two_utterances(), "text", "a.wav"), "hello there\nbye\n");
  EXPECT_EQ(format_transcripts({}, "text", "a.wav"), "");
}

TEST(TranscriptFormat, Srt) {
  EXPECT_EQ(format_transcripts(two_utterances(), "srt", "a.wav"),
            "1\n00:00:00,100 --> 00:00:00,800\nhello there\n\n"
            "2\n01:01:01,500 --> 01:01:02,000\nbye\n\n");
}

TEST(TranscriptFormat, Vtt) {
  EXPECT_EQ(format_transcripts(two_utterances(), "vtt", "a.wav"),
            "WEBVTT\n\n00:00:00.100 --> 00:00:00.800\nhello there\n\n"
            "01:01:01.500 --> 01:01:02.000\nbye\n\n");
}

TEST(TranscriptFormat, Tsv) {
  EXPECT_EQ(format_transcripts(two_utterances(), "tsv", "a.wav"),
            "start_ms\tend_ms\tconfidence\tword\n100\t400\t0.900\thello\n"
            "450\t800\t0.800\tthere\n3661500\t3662000\t0.700\tbye\n");
}

TEST(TranscriptFormat, Json) {
  const auto got = nlohmann::json::parse(format_transcripts(two_utterances(), "json", "a.wav"));
  EXPECT_EQ(got["file"], "a.wav");
  EXPECT_EQ(got["text"], "hello there bye");
  EXPECT_EQ(got["utterances"][0]["words"][1]["start_ms"], 450.0);
}

TEST(TranscriptFormat, LongUtterancesBecomeSeveralCaptions) {
  Transcript t;
  for (int i = 0; i < 40; ++i) t.words.push_back({"word", i * 500.0, i * 500.0 + 400, 1});
  const std::string got = format_transcripts(std::vector<Transcript>{t}, "srt", "a.wav");
  EXPECT_NE(got.find("\n3\n"), std::string::npos);
}

}  // namespace
}  // namespace antiphon::cli
