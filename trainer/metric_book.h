#pragma once
#include <fulmen/tensor/tensor.h>
#include <fulmen/trainer/metrics.h>

namespace fulmen::trainer {
namespace metric {
class Metric;
}

/// What log() may do in a hook, and what it does when on_step and on_epoch are left out.
enum class LogRule : uint8_t {
  Forbidden,
  PerStep,    ///< step by default, epoch on request
  PerEpoch,   ///< epoch by default, step on request
  EpochOnly,  ///< the hook runs once an epoch: on_step makes no sense
};

/// The hook (or step) that is running: its name and what it may log.
struct HookSite {
  const char* name = "";
  LogRule rule = LogRule::Forbidden;
};

/// Everything that was logged. Values are numbers in place: logging one costs no allocation once its name is known, and
/// no text is hashed as long as a step logs the same names in the same order.
class MetricBook {
 public:
  /// Training and evaluation are counted apart: validation runs in the middle of a training epoch.
  enum class Page : uint8_t { Training, Evaluation };

  // --- where we are; the loops keep this up to date ------------------------------------------------------------------
  HookSite site;
  int64_t batch_size = 1;
  int64_t dataloader_idx = 0;
  bool several_loaders = false;

  void log(std::string_view name, double value, const LogOptions& options);
  /// The book keeps the metric's address until the run ends: its value is asked for when it is reported, and it is
  /// reset when its epoch is over and the next begins.
  void log(std::string_view name, metric::Metric& metric, const LogOptions& options);
  /// A value that is logged later: while a CUDA graph is recorded it does not exist yet, and with several devices its
  /// reading would make the others wait.
  struct Deferred {
    std::string name;
    Tensor value;
    double number;  ///< if there is no tensor
    LogOptions options;
    HookSite site;
  };
  /// Where they go meanwhile; null otherwise.
  std::vector<Deferred>* deferred = nullptr;
  bool recording = false;  ///< a CUDA graph is
  /// Turns to a page; `fresh` forgets what an earlier epoch left there.
  void open(Page page, bool fresh);
  Page page() const { return page_; }
  /// Values may be logged again under the cursor's expectation of a step's first name.
  void begin_batch() { cursor_ = 0; }

  // --- what came of it -----------------------------------------------------------------------------------------------
  /// Brings the three lists below up to date from the open page: with step values, or with reduced ones; without
  /// `of_loaders`, only what belongs to no single loader. As in Lightning, whoever looks at one list brings only that
  /// one up to date.
  enum List : unsigned { OfCallbacks = 1, OfLoggers = 2, OfProgressBar = 4, All = 7 };
  void publish(bool step_values, bool of_loaders = true, unsigned lists = All);
  Metrics callback, logged, progress_bar;

  /// The values of the open page that go to the loggers, in order of appearance.
  Metrics logger_row(bool step_values) const;
  /// The reduced values of one loader, and those that belong to none.
  Metrics loader_results(int64_t dataloader_idx) const;
  void clear();
  /// The run is over: metrics, which belong to its module, are reset; what they saw is kept for checkpoints.
  void let_go_of_metrics();

  /// What training had logged at some moment of its epoch, for a checkpoint that goes back to that.
  struct Mark {
    size_t entries = 0;
    std::vector<double> numbers;
    std::vector<std::vector<double>> seen;  ///< states of metrics; without those that are too long to copy every batch
  };
  void mark(Mark& mark);
  /// Everything above as text and numbers, for checkpoints; restore() takes what save() gave. With a mark: as it was
  /// then.
  std::string save(std::vector<double>& numbers, const Mark* mark = nullptr) const;
  void restore(const std::string& text, const std::vector<double>& numbers);

 private:
  struct Entry {
    std::string name, hook;
    int64_t dataloader_idx = 0;
    bool on_step = false, on_epoch = false, prog_bar = false, logger = true, suffix = false, once = false;
    Reduce reduce = Reduce::Mean;
    double last = 0, total = 0, weight = 0;
    metric::Metric* metric = nullptr;
    std::vector<double> restored;  ///< what the metric saw before the run was resumed
    bool too_long_to_mark = false;

    double reduced() const;
    void add(double value, double weight_of_value);
    std::string base_name() const;
    std::string full_name(bool step_value) const;
  };
  void check_site(std::string_view name, const LogOptions& options) const;
  static void forget(std::vector<Entry>& entries);
  Entry& find_or_add(std::string_view name, const LogOptions& options);
  static bool same_arguments(const Entry& entry, const LogOptions& options, LogRule rule, bool suffix);
  std::vector<Entry>& entries() { return pages_[static_cast<size_t>(page_)]; }
  const std::vector<Entry>& entries() const { return pages_[static_cast<size_t>(page_)]; }

  std::vector<Entry> pages_[2];
  Page page_ = Page::Training;
  size_t cursor_ = 0;
};

}  // namespace fulmen::trainer
