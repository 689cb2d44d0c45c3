// server.toml: what is read, and what is refused and how.
#include "server/server_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace antiphon::server {
namespace {

using testing::HasSubstr;

std::string error_of(const std::string& toml) {
  const auto got = parse_server_config(toml, "server.toml");
  EXPECT_FALSE(got.ok()) << toml;
  return got.status().message();
}

TEST(ServerConfig, Reads) {
  const auto got = parse_server_config(
      "[server]\nport = 9000\naddress = '0.0.0.0'\n[turn]\ndeadline_ms = 250\nthink_ahead = false\n"
      "[models]\nprecision = 'f32'\n[limits]\nmax_message_bytes = 2048\n",
      "server.toml");
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got->port, 9000);
  EXPECT_EQ(got->address, "0.0.0.0");
  EXPECT_EQ(got->deadline_ms, 250);
  EXPECT_FALSE(got->think_ahead);
  EXPECT_EQ(got->precision, "f32");
  EXPECT_EQ(got->max_message_bytes, 2048u);
}

TEST(ServerConfig, EmptyIsTheDefault) {
  const auto got = parse_server_config("", "server.toml");
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->address, "127.0.0.1");
  EXPECT_EQ(got->port, 8080);
  EXPECT_TRUE(got->think_ahead);
}

TEST(ServerConfig, DefaultsOfTheCallerStay) {
  ServerConfig defaults;
  defaults.models_dir = "/srv/models";
  const auto got = parse_server_config("[models]\nplans = 'plans'\n", "server.toml", defaults);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->models_dir, "/srv/models");
  EXPECT_EQ(got->plan_dir, "plans");
}

TEST(ServerConfig, UnknownKeysNameTheNearest) {
  EXPECT_EQ(error_of("[limits]\nmax_sesions = 3\n"),
            "server.toml: line 2: limits.max_sesions is not a key; the nearest is "
            "limits.max_sessions");
  EXPECT_THAT(error_of("[sever]\nport = 3\n"), HasSubstr("the nearest is server.port"));
  EXPECT_THAT(error_of("port = 3\n"), HasSubstr("outside of a section"));
}

TEST(ServerConfig, WrongValuesSayWhatIsWanted) {
  EXPECT_EQ(error_of("[server]\nport = 70000\n"),
            "server.toml: line 2: server.port: wanted a whole number from 0 to 65535");
  EXPECT_THAT(error_of("[server]\nport = 'x'\n"), HasSubstr("wanted a whole number"));
  EXPECT_THAT(error_of("[server]\nport = 80.5\n"), HasSubstr("wanted a whole number"));
  EXPECT_THAT(error_of("[server]\naddress = 1\n"), HasSubstr("wanted a string"));
  EXPECT_THAT(error_of("[turn]\ndeadline_ms = nan\n"), HasSubstr("wanted a number"));
  EXPECT_THAT(error_of("[models]\nprecision = 'int4'\n"), HasSubstr("wanted int8 or f32"));
  EXPECT_THAT(error_of("[server\n"), HasSubstr("server.toml: line 1"));
}

TEST(ServerConfig, MissingFile) {
  EXPECT_EQ(read_server_config("/nowhere/x.toml").status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace antiphon::server
