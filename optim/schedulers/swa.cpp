#include <fulmen/optim/schedulers/swa.h>
#include <fulmen/tensor/error.h>

#include <algorithm>
#include <cmath>

namespace fulmen::optim {

SWALR::SWALR(Optimizer& optimizer, std::vector<double> swa_lrs, int64_t anneal_epochs, Anneal anneal)
    : LRScheduler(optimizer), swa_lrs_(std::move(swa_lrs)), anneal_epochs_(anneal_epochs), anneal_(anneal) {
  const size_t groups = optimizer.param_groups().size();
  if (swa_lrs_.size() == 1) swa_lrs_.resize(groups, swa_lrs_[0]);
  FULMEN_CHECK(swa_lrs_.size() == groups, "SWALR: ", swa_lrs_.size(), " learning rates for ", groups,
               " parameter groups; give one, or one per group");
  FULMEN_CHECK(anneal_epochs >= 0, "SWALR: anneal_epochs must be 0 or more; got ", anneal_epochs);
}

double SWALR::share(int64_t steps) const {
  constexpr double pi = 3.14159265358979323846;
  const double t =
      std::clamp(static_cast<double>(steps) / static_cast<double>(std::max<int64_t>(1, anneal_epochs_)), 0.0, 1.0);
  return anneal_ == Anneal::Cosine ? (1 - std::cos(pi * t)) / 2 : t;
}

// Each rate is computed from the one before: the share of the final rate that is in it is taken out, and the new share
// put in.
std::vector<double> SWALR::get_lrs() {
  const int64_t step = anneal_epochs_ == 0 ? std::max<int64_t>(1, step_count_) : step_count_;
  const double before = share(step - 1), now = share(step);
  std::vector<double> lrs = get_current_lrs();
  for (size_t i = 0; i < lrs.size(); ++i) {
    const double start = before == 1 ? swa_lrs_[i] : (lrs[i] - before * swa_lrs_[i]) / (1 - before);
    lrs[i] = swa_lrs_[i] * now + start * (1 - now);
  }
  return lrs;
}

}  // namespace fulmen::optim
