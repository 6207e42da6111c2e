#include <fulmen/trainer/report/chart.h>
#include <fulmen/trainer/report/scale.h>

#include <cstdarg>
#include <cstdio>

namespace fulmen::trainer::report {
namespace {

// A chart in pixels; the page scales it.
constexpr double width = 640, height = 300, left = 74, right = 626, top = 12, bottom = 258;

[[gnu::format(printf, 2, 3)]] void put(std::string& out, const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  out += text;
}

std::string open_svg(double w, double h, std::string_view label) {
  std::string out;
  put(out, "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"", w, h);
  return out + escaped(label) + "\">\n";
}

/// Grid lines, numbers and names of both axes.
void put_axes(std::string& out, const Scale& x, const Scale& y, std::string_view x_label, std::string_view y_label) {
  for (double tick : y.ticks(5)) {
    put(out, "<line class=\"grid\" x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\"/>", left, right, y(tick), y(tick));
    put(out, "<text class=\"tick\" x=\"%g\" y=\"%.1f\" text-anchor=\"end\">", left - 8, y(tick) + 4);
    out += readable(tick) + "</text>\n";
  }
  for (double tick : x.ticks(7)) {
    put(out, "<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%g\" y2=\"%g\"/>", x(tick), x(tick), bottom,
        bottom + 4);
    put(out, "<text class=\"tick\" x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">", x(tick), bottom + 18);
    out += readable(tick) + "</text>\n";
  }
  put(out, "<line class=\"axis\" x1=\"%g\" x2=\"%g\" y1=\"%g\" y2=\"%g\"/>", left, right, bottom, bottom);
  put(out, "<text class=\"label\" x=\"%g\" y=\"%g\" text-anchor=\"middle\">", (left + right) / 2, height - 6);
  out += escaped(x_label) + "</text>\n";
  if (y_label.empty()) return;
  const double middle = (top + bottom) / 2;
  put(out, "<text class=\"label\" x=\"13\" y=\"%g\" text-anchor=\"middle\" transform=\"rotate(-90 13 %g)\">", middle,
      middle);
  out += escaped(y_label) + "</text>\n";
}

void put_line(std::string& out, const Series& line, const std::vector<double>& y, const Scale& at_x, const Scale& at_y,
              const char* kind, size_t color) {
  out += "<path class=\"" + std::string(kind);
  put(out, " c%zu\" data-series=\"", color % 6);
  out += escaped(line.name) + "\" d=\"";
  bool drawing = false;
  for (size_t i = 0; i < line.x.size(); ++i) {
    if (!at_y.shows(y[i])) {
      drawing = false;
      continue;
    }
    put(out, "%c%.1f %.1f", drawing ? 'L' : 'M', at_x(line.x[i]), at_y(y[i]));
    drawing = true;
  }
  out += "\"/>\n";
}

/// An exponential mean that starts without a lag.
std::vector<double> smoothed(const std::vector<double>& values) {
  const double keep = std::clamp(1 - 25.0 / (static_cast<double>(values.size()) + 1), 0.0, 0.95);
  std::vector<double> out;
  double mean = 0, weight = 0;
  for (double value : values) {
    if (std::isfinite(value)) {
      mean = keep * mean + (1 - keep) * value;
      weight = keep * weight + (1 - keep);
    }
    out.push_back(weight > 0 ? mean / weight : value);
  }
  return out;
}

void put_legend(std::string& out, const std::vector<Series>& lines) {
  out += "<div class=\"legend\">";
  for (size_t i = 0; i < lines.size(); ++i) {
    put(out, "<span><i class=\"b%zu\"></i>", i % 6);
    out += escaped(lines[i].name);
    if (!lines[i].y.empty()) out += " <b>" + readable(lines[i].y.back()) + "</b>";
    out += "</span>";
  }
  out += "</div>\n";
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // Control characters have no place in a document.
        out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return out;
}

std::string readable(double value) {
  char text[40];
  if (!std::isfinite(value)) return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
  const double size = std::fabs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) {
    std::snprintf(text, sizeof text, "%.3g", value);
    return text;
  }
  const char* units[] = {"", "k", "M", "G", "T"};
  int unit = 0;
  double shown = value;
  while (std::fabs(shown) >= 9999.5 && unit < 4) shown /= 1000, ++unit;
  std::snprintf(text, sizeof text, "%.4g%s", size < 1e-12 ? 0.0 : shown, units[unit]);
  return text;
}

std::string line_chart(const std::vector<Series>& lines, std::string_view x_label) {
  Range xs, ys;
  bool positive = true;
  for (const Series& line : lines) {
    xs.add(line.x);
    ys.add(line.y);
    for (double y : line.y) positive = positive && !(y <= 0);
  }
  const bool logarithmic = positive && !ys.empty() && ys.high > 100 * ys.low;
  const Scale x(xs, left, right), y(ys, bottom, top, logarithmic);
  std::string out;
  put_legend(out, lines);
  out += open_svg(width, height, lines.empty() ? "" : lines[0].name);
  put_axes(out, x, y, x_label, logarithmic ? "log scale" : "");
  for (size_t i = 0; i < lines.size(); ++i) {
    const Series& line = lines[i];
    put_line(out, line, line.y, x, y, line.steps ? "raw" : "line", i);
    if (line.steps) put_line(out, line, smoothed(line.y), x, y, "line", i);
    if (line.x.size() > 60 || line.steps) continue;
    for (size_t k = 0; k < line.x.size(); ++k) {
      if (!y.shows(line.y[k])) continue;
      put(out, "<circle class=\"f%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"><title>", i % 6, x(line.x[k]), y(line.y[k]));
      out += escaped(line.name) + " " + readable(line.y[k]) + " at " + readable(line.x[k]) + "</title></circle>\n";
    }
  }
  return out + "</svg>\n";
}

std::string scatter_chart(const std::vector<double>& x, const std::vector<double>& y, std::string_view x_label,
                          std::string_view y_label, bool diagonal) {
  Range xs, ys;
  xs.add(x);
  ys.add(y);
  if (diagonal) {
    xs.add(ys.low);
    xs.add(ys.high);
    ys = xs;
  } else {
    ys.add(0);
  }
  const Scale at_x(xs, left, right), at_y(ys, bottom, top);
  std::string out = open_svg(width, height, y_label);
  put_axes(out, at_x, at_y, x_label, y_label);
  const double from = xs.empty() ? 0 : xs.low, to = xs.empty() ? 1 : xs.high;
  put(out, "<line class=\"guide\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", at_x(from),
      at_y(diagonal ? from : 0), at_x(to), at_y(diagonal ? to : 0));
  out += "<g class=\"dots\">";
  for (size_t i = 0; i < x.size(); ++i) {
    if (!at_x.shows(x[i]) || !at_y.shows(y[i])) continue;
    put(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.4\"/>", at_x(x[i]), at_y(y[i]));
  }
  return out + "</g>\n</svg>\n";
}

std::string histogram_chart(const std::vector<double>& values, std::string_view label) {
  Range range;
  range.add(values);
  if (range.empty()) range = {0, 1};
  if (range.low == range.high) range = {range.low - 0.5, range.high + 0.5};
  const size_t bins = std::clamp<size_t>(static_cast<size_t>(std::sqrt(static_cast<double>(values.size()))), 8, 40);
  std::vector<double> counts(bins);
  const double step = (range.high - range.low) / static_cast<double>(bins);
  for (double value : values) {
    if (std::isfinite(value)) ++counts[std::min(bins - 1, static_cast<size_t>((value - range.low) / step))];
  }
  const double most = *std::max_element(counts.begin(), counts.end());
  const Scale x(range, left, right), y = Scale::exact(0, std::max(1.0, most * 1.05), bottom, top);
  std::string out = open_svg(width, height, label);
  put_axes(out, x, y, label, "samples");
  for (size_t i = 0; i < bins; ++i) {
    const double begin = x(range.low + static_cast<double>(i) * step),
                 end = x(range.low + static_cast<double>(i + 1) * step);
    put(out, "<rect class=\"f0\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", begin + 0.7, y(counts[i]),
        std::max(0.6, end - begin - 1.4), bottom - y(counts[i]));
  }
  return out + "</svg>\n";
}

std::string matrix_chart(const std::vector<double>& counts, size_t side, const std::vector<std::string>& names) {
  size_t longest = 0;
  for (size_t i = 0; i < side; ++i) longest = std::max(longest, i < names.size() ? names[i].size() : 3);
  const double n = static_cast<double>(side), cell = std::clamp(420 / n, 16.0, 58.0);
  const double edge = 40 + 7 * static_cast<double>(std::min<size_t>(longest, 16)), head = 28;
  const auto name = [&](size_t i) { return i < names.size() ? names[i] : std::to_string(i); };
  std::string out = open_svg(edge + cell * n + 12, head + cell * n + 30, "confusion matrix");
  // Not larger than drawn, so that its letters are as large as all others.
  const size_t tag = out.find("<svg") + 4;
  std::string limit;
  put(limit, " style=\"max-width:%gpx\"", edge + cell * n + 12);
  out.insert(tag, limit);
  const bool numbers = side <= 12;
  for (size_t i = 0; i < side; ++i) {
    const double middle = (static_cast<double>(i) + 0.5) * cell;
    put(out, "<text class=\"tick\" x=\"%g\" y=\"%.1f\" text-anchor=\"end\">", edge - 8, head + middle + 4);
    out += escaped(name(i)) + "</text>";
    put(out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", edge + middle, head + n * cell + 16);
    out += escaped(name(i)) + "</text>\n";
    double row = 0;
    for (size_t j = 0; j < side; ++j) row += counts[i * side + j];
    for (size_t j = 0; j < side; ++j) {
      const double count = counts[i * side + j], share = row > 0 ? count / row : 0;
      const double x = edge + static_cast<double>(j) * cell, y = head + static_cast<double>(i) * cell;
      put(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill-opacity=\"%.3f\"><title>",
          i == j ? "right" : "wrong", x + 0.5, y + 0.5, cell - 1, cell - 1, 0.05 + 0.95 * share);
      out += escaped(name(i)) + " taken for " + escaped(name(j)) + ": " + readable(count) + "</title></rect>";
      if (!numbers || count == 0) continue;
      put(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", share > 0.5 ? "on" : "cell",
          x + cell / 2, y + cell / 2 + 4);
      out += readable(count) + "</text>\n";
    }
  }
  put(out, "<text class=\"label\" x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">predicted</text>", edge + n * cell / 2,
      head - 10);
  put(out, "<text class=\"label\" x=\"14\" y=\"%.1f\" text-anchor=\"middle\" transform=\"rotate(-90 14 %.1f)\">true",
      head + n * cell / 2, head + n * cell / 2);
  return out + "</text>\n</svg>\n";
}

std::string reliability_chart(const std::vector<metric::CalibrationError::Bin>& bins) {
  const Scale x = Scale::exact(0, 1, left, right), y = Scale::exact(0, 1, bottom, top);
  double most = 0;
  for (const auto& bin : bins) most = std::max(most, bin.count);
  std::string out = open_svg(width, height, "calibration");
  put_axes(out, x, y, "confidence", "share of right answers");
  for (const auto& bin : bins) {
    if (bin.count == 0) continue;
    const double begin = x(bin.low), end = std::max(x(bin.high), begin + 4);
    put(out, "<rect class=\"f0\" fill-opacity=\"%.2f\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>",
        0.25 + 0.75 * bin.count / most, begin + 1, y(bin.accuracy), end - begin - 2, bottom - y(bin.accuracy));
    out += readable(bin.count) + " predictions, confidence " + readable(bin.confidence) + ", right " +
           readable(bin.accuracy) + "</title></rect>\n";
    put(out, "<circle class=\"f1\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n", x(bin.confidence), y(bin.accuracy));
  }
  put(out, "<line class=\"guide\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x(0), y(0), x(1), y(1));
  return out + "</svg>\n";
}

}  // namespace fulmen::trainer::report
