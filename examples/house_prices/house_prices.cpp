// Learns to price houses from a CSV file of sales (without --data: the Ames sales beside this file), prices new ones:
//   house_prices fit --data sales.csv --target price      house_prices predict --ckpt best.ckpt --data new.csv
#include <fulmen/fulmen.h>
using namespace fulmen;
using namespace fulmen::trainer;
const Stopwatch watch;  // since the program began

struct HousePrices : LightningModule<data::Example<>, Tensor> {
  struct Hparams {
    std::string target = "Sale_Price";
    std::vector<std::string> drop = {};
    double test_fraction = 0.2, lr = 4e-3, dropout = 0.1;
    int64_t seed = 0, features = 0, members = 4;
    std::vector<int64_t> hidden = {128, 64};
    void fields(auto&& f) {
      f("target", target), f("drop", drop), f("test_fraction", test_fraction), f("seed", seed);
      f("lr", lr), f("dropout", dropout), f("features", features), f("members", members), f("hidden", hidden);
    }
  };
  explicit HousePrices(Hparams h) : hp(save_hyperparameters(h)) {
    FULMEN_CHECK(hp.members > 0, "--members is ", hp.members, "; at least one network has to be there");
    for (int64_t member = 0; member < hp.members; ++member) {
      nn::Sequential net;
      int64_t width = hp.features;
      for (int64_t hidden : hp.hidden) {
        net->push_back(nn::Sequential{nn::Linear(width, hidden), nn::LayerNorm(nn::LayerNormOptions({hidden})),
                                      nn::SiLU(), nn::Dropout(hp.dropout)});
        width = hidden;
      }
      net->push_back(nn::Linear(width, 1));
      nets->push_back(net);
    }
  }
  Tensor each(const Tensor& x) {  // [members, houses]: every network's price, standardised, see `price`
    std::vector<Tensor> prices;
    for (const auto& net : *nets) prices.push_back(net->as<nn::Sequential>()->forward(x));
    return cat(prices, 1).t();
  }
  Tensor forward(const Tensor& x) { return each(x).mean(0); }
  StepOutput training_step(const Batch& batch, int64_t) override {
    Tensor loss = (each(batch.data) - price(batch.target)).square().mean();
    log("train_loss", loss, {.on_epoch = true, .prog_bar = true});
    return loss;
  }
  StepOutput validation_step(const Batch& batch, int64_t, int64_t) override {
    const Tensor prices = forward(batch.data);
    log("val_mae", l1_loss(prices, price(batch.target)), {.prog_bar = true});
    return Dict{{"prediction", price.inverse(prices)}, {"target", batch.target}};  // for the report
  }
  Tensor predict_step(const Batch& batch, int64_t, int64_t) override {  // [houses, 3]: price; 90 % lie from, to
    const Tensor z = forward(batch.data);
    return price.inverse(stack({z, interval.low(z), interval.high(z)}, 1));
  }
  Optimizers configure_optimizers() override {
    const auto steps = static_cast<double>(trainer().estimated_stepping_batches());  // decay over a few runs
    return Optimizers(optim::AdamW(parameters(), optim::AdamWOptions(hp.lr).weight_decay(0.3 / (hp.lr * steps))))
        .schedule<optim::CosineAnnealingLR>({}, *trainer().options().max_epochs);
  }
  Hparams hp;
  data::TableEncoder features = register_transform("features", data::TableEncoder());
  data::Chain price = register_transform("price", data::Chain(data::Log1pIfSkewed(), data::Standardize()));
  PredictionInterval interval = register_transform("interval", PredictionInterval(0.9));
  nn::ModuleList nets = register_module("nets", nn::ModuleList());
};

data::DataLoader<> loader(HousePrices& model, const data::CsvTable& rows, bool training = false) {
  const data::Example<> houses(model.features(rows),
                               rows.has(model.hp.target) ? rows.tensor(model.hp.target) : Tensor());
  return data::DataLoader<>(houses, {.batch_size = rows.rows() < 5000 ? 64 : 128, .shuffle = training});
}

std::vector<data::CsvTable> parts_of(const std::string& csv, const HousePrices& model) {  // test, validation, training
  const auto table = data::read_csv(csv, model.features.csv_options()).drop(model.hp.drop);
  return data::split(table, {model.hp.test_fraction, 0.1}, model.hp.seed);
}

void validate(const std::string& csv, const std::string& ckpt, const TrainerOptions& options) {
  const auto model = load_from_checkpoint<HousePrices>(ckpt);
  print_result(Trainer(options).validate(*model, loader(*model, parts_of(csv, *model)[1]))[0], watch.seconds());
}

void test(const std::string& csv, const std::string& ckpt, const TrainerOptions& options) {
  const auto model = load_from_checkpoint<HousePrices>(ckpt);
  const auto rows = parts_of(csv, *model)[0];
  const Tensor predicted = concat(Trainer(options).predict(*model, loader(*model, rows)));
  const Tensor price = predicted.select(1, 0), from = predicted.select(1, 1), to = predicted.select(1, 2);
  const Tensor paid = rows.tensor(model->hp.target).to(price.scalar_type());
  Metrics metrics = RegressionScore(price, paid).metrics("test_");
  metrics.set("test_coverage", (paid >= from).logical_and(paid <= to).to(kDouble).mean().item<double>());
  print_result(metrics, watch.seconds());
}

void fit(const std::string& csv, const std::string& out, HousePrices::Hparams hp, TrainerOptions options) {
  const auto parts = data::split(data::read_csv(csv).drop(hp.drop), {hp.test_fraction, 0.1}, hp.seed);
  const data::CsvTable &validation = parts[1], &train = parts[2];
  const auto features = data::TableEncoder({.clip = 6, .bins = 32, .min_bin_rows = 256}).fit(train.drop({hp.target}));
  const Tensor prices = train.tensor(hp.target);
  FULMEN_CHECK(prices.min().item<double>() < prices.max().item<double>(), csv, ": column '", hp.target, "' is ",
               prices[0].item<double>(), " in every row; there is nothing to learn");
  hp.features = features.features();
  seed_everything(hp.seed);
  HousePrices model(hp);
  model.features.load_state(features.state());
  model.price.fit(prices);
  options.default_root_dir = out;
  options.callbacks = {std::make_shared<RunReport>(RunReportOptions{.path = out + "/report.html"}),
                       std::make_shared<ModelCheckpoint>(ModelCheckpointOptions{
                           .dirpath = out, .filename = "best", .monitor = "val_mae", .enable_version_counter = false})};
  Trainer trainer(options);
  trainer.fit(model, loader(model, train, true), loader(model, validation));
  if (trainer.interrupted()) return;
  trainer.validate(model, loader(model, validation), {.ckpt_path = "best"});  // loads the best weights
  model.freeze();
  const Tensor houses = model.features(validation).to(model.device());
  model.interval.fit(model.forward(houses), model.price(validation.tensor(hp.target)));
  trainer.save_checkpoint(out + "/best.ckpt");
  test(csv, out + "/best.ckpt", options);
}

void predict(const std::string& csv, const std::string& ckpt, const TrainerOptions& options) {
  const auto model = load_from_checkpoint<HousePrices>(ckpt);
  const auto houses = data::read_csv(csv, model->features.csv_options()).select(model->features.column_names());
  Trainer(options).predict(*model, loader(*model, houses), [](const Tensor& prices) { print_rows(prices, 0); });
}

int main(int argc, char** argv) {
  struct {
    std::string data = FULMEN_EXAMPLE_DIR "/data/ames.csv", out = "house_prices_run", ckpt = out + "/best.ckpt";
    void fields(FieldVisitor& f) { f("data", data)("out", out)("ckpt", ckpt); }
  } files;
  HousePrices::Hparams hp;
  TrainerOptions options{.max_epochs = 25};
  return Cli("house_prices", "Learns to price houses from a CSV file of sales, and prices new ones.")
      .options(files, hp, options)
      .command("fit", "train, keep the best model, test it", [&] { fit(files.data, files.out, hp, options); })
      .command("validate", "error on what chose the model", [&] { validate(files.data, files.ckpt, options); })
      .command("test", "errors on what fit held out", [&] { test(files.data, files.ckpt, options); })
      .command("predict", "price, and from, to (90 %)", [&] { predict(files.data, files.ckpt, options); })
      .run(argc, argv);
}
