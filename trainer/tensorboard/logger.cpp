#include <fulmen/tensor/error.h>
#include <fulmen/trainer/tensorboard/logger.h>
#include <fulmen/trainer/tensorboard/message.h>
#include <fulmen/trainer/tensorboard/png.h>
#include <fulmen/trainer/tensorboard/record.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

// Field numbers are those of TensorFlow's event.proto, summary.proto and tensor.proto, and of TensorBoard's
// plugins/hparams/plugin_data.proto and api.proto.

namespace fulmen::trainer {

using nlohmann::ordered_json;
using tensorboard::Message;

namespace {

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

/// A Summary of one value.
Message summary_of(std::string_view tag, const Message& value) {
  Message tagged;
  tagged.text(1, tag);
  return Message().text(1, tagged.bytes() + value.bytes());
}

/// SummaryMetadata of a plugin.
Message metadata(std::string_view plugin, std::string_view content, uint64_t data_class) {
  return Message().message(1, Message().text(1, plugin).text(2, content)).integer(4, data_class);
}

/// What the table of runs reads: HParamsPluginData, with one of its three parts.
Message hparams_summary(const char* tag, unsigned part, const Message& content) {
  const Message data = Message().integer(1, 0).message(part, content);
  return summary_of(tag, Message().message(9, metadata("hparams", data.bytes(), 0)));
}

/// google.protobuf.Value
Message value_of(const ordered_json& value) {
  if (value.is_boolean()) return Message().integer(4, value.get<bool>());
  if (value.is_number()) return Message().number(2, value.get<double>());
  return Message().text(3, value.is_string() ? value.get<std::string>() : value.dump());
}

ordered_json parsed(const std::string& json) {
  const ordered_json value = ordered_json::parse(json.empty() ? "{}" : json, nullptr, false);
  return value.is_object() ? value : ordered_json::object();
}

Message session_start(const ordered_json& hparams) {
  Message start;
  for (const auto& [name, value] : hparams.items()) {
    start.message(1, Message().text(1, name).message(2, value_of(value)));
  }
  return start.number(5, now());
}

Message experiment(const ordered_json& hparams, const std::vector<std::string>& tags) {
  Message out;
  for (const auto& [name, value] : hparams.items()) {
    const uint64_t type = value.is_boolean() ? 2 : value.is_number() ? 3 : 1;
    out.message(4, Message().text(1, name).integer(4, type));
  }
  for (const std::string& tag : tags) out.message(5, Message().message(1, Message().text(2, tag)));
  return out;
}

}  // namespace

TensorBoardLogger::~TensorBoardLogger() = default;

void TensorBoardLogger::open() {
  char host[256] = "host";
  ::gethostname(host, sizeof host - 1);
  static int count = 0;
  const std::string path = str(folder(), "/events.out.tfevents.", static_cast<long long>(now()), ".", host, ".",
                               static_cast<long long>(::getpid()), ".", count++);
  file_.open(path);
  tensorboard::append_record(file_.pending(), Message().number(1, now()).text(3, "brain.Event:2").bytes());
  const ordered_json hparams = parsed(hyperparams());
  if (!hparams.empty()) write_event(hparams_summary("_hparams_/session_start_info", 3, session_start(hparams)), 0);
}

void TensorBoardLogger::write_event(const Message& summary, int64_t step) {
  if (!file_.is_open()) open();
  const Message event = Message().number(1, now()).integer(2, static_cast<uint64_t>(step)).message(5, summary);
  tensorboard::append_record(file_.pending(), event.bytes());
  file_.appended();
}

void TensorBoardLogger::log_metrics(const Metrics& row, int64_t step) {
  Message values;
  for (const auto& [name, value] : row) {
    values.message(1, Message().text(1, name).single(2, static_cast<float>(value)));
    if (std::find(tags_.begin(), tags_.end(), name) == tags_.end()) tags_.push_back(name);
  }
  write_event(values, step);
}

void TensorBoardLogger::add_scalar(std::string_view tag, double value, int64_t step) {
  write_event(summary_of(tag, Message().single(2, static_cast<float>(value))), step);
}

void TensorBoardLogger::add_text(std::string_view tag, std::string_view text, int64_t step) {
  const Message shape = Message().message(2, Message().integer(1, 1));
  const Message tensor = Message().integer(1, 7).message(2, shape).text(8, text);  // one string
  write_event(summary_of(tag, Message().message(8, tensor).message(9, metadata("text", "", 2))), step);
}

void TensorBoardLogger::add_image(std::string_view tag, const Tensor& image, int64_t step) {
  const bool grey = image.dim() == 2;
  const int64_t channels = grey ? 1 : image.dim() == 3 ? image.size(0) : 0;
  FULMEN_CHECK(channels == 1 || channels == 3 || channels == 4,
               "add_image: expected [height, width] or [1, 3 or 4 channels, height, width]; got ", image);
  const Tensor values = image.detach().to(Device(kCPU)).to(kDouble).contiguous();
  const int64_t height = image.size(-2), width = image.size(-1), plane = height * width;
  const double scale = image.is_floating_point() ? 255 : 1;
  const auto* from = static_cast<const double*>(values.const_data_ptr());
  std::vector<uint8_t> pixels(static_cast<size_t>(plane * channels));
  for (int64_t i = 0; i < plane; ++i) {
    for (int64_t c = 0; c < channels; ++c) {
      const double byte = std::nearbyint(from[c * plane + i] * scale);
      pixels[static_cast<size_t>(i * channels + c)] = static_cast<uint8_t>(byte > 0 ? std::min(byte, 255.0) : 0.0);
    }
  }
  Message out;
  out.integer(1, static_cast<uint64_t>(height)).integer(2, static_cast<uint64_t>(width));
  out.integer(3, static_cast<uint64_t>(channels)).text(4, tensorboard::encode_png(pixels, width, height, channels));
  write_event(summary_of(tag, Message().message(4, out)), step);
}

void TensorBoardLogger::add_histogram(std::string_view tag, const Tensor& values, int64_t step) {
  // Borders from 1e-12 to 1e20 on both sides of 0, each 1.1 times as far out as the one before.
  static const std::vector<double> limits = [] {
    std::vector<double> out;
    for (double limit = 1e-12; limit < 1e20; limit *= 1.1) out.push_back(limit);
    std::vector<double> all(out.rbegin(), out.rend());
    for (double& limit : all) limit = -limit;
    all.push_back(0);
    all.insert(all.end(), out.begin(), out.end());
    all.push_back(std::numeric_limits<double>::max());
    return all;
  }();
  const Tensor flat = values.detach().to(Device(kCPU)).to(kDouble).contiguous();
  const auto* x = static_cast<const double*>(flat.const_data_ptr());
  std::vector<double> counts(limits.size());
  double low = HUGE_VAL, high = -HUGE_VAL, sum = 0, squares = 0, count = 0;
  for (int64_t i = 0; i < flat.numel(); ++i) {
    if (!std::isfinite(x[i])) continue;
    ++counts[static_cast<size_t>(std::lower_bound(limits.begin(), limits.end(), x[i]) - limits.begin())];
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
    sum += x[i];
    squares += x[i] * x[i];
    ++count;
  }
  size_t begin = 0, end = counts.size();
  while (end > 1 && counts[end - 1] == 0) --end;
  while (begin + 1 < end && counts[begin + 1] == 0) ++begin;  // one empty bucket ahead gives the first its lower border
  if (count == 0) low = high = 0;
  const auto part = [&](const std::vector<double>& list) {
    return std::vector<double>(list.begin() + static_cast<ptrdiff_t>(begin),
                               list.begin() + static_cast<ptrdiff_t>(end));
  };
  Message out;
  out.number(1, low).number(2, high).number(3, count).number(4, sum).number(5, squares);
  out.numbers(6, part(limits)).numbers(7, part(counts));
  write_event(summary_of(tag, Message().message(5, out)), step);
}

void TensorBoardLogger::save() { file_.flush(); }

void TensorBoardLogger::finalize(const std::string& status) {
  if (!file_.is_open()) return;
  const ordered_json hparams = parsed(hyperparams());
  if (!hparams.empty()) {
    write_event(hparams_summary("_hparams_/experiment", 2, experiment(hparams, tags_)), 0);
    const Message end = Message().integer(1, status == "success" ? 1 : 2).number(2, now());
    write_event(hparams_summary("_hparams_/session_end_info", 4, end), 0);
  }
  file_.close();  // a later run of the same trainer begins another file
  tags_.clear();
}

}  // namespace fulmen::trainer
