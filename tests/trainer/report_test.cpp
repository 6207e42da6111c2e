#include <doctest/doctest.h>
#include <fulmen/autograd/ops.h>
#include <fulmen/trainer/report/chart.h>
#include <fulmen/trainer/report/run_report.h>
#include <fulmen/trainer/report/scale.h>
#include <tests/message_of.h>
#include <tests/paths.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "small_model.h"

namespace fulmen::trainer::testing {
namespace {

using fulmen::testing::mentions;
using fulmen::testing::message_of;

/// Where pages go: a folder that is kept if FULMEN_REPORT_SAMPLE names one.
std::string place(const TemporaryFolder& folder, const std::string& name) {
  const char* kept = std::getenv("FULMEN_REPORT_SAMPLE");
  return kept ? std::string(kept) + "/" + name : folder.path(name);
}

/// How often each element occurs; fails where tags do not match or a text has a bare < or &.
std::map<std::string, int> elements(const std::string& page) {
  std::map<std::string, int> counts;
  std::vector<std::string> open;
  CHECK(page.rfind("<!DOCTYPE html>\n", 0) == 0);
  for (size_t at = 16; at < page.size();) {
    if (page[at] == '&') {
      const size_t end = page.find(';', at);
      const std::string entity = page.substr(at, end - at + 1);
      CHECK((entity == "&amp;" || entity == "&lt;" || entity == "&gt;" || entity == "&quot;"));
    }
    if (page[at] != '<') {
      ++at;
      continue;
    }
    size_t end = at;
    for (bool quoted = false; end < page.size() && (quoted || page[end] != '>'); ++end) quoted ^= page[end] == '"';
    REQUIRE(end < page.size());
    const std::string tag = page.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    at = end + 1;
    if (tag[0] == '/') {
      REQUIRE(!open.empty());
      CHECK("/" + open.back() == tag);
      open.pop_back();
    } else {
      ++counts[name];
      if (tag.back() != '/') open.push_back(name);
    }
    if (name == "style" && tag[0] != '/') at = page.find("</style>", at);  // no markup in there
  }
  CHECK(open.empty());
  return counts;
}

std::string checked_page(const std::string& path) {
  const std::string page = contents(path);
  // Nothing from elsewhere.
  for (const char* word : {"http:", "https:", "src=", "href=", "@import", "url("}) CHECK_FALSE(mentions(page, word));
  CHECK(mentions(page, "prefers-color-scheme: dark"));
  CHECK_FALSE(mentions(page, "nan\""));
  // Numbers at the left end beside the axis' name, a line of some 18 pixels; a digit is less than 6.5 wide.
  const std::string_view number = "<text class=\"tick\" x=\"";
  for (size_t at = page.find(number); at != std::string::npos; at = page.find(number, at + 1)) {
    const size_t open = page.find('>', at), close = page.find('<', open);
    if (page.substr(at, open - at).find("\"end\"") == std::string::npos) continue;
    CHECK(std::stod(page.substr(at + number.size())) - 6.5 * static_cast<double>(close - open - 1) >= 18);
  }
  return page;
}

class Houses : public SmallModel {
 public:
  Houses() : SmallModel(Hparams{.lr = 0.02}) { fit_target(*this); }
  StepOutput validation_step(const Batch& batch, int64_t, int64_t) override {
    const Tensor p = forward(batch.data), t = target(batch.target);
    log("val_loss", (p - t).square().mean());
    log("val_mae", (p - t).abs().mean());
    return Dict{{"prediction", target.inverse(p)}, {"target", batch.target}};
  }
};

struct Digits : LightningModule<data::Example<>, Tensor> {
  StepOutput training_step(const data::Example<>& batch, int64_t) override {
    const Tensor loss = nn::functional::cross_entropy(net->forward(batch.data), batch.target);
    log("train_loss", loss, {.on_epoch = true});
    return loss;
  }
  StepOutput validation_step(const data::Example<>& batch, int64_t, int64_t) override {
    const Tensor logits = net->forward(batch.data);
    log("val_loss", nn::functional::cross_entropy(logits, batch.target));
    log("val_accuracy", argmax(logits, 1).eq(batch.target).to(kFloat).mean());
    return Dict{{"logits", logits}, {"target", batch.target}};
  }
  void on_train_epoch_end() override {
    report->add_text(global_step(), "To be, or not to be <that> & so \"on\", epoch " + std::to_string(current_epoch()));
  }
  Optimizers configure_optimizers() override {
    return Optimizers(optim::AdamW(parameters(), optim::AdamWOptions(0.02)))
        .schedule<optim::OneCycleLR>({.interval = Interval::Step}, 0.02, 2000);
  }
  std::shared_ptr<RunReport> report;
  nn::Sequential net = register_module("net", nn::Sequential(nn::Linear(2, 16), nn::ReLU(), nn::Linear(16, 4)));
};

/// Four overlapping clouds.
data::DataLoader<data::Example<>> clouds(int64_t samples, uint64_t seed) {
  Generator stream(seed);
  const Tensor y = arange(samples).remainder(4).to(kLong);
  const Tensor centres = tensor({0.0, 0.0, 2.0, 0.0, 0.0, 2.0, 2.2, 2.2}, kFloat).reshape({4, 2});
  const Tensor x = randn({samples, 2}, stream) * Scalar(0.8) + centres.index_select(0, y);
  return data::DataLoader<data::Example<>>(data::Example<>(x, y), {.batch_size = 16, .shuffle = true});
}

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("run report: a regression's page") {
    TemporaryFolder folder;
    auto report = std::make_shared<RunReport>(
        RunReportOptions{.path = place(folder, "regression.html"), .title = "House prices <small>"});
    TrainerOptions options = quiet(30);
    options.callbacks = {report};
    manual_seed(1);
    Houses net;
    Trainer(options).fit(net, plane(true, 5, 200), plane(false, 50, 300));
    CHECK(report->path() == place(folder, "regression.html"));
    const std::string page = checked_page(report->path());
    auto counts = elements(page);
    CHECK(counts["svg"] >= 8);
    for (const char* part : {"data-series=\"train_loss\"", "data-series=\"val_loss\"", "data-series=\"val_mae\"",
                             "data-series=\"loss of each step\"", "data-series=\"learning rate\"",
                             "Predicted against true", "Residuals", "House prices &lt;small&gt;", "completed",
                             "<td>hidden</td><td>8</td>", "Parameters", "Seconds per epoch", "<b>1200</b>"}) {
      CAPTURE(part);
      CHECK(mentions(page, part));
    }
    CHECK_FALSE(mentions(page, "train_loss_epoch"));
    CHECK_FALSE(mentions(page, "Confusion"));
  }

  TEST_CASE("run report: a classifier's page, with text samples") {
    TemporaryFolder folder;
    auto report = std::make_shared<RunReport>(RunReportOptions{
        .path = place(folder, "classification.html"), .class_names = {"oak", "elm", "ash", "yew"}, .max_points = 300});
    TrainerOptions options = quiet(12);
    options.callbacks = {report};
    manual_seed(1);
    Digits net;
    net.report = report;
    Trainer(options).fit(net, clouds(800, 1), clouds(400, 2));
    const std::string page = checked_page(report->path());
    elements(page);
    for (const char* part : {"Confusion matrix", "oak taken for elm: ", "Calibration: expected error", "step 600",
                             "To be, or not to be &lt;that&gt; &amp; so &quot;on&quot;, epoch 11", "Digits"}) {
      CAPTURE(part);
      CHECK(mentions(page, part));
    }
    CHECK_FALSE(mentions(page, "Residuals"));
    // Six hundred losses in at most 300 points.
    const size_t begin = page.find("d=\"", page.find("data-series=\"loss of each step\""));
    const std::string path = page.substr(begin, page.find('"', begin + 3) - begin);
    const auto points = std::count(path.begin(), path.end(), 'L') + 1;
    CHECK(points >= 150);
    CHECK(points <= 300);
  }

  TEST_CASE("run report: pictures of the pages, light and dark, where there is a browser") {
    if (std::system("command -v chromium > /dev/null") != 0) return;
    const std::string kept = fulmen::testing::bin_dir() + "/../report";
    std::filesystem::create_directories(kept);
    auto report = std::make_shared<RunReport>(RunReportOptions{.path = kept + "/regression.html"});
    TrainerOptions options = quiet(4);
    options.callbacks = {report};
    Houses net;
    Trainer(options).fit(net, plane(true, 5, 200), plane(false, 50, 300));
    std::string pictures[2];
    for (const bool dark : {false, true}) {
      const std::string picture = kept + (dark ? "/dark.png" : "/light.png");
      std::filesystem::remove(picture);
      const std::string command =
          "timeout 100 chromium --headless --no-sandbox --disable-gpu --hide-scrollbars "
          "--window-size=1200,2800 --blink-settings=preferredColorScheme=" +
          std::string(dark ? "0" : "1") + " --screenshot='" + picture + "' 'file://" + report->path() +
          "' > /dev/null 2>&1";
      if (std::system(command.c_str()) != 0) return;  // a browser that cannot run here
      pictures[dark] = contents(picture);
      CHECK(pictures[dark].size() > 20000);
    }
    CHECK((pictures[0] != pictures[1]));
  }

  TEST_CASE("run report: a resumed run's page shows the whole run; one that fails says why") {
    TemporaryFolder folder;
    auto first = std::make_shared<RunReport>(RunReportOptions{.path = folder.path("a.html")});
    TrainerOptions options = quiet(3);
    options.callbacks = {first};
    Houses net, again;
    Trainer trainer(options);
    trainer.fit(net, plane(true), plane(false));
    trainer.save_checkpoint(folder.path("a.ckpt"));
    const std::string state = first->state_dict();
    auto second = std::make_shared<RunReport>(RunReportOptions{.path = folder.path("b.html")});
    second->load_state_dict(state);
    CHECK(second->state_dict() == state);
    options = quiet(5);
    options.callbacks = {std::make_shared<RunReport>(RunReportOptions{.path = folder.path("b.html")})};
    Trainer(options).fit(again, plane(true), plane(false), {.ckpt_path = folder.path("a.ckpt")});
    const std::string page = contents(folder.path("b.html"));
    CHECK(mentions(page, "val_loss"));
    CHECK(mentions(page, " at 8</title>"));   // after the first epoch
    CHECK(mentions(page, " at 40</title>"));  // after the fifth

    struct Fails : Houses {
      StepOutput training_step(const Batch& batch, int64_t i) override {
        if (global_step() == 10) throw Error("the disk <b>burns</b>\nand more");
        return Houses::training_step(batch, i);
      }
    } failing;
    options.callbacks = {std::make_shared<RunReport>(RunReportOptions{.path = folder.path("c.html")})};
    message_of([&] { Trainer(options).fit(failing, plane(true), plane(false)); });
    const std::string failed = checked_page(folder.path("c.html"));
    elements(failed);
    CHECK(mentions(failed, "<span class=\"outcome failed\">failed: the disk &lt;b&gt;burns&lt;/b&gt;</span>"));
    options.callbacks = {std::make_shared<RunReport>(RunReportOptions{.path = "/proc/nowhere/d.html"})};
    CHECK(
        mentions(message_of([&] { Trainer(options).fit(net, plane(true)); }), "RunReport: cannot write /proc/nowhere"));
    CHECK(mentions(message_of([] { RunReport({.max_points = 1}); }), "E016: RunReport: max_points is 1"));
  }

  TEST_CASE("run report: pictures of odd values stay well-formed") {
    using report::Series;
    const double inf = HUGE_VAL, nan = std::nan("");
    for (const std::vector<double>& y :
         {std::vector<double>{}, {nan}, {1}, {1, 1, 1}, {nan, inf, -inf}, {1e-300, 1e300}, {-1, nan, 2}, {0, 1e9}}) {
      std::vector<double> x;
      for (size_t i = 0; i < y.size(); ++i) x.push_back(static_cast<double>(i));
      const std::string all = report::line_chart({Series{"a<b>", x, y, true}, Series{"c", x, y}}, "x & y") +
                              report::scatter_chart(x, y, "x", "y", true) +
                              report::scatter_chart(y, x, "x", "y", false) + report::histogram_chart(y, "v");
      CHECK(elements("<!DOCTYPE html>\n" + all)["svg"] == 4);
      CHECK_FALSE(mentions(all, "=\"nan"));
      CHECK_FALSE(mentions(all, "inf\""));
    }
    CHECK(elements("<!DOCTYPE html>\n" + report::matrix_chart({0, 0, 0, 0}, 2, {}))["rect"] == 4);
  }

  TEST_CASE("run report: numbers for readers, and ticks") {
    const std::pair<double, const char*> cases[] = {
        {0, "0"},         {0.5, "0.5"},    {1234, "1234"},   {123456, "123.5k"}, {1e6, "1000k"},
        {2.5e9, "2500M"}, {1e-7, "1e-07"}, {-0.25, "-0.25"}, {0.1 + 0.2, "0.3"}, {12345678, "12.35M"}};
    for (const auto& [value, text] : cases) CHECK(report::readable(value) == text);
    CHECK(report::Scale({0, 10}, 0, 100).ticks(5) == std::vector<double>{0, 2, 4, 6, 8, 10});
    const auto decades = report::Scale({0.001, 10}, 0, 100, true).ticks(5);
    REQUIRE(decades.size() == 5);
    CHECK(decades.front() == doctest::Approx(0.001));
  }
}

}  // namespace fulmen::trainer::testing
