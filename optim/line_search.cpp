#include <fulmen/optim/line_search.h>

#include <algorithm>
#include <cmath>

namespace fulmen::optim {
namespace {

/// The lowest point, between two bounds, of the cubic that has these losses and slopes at two steps; the middle of the
/// bounds where the cubic has none.
double lowest_of_cubic(const LinePoint& a, const LinePoint& b, double low, double high) {
  const double d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.step - b.step);
  const double square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (low + high) / 2;
  const double d2 = std::sqrt(square);
  const double step = a.step <= b.step
                          ? b.step - (b.step - a.step) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
                          : a.step - (a.step - b.step) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2));
  return std::min(std::max(step, low), high);
}

/// Two points with a good one between them.
struct Bracket {
  LinePoint ends[2];
  int low = 0;  ///< which end has the lower loss

  LinePoint& best() { return ends[low]; }
  LinePoint& worst() { return ends[1 - low]; }
  double left() const { return std::min(ends[0].step, ends[1].step); }
  double right() const { return std::max(ends[0].step, ends[1].step); }
  void find_low() { low = ends[0].loss <= ends[1].loss ? 0 : 1; }
};

class Search {
 public:
  Search(const AnyFunction<LinePoint(double)>& at, const LinePoint& start, const LineSearchOptions& options,
         int64_t& evaluations)
      : at_(at), start_(start), o_(options), evaluations_(evaluations) {}

  LinePoint run(double first) {
    Bracket bracket;
    if (find_bracket(first, bracket)) return bracket.ends[0];
    bracket.find_low();
    shrink(bracket);
    return bracket.best();
  }

 private:
  LinePoint evaluate(double step) {
    ++evaluations_;
    LinePoint point = at_(step);
    point.step = step;
    return point;
  }
  bool too_high(const LinePoint& point) const {
    return point.loss > start_.loss + o_.sufficient_decrease * point.step * start_.slope;
  }
  bool flat(const LinePoint& point) const { return std::fabs(point.slope) <= -o_.curvature * start_.slope; }

  /// Goes on, in growing steps, to where the loss rises again. True if a point on the way is good already.
  bool find_bracket(double first, Bracket& bracket) {
    LinePoint before = start_, now = evaluate(first);
    for (; rounds_ < o_.max_evaluations; ++rounds_) {
      const bool rises = too_high(now) || (rounds_ > 1 && now.loss >= before.loss);
      if (!rises && flat(now)) {
        bracket.ends[0] = std::move(now);
        return true;
      }
      if (rises || now.slope >= 0) {
        bracket.ends[0] = std::move(before);
        bracket.ends[1] = std::move(now);
        return false;
      }
      const double least = now.step + 0.01 * (now.step - before.step);
      const double step = lowest_of_cubic(before, now, least, now.step * 10);
      before = std::move(now);
      now = evaluate(step);
    }
    bracket.ends[0] = start_;
    bracket.ends[1] = std::move(now);
    return false;
  }

  /// Where to look within the bracket: the cubic's lowest point, kept away from the ends if it came too near to one
  /// twice.
  double next_step(const Bracket& bracket, bool& near_before) const {
    double step = lowest_of_cubic(bracket.ends[0], bracket.ends[1], bracket.left(), bracket.right());
    const double left = bracket.left(), right = bracket.right(), margin = 0.1 * (right - left);
    const bool near = std::min(right - step, step - left) < margin;
    if (near && (near_before || step >= right || step <= left)) {
      near_before = false;
      return std::fabs(step - right) < std::fabs(step - left) ? right - margin : left + margin;
    }
    near_before = near;
    return step;
  }

  void shrink(Bracket& bracket) {
    bool near_before = false;
    for (; rounds_ < o_.max_evaluations; ++rounds_) {
      if ((bracket.right() - bracket.left()) * o_.direction_size < o_.tolerance_change) return;
      LinePoint point = evaluate(next_step(bracket, near_before));
      if (too_high(point) || point.loss >= bracket.best().loss) {
        bracket.worst() = std::move(point);
        bracket.find_low();
        continue;
      }
      const bool done = flat(point);
      if (!done && point.slope * (bracket.worst().step - bracket.best().step) >= 0) bracket.worst() = bracket.best();
      bracket.best() = std::move(point);
      if (done) {
        ++rounds_;
        return;
      }
    }
  }

  const AnyFunction<LinePoint(double)>& at_;
  const LinePoint& start_;
  const LineSearchOptions& o_;
  int64_t& evaluations_;
  int64_t rounds_ = 0;
};

}  // namespace

LinePoint strong_wolfe(const AnyFunction<LinePoint(double step)>& at, const LinePoint& start, double first,
                       const LineSearchOptions& options, int64_t& evaluations) {
  return Search(at, start, options, evaluations).run(first);
}

}  // namespace fulmen::optim
