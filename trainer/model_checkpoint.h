#pragma once
#include <fulmen/trainer/callback.h>
#include <fulmen/trainer/metrics.h>
#include <fulmen/trainer/stopwatch.h>

#include <optional>
#include <string>
#include <vector>

namespace fulmen::trainer {

/// Whether a monitored value should go down or up.
enum class Mode : uint8_t { Min, Max };

/// Whether the newest checkpoint is kept as last.ckpt: no (false), as a file of its own (true), or as a symbolic link
/// to the newest of the others ("link"), which takes no space.
class SaveLast {
 public:
  constexpr SaveLast(bool save) : save_(save) {}
  /// Throws E016 for anything but "link".
  SaveLast(const char* how);
  constexpr explicit operator bool() const { return save_; }
  constexpr bool links() const { return links_; }

 private:
  bool save_ = false, links_ = false;
};

struct ModelCheckpointOptions {
  /// Where files go; empty: `checkpoints` in the logger's folder, or else in default_root_dir.
  std::string dirpath = {};
  /// Name with metrics in braces: "{epoch:02d}-{val_loss:.3f}" gives "epoch=03-val_loss=0.154.ckpt". Empty:
  /// "{epoch}-{step}".
  std::string filename = {};
  /// The metric that says which checkpoints are the best; empty: the newest is.
  std::string monitor = {};
  Mode mode = Mode::Min;
  /// How many to keep; -1 for all, 0 for none.
  int64_t save_top_k = 1;
  /// Also keep the newest as last.ckpt.
  SaveLast save_last = false;
  /// Leave out optimizer, callbacks and random state: good for predicting, not for resuming.
  bool save_weights_only = false;
  bool save_on_exception = false;
  /// Save every so many optimizer steps, every so many epochs, or whenever so much time ("DD:HH:MM:SS") has passed. At
  /// most one of the three; none: every epoch.
  int64_t every_n_train_steps = 0;
  int64_t every_n_epochs = 0;
  std::string train_time_interval = {};
  /// At the end of training epochs (true) or of validations (false). Not set: of epochs, unless validation has another
  /// rhythm.
  std::optional<bool> save_on_train_epoch_end = {};
  /// A name that is taken already gets "-v1", "-v2", ...; false writes over the file.
  bool enable_version_counter = true;
  /// "name=" before every value in file names.
  bool auto_insert_metric_name = true;
};

/// Saves checkpoints while a model trains and keeps the best ones.
class ModelCheckpoint : public Callback {
 public:
  explicit ModelCheckpoint(ModelCheckpointOptions options = {});

  const ModelCheckpointOptions& options() const { return options_; }
  /// The best checkpoint so far; empty before the first.
  const std::string& best_model_path() const { return best_path_; }
  /// Its monitored value.
  std::optional<double> best_model_score() const { return best_score_; }
  const std::string& last_model_path() const { return last_path_; }
  /// The files "last.ckpt", "last-v1.ckpt", ... in this run's folder, whichever process wrote them.
  std::vector<std::string> last_checkpoints(const Trainer& trainer) const;
  /// Where this run's files go.
  std::string folder(const Trainer& trainer) const;
  /// The file name, without folder and ending, for these metrics.
  std::string format_name(const std::string& pattern, const Metrics& metrics) const;

  void setup(Trainer&, Module&, Stage) override;
  void on_train_start(Trainer&, Module&) override;
  void on_train_end(Trainer&, Module&) override;
  void on_train_batch_end(Trainer&, Module&, const StepOutput&, const AnyRef&, int64_t) override;
  void on_train_epoch_end(Trainer&, Module&) override;
  void on_validation_end(Trainer&, Module&) override;
  void on_exception(Trainer&, Module&, const std::exception&) override;
  std::string state_dict() const override;
  void load_state_dict(const std::string& json) override;
  std::string state_key() const override;
  Order order() const override { return Order::Save; }

 private:
  struct Saved {
    std::string path;
    double score;
  };
  bool saves_after_epochs(const Trainer& trainer) const;
  bool may_save(const Trainer& trainer) const;
  bool may_save_again(const Trainer& trainer) const;
  bool due_after_batch(const Trainer& trainer);
  bool validates_after_this_batch(const Trainer& trainer) const;
  Metrics candidates(const Trainer& trainer) const;
  void save_after_epoch(Trainer& trainer);
  void save_top_k(Trainer& trainer, const Metrics& metrics);
  void save_monitored(Trainer& trainer, const Metrics& metrics, double score);
  void save_newest(Trainer& trainer, const Metrics& metrics);
  void save_last(Trainer& trainer);
  int64_t epochs_between() const;
  std::vector<Saved>::iterator worst();
  bool ours_to_remove(const Trainer& trainer, const std::string& path, const std::string& replacement) const;
  std::string free_path(const std::string& folder, const std::string& name, const std::string& replaced,
                        bool may_overwrite) const;
  /// If that fails, this callback is again what it was `before`: it knows of no file that is not there.
  void write(Trainer& trainer, const std::string& path, const ModelCheckpoint& before);
  /// Makes `path` a link to the newest checkpoint.
  void link(const std::string& path) const;
  void remove(const std::string& path) const;
  bool better(double a, double b) const { return options_.mode == Mode::Min ? a < b : a > b; }

  ModelCheckpointOptions options_;
  std::vector<Saved> kept_;
  std::string best_path_, last_path_, newest_path_, dirpath_;
  std::optional<double> best_score_;
  int64_t last_step_saved_ = 0;
  bool saved_any_ = false;
  bool exact_ =
      true;  ///< a resumed fit saves what the fit that was saved would have: Lightning's may save a step again
  bool wait_for_validation_ = false;  ///< a save was due before its metric was there
  Stopwatch since_save_;
};

}  // namespace fulmen::trainer
