// Learns to price houses from a CSV file of sales, and prices new ones from the checkpoint alone.
//   house_prices fit --data sales.csv --target price --drop id,date       (without --data: the Ames sales beside this
//   file) house_prices predict --ckpt house_prices_run/best.ckpt --data new_houses.csv
#include <fulmen/fulmen.h>

using namespace fulmen;
using namespace fulmen::trainer;
const Stopwatch watch;  // since the program began

class HousePrices : public LightningModule<data::Example<>, Tensor> {
 public:
  struct Hparams {
    std::string target = "Sale_Price";
    std::vector<std::string> drop = {};
    double test_fraction = 0.2, lr = 2e-3, dropout = 0.1;
    int64_t seed = 0, features = 0;
    std::vector<int64_t> hidden = {128, 64};
    void fields(auto&& f) {
      f("target", target), f("drop", drop), f("test_fraction", test_fraction), f("seed", seed);
      f("lr", lr), f("dropout", dropout), f("features", features), f("hidden", hidden);
    }
  };
  explicit HousePrices(Hparams h) : hp(save_hyperparameters(h)) {
    int64_t width = hp.features;
    for (int64_t hidden : hp.hidden) {
      net->push_back(nn::Sequential(nn::Linear(width, hidden), nn::LayerNorm(nn::LayerNormOptions({hidden})),
                                    nn::SiLU(), nn::Dropout(hp.dropout)));
      width = hidden;
    }
    net->push_back(nn::Linear(width, 1));
  }
  Tensor forward(const Tensor& x) { return net->forward(x).squeeze(1); }  // standardised, see `price`
  StepOutput training_step(const Batch& batch, int64_t) override {
    Tensor loss = mse_loss(forward(batch.data), price(batch.target));
    log("train_loss", loss, {.on_epoch = true, .prog_bar = true});
    return loss;
  }
  StepOutput validation_step(const Batch& batch, int64_t, int64_t) override {
    log("val_mae", l1_loss(forward(batch.data), price(batch.target)), {.prog_bar = true});
    return {};
  }
  Tensor predict_step(const Batch& batch, int64_t,
                      int64_t) override {  // [houses, 3]: price, and where 90 % lie: from, to
    const Tensor z = forward(batch.data);
    return price.inverse(stack({z, interval.low(z), interval.high(z)}, 1));
  }
  Optimizers configure_optimizers() override {
    const auto steps = static_cast<double>(trainer().estimated_stepping_batches());  // decay over about one run
    return Optimizers(optim::AdamW(parameters(), optim::AdamWOptions(hp.lr).weight_decay(1 / (hp.lr * steps))))
        .schedule<optim::CosineAnnealingLR>({}, *trainer().options().max_epochs);
  }

  Hparams hp;
  data::TableEncoder features = register_transform("features", data::TableEncoder({.clip = 3, .bins = 32}));
  data::Chain price = register_transform("price", data::Chain(data::Log1pIfSkewed(), data::Standardize()));
  PredictionInterval interval = register_transform("interval", PredictionInterval(0.9));
  nn::Sequential net = register_module("net", nn::Sequential());
};

data::DataLoader<> loader(HousePrices& model, const data::CsvTable& rows, bool training = false) {
  const Tensor prices = rows.has(model.hp.target) ? rows.tensor(model.hp.target) : Tensor();
  return data::DataLoader<>(data::Example<>(model.features(rows), prices),
                            {.batch_size = rows.rows() < 5000 ? 64 : 128, .shuffle = training});
}

void test(const std::string& csv, const std::string& ckpt, const TrainerOptions& options) {
  const auto model = load_from_checkpoint<HousePrices>(ckpt);
  const auto table = data::read_csv(csv, model->features.csv_options()).drop(model->hp.drop);
  const auto rows = data::split(table, {model->hp.test_fraction, 0.1}, model->hp.seed)[0];
  const Tensor prices = concat(Trainer(options).predict(*model, loader(*model, rows))).select(1, 0);
  print_result(RegressionScore(prices, rows.tensor(model->hp.target)).metrics("test_"), watch.seconds());
}

void fit(const std::string& csv, const std::string& out, HousePrices::Hparams hp, TrainerOptions options) {
  const auto parts = data::split(data::read_csv(csv).drop(hp.drop), {hp.test_fraction, 0.1}, hp.seed);
  const data::CsvTable &validation = parts[1], &train = parts[2];
  data::TableEncoder features({.clip = 3, .bins = 32});
  features.fit(train.drop({hp.target}));
  hp.features = features.features();
  seed_everything(hp.seed);
  HousePrices model(hp);
  model.features.load_state(features.state());
  model.price.fit(train.tensor(hp.target));
  options.default_root_dir = out;
  options.callbacks = {std::make_shared<ModelCheckpoint>(ModelCheckpointOptions{
      .dirpath = out, .filename = "best", .monitor = "val_mae", .enable_version_counter = false})};
  Trainer trainer(options);
  trainer.fit(model, loader(model, train, true), loader(model, validation));
  if (trainer.interrupted()) return;
  trainer.validate(model, loader(model, validation), {.ckpt_path = "best"});  // loads the best weights
  model.freeze();
  model.interval.fit(model.forward(model.features(validation)), model.price(validation.tensor(hp.target)));
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
      .command("fit", "train on --data, keep the best model in --out, report its errors on held-out sales",
               [&] { fit(files.data, files.out, hp, options); })
      .command("test", "report the errors of --ckpt on the sales of --data that fit held out",
               [&] { test(files.data, files.ckpt, options); })
      .command("predict", "price the houses in --data with --ckpt: price, from, to (90 % of such prices)",
               [&] { predict(files.data, files.ckpt, options); })
      .run(argc, argv);
}
