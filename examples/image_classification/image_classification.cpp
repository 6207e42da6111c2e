// Learns to tell pictures apart (without --data: 1,797 handwritten digits, 8 x 8, beside this file), and names new
// ones:
//   image_classification fit --data FOLDER      image_classification predict --data picture.png
// FOLDER holds MNIST's files or CIFAR-10's, or a folder of PNG, JPEG, PGM or PPM pictures for each class.
#include <fulmen/fulmen.h>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
using namespace fulmen;
using namespace fulmen::trainer;
namespace vision = fulmen::data::vision;
const Stopwatch watch;  // since the program began

/// relu(x + f(x)), f being two convolutions (He et al. 2016). With stride 2 the picture is halved.
struct BlockImpl : nn::Module {
  BlockImpl(int64_t from, int64_t to, int64_t stride) {
    nn::BatchNorm2d last(to);
    nn::init::zeros_(last->weight);  // the block begins as a shortcut
    const auto conv = [](int64_t in, int64_t out, int64_t size, int64_t step) {
      return nn::Conv2d(nn::Conv2dOptions(in, out, size).stride(step).padding(size / 2).bias(false));
    };
    body = register_module(
        "body", nn::Sequential(conv(from, to, 3, stride), nn::BatchNorm2d(to), nn::ReLU(), conv(to, to, 3, 1), last));
    if (from == to) return;
    shortcut = register_module("shortcut", nn::Sequential(conv(from, to, 1, stride), nn::BatchNorm2d(to)));
  }
  Tensor forward(const Tensor& x) { return relu(body->forward(x) + (shortcut.is_empty() ? x : shortcut->forward(x))); }
  nn::Sequential body{nullptr}, shortcut{nullptr};
};
FULMEN_MODULE(Block);

struct Classifier : LightningModule<data::Example<>, ClassPrediction> {
  struct Hparams {
    std::vector<int64_t> widths = {32, 64, 128};
    std::vector<std::string> classes = {};
    int64_t channels = 0, height = 0, width = 0, batch = 0, seed = 0;
    double lr = 4e-3, weight_decay = 0.02, smoothing = 0.05;
    double shift = 0.07, rotation = -1, zoom = -1;  // at most: share of the width, degrees, share of the size
    bool flip = false;
    double test_fraction = 0.2, validation_fraction = 0.1;  // of what is not divided already
    void fields(auto&& f) {
      f("widths", widths), f("classes", classes), f("channels", channels), f("height", height), f("width", width);
      f("batch", batch), f("seed", seed), f("lr", lr), f("weight_decay", weight_decay), f("smoothing", smoothing);
      f("shift", shift), f("rotation", rotation), f("zoom", zoom), f("flip", flip);
      f("test_fraction", test_fraction), f("validation_fraction", validation_fraction);
    }
  };
  explicit Classifier(Hparams h) : hp(save_hyperparameters(h)) {
    // The first layer brings pictures of any brightness to mean 0 and variance 1; the second halves all but small ones.
    net->push_back(nn::BatchNorm2d(nn::BatchNormOptions(hp.channels).affine(false)));
    const int64_t stride = std::min(hp.height, hp.width) < 16 ? 1 : 2;
    net->push_back(nn::Conv2d(nn::Conv2dOptions(hp.channels, hp.widths[0], 3).stride(stride).padding(1).bias(false)));
    net->push_back(nn::Sequential(nn::BatchNorm2d(hp.widths[0]), nn::ReLU()));
    int64_t before = hp.widths[0];
    for (int64_t now : hp.widths) {
      net->push_back(Block(before, now, before == now ? 1 : 2));
      before = now;
    }
    net->push_back(nn::Sequential(nn::AdaptiveAvgPool2d(1), nn::Flatten()));
    net->push_back(nn::Linear(before, static_cast<int64_t>(hp.classes.size())));
  }
  Tensor forward(const Tensor& x) { return net->forward(x); }
  Batch on_before_batch_transfer(Batch batch, int64_t) override {  // bytes become numbers, and in training others
    const vision::Augmentation how{.crop_padding = std::llround(hp.shift * static_cast<double>(hp.width)),
                                   .horizontal_flip = hp.flip,
                                   .rotation = hp.rotation,
                                   .scale = hp.zoom,
                                   .seed = static_cast<uint64_t>(hp.seed)};
    if (is_training()) batch.data = vision::augmented(batch.data, how, static_cast<uint64_t>(global_step()));
    return {vision::to_float(batch.data), batch.target};
  }
  StepOutput training_step(const Batch& batch, int64_t) override {
    const auto options = nn::functional::CrossEntropyFuncOptions().label_smoothing(hp.smoothing);
    Tensor loss = nn::functional::cross_entropy(forward(batch.data), batch.target, options);
    log("train_loss", loss, {.on_epoch = true, .prog_bar = true});
    return loss;
  }
  StepOutput validation_step(const Batch& batch, int64_t, int64_t) override {
    const Tensor logits = forward(batch.data);
    accuracy.update(logits, batch.target);
    log("val_accuracy", accuracy, {.prog_bar = true});
    log("val_loss", nn::functional::cross_entropy(logits, batch.target));
    return Dict{{"logits", logits}, {"target", batch.target}};  // for the temperature and the report
  }
  ClassPrediction predict_step(const Batch& batch, int64_t, int64_t) override {
    return classify(forward(batch.data), temperature);
  }
  Optimizers configure_optimizers() override {
    return Optimizers(optim::AdamW(parameters(), optim::AdamWOptions(hp.lr).weight_decay(hp.weight_decay)))
        .schedule<optim::OneCycleLR>({.interval = Interval::Step}, hp.lr, trainer().estimated_stepping_batches());
  }
  Hparams hp;
  Temperature temperature = register_transform("temperature", Temperature());
  metric::Accuracy accuracy{{.num_classes = static_cast<int64_t>(hp.classes.size())}};
  nn::Sequential net = register_module("net", nn::Sequential());
};

struct Parts {  // of what --data holds: divided as it is, or by chance
  vision::ImageSet test, validation, train;
};
Parts read(const std::string& path, const Classifier::Hparams& hp) {
  const vision::ImageSet all = vision::image_set(path);
  FULMEN_CHECK(all.labels.defined(), path, ": these pictures have no labels; put those of each class into a folder");
  FULMEN_CHECK(all.labels.min().item<int64_t>() < all.labels.max().item<int64_t>(), path,
               ": all pictures are of one class; expected at least two");
  const vision::ImageSet test = vision::image_set(path, /*train=*/false);
  std::vector<double> fractions{hp.validation_fraction};
  if (test.size() == 0) fractions.push_back(hp.test_fraction);
  const auto parts = vision::split(all, fractions, static_cast<uint64_t>(hp.seed));
  return {test.size() > 0 ? test : parts[1], parts[0], parts.back()};
}

data::DataLoader<> loader(const Classifier& model, const vision::ImageSet& set, bool training = false) {
  const auto& hp = model.hp;
  FULMEN_CHECK(set.images.sizes().slice(1) == IntArrayRef({hp.channels, hp.height, hp.width}), "the pictures are ",
               set.images.sizes().slice(1), ", but the model learned from ",
               IntArrayRef({hp.channels, hp.height, hp.width}), " (channels, height, width): bring them to that size");
  return data::DataLoader<>(data::Example<>(set.images, set.labels),
                            {.batch_size = training ? hp.batch : 256, .shuffle = training});
}

void test(const std::string& path, const std::string& ckpt, const TrainerOptions& options) {
  const auto model = load_from_checkpoint<Classifier>(ckpt);
  const vision::ImageSet set = read(path, model->hp).test;
  const ClassPrediction found = concat(Trainer(options).predict(*model, loader(*model, set)));
  metric::ConfusionMatrix confusion({.num_classes = static_cast<int64_t>(model->hp.classes.size())});
  confusion.update(found.label, set.labels);
  std::cout << "how often a picture of each class (rows) was taken for each (columns)\n";
  print_rows(confusion.compute(), 0);
  print_result(classification_score(found, set.labels, "test_"), watch.seconds());
}

void fit(const std::string& path, const std::string& out, Classifier::Hparams hp, TrainerOptions options) {
  const Parts parts = read(path, hp);
  hp.classes = parts.train.classes;
  hp.channels = parts.train.images.size(1);
  hp.height = parts.train.images.size(2), hp.width = parts.train.images.size(3);
  const bool few = parts.train.size() < 10000;
  if (hp.batch <= 0) hp.batch = few ? 32 : 128;
  if (hp.rotation < 0) hp.rotation = few ? 10 : 0;
  if (hp.zoom < 0) hp.zoom = few ? 0.1 : 0;
  seed_everything(hp.seed);
  Classifier model(hp);
  options.default_root_dir = out;
  if (!options.max_epochs && options.max_steps < 0)
    options.max_epochs = std::clamp<int64_t>(800000 / parts.train.size(), 10, 60);
  options.callbacks = {
      std::make_shared<CalibrateTemperature>(model.temperature),
      std::make_shared<RunReport>(RunReportOptions{.path = out + "/report.html", .class_names = hp.classes}),
      std::make_shared<ModelCheckpoint>(ModelCheckpointOptions{
          .dirpath = out, .filename = "best", .monitor = "val_loss", .enable_version_counter = false})};
  Trainer trainer(options);
  trainer.fit(model, loader(model, parts.train, true), loader(model, parts.validation));
  if (!trainer.interrupted()) test(path, out + "/best.ckpt", options);
}

void validate(const std::string& path, const std::string& ckpt, const TrainerOptions& options) {
  const auto model = load_from_checkpoint<Classifier>(ckpt);
  print_result(Trainer(options).validate(*model, loader(*model, read(path, model->hp).validation))[0], watch.seconds());
}

void predict(const std::string& path, const std::string& ckpt, double unsure, const TrainerOptions& options) {
  const auto model = load_from_checkpoint<Classifier>(ckpt);
  vision::ImageSet set = vision::image_set(path, /*train=*/false);
  if (set.size() == 0) set = vision::image_set(path);
  const auto found = concat(Trainer(options).predict(*model, loader(*model, set)));
  std::cout << std::fixed << std::setprecision(4);
  for (int64_t i = 0; i < set.size(); ++i) {
    const double probability = found.confidence[i].item<double>();
    std::cout << (set.files.empty() ? std::to_string(i) : set.files[i]) << "\t"
              << model->hp.classes[static_cast<size_t>(found.label[i].item<int64_t>())] << "\t" << probability << "\t"
              << found.entropy[i].item<double>() << (probability < unsure ? "\tunsure" : "") << "\n";
  }
}

int main(int argc, char** argv) {
  struct {
    std::string data = FULMEN_EXAMPLE_DIR "/data", out = "image_classification_run", ckpt = out + "/best.ckpt";
    double unsure = 0.9;
    void fields(FieldVisitor& f) { f("data", data)("out", out)("ckpt", ckpt)("unsure", unsure); }
  } files;
  Classifier::Hparams hp;
  TrainerOptions options;
  return Cli("image_classification", "Learns to tell pictures apart, and names new ones.")
      .options(files, hp, options)
      .describe("unsure", "predict marks pictures whose class is less probable")
      .describe("trainer.max_epochs", "not set: 800,000 pictures seen, in 10 to 60 epochs")
      .describe("model.batch", "0: 32 for less than 10,000 pictures, otherwise 128")
      .describe("model.rotation", "augmentation: degrees at most; -1: 10 (zoom 0.1) below 10,000 pictures, or 0")
      .describe("model.shift", "augmentation: moved by at most this share of the width")
      .command("fit", "train, keep the best model, test it", [&] { fit(files.data, files.out, hp, options); })
      .command("validate", "accuracy where the best was chosen", [&] { validate(files.data, files.ckpt, options); })
      .command("test", "accuracy on pictures never used", [&] { test(files.data, files.ckpt, options); })
      .command("predict", "class, probability, entropy",
               [&] { predict(files.data, files.ckpt, files.unsure, options); })
      .run(argc, argv);
}
