#include <fulmen/trainer/lightning_counters.h>

#include <stdexcept>

namespace fulmen::trainer {
namespace {

// The moments at which a checkpoint may have been written, as its counters show them.
bool ahead(const Tally& t) {
  return t.started == t.ready - 1 && t.processed == t.started && t.completed == t.processed;
}
bool within(const Tally& t) {
  return t.started == t.ready && t.processed == t.started - 1 && t.completed == t.processed;
}
bool processed(const Tally& t) {
  return t.started == t.ready && t.processed == t.started && t.completed == t.processed - 1;
}
bool closed(const Tally& t) { return t.started == t.ready && t.processed == t.started && t.completed == t.processed; }

}  // namespace

void LightningCounters::restored(bool by_steps) {
  const Tally& e = epochs.current;
  const bool unfinished = e.ready != e.processed || e.started != e.processed;
  resumes_fit_ = resumes_epoch_ = resumes_validation_ = unfinished || by_steps;
  loaded_ = skips_renewal_ = true;
}

void LightningCounters::begin_fit(bool by_steps) {
  const Tally& e = epochs.total;
  fit_ = resumes_fit_ && ahead(e)       ? Fit::EpochAhead
         : resumes_fit_ && within(e)    ? Fit::WithinEpoch
         : resumes_fit_ && processed(e) ? Fit::EpochDone
         : loaded_ && processed(e)      ? Fit::DoneAndNotResumed
                                        : Fit::Anew;
  const Tally& b = batches.total;
  batch_ = resumes_epoch_ && processed(b) ? Batch::HooksRun : resumes_epoch_ && closed(b) ? Batch::Closed : Batch::Anew;
  within_validation_ = resumes_validation_ && within(validation.total);

  if (fit_ == Fit::EpochAhead) epochs.current.go_back();
  if (fit_ == Fit::DoneAndNotResumed) epochs.add(&Tally::completed);
  if (batch_ == Batch::HooksRun && batches.is_last) {
    if (fit_ == Fit::WithinEpoch) {
      epochs.add(&Tally::processed);
      epochs.add(&Tally::completed);
    } else if (!validation.is_last) {
      epochs.add(&Tally::completed);
    }
  }
  if (!by_steps) epochs.current.completed = epochs.current.processed;
}

bool LightningCounters::begin_epoch(int64_t known, int64_t window, int64_t& stepped) {
  const bool closes_window = batches.current.ready % window == 0 || batches.current.ready == known || batches.is_last;
  if (resumes_epoch_ && closes_window && batch_ != Batch::Closed) ++stepped;
  if (batch_ == Batch::HooksRun) {
    batches.add(&Tally::completed);
    if (known >= 0 && batches.current.completed >= known) {
      batches.begin();
      validation.total = {};
    }
  }
  if (resumes_epoch_) {
    batches.current.go_back();
  } else {
    batches.begin();
    validation.total = {};
  }
  return epochs.current.completed > 0 && !skips_renewal_ && !resumes_epoch_;
}

void LightningCounters::begin_validation() {
  has_validated = false;
  if (resumes_validation_) {
    validation.current.go_back();
  } else {
    validation.begin();
  }
}

std::vector<int64_t> LightningCounters::numbers() const {
  std::vector<int64_t> all;
  for (const Tallies* t : {&epochs, &batches, &validation}) {
    for (const Tally* tally : {&t->total, &t->current}) {
      all.insert(all.end(), {tally->ready, tally->started, tally->processed, tally->completed});
    }
    all.push_back(t->is_last);
  }
  return all;
}

void LightningCounters::load(const std::vector<int64_t>& numbers) {
  size_t at = 0;
  for (Tallies* t : {&epochs, &batches, &validation}) {
    for (Tally* tally : {&t->total, &t->current}) {
      for (int64_t Tally::*phase : {&Tally::ready, &Tally::started, &Tally::processed, &Tally::completed}) {
        tally->*phase = numbers.at(at++);
      }
    }
    t->is_last = numbers.at(at++) != 0;
  }
}

}  // namespace fulmen::trainer
