// Learns what a sensor's readings usually look like, and raises an alarm at others (without --data: a simulated one):
//   anomaly_detection fit --data sensor.csv --time timestamp --value value
//   tail -f sensor.csv | anomaly_detection predict --follow
#include <fulmen/fulmen.h>

#include <cmath>
#include <iostream>
using namespace fulmen;
using namespace fulmen::trainer;
const Stopwatch watch;  // since the program began
struct Detector : LightningModule<Tensor, Tensor> {
  struct Hparams {
    int64_t window = 24, code = 4, smooth = 288, batch = 128, seed = 0;  // smooth: readings that an alarm looks back on
    double lr = 1e-2, trimmed = 0.1, alarm = 3;  // share of windows not learned from; robust standard deviations
    void fields(auto&& f) {
      f("window", window), f("code", code), f("smooth", smooth), f("batch", batch), f("seed", seed);
      f("lr", lr), f("trimmed", trimmed), f("alarm", alarm);
    }
  };
  explicit Detector(Hparams h) : hp(save_hyperparameters(h)) {}
  Tensor windows_of(const Tensor& readings) {  // every `window` neighbouring ones
    return scale(readings).to(kFloat).as_strided({readings.size(0) - hp.window + 1, hp.window}, {1, 1});
  }
  Tensor errors(const Tensor& windows) { return (net->forward(windows) - windows).square().mean(1); }
  StepOutput training_step(const Tensor& windows, int64_t) override {
    const auto kept = std::max<int64_t>(1, std::llround(static_cast<double>(windows.size(0)) * (1 - hp.trimmed)));
    // What fits worst may be the very failure that is looked for, so it is not learned.
    Tensor loss = std::get<0>(errors(windows).topk(kept, 0, /*largest=*/false)).mean();
    log("train_loss", loss, {.on_epoch = true, .prog_bar = true});
    return loss;
  }
  Optimizers configure_optimizers() override {
    return Optimizers(optim::AdamW(parameters(), optim::AdamWOptions(hp.lr)))
        .schedule<optim::CosineAnnealingLR>({}, *trainer().options().max_epochs);
  }
  Hparams hp;
  data::RobustStandardize scale = register_transform("scale", data::RobustStandardize());  // of readings
  data::RobustStandardize usual = register_transform("usual", data::RobustStandardize());  // of log(smoothed error)
  nn::Sequential net =
      register_module("net", nn::Sequential(nn::Linear(hp.window, hp.code), nn::Linear(hp.code, hp.window)));
};

/// Scores readings one by one: the error of the newest window, smoothed, in robust standard deviations.
struct Watcher {
  explicit Watcher(Detector& detector) : model(detector), level(std::exp(model.usual.median().item<double>())) {}
  std::optional<double> score(double reading) {
    NoGradGuard no_grad;
    recent.push_back(static_cast<float>((reading - middle) / spread));
    if (static_cast<int64_t>(recent.size()) < model.hp.window) return std::nullopt;
    if (static_cast<int64_t>(recent.size()) > model.hp.window) recent.erase(recent.begin());
    const double error = std::sqrt(model.errors(tensor(recent).unsqueeze(0)).item<double>());
    level += (error - level) / static_cast<double>(model.hp.smooth);
    return (std::log(level) - usual_middle) / usual_spread;
  }
  Detector& model;
  std::vector<float> recent;
  double level, middle = model.scale.median().item<double>(), spread = model.scale.spread().item<double>();
  double usual_middle = model.usual.median().item<double>(), usual_spread = model.usual.spread().item<double>();
};

struct Settings {
  std::string data, time = "timestamp", value = "value", out = "anomaly_detection_run", ckpt = out + "/best.ckpt";
  double learn = 0.15;  // the share of the rows, from the first, that are learned from
  int64_t gap = 288;    // rows without alarm that end an episode
  bool follow = false;
  void fields(FieldVisitor& f) {
    f("data", data)("time", time)("value", value)("out", out)("ckpt", ckpt);
    f("learn", learn)("gap", gap)("follow", follow);
  }
};

struct Readings {
  std::vector<std::string> times;
  std::vector<double> values;
};
Readings read(const Settings& settings) {
  Readings all;
  if (!settings.data.empty()) {
    const auto table =
        data::read_csv(settings.data, {.text_columns = {settings.time}, .number_columns = {settings.value}});
    const Tensor values = table.tensor(settings.value, kDouble);
    all.values.assign(values.data_ptr<double>(), values.data_ptr<double>() + table.rows());
    for (int64_t row = 0; row < table.rows(); ++row) all.times.push_back(table.text(settings.time, row));
    return all;
  }
  Generator random(1);  // a machine with a daily cycle, whose cooling fails for half a day now and then
  const auto noise = [&] { return normal(0, 1, {1}, random).item<double>(); };
  double drift = 0;
  for (int64_t i = 0; i < 12000; ++i) {
    const bool fails = i % 3000 > 2700 && i % 3000 < 2850;
    drift = 0.99 * drift + 0.3 * noise();
    all.times.push_back("minute " + std::to_string(5 * i));
    all.values.push_back(80 + 5 * std::sin(static_cast<double>(i) / 45.8) + drift + noise() * (fails ? 6 : 0.5));
  }
  return all;
}

void test(const Settings& settings, const std::string& ckpt) {  // the rows that were not learned from, as a stream
  const auto model = load_from_checkpoint<Detector>(ckpt);
  const Readings all = read(settings);
  const auto first = static_cast<size_t>(settings.learn * static_cast<double>(all.values.size()));
  Watcher watcher(*model);
  int64_t quiet = settings.gap;
  double peak = 0, episodes = 0, alarms = 0;
  std::string begin, end;
  const auto print = [&] { std::cout << begin << "  to  " << end << "  score up to " << peak << "\n"; };
  for (size_t i = 0; i < all.values.size(); ++i) {
    const double score = watcher.score(all.values[i]).value_or(0);
    const bool alarm = i >= first && score > model->hp.alarm;
    if (alarm && quiet >= settings.gap) {
      if (episodes++ > 0) print();
      begin = all.times[i], peak = 0;
    }
    quiet = alarm ? 0 : quiet + 1;
    if (alarm) end = all.times[i], peak = std::max(peak, score), ++alarms;
  }
  if (episodes > 0) print();
  const auto rows = static_cast<double>(all.values.size() - first);
  print_result({{"episodes", episodes}, {"alarms", alarms}, {"rows", rows}}, watch.seconds());
}

void fit(const Settings& settings, Detector::Hparams hp, TrainerOptions options) {
  const Readings all = read(settings);
  const auto rows = static_cast<int64_t>(settings.learn * static_cast<double>(all.values.size()));
  const bool enough = hp.window > 0 && rows >= 2 * hp.window && settings.learn <= 1;
  FULMEN_CHECK(enough, "fit: --learn ", settings.learn, " of ", all.values.size(), " rows are ", rows,
               "; expected at least two windows of --window ", hp.window, " and at most all rows");
  seed_everything(hp.seed);
  Detector model(hp);
  const Tensor readings = tensor(std::vector<double>(all.values.begin(), all.values.begin() + rows), kDouble);
  FULMEN_CHECK(readings.min().item<double>() < readings.max().item<double>(), "fit: the first ", rows,
               " readings are all the same; there is nothing to learn");
  model.scale.fit(readings);
  const Tensor windows = model.windows_of(readings);
  options.default_root_dir = settings.out;
  options.callbacks = {std::make_shared<RunReport>(RunReportOptions{.path = settings.out + "/report.html"})};
  Trainer trainer(options);
  trainer.fit(model, data::DataLoader<Tensor>(windows, {.batch_size = hp.batch, .shuffle = true}));
  if (trainer.interrupted()) return;
  model.freeze();
  const Tensor errors = model.errors(windows).sqrt().to(kDouble).contiguous();
  model.usual.fit(errors);
  double level = model.usual.median().item<double>();
  std::vector<double> levels;
  for (int64_t i = 0; i < errors.size(0); ++i) {
    level += (errors.data_ptr<double>()[i] - level) / static_cast<double>(hp.smooth);
    levels.push_back(std::log(level));
  }
  model.usual.fit(tensor(levels, kDouble));
  trainer.save_checkpoint(settings.out + "/best.ckpt");
  test(settings, settings.out + "/best.ckpt");
}

void validate(const Settings& settings) {
  const auto model = load_from_checkpoint<Detector>(settings.ckpt);
  const Tensor errors = model->errors(model->windows_of(tensor(read(settings).values, kDouble)));
  print_result({{"val_loss", errors.mean().item<double>()}}, watch.seconds());
}

void predict(const Settings& settings) {
  const auto model = load_from_checkpoint<Detector>(settings.ckpt);
  Watcher watcher(*model);
  const auto show = [&](const std::string& time, double value) {
    const double before = watch.seconds(), score = watcher.score(value).value_or(0);
    std::cout << time << "," << value << "," << score << "," << (score > model->hp.alarm ? "ALARM" : "ok") << ","
              << std::llround((watch.seconds() - before) * 1e6) << "us" << std::endl;
  };
  if (!settings.follow) {
    const Readings all = read(settings);
    for (size_t i = 0; i < all.values.size(); ++i) show(all.times[i], all.values[i]);
    return;
  }
  std::string line;
  for (int64_t number = 1; std::getline(std::cin, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (number == 1 && line == settings.time + "," + settings.value) continue;
    const size_t comma = line.rfind(',');
    bool is_number = false;
    const double value = comma == line.npos ? 0 : data::parse_number(line.substr(comma + 1), is_number);
    if (is_number)
      show(line.substr(0, comma), value);
    else
      std::cerr << "line " << number << ": '" << line.substr(0, 60)
                << "' is not a time, a comma and a number; left out\n";
  }
}

int main(int argc, char** argv) {
  Settings settings;
  Detector::Hparams hp;
  TrainerOptions options{.max_epochs = 100};
  return Cli("anomaly_detection", "Learns a sensor's usual readings, and raises an alarm at others.")
      .options(settings, hp, options)
      .command("fit", "learn from the first rows of --data, watch the others", [&] { fit(settings, hp, options); })
      .command("validate", "mean error of the windows of --data", [&] { validate(settings); })
      .command("test", "episodes of alarm in --data", [&] { test(settings, settings.ckpt); })
      .command("predict", "score each row of --data, or of standard input with --follow", [&] { predict(settings); })
      .run(argc, argv);
}
