// The page about a build: what it must say, that it is whole and loads nothing, hostile names.
#include "engine/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "engine/machine.h"
#include "engine/report/html.h"
#include "engine/report/layout.h"

namespace antiphon {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string deck_bytes(const std::string& name) {
  std::ifstream in(std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/deck/" + name + ".onnx",
                   std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Built {
  OnnxNetwork network;
  std::shared_ptr<const Plan> plan;
};

Result<Built> build_bytes(const std::string& bytes, const std::string& name) {
  ANTIPHON_ASSIGN_OR_RETURN(OnnxNetwork network, import_onnx_bytes(bytes, name));
  ANTIPHON_ASSIGN_OR_RETURN(auto plan, build(network, {.precision = Precision::kF32}));
  return Built{std::move(network), std::move(plan)};
}

// Every tag is closed by its own, in order. Returns the ids; adds a failure otherwise.
std::set<std::string> check_tags(const std::string& page) {
  static const std::set<std::string> kEmpty = {"!DOCTYPE", "meta"};
  std::vector<std::string> open;
  std::set<std::string> ids;
  for (std::size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
    const std::size_t end = page.find('>', at);
    const std::string tag = page.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    if (const std::size_t id = tag.find(" id=\""); id != std::string::npos) {
      const std::string text = tag.substr(id + 5, tag.find('"', id + 5) - id - 5);
      EXPECT_TRUE(ids.insert(text).second) << text << " twice";
    }
    if (tag.back() == '/' || kEmpty.contains(name)) continue;
    if (tag[0] != '/') {
      open.push_back(name);
      continue;
    }
    EXPECT_TRUE(!open.empty() && "/" + open.back() == tag) << tag << " at " << at;
    if (open.empty() || "/" + open.back() != tag) return ids;
    open.pop_back();
  }
  EXPECT_TRUE(open.empty());
  return ids;
}

void check_links(const std::string& page, const std::set<std::string>& ids) {
  for (std::size_t at = page.find("href=\""); at != std::string::npos;
       at = page.find("href=\"", at + 1)) {
    const std::string target = page.substr(at + 6, page.find('"', at + 6) - at - 6);
    ASSERT_EQ(target[0], '#') << target;
    EXPECT_TRUE(ids.contains(target.substr(1))) << target;
  }
}

class Report : public testing::TestWithParam<const char*> {};

TEST_P(Report, TellsOfEveryPassLayerAndKernelAndLoadsNothing) {
  const auto built = build_bytes(deck_bytes(GetParam()), GetParam());
  ASSERT_TRUE(built.ok()) << built.status().message();
  const auto page = plan_report_html(built->network, built->plan, {.runs = 3});
  ASSERT_TRUE(page.ok()) << page.status().message();
  const PlanReport& report = built->plan->report();

  check_links(*page, check_tags(*page));
  for (const char* outside : {"http:", "https:", "src=", "<script", "url(", "@import", "<link"})
    EXPECT_THAT(*page, Not(HasSubstr(outside)));
  EXPECT_THAT(*page, HasSubstr("<b>" + std::to_string(report.nodes_before) + " → " +
                               std::to_string(report.layers.size()) + "</b>"));
  EXPECT_THAT(*page, HasSubstr("Measured on " + report::escaped(machine_name()) + ", " +
                               report.isa + ", 1 thread"));
  EXPECT_THAT(*page, HasSubstr("medians of 3 runs"));
  EXPECT_THAT(*page, HasSubstr("lower bound " + report::bytes_text(report.live_bytes_bound)));
  EXPECT_THAT(*page, HasSubstr("arena " + report::bytes_text(report.arena_bytes)));
  for (const PassEffect& effect : report.effects) EXPECT_THAT(*page, HasSubstr(effect.name));
  for (const LayerReport& layer : report.layers) {
    EXPECT_THAT(*page, HasSubstr("<td class=\"name\">" + report::escaped(layer.name) + "</td>"));
    for (const KernelChoice& choice : layer.considered)
      if (!choice.refusal.empty()) {
        EXPECT_THAT(*page, HasSubstr(choice.kernel +
                                     "</span> refused: " + report::escaped(choice.refusal)));
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Deck, Report,
                         testing::Values("bert", "unet", "peephole_lstm", "tacotron2_decoder"));

TEST(PlanReport, AddsUp) {
  const auto built = build_bytes(deck_bytes("bert"), "bert");
  ASSERT_TRUE(built.ok()) << built.status().message();
  const PlanReport& report = built->plan->report();
  ASSERT_FALSE(report.effects.empty());
  int nodes = report.nodes_before;
  std::size_t changed = 0;
  for (const PassEffect& effect : report.effects) {
    EXPECT_EQ(effect.nodes_before, nodes) << effect.name;
    nodes = effect.nodes_after;
    if (effect.changes > 0) ++changed;
  }
  EXPECT_EQ(nodes, report.nodes_after);
  EXPECT_EQ(changed, report.passes.size());
  std::size_t most = 0, refusals = 0;
  for (const LayerReport& layer : report.layers) {
    most = std::max(most, layer.live_bytes);
    bool chosen = false;
    for (const KernelChoice& choice : layer.considered) {
      chosen = chosen || (choice.kernel == layer.kernel && choice.refusal.empty());
      refusals += choice.refusal.empty() ? 0 : 1;
    }
    EXPECT_TRUE(chosen) << layer.name;
    EXPECT_LE(layer.workspace_bytes, report.workspace_bytes) << layer.name;
    EXPECT_FALSE(layer.output.empty());
  }
  EXPECT_EQ(most, report.live_bytes_bound);
  EXPECT_GT(refusals, 0u);
}

TEST(PlanReport, LayersAreTimedUntilTheyAreNot) {
  const auto built = build_bytes(deck_bytes("ncf"), "ncf");
  ASSERT_TRUE(built.ok()) << built.status().message();
  const auto context = Context::create(built->plan, nullptr);
  ASSERT_TRUE(context.ok());
  const auto run = [&] {
    for (const TensorSpec& spec : built->plan->inputs()) {
      std::vector<std::int64_t> dims;
      std::size_t bytes = dtype_bytes(spec.dtype);
      for (const Dim& dim : spec.shape) {
        dims.push_back(dim.extent);
        bytes *= static_cast<std::size_t>(dim.extent);
      }
      const auto memory = (*context)->input(spec.name, dims);
      ASSERT_TRUE(memory.ok()) << memory.status().message();
      std::memset(*memory, 0, bytes);
    }
    ASSERT_TRUE((*context)->run().ok());
  };
  std::vector<double> us(built->plan->report().layers.size(), -1);
  EXPECT_EQ((*context)->time_layers({us.data(), us.size() - 1}).code(),
            StatusCode::kInvalidArgument);
  ASSERT_TRUE((*context)->time_layers(us).ok());
  run();
  for (const double t : us) EXPECT_GE(t, 0);
  ASSERT_TRUE((*context)->time_layers({}).ok());
  us.assign(us.size(), -1);
  run();
  EXPECT_EQ(us, std::vector<double>(us.size(), -1));
}

// A name of the model takes the place of another of the same length, so that the file stays one.
TEST(PlanReport, HostileNamesStayText) {
  std::string bytes = deck_bytes("bert");
  const std::string given = "/encoder/layer.0/attention/self/";
  const std::string hostile = "</title><script>a('1')&\"\x01\xff<b>";
  ASSERT_GE(given.size(), hostile.size());
  std::size_t count = 0;
  for (std::size_t at = bytes.find(given); at != std::string::npos; at = bytes.find(given, at)) {
    bytes.replace(at, hostile.size(), hostile);
    ++count;
  }
  ASSERT_GT(count, 0u) << "the golden model has no such names any more";
  const auto built = build_bytes(bytes, "<img src=x onerror=alert(1)>.onnx");
  ASSERT_TRUE(built.ok()) << built.status().message();
  const auto page =
      plan_report_html(built->network, built->plan, {.title = "<img src=x>", .runs = 1});
  ASSERT_TRUE(page.ok());
  check_tags(*page);
  for (const char* raw : {"<script", "<b>\"", "<img", "a('1')", "\x01", "\xff"})
    EXPECT_THAT(*page, Not(HasSubstr(raw)));
  EXPECT_THAT(*page, HasSubstr("&lt;/title&gt;&lt;script&gt;a(&#39;1&#39;)&amp;&quot;\\x01\uFFFD"));
}

TEST(PlanReport, RunsBelowOneAreRefused) {
  const auto built = build_bytes(deck_bytes("ncf"), "ncf");
  ASSERT_TRUE(built.ok());
  EXPECT_EQ(plan_report_html(built->network, built->plan, {.runs = 0}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(ReportHtml, EscapesAndMends) {
  EXPECT_EQ(report::escaped("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  EXPECT_EQ(report::escaped(std::string_view("\0\n\x7f", 3)), "\\x00\\x0a\\x7f");
  EXPECT_EQ(report::escaped("größe 音 🙂"), "größe 音 🙂");
  EXPECT_EQ(report::escaped("\u202Eabc"), "\\u{202e}abc");
  // Lone and overlong bytes, a surrogate, a cut sequence, beyond the last code point.
  EXPECT_EQ(report::escaped("\x80"), "\uFFFD");
  EXPECT_EQ(report::escaped("\xC0\xAF"), "\uFFFD\uFFFD");
  EXPECT_EQ(report::escaped("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(report::escaped("a\xE2\x82"), "a\uFFFD\uFFFD");
  EXPECT_EQ(report::escaped("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(report::shortened("0123456789", 10), "0123456789");
  EXPECT_EQ(report::shortened("<123456789A", 10), "&lt;12…56789A");
  EXPECT_EQ(report::bytes_text(999), "999 B");
  EXPECT_EQ(report::bytes_text(1500000), "1.50 MB");
  EXPECT_EQ(report::time_text(12345), "12.3 ms");
}

TEST(ReportLayout, BoxesOfARowKeepApartAndEdgesPointDown) {
  report::LayoutGraph graph{.num_nodes = 40};
  for (std::size_t i = 1; i < graph.num_nodes; ++i) {
    graph.edges.emplace_back(i - 1 - (i * 7) % std::min<std::size_t>(i, 9), i);
    graph.edges.emplace_back((i * 5) % i, i);
  }
  const report::Layout a = report::lay_out(graph, 100, 30), b = report::lay_out(graph, 100, 30);
  ASSERT_EQ(a.nodes.size(), graph.num_nodes);
  EXPECT_TRUE(a.jumps.empty());
  for (const auto& [from, to] : graph.edges) EXPECT_GT(a.nodes[to].y, a.nodes[from].y);
  for (const report::Segment& s : a.segments) EXPECT_GT(s.to.y, s.from.y);
  for (std::size_t i = 0; i < graph.num_nodes; ++i) {
    EXPECT_EQ(a.nodes[i].x, b.nodes[i].x);
    EXPECT_GE(a.nodes[i].x, 50 - 1e-9);
    EXPECT_LE(a.nodes[i].x, a.width - 50 + 1e-9);
    for (std::size_t k = 0; k < i; ++k) {
      if (a.nodes[i].y == a.nodes[k].y) EXPECT_GE(std::abs(a.nodes[i].x - a.nodes[k].x), 100);
    }
  }
}

TEST(ReportLayout, LinesOverManyRowsBecomeJumps) {
  report::LayoutGraph graph{.num_nodes = 12};
  for (std::size_t i = 1; i < graph.num_nodes; ++i) graph.edges.emplace_back(i - 1, i);
  graph.edges.emplace_back(0, 11);
  EXPECT_TRUE(report::lay_out(graph, 100, 30, 11).jumps.empty());
  const report::Layout layout = report::lay_out(graph, 100, 30, 10);
  ASSERT_EQ(layout.jumps.size(), 1u);
  EXPECT_EQ(layout.jumps[0].producer, 0u);
  EXPECT_EQ(layout.jumps[0].consumer, 11u);
  EXPECT_EQ(report::lay_out({}, 100, 30).height, 0);
}

}  // namespace
}  // namespace antiphon
