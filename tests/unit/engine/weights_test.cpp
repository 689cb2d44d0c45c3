// The safetensors reader: good files, and every kind of bad one.
#include "engine/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <fstream>

namespace antiphon {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string file_of(const std::string& header, const std::string& data) {
  std::string out(8, '\0');
  const std::uint64_t count = header.size();
  std::memcpy(out.data(), &count, 8);
  return out + header + data;
}

std::string two_tensors() {
  const float a[] = {1.0f, -2.5f};
  std::string data(reinterpret_cast<const char*>(a), sizeof a);
  data += std::string("\x01\x02\x03", 3);
  return file_of(
      R"({"__metadata__":{"x":"y"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
      R"("layer.b":{"dtype":"I8","shape":[3],"data_offsets":[8,11]}})",
      data);
}

std::string message_of(const std::string& bytes) {
  const auto result = Weights::parse(bytes, "bad.st");
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
  return result.status().message();
}

std::string with_entry(const std::string& entry, std::size_t data_bytes = 8) {
  return file_of("{\"w\":" + entry + "}", std::string(data_bytes, '\0'));
}

TEST(Weights, ReadsTensors) {
  const auto weights = Weights::parse(two_tensors(), "good.st");
  ASSERT_TRUE(weights.ok()) << weights.status().to_string();
  const Weights& w = **weights;
  EXPECT_EQ(w.names(), (std::vector<std::string>{"a", "layer.b"}));
  EXPECT_TRUE(w.has("a"));
  EXPECT_FALSE(w.has("__metadata__"));
  const auto a = w.tensor("a");
  ASSERT_TRUE(a.ok());
  EXPECT_EQ(a->dims, (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(a->f32()[1], -2.5f);
  const auto b = w.tensor("layer.b");
  ASSERT_TRUE(b.ok());
  EXPECT_EQ(b->dtype, DType::kI8);
  EXPECT_EQ(static_cast<const std::int8_t*>(b->data)[2], 3);
}

TEST(Weights, MissingTensorNamesTheNearest) {
  const auto weights = Weights::parse(two_tensors(), "good.st");
  ASSERT_TRUE(weights.ok());
  const auto missing = (*weights)->tensor("layer.c");
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(missing.status().message(),
              AllOf(HasSubstr("good.st"), HasSubstr("'layer.c'"), HasSubstr("'layer.b'")));
}

TEST(Weights, NearestIsTheOneOfFewestEdits) {
  const auto weights =
      Weights::parse(file_of(R"({"bare":{"dtype":"I8","shape":[0],"data_offsets":[0,0]},)"
                             R"("gate":{"dtype":"I8","shape":[0],"data_offsets":[0,0]}})",
                             ""),
                     "names.st");
  ASSERT_TRUE(weights.ok()) << weights.status().to_string();
  EXPECT_THAT((*weights)->tensor("gates").status().message(), HasSubstr("'gate'"));
}

TEST(Weights, EveryTruncationIsAnError) {
  const std::string whole = two_tensors();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const auto result = Weights::parse(whole.substr(0, n), "cut.st");
    ASSERT_FALSE(result.ok()) << n << " bytes";
    ASSERT_THAT(result.status().message(), HasSubstr("cut.st"));
  }
}

TEST(Weights, MisalignedDataIsReadable) {
  const float x = 7.0f;
  std::string data("\x05", 1);
  data.append(reinterpret_cast<const char*>(&x), 4);
  const auto weights = Weights::parse(
      file_of(
          R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[],"data_offsets":[1,5]}})",
          data),
      "odd.st");
  ASSERT_TRUE(weights.ok()) << weights.status().to_string();
  EXPECT_EQ((*weights)->tensor("b")->f32()[0], 7.0f);
}

TEST(Weights, HeaderLengthIsChecked) {
  std::string bytes = two_tensors();
  for (const std::uint64_t length :
       {std::uint64_t{1} << 62, ~std::uint64_t{0}, std::uint64_t{100'000'001}}) {
    std::memcpy(bytes.data(), &length, 8);
    EXPECT_THAT(message_of(bytes), HasSubstr("bad.st: header length"));
  }
}

TEST(Weights, HeaderMustBeAnObject) {
  EXPECT_THAT(message_of(file_of("{\"a\":", "")), HasSubstr("not JSON"));
  EXPECT_THAT(message_of(file_of("[1]", "")), HasSubstr("JSON object"));
  EXPECT_THAT(message_of(file_of("{\"w\":3}", "")), HasSubstr("tensor 'w'"));
  EXPECT_THAT(message_of(file_of(std::string(100'000, '['), "")), HasSubstr("not JSON"));
}

TEST(Weights, FieldsAreChecked) {
  EXPECT_THAT(message_of(with_entry(R"({"shape":[2],"data_offsets":[0,8]})")),
              HasSubstr("tensor 'w': dtype"));
  EXPECT_THAT(message_of(with_entry(R"({"dtype":"F31","shape":[2],"data_offsets":[0,8]})")),
              HasSubstr("got 'F31'"));
  EXPECT_THAT(message_of(with_entry(R"({"dtype":"F32","data_offsets":[0,8]})")),
              HasSubstr("shape"));
  EXPECT_THAT(message_of(with_entry(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})")),
              HasSubstr("shape"));
  EXPECT_THAT(message_of(with_entry(R"({"dtype":"F32","shape":[2.5],"data_offsets":[0,8]})")),
              HasSubstr("shape"));
  EXPECT_THAT(message_of(with_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0]})")),
              HasSubstr("data_offsets"));
  EXPECT_THAT(message_of(with_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})")),
              HasSubstr("data_offsets"));
  EXPECT_THAT(message_of(with_entry(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16]})")),
              HasSubstr("of 8 bytes"));
  EXPECT_THAT(message_of(with_entry(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})")),
              HasSubstr("wants 12 bytes"));
  EXPECT_THAT(message_of(with_entry(
                  R"({"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,8]})")),
              HasSubstr("too large"));
}

TEST(Weights, OverlapNamesBoth) {
  EXPECT_THAT(
      message_of(file_of(
          R"({"a":{"dtype":"I8","shape":[6],"data_offsets":[0,6]},"b":{"dtype":"I8","shape":[4],"data_offsets":[4,8]}})",
          std::string(8, '\0'))),
      AllOf(HasSubstr("'b'"), HasSubstr("overlap"), HasSubstr("'a'")));
}

TEST(Weights, LoadsAFile) {
  const std::string path = testing::TempDir() + "weights_test.safetensors";
  std::ofstream(path, std::ios::binary) << two_tensors();
  const auto weights = Weights::load(path);
  ASSERT_TRUE(weights.ok()) << weights.status().to_string();
  EXPECT_EQ((*weights)->path(), path);
  EXPECT_EQ((*weights)->tensor("a")->f32()[0], 1.0f);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << "";
  EXPECT_THAT(Weights::load(path).status().message(), HasSubstr("header length"));
  std::remove(path.c_str());
  EXPECT_EQ(Weights::load(path).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Weights::load(testing::TempDir()).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace antiphon
