#include <fulmen/trainer/report/page.h>

#include <algorithm>
#include <cmath>

namespace fulmen::trainer::report {
namespace {

// Colours are named once, for light and for dark; the pictures only use the names.
constexpr const char* style = R"css(
:root { color-scheme: light dark; --page: #f6f7f9; --card: #ffffff; --ink: #1b1f27; --soft: #667085; --rule: #e4e7ec;
  --c0: #2f6fde; --c1: #dd6b20; --c2: #0f9d76; --c3: #9353d3; --c4: #d6336c; --c5: #0e8fb0; --good: #0f9d76; --bad: #d6336c; }
@media (prefers-color-scheme: dark) {
  :root { --page: #11141a; --card: #1a1f28; --ink: #e8ebf0; --soft: #98a2b3; --rule: #2d3542;
    --c0: #6aa5ff; --c1: #ff9f5a; --c2: #3fd0a4; --c3: #c195f5; --c4: #ff7aa8; --c5: #55c8e8; --good: #3fd0a4; --bad: #ff7aa8; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 32px 24px 64px; }
header { display: flex; align-items: baseline; gap: 16px; flex-wrap: wrap; margin-bottom: 20px; }
h1 { font-size: 26px; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 13px; font-weight: 600; margin: 36px 0 12px; color: var(--soft); text-transform: uppercase; letter-spacing: 0.06em; }
h3 { font-size: 15px; font-weight: 600; margin: 0 0 6px; }
.outcome { font-size: 13px; padding: 2px 10px; border-radius: 999px; border: 1px solid currentColor; color: var(--good); }
.outcome.failed { color: var(--bad); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; }
.figure, .card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 16px; min-width: 0; }
.figure span { display: block; color: var(--soft); font-size: 13px; }
.figure b { font-size: 21px; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 520px), 1fr)); gap: 16px; align-items: start; }
svg { display: block; width: 100%; height: auto; }
svg text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg text.cell { fill: var(--ink); } svg text.on { fill: var(--card); font-weight: 600; }
.grid { stroke: var(--rule); } .axis, .mark { stroke: var(--soft); stroke-opacity: 0.6; }
.guide { stroke: var(--soft); stroke-dasharray: 5 4; }
.line, .raw { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; } .raw { stroke-width: 1; stroke-opacity: 0.3; }
.c0 { stroke: var(--c0); } .c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); }
.c3 { stroke: var(--c3); } .c4 { stroke: var(--c4); } .c5 { stroke: var(--c5); }
.f0 { fill: var(--c0); } .f1 { fill: var(--c1); } .f2 { fill: var(--c2); } .f3 { fill: var(--c3); } .f4 { fill: var(--c4); } .f5 { fill: var(--c5); }
.dots { fill: var(--c0); fill-opacity: 0.5; } .right { fill: var(--c0); } .wrong { fill: var(--c1); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 13px; color: var(--soft); margin-bottom: 6px; }
.legend b { color: var(--ink); font-weight: 600; font-variant-numeric: tabular-nums; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }
.b0 { background: var(--c0); } .b1 { background: var(--c1); } .b2 { background: var(--c2); }
.b3 { background: var(--c3); } .b4 { background: var(--c4); } .b5 { background: var(--c5); }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
td { padding: 5px 0; border-top: 1px solid var(--rule); vertical-align: top; overflow-wrap: anywhere; }
tr:first-child td { border-top: 0; }
td:first-child { color: var(--soft); padding-right: 16px; }
td:last-child { text-align: right; font-variant-numeric: tabular-nums; }
.text { display: grid; grid-template-columns: 80px 1fr; gap: 12px; padding: 10px 0; border-top: 1px solid var(--rule); }
.text:first-child { border-top: 0; }
.text span { color: var(--soft); font-size: 13px; font-variant-numeric: tabular-nums; }
.text p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: 13px; }
.matrix svg { margin: 0 auto; }
)css";

std::string card(std::string_view title, const std::string& inside, const char* kind = "card") {
  return "<section class=\"" + std::string(kind) + "\"><h3>" + escaped(title) + "</h3>\n" + inside + "</section>\n";
}

std::string table(const Rows& rows) {
  std::string out = "<table><tbody>\n";
  for (const auto& [name, value] : rows) {
    out += "<tr><td>" + escaped(name) + "</td><td>" + escaped(value) + "</td></tr>\n";
  }
  return out + "</tbody></table>\n";
}

/// "loss" of "train_loss", "val_loss" and "val/loss": what belongs into one picture.
std::string subject(const std::string& name) {
  for (const std::string stage : {"train", "training", "val", "valid", "validation", "test"}) {
    if (name.size() > stage.size() + 1 && name.compare(0, stage.size(), stage) == 0) {
      const char after = name[stage.size()];
      if (after == '_' || after == '/') return name.substr(stage.size() + 1);
    }
  }
  return name;
}

std::string metric_cards(const std::vector<Series>& metrics) {
  std::vector<std::pair<std::string, std::vector<Series>>> groups;
  for (const Series& series : metrics) {
    const std::string about = subject(series.name);
    auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == about; });
    if (group == groups.end()) group = groups.insert(groups.end(), {about, {}});
    // Training first, whatever was logged first.
    const bool training = series.name.rfind("train", 0) == 0;
    group->second.insert(training ? group->second.begin() : group->second.end(), series);
  }
  std::string out;
  for (const auto& [about, lines] : groups) out += card(about, line_chart(lines, "optimizer step"));
  return out;
}

std::string regression_cards(const Content& content) {
  std::vector<double> residuals;
  for (size_t i = 0; i < content.truth.size(); ++i) residuals.push_back(content.prediction[i] - content.truth[i]);
  return card("Predicted against true", scatter_chart(content.truth, content.prediction, "true", "predicted", true)) +
         card("Residuals", scatter_chart(content.prediction, residuals, "predicted", "predicted - true", false)) +
         card("Distribution of residuals", histogram_chart(residuals, "predicted - true"));
}

/// The pairs of classes that are taken for each other most often.
std::string confusions(const Content& content) {
  struct Pair {
    double count;
    size_t truth, predicted;
  };
  std::vector<Pair> pairs;
  for (size_t i = 0; i < content.classes; ++i) {
    for (size_t j = 0; j < content.classes; ++j) {
      const double count = content.confusion[i * content.classes + j];
      if (i != j && count > 0) pairs.push_back({count, i, j});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.count > b.count; });
  pairs.resize(std::min<size_t>(pairs.size(), 20));
  const auto name = [&](size_t i) {
    return i < content.class_names.size() ? content.class_names[i] : "class " + std::to_string(i);
  };
  Rows rows;
  for (const Pair& pair : pairs)
    rows.emplace_back(name(pair.truth) + " taken for " + name(pair.predicted), readable(pair.count));
  return table(rows);
}

std::string classification_cards(const Content& content) {
  std::string out;
  if (content.classes <= 25) {
    out +=
        card("Confusion matrix", matrix_chart(content.confusion, content.classes, content.class_names), "card matrix");
  } else {
    out += card("Most frequent confusions", confusions(content));
  }
  return out +
         card("Calibration: expected error " + readable(content.calibration_error), reliability_chart(content.bins));
}

std::string text_cards(const std::vector<Text>& texts) {
  std::string out = "<section class=\"card\">\n";
  for (const Text& sample : texts) {
    out += "<div class=\"text\"><span>step " + std::to_string(sample.step) + "</span><p>" + escaped(sample.text) +
           "</p></div>\n";
  }
  return out + "</section>\n";
}

std::string cards(const char* title, const std::string& inside) {
  if (inside.empty()) return {};
  return "<h2>" + std::string(title) + "</h2>\n<div class=\"cards\">\n" + inside + "</div>\n";
}

std::string chart_card(const char* title, const std::vector<Series>& lines, const char* x_label) {
  return lines.empty() ? std::string() : card(title, line_chart(lines, x_label));
}

std::string table_card(const char* title, const Rows& rows) {
  return rows.empty() ? std::string() : card(title, table(rows));
}

}  // namespace

std::string page(const Content& content) {
  std::string out = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n";
  out += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>" + escaped(content.title) +
         "</title>\n<style>" + style + "</style>\n</head>\n<body>\n<main>\n";
  out += "<header><h1>" + escaped(content.title) + "</h1><span class=\"outcome" + (content.failed ? " failed" : "") +
         "\">" + escaped(content.outcome) + "</span></header>\n";
  out += "<div class=\"figures\">\n";
  for (const auto& [name, value] : content.figures) {
    out += "<div class=\"figure\"><span>" + escaped(name) + "</span><b>" + escaped(value) + "</b></div>\n";
  }
  out += "</div>\n";
  out += cards("Metrics", metric_cards(content.metrics));
  if (!content.truth.empty()) out += cards("Predictions of the last validation", regression_cards(content));
  if (content.classes > 0) out += cards("Predictions of the last validation", classification_cards(content));
  if (!content.texts.empty()) out += "<h2>Samples</h2>\n" + text_cards(content.texts);
  out += cards("Training", chart_card("Learning rate", content.rates, "optimizer step") +
                               chart_card("Seconds per epoch", content.seconds, "epoch") +
                               chart_card("Memory, MB", content.megabytes, "epoch"));
  out += cards("Model", table_card("Parameters", content.parameters) +
                            table_card("Hyperparameters", content.hyperparameters) +
                            table_card("Best checkpoint", content.checkpoint));
  return out + "</main>\n</body>\n</html>\n";
}

}  // namespace fulmen::trainer::report
