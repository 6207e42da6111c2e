// Learns to write from any text (without --data: this repository's own sources and documents), and writes on:
//   text_generation fit --data book.txt --max_steps 2000 --arch lstm
//   text_generation generate --prompt "Once upon" --temperature 0.8 --top_k 40
#include <fulmen/fulmen.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
using namespace fulmen;
using namespace fulmen::trainer;
const Stopwatch watch;  // since the program began

struct TextModel : LightningModule<data::Example<>, Tensor> {
  struct Hparams {
    std::string arch = "gpt";  // or lstm, which has no heads; the vocabulary is the tokenizer's
    int64_t layers = 4, heads = 4, width = 128, context = 64, vocabulary = 0, batch = 12, warmup = 100;
    double lr = 3e-3, dropout = 0, weight_decay = 0.1;
    void fields(auto&& f) {
      f("arch", arch), f("layers", layers), f("heads", heads), f("width", width), f("context", context);
      f("vocabulary", vocabulary), f("batch", batch), f("warmup", warmup), f("lr", lr);
      f("dropout", dropout), f("weight_decay", weight_decay);
    }
  };
  explicit TextModel(Hparams h) : hp(save_hyperparameters(h)) {
    FULMEN_CHECK(hp.arch == "gpt" || hp.arch == "lstm", "--arch is '", hp.arch, "'; expected gpt or lstm");
    nn::GPTOptions as_gpt(hp.vocabulary, hp.context, hp.layers, hp.heads, hp.width);
    nn::LSTMLanguageModelOptions as_lstm(hp.vocabulary, hp.layers, hp.width);
    if (hp.arch == "gpt") gpt = register_module("net", nn::GPT(as_gpt.dropout(hp.dropout)));
    if (hp.arch == "lstm") lstm = register_module("net", nn::LSTMLanguageModel(as_lstm.dropout(hp.dropout)));
  }
  nn::LanguageModel& net() { return gpt ? static_cast<nn::LanguageModel&>(*gpt) : *lstm; }
  Tensor loss_of(const Batch& batch) {  // mean over all tokens, in nats
    const Tensor logits = gpt ? gpt(batch.data) : lstm(batch.data);
    return nn::functional::cross_entropy(logits.reshape({-1, hp.vocabulary}), batch.target.reshape({-1}));
  }
  StepOutput training_step(const Batch& batch, int64_t) override {
    Tensor loss = loss_of(batch);
    log("train_loss", loss, {.prog_bar = true});
    return loss;
  }
  StepOutput validation_step(const Batch& batch, int64_t, int64_t) override {
    log("val_loss", loss_of(batch), {.prog_bar = true});
    return {};
  }
  StepOutput test_step(const Batch& batch, int64_t, int64_t) override {
    log("test_loss", loss_of(batch));
    return {};
  }
  Optimizers configure_optimizers() override {  // a warm-up, then half a cosine down to a tenth
    const auto steps = static_cast<double>(trainer().estimated_stepping_batches());
    const auto warmup = static_cast<double>(hp.warmup);
    std::vector<Tensor> matrices, others;  // biases and the weights of norms do not decay
    for (const Tensor& weight : parameters()) (weight.dim() > 1 ? matrices : others).push_back(weight);
    auto options = optim::AdamWOptions(hp.lr).betas({0.9, 0.99}).weight_decay(hp.weight_decay), still = options;
    return Optimizers(optim::AdamW({matrices, {others, still.weight_decay(0).clone()}}, options))
        .schedule<optim::LambdaLR>({.interval = Interval::Step}, [=](int64_t step) {
          const double at = static_cast<double>(step), done = (at - warmup) / std::max(1.0, steps - warmup);
          if (at < warmup) return (at + 1) / (warmup + 1);
          return 0.1 + 0.45 * (1 + std::cos(3.141592653589793 * std::clamp(done, 0.0, 1.0)));
        });
  }
  Hparams hp;
  data::AnyTokenizer tokenizer = register_transform("tokenizer", data::AnyTokenizer());
  nn::GPT gpt = nullptr;
  nn::LSTMLanguageModel lstm = nullptr;
};

struct Settings {
  std::string data, tokenizer = "characters", prompt = "\n", out = "text_generation_run", ckpt = out + "/best.ckpt";
  int64_t tokens = 300, vocabulary = 1024, beams = 1, top_k = 0, seed = 0;
  double temperature = 0.8, top_p = 1, repetition_penalty = 1, length_penalty = 1;
  bool cache = true;
  void fields(FieldVisitor& f) {
    f("data", data)("tokenizer", tokenizer)("prompt", prompt)("out", out)("ckpt", ckpt)("tokens", tokens);
    f("vocabulary", vocabulary)("beams", beams)("top_k", top_k)("seed", seed)("temperature", temperature);
    f("top_p", top_p)("repetition_penalty", repetition_penalty)("length_penalty", length_penalty)("cache", cache);
  }
  nn::GenerateOptions options(const data::Tokenizer& tokenizer_) const {
    return {.max_new_tokens = tokens,
            .end_token = tokenizer_.end_token(),
            .temperature = beams > 1 ? 0 : temperature,
            .top_k = top_k,
            .top_p = top_p,
            .repetition_penalty = repetition_penalty,
            .seed = static_cast<uint64_t>(seed),
            .beams = beams,
            .length_penalty = length_penalty,
            .use_cache = cache};
  }
};

std::string read_text(const std::string& file) {
  if (!file.empty()) return data::read_file(file);
  namespace fs = std::filesystem;
  const fs::path root = fs::path(FULMEN_EXAMPLE_DIR).parent_path().parent_path();
  std::vector<fs::path> files;
  for (const char* room : {"autograd", "data", "docs", "kernels", "nn", "optim", "tensor", "trainer"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / room)) {
      const fs::path kind = entry.path().extension();
      if (kind == ".h" || kind == ".cpp" || kind == ".cu" || kind == ".md") files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::string text;
  for (const fs::path& path : files) text += data::read_file(path.string());
  return text;
}

data::AnyTokenizer make_tokenizer(const Settings& settings, const std::string& text) {
  const std::string& kind = settings.tokenizer;
  if (kind == "bytes") return data::AnyTokenizer(data::Bytes());
  if (kind == "bpe") return data::AnyTokenizer(data::ByteLevelBpe::train(text, settings.vocabulary));
  FULMEN_CHECK(kind == "characters", "--tokenizer is '", kind, "'; expected characters, bytes or bpe");
  return data::AnyTokenizer(data::Characters(text));
}

data::DataLoader<> loader(const TextModel& model, const Tensor& tokens, bool training) {
  const int64_t context = model.hp.context;
  if (training)
    return data::DataLoader<>(data::TokenWindows(tokens, context), {.batch_size = model.hp.batch, .shuffle = true});
  return data::DataLoader<>(data::TokenWindows(tokens, context, context), {.batch_size = 32});
}

std::string written(TextModel& model, const Settings& settings, AnyFunction<bool(int64_t, int64_t)> show = {}) {
  model.eval();
  nn::GenerateOptions options = settings.options(model.tokenizer);
  if (settings.beams == 1) options.on_token = std::move(show);
  return model.tokenizer.decode(nn::generate(model.net(), {model.tokenizer.encode(settings.prompt)}, options)[0]);
}

void write(TextModel& model, const Settings& settings) {  // to the terminal, without beams as it comes
  data::TextStream stream(model.tokenizer);
  std::cout << settings.prompt;
  const auto show = [&](int64_t, int64_t token) { return bool(std::cout << stream.add(token) << std::flush); };
  const std::string text = written(model, settings, show);
  std::cout << (settings.beams > 1 ? text : stream.finish()) << std::endl;
}

void fit(const Settings& settings, TextModel::Hparams hp, TrainerOptions options) {
  const std::string text = read_text(settings.data);
  const data::AnyTokenizer tokenizer = make_tokenizer(settings, text);
  hp.vocabulary = tokenizer.size();
  seed_everything(settings.seed);
  TextModel model(hp);
  model.tokenizer.load_state(tokenizer.state());
  const Tensor tokens = tokenizer.encode_tensor(text);
  const int64_t learned = tokens.size(0) * 9 / 10;
  const Tensor held_out = tokens.slice(0, learned);
  options.default_root_dir = settings.out;
  const auto report = std::make_shared<RunReport>(RunReportOptions{.path = settings.out + "/report.html"});
  const auto sample = [&](Trainer& run, auto&) { report->add_text(run.global_step(), written(model, settings)); };
  options.callbacks = {
      report, std::make_shared<LambdaCallback>(LambdaCallback::Functions{.on_validation_end = sample}),
      std::make_shared<ModelCheckpoint>(ModelCheckpointOptions{
          .dirpath = settings.out, .filename = "best", .monitor = "val_loss", .enable_version_counter = false})};
  Trainer trainer(options);
  trainer.fit(model, loader(model, tokens.narrow(0, 0, learned), true), loader(model, held_out, false));
  if (trainer.interrupted()) return;
  const Metrics metrics = trainer.validate(model, loader(model, held_out, false), {.ckpt_path = "best"})[0];
  write(model, settings);
  print_result(metrics, watch.seconds());
}

void test(const Settings& settings, const TrainerOptions& options, bool validation) {
  const auto model = load_from_checkpoint<TextModel>(settings.ckpt);
  const Tensor tokens = model->tokenizer.encode_tensor(read_text(settings.data));
  const Tensor part = validation ? tokens.slice(0, tokens.size(0) * 9 / 10) : tokens;
  Trainer trainer(options);
  const auto data = loader(*model, part, false);
  print_result((validation ? trainer.validate(*model, data) : trainer.test(*model, data))[0], watch.seconds());
}

void predict(const Settings& settings) {  // all lines in one batch
  const auto model = load_from_checkpoint<TextModel>(settings.ckpt);
  model->eval();
  std::vector<std::vector<int64_t>> prompts;
  for (const std::string& line : data::read_lines(settings.data)) prompts.push_back(model->tokenizer.encode(line));
  const auto texts = nn::generate(model->net(), prompts, settings.options(model->tokenizer));
  for (size_t i = 0; i < texts.size(); ++i)
    std::cout << model->tokenizer.decode(prompts[i]) << model->tokenizer.decode(texts[i]) << "\n---\n";
}

int main(int argc, char** argv) {
  Settings settings;
  TextModel::Hparams hp;
  TrainerOptions options{
      .max_steps = 2000, .val_check_interval = 250, .check_val_every_n_epoch = {}, .gradient_clip_val = 1};
  return Cli("text_generation", "Learns to write from a text, and writes on.")
      .options(settings, hp, options)
      .describe("seed", "of weights, the order of training, and what is drawn")
      .command("fit", "learn from --data, keep the best model, write a sample", [&] { fit(settings, hp, options); })
      .command("validate", "loss on the last tenth of --data", [&] { test(settings, options, true); })
      .command("test", "loss on all of --data", [&] { test(settings, options, false); })
      .command("generate", "go on from --prompt",
               [&] { write(*load_from_checkpoint<TextModel>(settings.ckpt), settings); })
      .command("predict", "go on from each line of --data", [&] { predict(settings); })
      .run(argc, argv);
}
