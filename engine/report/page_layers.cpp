// Time, memory and kernels of every layer in a report.
#include <algorithm>
#include <map>

#include "engine/report/html.h"
#include "engine/report/page.h"

namespace antiphon::report {
namespace {

constexpr std::size_t kSlowest = 20;

std::string cell(const std::string& text) { return "<td class=\"n\">" + text + "</td>"; }

std::string bar(double share, double width) {
  return "<span class=\"bar\" style=\"width:" + number_text(width * std::clamp(share, 0.0, 1.0)) +
         "px\"></span>";
}

double layer_sum_us(const Measured& measured) {
  double sum = 0;
  for (const double us : measured.layer_us) sum += us;
  return sum;
}

std::string layer_link(const Facts& facts, std::size_t i) {
  return "<a href=\"#" + layer_row_id(i) + "\">" + escaped(facts.plan->layers[i].name) + "</a>";
}

// By operator and kernel.
std::string time_by_kernel(const Facts& facts) {
  struct Sum {
    std::string op, kernel;
    int count = 0;
    double us = 0;
  };
  std::map<std::pair<std::string, std::string>, Sum> sums;
  for (std::size_t i = 0; i < facts.plan->layers.size(); ++i) {
    const LayerReport& layer = facts.plan->layers[i];
    Sum& sum = sums[{layer.op, layer.kernel}];
    sum.op = layer.op;
    sum.kernel = layer.kernel;
    ++sum.count;
    sum.us += facts.measured->layer_us[i];
  }
  std::vector<Sum> sorted;
  for (auto& [key, sum] : sums) sorted.push_back(std::move(sum));
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Sum& a, const Sum& b) { return a.us > b.us; });
  const double all = layer_sum_us(*facts.measured);
  std::string out =
      "<h3>By operator and kernel</h3><table><tr><th>operator</th><th>kernel</th><th "
      "class=\"n\">layers</th><th class=\"n\">time</th><th class=\"n\">share</th>"
      "<th></th></tr>\n";
  for (const Sum& sum : sorted) {
    const double share = all > 0 ? sum.us / all : 0;
    out += "<tr><td class=\"name\">" + escaped(sum.op) + "</td><td class=\"kernel\">" +
           escaped(sum.kernel) + "</td>" + cell(std::to_string(sum.count)) +
           cell(time_text(sum.us)) + cell(percent_text(share)) + "<td>" + bar(share, 160) +
           "</td></tr>\n";
  }
  return out + "</table>";
}

std::string slowest_layers(const Facts& facts) {
  std::vector<std::size_t> order(facts.plan->layers.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const std::vector<double>& us = facts.measured->layer_us;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return us[a] > us[b]; });
  order.resize(std::min(order.size(), kSlowest));
  const double all = layer_sum_us(*facts.measured);
  std::string out =
      "<h3>The slowest layers</h3><table><tr><th>layer</th><th class=\"n\">time</th>"
      "<th class=\"n\">share</th><th></th></tr>\n";
  for (const std::size_t i : order) {
    const double share = all > 0 ? us[i] / all : 0;
    out += "<tr><td class=\"name\">" + layer_link(facts, i) + "</td>" + cell(time_text(us[i])) +
           cell(percent_text(share)) + "<td>" + bar(share, 160) + "</td></tr>\n";
  }
  return out + "</table>";
}

// Live bytes layer by layer, under the lines of the bound and of the arena.
std::string memory_chart(const Facts& facts) {
  constexpr double kWidth = 1100, kHeight = 200, kLabel = 18;
  const auto& layers = facts.plan->layers;
  const double most = static_cast<double>(
      std::max<std::size_t>({facts.plan->arena_bytes, facts.plan->live_bytes_bound, 1}));
  const auto y = [&](std::size_t bytes) {
    return kLabel + kHeight * (1 - static_cast<double>(bytes) / most);
  };
  const double step = kWidth / static_cast<double>(std::max<std::size_t>(layers.size(), 1));
  std::string out = "<div class=\"wide\"><svg role=\"img\" width=\"1300\" height=\"" +
                    number_text(kHeight + 2 * kLabel) + "\"><title>live bytes by layer</title>\n";
  for (std::size_t i = 0; i < layers.size(); ++i)
    out += "<a href=\"#" + layer_row_id(i) + "\"><rect x=\"" +
           number_text(static_cast<double>(i) * step) + "\" y=\"" +
           number_text(y(layers[i].live_bytes)) + "\" width=\"" +
           number_text(std::max(1.0, step - 0.5)) + "\" height=\"" +
           number_text(kLabel + kHeight - y(layers[i].live_bytes)) + "\" fill=\"#9cc9f0\"><title>" +
           escaped(layers[i].name) + ": " + bytes_text(layers[i].live_bytes) +
           "</title></rect></a>\n";
  const auto line = [&](std::size_t bytes, const char* colour, const std::string& text, double dy) {
    out += "<line x1=\"0\" x2=\"" + number_text(kWidth) + "\" y1=\"" + number_text(y(bytes)) +
           "\" y2=\"" + number_text(y(bytes)) + "\" stroke=\"" + colour + "\"/><text x=\"" +
           number_text(kWidth + 6) + "\" y=\"" + number_text(y(bytes) + dy) + "\">" + text +
           "</text>\n";
  };
  line(facts.plan->arena_bytes, "#c4320b", "arena " + bytes_text(facts.plan->arena_bytes), 0);
  line(facts.plan->live_bytes_bound, "#1a7f37",
       "lower bound " + bytes_text(facts.plan->live_bytes_bound), 14);
  return out + "</svg></div>\n";
}

// What was looked at for a layer.
std::string choices(const LayerReport& layer) {
  if (layer.considered.empty()) return escaped(layer.kernel);
  std::string list, refused;
  for (const KernelChoice& choice : layer.considered) {
    if (!choice.refusal.empty()) {
      refused += "<li><span class=\"kernel\">" + escaped(choice.kernel) +
                 "</span> refused: " + escaped(choice.refusal) + "</li>";
      continue;
    }
    if (choice.kernel == layer.kernel && choice.time_us <= 0) continue;
    list += "<li><span class=\"kernel\">" + escaped(choice.kernel) + "</span> " +
            (choice.kernel == layer.kernel ? "chosen" : "could run") +
            (choice.time_us > 0 ? ", tuner: " + time_text(choice.time_us) : "") + "</li>";
  }
  const std::string kernel = "<span class=\"kernel\">" + escaped(layer.kernel) + "</span>";
  if (list.empty() && refused.empty()) return kernel;
  return "<details><summary>" + kernel + "</summary><ul>" + list + refused + "</ul></details>";
}

}  // namespace

std::string layer_row_id(std::size_t i) { return "layer" + std::to_string(i); }

std::string time_section(const Facts& facts) {
  std::string out = "<h2 id=\"time\">Time</h2>\n";
  if (facts.measured->runs == 0)
    return out + "<p>Not measured: " + escaped(facts.measured->failure) + "</p>\n";
  out += "<p>Measured on " + escaped(facts.machine) + ", " + escaped(facts.plan->isa) + ", " +
         std::to_string(facts.num_threads) + (facts.num_threads == 1 ? " thread" : " threads") +
         ", at the usual extents, on seeded noise (whole numbers are 0): the medians of " +
         std::to_string(facts.measured->runs) + " runs after two to warm up. A run takes " +
         time_text(facts.measured->run_us) + "; its layers together " +
         time_text(layer_sum_us(*facts.measured)) + ".</p>\n<div class=\"columns\"><div>";
  return out + time_by_kernel(facts) + "</div><div>" + slowest_layers(facts) + "</div></div>\n";
}

std::string memory_section(const Facts& facts) {
  std::string out =
      "<h2 id=\"memory\">Memory</h2>\n<p>Bytes of the arena that are alive while each layer runs, "
      "at the largest extents. No plan can be smaller than the lower bound, the largest of "
      "them; the arena is what this one takes.</p>\n";
  return out + memory_chart(facts);
}

std::string layers_section(const Facts& facts) {
  const bool timed = facts.measured->runs > 0;
  const double all = layer_sum_us(*facts.measured);
  std::string out =
      "<h2 id=\"layers\">Layers and kernels</h2>\n<p>In the order in which they run. "
      "A kernel unfolds to those that were looked at, best first, and why they "
      "refused.</p>\n<div class=\"wide\"><table><tr><th class=\"n\">#</th><th>layer"
      "</th><th>operator</th><th>result</th><th>kernel</th><th class=\"n\">time</th>"
      "<th class=\"n\">share</th><th class=\"n\">live bytes</th><th class=\"n\">"
      "workspace</th><th class=\"n\">constants</th></tr>\n";
  for (std::size_t i = 0; i < facts.plan->layers.size(); ++i) {
    const LayerReport& layer = facts.plan->layers[i];
    const double us = timed ? facts.measured->layer_us[i] : 0;
    out += "<tr id=\"" + layer_row_id(i) + "\">" + cell(std::to_string(i + 1)) +
           "<td class=\"name\">" + escaped(layer.name) + "</td><td class=\"name\">" +
           escaped(layer.op) + "</td><td class=\"name\">" + escaped(layer.output) + "</td><td>" +
           choices(layer) + "</td>" + cell(timed ? time_text(us) : "-") +
           cell(timed && all > 0 ? percent_text(us / all) : "-") +
           cell(bytes_text(layer.live_bytes)) + cell(bytes_text(layer.workspace_bytes)) +
           cell(bytes_text(layer.constant_bytes)) + "</tr>\n";
  }
  return out + "</table></div>\n";
}

}  // namespace antiphon::report
