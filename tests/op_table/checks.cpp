#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/grad_mode.h>
#include <fulmen/kernels/threads.h>
#include <fulmen/tensor/cuda.h>
#include <fulmen/tensor/fence.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/op_table/compare.h"
#include "tests/op_table/samples.h"

namespace op_table {

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();

class Checker {
 public:
  Checker(const Row& row, const Device& device) : row_(row), device_(device), samples_(row, device) {}

  std::vector<Result> run() {
    for (const auto& shapes : row_.shapes_) {
      for (ScalarType t : row_.dtypes_) {
        attempt(str("values ", dtype_name(t)), [&] { return values(samples_.draw(shapes, t), t); });
      }
      layouts(shapes);
      gradients(shapes);
    }
    if (row_.shapes_.empty() && (row_.call_ || row_.errors_.empty())) {
      attempt("row", [] { return std::string("has no inputs()"); });
    }
    inplace();
    sizes();
    specials();
    threads();
    for (const ErrorCase& e : row_.errors_) attempt("error: " + e.what, [&] { return error(e); });
    return std::move(results_);
  }

 private:
  template <class F>
  void attempt(std::string check, F f) {
    std::string problem;
    try {
      problem = f();
    } catch (const std::exception& e) {
      problem = std::string("threw: ") + e.what();
    }
    results_.push_back({problem.empty() ? Result::Passed : Result::Failed, std::move(check), std::move(problem)});
  }
  void skip(std::string check, std::string reason) {
    results_.push_back({Result::Skipped, std::move(check), std::move(reason)});
  }

  std::string values(const std::vector<Tensor>& in, ScalarType computed_in) {
    int64_t damaged = FencedMemory::damaged();
    std::string problem;
    {
      FencedMemory fences;
      problem = unfenced_values(in, computed_in);
    }
    if (problem.empty() && FencedMemory::damaged() != damaged) return "wrote outside of a tensor's memory";
    return problem;
  }

  std::string unfenced_values(const std::vector<Tensor>& in, ScalarType computed_in) {
    std::vector<Array> arrays;
    for (const Tensor& t : in) arrays.push_back(to_array(t));
    NoGradGuard no_grad;
    std::vector<Tensor> got = row_.call_(in);
    if (!row_.reference_) return "the row has no reference";
    std::string problem = compare(row_, got, row_.reference_(arrays), computed_in);
    for (size_t i = 0; i < in.size() && problem.empty(); ++i) {
      Array after = to_array(in[i]);
      if (after.numel() > 0 &&
          std::memcmp(after.data.data(), arrays[i].data.data(), after.data.size() * sizeof(double)) != 0) {
        problem = str("input ", i, " was changed");
      }
    }
    return problem;
  }

  void layouts(const std::vector<std::vector<int64_t>>& shapes) {
    ScalarType t = row_.dtypes_[row_.dtypes_.size() > 1 && row_.dtypes_[1] == kFloat ? 1 : 0];
    struct Variant {
      const char* name;
      Tensor (*change)(const Tensor&);
      int64_t least_dims;
    };
    for (Variant v : {Variant{"transposed", transposed, 2}, {"sliced", sliced, 0}, {"expanded", expanded, 1}}) {
      std::vector<Tensor> in = samples_.draw(shapes, t);
      bool any = false;
      for (Tensor& x : in) {
        if (x.dim() < v.least_dims) continue;
        x = v.change(x);
        any = true;
      }
      // Repeated values are ties, and integer inputs may have to differ.
      if (!any || (row_.distinct_ && std::strcmp(v.name, "expanded") == 0)) continue;
      attempt(v.name, [&] { return values(in, t); });
    }
  }

  void inplace() {
    if (!row_.inplace_ || row_.shapes_.empty()) return;
    ScalarType t = row_.dtypes_[0];
    for (auto [name, change] : {std::pair<const char*, Tensor (*)(const Tensor&)>{"in place", nullptr},
                                {"in place, transposed", transposed},
                                {"in place, sliced", sliced}}) {
      attempt(name, [&, change = change]() -> std::string {
        std::vector<Tensor> in = samples_.draw(row_.shapes_[0], t);
        std::vector<Array> arrays;
        for (Tensor& x : in) {
          if (change && x.dim() >= 2) x = change(x);
          arrays.push_back(to_array(x));
        }
        NoGradGuard no_grad;
        int64_t version = in[0]._version();
        row_.inplace_(in);
        if (in[0]._version() <= version) return "the version counter did not move";
        return compare(row_, {in[0]}, row_.reference_(arrays), t);
      });
    }
  }

  void sizes() {
    if (row_.fixed_ || row_.shapes_.empty()) return;
    ScalarType t = row_.dtypes_[0];
    auto shapes = row_.shapes_[0];
    size_t most = 0;
    for (const auto& s : shapes) most = std::max(most, s.size());
    for (auto& s : shapes) {
      if (s.size() == most && most > 0 && s[0] != 1) s[0] = 0;
    }
    attempt("empty", [&] { return values(samples_.draw(shapes, t), t); });
    for (auto& s : shapes) s.clear();
    attempt("0-dimensional", [&] { return values(samples_.draw(shapes, t), t); });
  }

  void specials() {
    if (row_.shapes_.empty() || !is_floating_point(row_.dtypes_[0])) return;
    if (!row_.finite_reason_.empty()) return skip("NaN and infinity", row_.finite_reason_);
    for (ScalarType t : {kFloat, kDouble}) {
      if (std::find(row_.dtypes_.begin(), row_.dtypes_.end(), t) == row_.dtypes_.end()) continue;
      attempt(str("NaN and infinity ", dtype_name(t)), [&] {
        for (double special : {nan, infinity, -infinity, 0.0, -0.0}) {
          std::vector<Tensor> in = samples_.draw(row_.shapes_[0], t);
          for (Tensor& x : in) {
            if (!x.is_floating_point() || x.numel() == 0) continue;
            Array a = to_array(x);
            a[a.numel() / 2] = special;
            x = to_tensor(a, t, device_);
            if (std::string problem = values(in, t); !problem.empty())
              return str("with ", text_of(special), ": ", problem);
          }
        }
        return std::string();
      });
    }
  }

  // --- derivatives
  // -----------------------------------------------------------------------------------------------------

  /// sum over outputs of sum(output * weight)
  Tensor weighted(const std::vector<Tensor>& outputs, const std::vector<Tensor>& weights) {
    Tensor total;
    for (size_t k = 0; k < outputs.size(); ++k) {
      if (!weights[k].defined()) continue;
      Tensor part = outputs[k].mul(weights[k]).sum();
      total = total.defined() ? total.add(part) : part;
    }
    return total;
  }
  static double dot(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i].defined()) sum += a[i].detach().mul(b[i]).sum().item<double>();
    }
    return sum;
  }
  static std::vector<Tensor> moved(const std::vector<Tensor>& at, const std::vector<Tensor>& along, double step) {
    std::vector<Tensor> out;
    NoGradGuard no_grad;
    for (size_t i = 0; i < at.size(); ++i) out.push_back(at[i].detach().add(along[i], step).requires_grad_());
    return out;
  }
  std::vector<Tensor> directions(const std::vector<Tensor>& like) {
    std::vector<Tensor> out;
    for (const Tensor& t : like) out.push_back(t.defined() ? samples_.direction(t) : Tensor());
    return out;
  }
  std::string close(double analytic, double numeric, const char* which) {
    if (std::abs(analytic - numeric) <= 2e-5 * row_.tolerance_ * (1 + std::abs(numeric))) return {};
    return str(which, " derivative: rule gives ", text_of(analytic), ", differences give ", text_of(numeric));
  }

  /// The leaves (real inputs, then weights of the outputs) as one list, and the functions of them that are checked.
  struct Problem {
    const Row& row;
    std::vector<Tensor> fixed;     // the call's arguments; real ones are replaced by leaves
    std::vector<size_t> real;      // positions of real inputs
    std::vector<bool> has_weight;  // per output
    std::vector<Tensor> outputs(const std::vector<Tensor>& leaves) const {
      std::vector<Tensor> in = fixed;
      for (size_t k = 0; k < real.size(); ++k) in[real[k]] = leaves[k];
      return row.call_(in);
    }
    std::vector<Tensor> weights(const std::vector<Tensor>& leaves) const {
      std::vector<Tensor> out;
      size_t next = real.size();
      for (bool has : has_weight) out.push_back(has ? leaves[next++] : Tensor());
      return out;
    }
    size_t leaf_count() const { return real.size(); }
  };

  std::vector<Tensor> first_gradients(const Problem& p, const std::vector<Tensor>& leaves, bool create_graph) {
    Tensor loss = weighted(p.outputs(leaves), p.weights(leaves));
    std::vector<Tensor> wanted(leaves.begin(), leaves.begin() + static_cast<std::ptrdiff_t>(p.leaf_count()));
    return autograd::grad({loss}, wanted, {}, create_graph, create_graph, true);
  }

  void gradients(const std::vector<std::vector<int64_t>>& shapes) {
    if (row_.order_ == 0) return skip("derivatives", row_.order_reason_);
    for (bool strided : {false, true}) {
      attempt(strided ? "derivatives, strided" : "derivatives", [&] { return derivatives(shapes, strided); });
    }
    if (row_.order_ == 1) skip("second derivatives", row_.order_reason_);
  }

  std::string derivatives(const std::vector<std::vector<int64_t>>& shapes, bool strided) {
    Problem p{row_, samples_.draw(shapes, kDouble), {}, {}};
    std::vector<Tensor> leaves;
    for (size_t i = 0; i < p.fixed.size(); ++i) {
      if (!p.fixed[i].is_floating_point()) continue;
      p.real.push_back(i);
      Tensor x = strided ? (p.fixed[i].dim() >= 2 ? transposed(p.fixed[i]) : sliced(p.fixed[i])) : p.fixed[i];
      leaves.push_back(x.detach().requires_grad_());
    }
    std::vector<Tensor> outputs = p.outputs(leaves);
    size_t differentiable = 0;
    for (const Tensor& y : outputs) {
      p.has_weight.push_back(y.requires_grad());
      if (!y.requires_grad()) continue;
      leaves.push_back(samples_.direction(y).requires_grad_());
      ++differentiable;
    }
    if (differentiable == 0) return "no output requires grad; say order(0, reason) if that is right";
    outputs.clear();

    std::vector<Tensor> along = directions(leaves), none = along;
    for (size_t i = p.leaf_count(); i < none.size(); ++i) none[i] = none[i].mul(0);
    constexpr double step = 1e-5;
    auto value = [&](double by) {
      std::vector<Tensor> at = moved(leaves, none, by);
      NoGradGuard no_grad;
      return weighted(p.outputs(at), p.weights(at)).item<double>();
    };
    double numeric = (value(step) - value(-step)) / (2 * step);
    std::vector<Tensor> first = first_gradients(p, leaves, row_.order_ > 1);
    for (size_t k = 0; k < first.size(); ++k) {
      if (first[k].defined() && first[k].sizes() != leaves[k].sizes())
        return str("gradient ", k, " has sizes ", first[k].sizes());
    }
    if (std::string problem = close(dot(first, along), numeric, "first"); !problem.empty()) return problem;
    return row_.order_ > 1 ? second(p, leaves, first, along, step) : std::string();
  }

  std::string second(const Problem& p, const std::vector<Tensor>& leaves, const std::vector<Tensor>& first,
                     const std::vector<Tensor>& along, double step) {
    std::vector<Tensor> mix = directions(first);
    Tensor sum = weighted(first, mix);
    if (!sum.defined() || !sum.requires_grad()) return "the first derivative has no history";
    std::vector<Tensor> analytic = autograd::grad({sum}, leaves, {}, {}, false, true);
    auto value = [&](double by) { return dot(first_gradients(p, moved(leaves, along, by), false), mix); };
    double numeric = (value(step) - value(-step)) / (2 * step);
    return close(dot(analytic, along), numeric, "second");
  }

  // --- threads, errors
  // ---------------------------------------------------------------------------------------------------

  static bool same_bits(const Tensor& a, const Tensor& b) {
    if (!a.defined() || !b.defined()) return a.defined() == b.defined();
    Tensor x = a.detach().cpu().contiguous(), y = b.detach().cpu().contiguous();
    return x.nbytes() == y.nbytes() && (x.numel() == 0 || std::memcmp(x.data_ptr(), y.data_ptr(), x.nbytes()) == 0);
  }

  void threads() {
    if (row_.shapes_.empty() || row_.large_.empty()) return;
    if (device_.is_cuda()) return twice();
    attempt("1, 2 and 4 threads", [&] {
      std::vector<Tensor> in = samples_.draw(row_.large_, row_.dtypes_.size() > 1 ? row_.dtypes_[1] : row_.dtypes_[0]);
      int before = get_num_threads();
      std::vector<Tensor> first;
      std::string problem;
      for (int count : {1, 2, 4}) {
        set_num_threads(count);
        std::vector<Tensor> results = with_gradients(in);
        for (size_t k = 0; k < results.size() && count > 1; ++k) {
          if (!same_bits(first[k], results[k])) problem = str(count, " threads change the bits of result ", k);
        }
        if (count == 1) first = std::move(results);
      }
      set_num_threads(before);
      return problem;
    });
  }

  /// Nothing on a device may depend on which of its threads came first. Random numbers go on from call to call.
  void twice() {
    attempt("twice the same bits", [&] {
      // The shapes of the other checks: the large ones would take an emulated device minutes.
      std::vector<Tensor> in =
          samples_.draw(row_.shapes_[0], row_.dtypes_.size() > 1 ? row_.dtypes_[1] : row_.dtypes_[0]);
      const std::vector<Tensor> first = with_gradients(in), second = with_gradients(in);
      for (size_t k = 0; k < first.size(); ++k) {
        if (!same_bits(first[k], second[k])) return str("the second time result ", k, " has other bits");
      }
      return std::string();
    });
  }

  std::vector<Tensor> with_gradients(const std::vector<Tensor>& in) {
    std::vector<Tensor> leaves, wanted;
    for (const Tensor& t : in) {
      leaves.push_back(t.detach());
      if (t.is_floating_point() && row_.order_ > 0) wanted.push_back(leaves.back().requires_grad_());
    }
    std::vector<Tensor> outputs = row_.call_(leaves), results = outputs;
    for (const Tensor& y : outputs) {
      if (!y.requires_grad()) continue;
      for (Tensor& g : autograd::grad({y}, wanted, {y.detach()}, true, false, true)) results.push_back(std::move(g));
    }
    return results;
  }

  std::string error(const ErrorCase& e) {
    try {
      e.run();
      if (device_.is_cuda()) fulmen::cuda::synchronize();  // what kernels find is thrown here
    } catch (const Error& error) {
      if (std::string(error.what()).find(e.message) != std::string::npos) return {};
      return str("said: ", error.what(), "; expected: ", e.message);
    }
    return "did not throw; expected: " + e.message;
  }

  const Row& row_;
  Device device_;
  Samples samples_;
  std::vector<Result> results_;
};

}  // namespace

std::vector<Result> check(const Row& row, const Device& device) { return Checker(row, device).run(); }

double speed(const Row& row, const Device& device) {
  if (row.large_.empty()) return 0;
  std::vector<Tensor> in =
      Samples(row, device).draw(row.large_, row.dtypes_.size() > 1 ? row.dtypes_[1] : row.dtypes_[0]);
  NoGradGuard no_grad;
  using Clock = std::chrono::steady_clock;
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    int64_t calls = 0;
    Clock::time_point start = Clock::now();
    double ns = 0;
    do {
      row.call_(in);
      ++calls;
      if (device.is_cuda()) fulmen::cuda::synchronize();
      ns = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    } while (ns < 2e7);
    ns /= static_cast<double>(calls);
    best = repeat == 0 || ns < best ? ns : best;
  }
  return best;
}

}  // namespace op_table
