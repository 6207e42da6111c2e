#include <doctest/doctest.h>
#include <fulmen/trainer/callbacks/weight_averaging.h>
#include <fulmen/trainer/early_stopping.h>

#include <fstream>
#include <random>

#include "captured.h"
#include "small_model.h"

// Checkpoints that were cut short, changed, or written by somebody else: always an Error, whatever is done with them.
namespace fulmen::trainer::testing {
namespace {

using fulmen::testing::mentions;

TrainerOptions fit_options() {
  TrainerOptions options = quiet(2);
  options.accumulate_grad_batches = 3;
  options.accelerator = "cpu";
  options.callbacks = {std::make_shared<EMAWeightAveraging>(EMAWeightAveragingOptions{.decay = 0.5}),
                       std::make_shared<EarlyStopping>(EarlyStoppingOptions{.monitor = "train_loss"})};
  return options;
}

/// A checkpoint with everything a checkpoint can hold: of the middle of an epoch and of an accumulation window.
Checkpoint save_whole(const std::string& path) {
  struct Save : Callback {
    explicit Save(std::string p) : path(std::move(p)) {}
    void on_train_batch_end(Trainer& trainer, Module&, const StepOutput&, const AnyRef&, int64_t i) override {
      if (i == 4) trainer.save_checkpoint(path);
    }
    std::string path;
  };
  TrainerOptions options = fit_options();
  options.max_epochs = 1;
  options.callbacks.push_back(std::make_shared<Save>(path));
  SmallModel model(SmallModel::Hparams{.hidden = 2});
  fit_target(model);
  Trainer(options).fit(model, plane(true));
  return read_checkpoint(path);
}

std::string resume(const std::string& path) {
  SmallModel model(SmallModel::Hparams{.hidden = 2});
  fit_target(model);
  return message_of([&] { Trainer(fit_options()).fit(model, plane(true), FitOptions{.ckpt_path = path}); });
}
std::string load(const std::string& path) {
  return message_of([&] { load_from_checkpoint<SmallModel>(path); });
}

class Damage {
 public:
  explicit Damage(uint32_t seed) : random_(seed) {}
  size_t below(size_t end) { return random_() % end; }

  /// Changes a character, leaves some out, or repeats some.
  void change(std::string& text) {
    if (text.empty()) return;
    const size_t at = below(text.size()), length = std::min(text.size() - at, 1 + below(4));
    const std::string_view characters = "0123456789-.e[]{}\",: ntx\\";
    switch (below(3)) {
      case 0:
        text[at] = characters[below(characters.size())];
        break;
      case 1:
        text.erase(at, length);
        break;
      default:
        text.insert(at, text.substr(at, length));
    }
  }
  /// Changes a byte, the type, or the shape.
  Tensor changed(const Tensor& tensor) {
    Tensor copy = tensor.clone();
    if (copy.numel() == 0) return copy;
    switch (below(4)) {
      case 0:
        return copy.to(copy.scalar_type() == kLong ? kFloat : kLong);
      case 1:
        return copy.flatten().narrow(0, 0, copy.numel() / 2).clone();
      default:
        static_cast<unsigned char*>(copy.data_ptr())[below(copy.nbytes())] ^=
            static_cast<unsigned char>(1 + below(255));
        return copy;
    }
  }

 private:
  std::mt19937 random_;
};

}  // namespace

TEST_SUITE("trainer") {
  TEST_CASE("a checkpoint that was cut or changed anywhere is refused, for a fit and for a model") {
    TemporaryFolder folder;
    const std::string path = folder.path("whole.ckpt"), damaged = folder.path("damaged.ckpt");
    save_whole(path);
    REQUIRE(resume(path) == "no error");
    const std::string whole = contents(path);
    auto refused = [&](const std::string& bytes) {
      std::ofstream(damaged, std::ios::binary) << bytes;
      const std::string resumed = resume(damaged), loaded = load(damaged);
      return mentions(resumed, "E015: ") && mentions(resumed, damaged) && mentions(loaded, "E015: ") &&
             mentions(loaded, damaged);
    };
    size_t failures = 0;
    for (size_t length = 0; length < whole.size(); length += 1 + length / 64)
      failures += !refused(whole.substr(0, length));
    Damage damage(4);
    for (int i = 0; i < 150; ++i) {
      std::string bytes = whole;
      for (size_t flips = 1 + damage.below(3); flips > 0; --flips) {
        bytes[damage.below(bytes.size())] ^= static_cast<char>(1 + damage.below(255));
      }
      failures += bytes != whole && !refused(bytes);
    }
    CHECK(failures == 0);
  }

  TEST_CASE("a checkpoint whose checksum is right and whose content is not: an Error or a fit, nothing else") {
    TemporaryFolder folder;
    const std::string path = folder.path("whole.ckpt"), damaged = folder.path("damaged.ckpt");
    const Checkpoint whole = save_whole(path);
    Damage damage(9);
    size_t errors = 0, strange = 0;
    for (int i = 0; i < 300; ++i) {
      Checkpoint changed = whole;
      if (i % 3 > 0) {
        auto item = changed.metadata.begin();
        std::advance(item, static_cast<ptrdiff_t>(damage.below(changed.metadata.size())));
        damage.change(item->second);
      } else {
        auto& list = i % 2 ? changed.others : changed.weights;
        const std::string key = list.keys()[damage.below(list.size())];
        list[key] = damage.changed(list[key]);
      }
      if (message_of([&] { write_checkpoint(damaged, changed); }) != "no error") continue;  // no text for a file
      try {
        errors += resume(damaged) != "no error";
        load(damaged);
      } catch (const std::exception& other) {
        ++strange;
        MESSAGE(other.what());
      }
    }
    CHECK(strange == 0);
    CHECK(errors > 100);
  }
}

}  // namespace fulmen::trainer::testing
