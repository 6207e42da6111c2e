#pragma once
#include <cstdint>
#include <vector>

// Where a fit of Lightning's goes on after a checkpoint follows from how often everything was about to begin, began,
// was done, and was over when the checkpoint was written: often from the right place, sometimes from another one. With
// TrainerOptions::lightning_compatible ours goes on from there, too. Private to the trainer's sources.
namespace fulmen::trainer {

struct Tally {
  int64_t ready = 0, started = 0, processed = 0, completed = 0;
  /// Only what was completed counts.
  void go_back() { ready = started = processed = completed; }
};

/// Of all runs together, and of the run (epochs), the epoch (batches) or the validation under way.
struct Tallies {
  Tally total, current;
  bool is_last = false;
  void add(int64_t Tally::*phase) { ++(total.*phase), ++(current.*phase); }
  void begin() { current = {}, is_last = false; }
};

class LightningCounters {
 public:
  Tallies epochs, batches, validation;  ///< `batches` and `validation` count batches
  bool has_validated = false;           ///< the last validation has seen a batch

  // What is different until the first epoch, batch or validation of a resumed fit is over.
  bool resumes_fit() const { return resumes_fit_; }
  bool resumes_epoch() const { return resumes_epoch_; }
  bool resumes_validation() const { return resumes_validation_; }
  /// The epoch has begun already: its start hooks are not called again.
  bool within_epoch() const { return fit_ == Fit::WithinEpoch || fit_ == Fit::EpochDone; }
  /// The epoch was about to begin.
  bool before_epoch() const { return fit_ == Fit::EpochAhead; }
  bool after_last_hook() const { return batch_ == Batch::Closed; }
  bool within_validation() const { return within_validation_; }

  /// The counters of a checkpoint have been loaded. `by_steps`: there are max_steps.
  void restored(bool by_steps);
  /// A fit begins; `restored` may have come before.
  void begin_fit(bool by_steps);
  /// An epoch of `known` batches (-1: nobody knows) begins or goes on. Adds to `stepped` what the run before did not
  /// come to add, and says whether the data begin anew.
  bool begin_epoch(int64_t known, int64_t window, int64_t& stepped);
  void begin_validation();
  void end_epoch() { resumes_fit_ = loaded_ = skips_renewal_ = false, fit_ = Fit::Anew; }
  void end_batch() { resumes_epoch_ = false, batch_ = Batch::Anew; }
  void end_validation_batch() { resumes_validation_ = within_validation_ = false; }
  void pass_over_validation() { resumes_validation_ = false; }

  std::vector<int64_t> numbers() const;
  /// Throws std::out_of_range if there are not as many.
  void load(const std::vector<int64_t>& numbers);

 private:
  enum class Fit : uint8_t { Anew, EpochAhead, WithinEpoch, EpochDone, DoneAndNotResumed };
  enum class Batch : uint8_t { Anew, HooksRun, Closed };

  bool resumes_fit_ = false, resumes_epoch_ = false, resumes_validation_ = false, loaded_ = false;
  bool skips_renewal_ = false, within_validation_ = false;
  Fit fit_ = Fit::Anew;
  Batch batch_ = Batch::Anew;
};

}  // namespace fulmen::trainer
