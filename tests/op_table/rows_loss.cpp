#include <fulmen/autograd/ops/arithmetic.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/loss.h>
#include <fulmen/autograd/ops/softmax.h>
#include <fulmen/autograd/ops/tensor_data.h>

#include <cmath>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

const Reduction reductions[] = {Reduction::None, Reduction::Mean, Reduction::Sum};
const char* suffixes[] = {"/none", "", "/sum"};

std::vector<Array> reduced(Array losses, Reduction reduction, double count) {
  if (reduction == Reduction::None) return {losses};
  double sum = 0;
  for (double v : losses.data) sum += v;
  Array y = array({});
  y[0] = reduction == Reduction::Sum ? sum : sum / count;
  return {y};
}

/// One row per reduction for a loss of pairs.
void pairs(Table& table, const char* name, std::function<Tensor(const Tensor&, const Tensor&, Reduction)> call,
           double (*loss)(double, double), const std::function<void(Row&)>& more) {
  for (int k = 0; k < 3; ++k) {
    Reduction reduction = reductions[k];
    Row& row = table.row(std::string(name) + suffixes[k])
                   .inputs({{3, 4}, {3, 4}})
                   .inputs({{1500}, {1500}})
                   .covers({"pointwise_loss_backward"})
                   .call([=](In in) { return call(in[0], in[1], reduction); })
                   .reference([=](const std::vector<Array>& in) {
                     Array y = array(in[0].sizes);
                     for (int64_t i = 0; i < y.numel(); ++i) y[i] = loss(in[0][i], in[1][i]);
                     return reduced(y, reduction, static_cast<double>(y.numel()));
                   })
                   .error(
                       "sizes",
                       [=] {
                         call(full({4, 1}, 0.5, here()), full({4}, 0.5, here()), Reduction::Mean);
                       },
                       str("prediction float32[4, 1] on ", device_under_test(), " and target float32[4] on ",
                           device_under_test(), " differ"));
    more(row);
    if (reduction == Reduction::Mean) row.large({{1 << 20}, {1 << 20}});
  }
}

/// Losses of labels for scores [n, classes, ...] that are log-probabilities, or are made so first.
Reference labels(bool log_softmax, Reduction reduction, double smoothing, bool weighted, int64_t ignore) {
  return [=](const std::vector<Array>& in) {
    const Array &x = in[0], &target = in[1];
    int64_t classes = x.sizes.size() == 1 ? x.sizes[0] : x.sizes[1];
    Array losses = array(target.sizes);
    double count = 0;
    int64_t at = 0;
    for_each_index(target.sizes, [&](const std::vector<int64_t>& index) {
      auto score = [&](int64_t c) {
        std::vector<int64_t> i = index;
        i.insert(i.begin() + (x.sizes.size() == 1 ? 0 : 1), c);
        return x[broadcast_position(x, i)];
      };
      auto weight = [&](int64_t c) { return weighted ? 0.5 + static_cast<double>(c) : 1.0; };
      double log_sum = 0;
      for (int64_t c = 0; c < classes; ++c) log_sum += std::exp(score(c));
      log_sum = log_softmax ? std::log(log_sum) : 0;
      auto label = static_cast<int64_t>(target[at]);
      if (label != ignore) {
        losses[at] = -(1 - smoothing) * weight(label) * (score(label) - log_sum);
        for (int64_t c = 0; c < classes; ++c) {
          losses[at] -= smoothing / static_cast<double>(classes) * weight(c) * (score(c) - log_sum);
        }
        count += weight(label);
      }
      ++at;
    });
    return reduced(losses, reduction, count);
  };
}
Tensor weights_of(const Tensor& x) {
  int64_t classes = x.size(x.dim() == 1 ? 0 : 1);
  return arange(classes, x.options().dtype(kDouble)).add(0.5).to(x.scalar_type());
}

void label_rows(Table& table, const char* name, bool cross, bool weighted, double smoothing, int64_t ignore) {
  for (int k = 0; k < 3; ++k) {
    Reduction reduction = reductions[k];
    std::string variant = std::string(weighted ? "/weight" : "") + (smoothing != 0 ? "/smoothing" : "") +
                          (ignore >= 0 ? "/ignore" : "") + suffixes[k];
    Row& row = table.row(name + variant)
                   .inputs({{4, 5}, {4}})
                   .inputs({{2, 5, 3}, {2, 3}})
                   .integer_input(1, 0, 4)
                   .fixed_shapes()
                   .finite_only("a score that is infinite makes sums of the reference NaN where shifted sums are not")
                   .covers({std::string(name) + "_backward"})
                   .call([=](In in) {
                     Tensor weight = weighted ? weights_of(in[0]) : Tensor();
                     return cross ? cross_entropy(in[0], in[1], weight, reduction, ignore, smoothing)
                                  : nll_loss(in[0], in[1], weight, reduction, ignore);
                   })
                   .reference(labels(cross, reduction, smoothing, weighted, ignore));
    if (weighted || ignore >= 0) continue;
    row.inputs({{5}, {}});
    auto run = [=](const Tensor& x, const Tensor& t) { cross ? cross_entropy(x, t) : nll_loss(x, t); };
    row.error(
           "label",
           [=] {
             run(zeros({4, 3}, here()), tensor({0, 2, 1, 3}, here()));
           },
           "Target 3 is out of bounds")
        .error(
            "position",
            [=] {
              run(zeros({4, 3}, here()), tensor({0, 2, -1, 3}, here()));
            },
            "got -1 at row 2")
        .error(
            "batch",
            [=] {
              run(zeros({4, 3}, here()), tensor({0, 2}, here()));
            },
            "Expected input batch_size (4) to match target batch_size (2)")
        .error(
            "dtype",
            [=] {
              run(zeros({4, 3}, here()), zeros({4}, here()));
            },
            "expected scalar type Long but found Float");
    if (cross && reduction == Reduction::Mean) row.large({{4096, 512}, {4096}});
  }
}

}  // namespace

OP_TABLE_ROWS(loss) {
  pairs(
      table, "mse_loss", mse_loss, [](double x, double t) { return (x - t) * (x - t); }, [](Row&) {});
  pairs(
      table, "l1_loss", l1_loss, [](double x, double t) { return std::abs(x - t); },
      [](Row& row) { row.domain_of(0, -1, 0).domain_of(1, 0.1, 1); });
  pairs(
      table, "smooth_l1_loss", [](auto& x, auto& t, Reduction r) { return smooth_l1_loss(x, t, r, 0.5); },
      [](double x, double t) {
        double d = std::abs(x - t);
        return d < 0.5 ? d * d : d - 0.25;
      },
      [](Row& row) { row.domain_of(0, -0.9, -0.2).domain_of(1, 0.4, 0.9); });
  pairs(
      table, "smooth_l1_loss/small", [](auto& x, auto& t, Reduction r) { return smooth_l1_loss(x, t, r, 5); },
      [](double x, double t) { return std::abs(x - t) < 5 ? 0.1 * (x - t) * (x - t) : std::abs(x - t) - 2.5; },
      [](Row&) {});
  pairs(
      table, "huber_loss", [](auto& x, auto& t, Reduction r) { return huber_loss(x, t, r, 0.5); },
      [](double x, double t) {
        double d = std::abs(x - t);
        return d <= 0.5 ? 0.5 * d * d : 0.5 * (d - 0.25);
      },
      [](Row& row) { row.domain_of(0, -0.9, -0.2).domain_of(1, 0.4, 0.9); });
  pairs(
      table, "huber_loss/small", [](auto& x, auto& t, Reduction r) { return huber_loss(x, t, r, 5); },
      [](double x, double t) { return std::abs(x - t) <= 5 ? 0.5 * (x - t) * (x - t) : 5 * (std::abs(x - t) - 2.5); },
      [](Row&) {});
  pairs(
      table, "binary_cross_entropy", [](auto& x, auto& t, Reduction r) { return binary_cross_entropy(x, t, {}, r); },
      [](double x, double t) { return -t * std::log(x) - (1 - t) * std::log(1 - x); },
      [](Row& row) {
        row.domain(0.1, 0.9).finite_only("probabilities outside of [0, 1] are refused");
        row.error(
            "range", [] { binary_cross_entropy(full({2}, 1.5, here()), ones({2}, here())); },
            "all elements of input should be between 0 and 1");
      });
  pairs(
      table, "binary_cross_entropy_with_logits",
      [](auto& x, auto& t, Reduction r) { return binary_cross_entropy_with_logits(x, t, {}, {}, r); },
      [](double x, double t) { return std::max(x, 0.0) - x * t + std::log1p(std::exp(-std::abs(x))); },
      [](Row& row) { row.domain(-3, 3, {0}); });

  label_rows(table, "nll_loss", false, false, 0, -100);
  label_rows(table, "nll_loss", false, true, 0, 2);
  label_rows(table, "cross_entropy", true, false, 0, -100);
  label_rows(table, "cross_entropy", true, true, 0, 2);
  label_rows(table, "cross_entropy", true, true, 0.2, 1);
  label_rows(table, "cross_entropy", true, false, 0.1, -100);
}

}  // namespace op_table
