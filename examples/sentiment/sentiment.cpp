// Learns how positive texts are from a TSV or CSV file with columns text and label (or from a file of positive and one
// of negative texts; without either, the short reviews beside this file), and scores new ones on the labels' own scale:
//   sentiment fit --data reviews.tsv      sentiment fit --positive good.txt --negative bad.txt --minilm FOLDER
//   sentiment predict --text "Worth every penny."
#include <fulmen/fulmen.h>

#include <algorithm>
#include <cmath>
#include <iostream>
using namespace fulmen;
using namespace fulmen::trainer;
const Stopwatch watch;  // since the program began
struct Sentiment : LightningModule<data::TextExample, Tensor> {
  struct Hparams {
    std::string arch = "bag", tune = "all";  // bag, lstm, transformer; with --minilm that, and all of it or its head
    std::vector<std::string> labels = {};    // if they are words
    int64_t words = 2, tokens = 1 << 20, width = 64, layers = 2, heads = 4, inside = 256, longest = 256, kinds = 0;
    int64_t batch = 32, seed = 0;
    double lr = 0, layer_decay = 0.9, dropout = 0.5, weight_decay = 0.01, test_fraction = 0.1, val_fraction = 0.05;
    void fields(auto&& f) {
      f("arch", arch), f("tune", tune), f("labels", labels), f("words", words), f("tokens", tokens), f("width", width);
      f("layers", layers), f("heads", heads), f("inside", inside), f("longest", longest), f("kinds", kinds);
      f("batch", batch), f("seed", seed), f("lr", lr), f("layer_decay", layer_decay), f("dropout", dropout);
      f("weight_decay", weight_decay), f("test_fraction", test_fraction), f("val_fraction", val_fraction);
    }
  };
  explicit Sentiment(Hparams h) : hp(save_hyperparameters(h)) {
    if (hp.arch == "bag") {
      bag = register_module(hp.arch, nn::EmbeddingBag(nn::EmbeddingBagOptions(hp.tokens, 1).mode(kSum).padding_idx(0)));
    } else if (hp.arch == "lstm") {
      table = register_module("table", nn::Embedding(hp.tokens, hp.width));
      lstm = register_module(hp.arch, nn::LSTM(nn::LSTMOptions(hp.width, hp.width).batch_first(true)));
    } else {
      FULMEN_CHECK(hp.arch == "transformer" || minilm, "--arch is '", hp.arch, "'; expected bag, lstm or transformer");
      bert = register_module("bert", nn::Bert(nn::BertOptions(hp.tokens, hp.width, hp.layers, hp.heads, hp.inside)));
    }
  }
  std::vector<std::vector<int64_t>> tokens_of(const std::vector<std::string>& texts) const {
    return data::encode_texts(tokenizer, texts, bag ? 0 : hp.longest);
  }
  Tensor features(const Batch& batch) {                             // [rows, inputs]
    if (batch.ids.is_floating_point()) return standard(batch.ids);  // what a frozen encoder made of the texts
    if (frozen) return bert->layer_means(batch.ids, batch.mask);
    if (bert) return nn::mean_of_tokens(bert(batch.ids, batch.mask), batch.mask);
    if (lstm) return nn::mean_of_tokens(std::get<0>(lstm(table(batch.ids))), batch.mask);
    if (!is_training()) return bag(batch.ids);
    return bag(batch.ids * (rand(batch.ids.sizes(), device()) >= hp.dropout)) / (1 - hp.dropout);
  }
  Tensor forward(const Batch& batch) { return head(drop(features(batch))).squeeze(1); }  // [rows]: log odds
  Tensor loss_of(const Tensor& z, const Tensor& y) { return binary_cross_entropy_with_logits(z, scale(y)); }
  StepOutput training_step(const Batch& batch, int64_t) override {
    Tensor loss = loss_of(forward(batch), batch.target);
    log("train_loss", loss, {.on_epoch = true, .prog_bar = true});
    return loss;
  }
  StepOutput validation_step(const Batch& batch, int64_t, int64_t) override {
    const Tensor z = forward(batch), score = scale.inverse(z.sigmoid());
    log("val_loss", loss_of(z, batch.target), {.prog_bar = true});
    log("val_mae", l1_loss(score, batch.target), {.prog_bar = true});
    if (hp.kinds > 2) return Dict{{"prediction", score}, {"target", batch.target}};
    return Dict{{"logits", stack({zeros_like(z), z}, 1)}, {"target", scale(batch.target).round().to(kLong)}};
  }
  Tensor predict_step(const Batch& batch, int64_t, int64_t) override { return scale.inverse(forward(batch).sigmoid()); }
  Optimizers configure_optimizers() override {  // a pretrained encoder learns slowly, its first layers even more so
    const double lr = hp.lr > 0 ? hp.lr : bag ? 1e-2 : tuned ? 8e-5 : 1e-3;
    std::vector<optim::OptimizerParamGroup> groups;
    const auto group = [&](const std::vector<Tensor>& weights, double share) {
      groups.emplace_back(weights, optim::AdamWOptions(lr * share).weight_decay(hp.weight_decay).clone());
    };
    double share = std::pow(hp.layer_decay, hp.layers);
    if (tuned) {
      group(bert->embeddings->parameters(), share);
      for (const auto& layer : *bert->layers) group(layer->parameters(), share /= hp.layer_decay);
    }
    group(minilm ? head->parameters() : parameters(), tuned ? 10 : 1);
    const auto steps = static_cast<double>(trainer().estimated_stepping_batches());
    return Optimizers(optim::AdamW(groups, optim::AdamWOptions(lr)))
        .schedule<optim::LambdaLR>({.interval = Interval::Step}, [=](int64_t step) {  // up for a tenth, then down to 0
          return std::min(10 * (double(step) + 1) / steps, std::max(0.0, (1 - double(step) / steps) / 0.9));
        });
  }
  Hparams hp;
  const bool minilm = hp.arch == "minilm", frozen = minilm && hp.tune == "head", tuned = minilm && !frozen;
  const int64_t inputs = hp.arch == "bag" ? 1 : frozen ? (hp.layers + 1) * hp.width : hp.width;
  data::AnyTokenizer tokenizer = register_transform("tokenizer", data::AnyTokenizer());
  data::Standardize standard = register_transform("standard", data::Standardize());
  data::MinMax scale = register_transform("scale", data::MinMax());  // labels become 0 to 1; its inverse makes scores
  nn::EmbeddingBag bag = nullptr;
  nn::Embedding table = nullptr;
  nn::LSTM lstm = nullptr;
  nn::Bert bert = nullptr;
  nn::Dropout drop = register_module("drop", nn::Dropout(hp.arch == "bag" ? 0 : tuned ? 0.1 : hp.dropout));
  nn::Linear head = register_module("head", nn::Linear(inputs, 1));
};
struct Settings {
  std::string data = FULMEN_EXAMPLE_DIR "/data/reviews.tsv", positive, negative, minilm, text;
  std::string out = "sentiment_run", ckpt = out + "/best.ckpt";
  void fields(FieldVisitor& f) {
    f("data", data)("positive", positive)("negative", negative)("minilm", minilm)("text", text)("out", out);
    f("ckpt", ckpt);
  }
};
data::LabelledTexts read(const Settings& files) {
  FULMEN_CHECK(files.positive.empty() == files.negative.empty(), "--positive and --negative go together");
  if (files.positive.empty()) return data::read_labelled_texts(files.data);
  return data::read_two_files(files.negative, files.positive);
}
std::vector<data::LabelledTexts> parts(const data::LabelledTexts& all, const Sentiment::Hparams& hp) {
  return data::split(all, {hp.test_fraction, hp.val_fraction}, hp.seed);  // test, validation, training
}
data::DataLoader<data::TextExample> loader(Sentiment& model, const data::LabelledTexts& part, bool training = false) {
  const data::LoaderOptions options{.batch_size = model.hp.batch, .shuffle = training};
  const data::TokenRows tokens(model.tokens_of(part.texts), part.labels, /*pad=*/0);
  if (!model.frozen) return data::DataLoader(tokens, options);
  model.bert->eval();  // a frozen encoder reads every text once
  NoGradGuard no_grad;
  std::vector<Tensor> features;
  for (const auto& batch : data::DataLoader(tokens, {.batch_size = 32})) features.push_back(model.features(batch));
  if (training) model.standard.fit(cat(features));
  return data::DataLoader(data::TextExample{cat(features), {}, part.labels}, options);
}
std::string shown(const Sentiment& model, double score) {  // "0.93 positive", or the score alone if labels are numbers
  const std::string number = std::to_string(score).substr(0, 4);
  return model.hp.labels.empty() ? number : number + " " + model.hp.labels[static_cast<size_t>(std::lround(score))];
}
void test(const Settings& files, const std::string& ckpt, const TrainerOptions& options) {
  const auto model = load_from_checkpoint<Sentiment>(ckpt);
  const data::LabelledTexts held_out = parts(read(files), model->hp)[0];
  const Tensor scores = concat(Trainer(options).predict(*model, loader(*model, {held_out.texts, {}, {}}))).to(kCPU);
  const Tensor order = scores.argsort(0, /*descending=*/true), truth = model->scale(held_out.labels);
  const Tensor right = (model->scale(scores) - truth).abs() * static_cast<double>(model->hp.kinds - 1) < 0.5;
  print_extremes(order, [&](int64_t at) {  // the most positive and the most negative texts
    const auto show = [&](const Tensor& of) { return shown(*model, of[at].item<double>()); };
    return show(scores) + " (is " + show(held_out.labels) + ")\t" + held_out.texts[static_cast<size_t>(at)];
  });
  const double accuracy = right.to(kFloat).mean().item<double>(), mae = l1_loss(scores, held_out.labels).item<double>();
  print_result({{"test_accuracy", accuracy}, {"test_mae", mae}}, watch.seconds());
}
void fit(const Settings& files, Sentiment::Hparams hp, TrainerOptions options) {
  const data::LabelledTexts all = read(files);
  hp.kinds = all.check_kinds(), hp.labels = all.label_names;
  data::AnyTokenizer tokenizer(data::HashedNgrams({hp.arch == "bag" ? hp.words : 1, hp.tokens, hp.arch == "bag"}));
  nn::Bert pretrained = nullptr;
  if (!files.minilm.empty()) {
    FULMEN_CHECK(hp.tune == "head" || hp.tune == "all", "--tune is '", hp.tune, "'; expected head or all");
    pretrained = nn::load_bert(files.minilm);
    const nn::BertOptions& o = pretrained->options;
    tokenizer = data::AnyTokenizer(
        data::WordPiece::load(files.minilm + "/vocab.txt", {.max_length = hp.longest, .vocab_size = o.vocab_size()}));
    hp.arch = "minilm", hp.tokens = o.vocab_size(), hp.width = o.hidden_size(), hp.layers = o.num_hidden_layers();
    hp.heads = o.num_attention_heads(), hp.inside = o.intermediate_size();
  }
  seed_everything(static_cast<uint64_t>(hp.seed));
  Sentiment model(hp);
  model.tokenizer.load_state(tokenizer.state());
  model.scale.fit(all.labels);
  const auto part = parts(all, hp);
  if (pretrained) model.bert->load_state_dict(pretrained->state_dict());
  if (model.bag) {  // begins as naive Bayes
    NoGradGuard no_grad;
    const auto tokens = model.tokens_of(part[2].texts);
    model.bag->weight.copy_(data::log_count_ratios(tokens, model.scale(part[2].labels), hp.tokens).unsqueeze(1));
    model.head->weight.fill_(0.3), model.head->bias.fill_(0);
  }
  options.default_root_dir = files.out;
  if (!options.max_epochs) options.max_epochs = model.frozen ? 10 : model.minilm ? 2 : 5;
  ModelCheckpointOptions best{.dirpath = files.out, .filename = "best", .enable_version_counter = false};
  if (!model.frozen) best.monitor = "val_loss";  // a head behind so much dropout is best at its end
  const RunReportOptions report{.path = files.out + "/report.html", .class_names = hp.labels};
  options.callbacks = {std::make_shared<ModelCheckpoint>(best), std::make_shared<RunReport>(report)};
  Trainer trainer(options);
  const auto train = loader(model, part[2], true), validation = loader(model, part[1]);
  trainer.fit(model, train, validation);
  if (!trainer.interrupted()) test(files, files.out + "/best.ckpt", options);
}
void validate(const Settings& files, const TrainerOptions& options) {
  const auto model = load_from_checkpoint<Sentiment>(files.ckpt);
  print_result(Trainer(options).validate(*model, loader(*model, parts(read(files), model->hp)[1]))[0], watch.seconds());
}
void predict(const Settings& files, const TrainerOptions& options) {
  const auto model = load_from_checkpoint<Sentiment>(files.ckpt);
  const data::LabelledTexts rows{
      files.text.empty() ? data::read_lines(files.data) : std::vector<std::string>{files.text}, {}, {}};
  const Tensor scores = concat(Trainer(options).predict(*model, loader(*model, rows)));
  for (size_t i = 0; i < rows.texts.size(); ++i)
    std::cout << shown(*model, scores[static_cast<int64_t>(i)].item<double>()) << "\t" << rows.texts[i] << "\n";
}
int main(int argc, char** argv) {
  Settings files;
  Sentiment::Hparams hp;
  TrainerOptions options;
  return Cli("sentiment", "Learns from texts with a label how positive they are, and scores new ones.")
      .options(files, hp, options)
      .command("fit", "train, keep the best model, test it", [&] { fit(files, hp, options); })
      .command("validate", "loss on the validation part of --data", [&] { validate(files, options); })
      .command("test", "accuracy on what fit held out", [&] { test(files, files.ckpt, options); })
      .command("predict", "score --text, or each line of --data", [&] { predict(files, options); })
      .run(argc, argv);
}
