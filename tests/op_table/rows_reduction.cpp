#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/reduction.h>

#include <algorithm>
#include <cmath>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

/// A reduction of dimensions `dims` (all if empty) by a function of the reduced values, in row-major order.
Reference reduced(std::vector<int64_t> dims, bool keepdim, std::function<double(const std::vector<double>&)> f) {
  return [=](const std::vector<Array>& in) {
    const Array& x = in[0];
    std::vector<bool> goes(x.sizes.size(), dims.empty());
    for (int64_t d : dims) {
      if (!x.sizes.empty()) goes[static_cast<size_t>(d < 0 ? d + static_cast<int64_t>(x.sizes.size()) : d)] = true;
    }
    std::vector<int64_t> kept = x.sizes, sizes;
    for (size_t d = 0; d < kept.size(); ++d) {
      if (goes[d]) kept[d] = 1;
      if (!goes[d] || keepdim) sizes.push_back(kept[d]);
    }
    Array shape = array(kept), out = array(sizes);
    std::vector<std::vector<double>> groups(out.data.size());
    int64_t at = 0;
    for_each_index(x.sizes, [&](const std::vector<int64_t>& index) {
      groups[static_cast<size_t>(broadcast_position(shape, index))].push_back(x[at++]);
    });
    for (size_t i = 0; i < groups.size(); ++i) out.data[i] = f(groups[i]);
    return std::vector<Array>{std::move(out)};
  };
}

double total(const std::vector<double>& v) {
  double sum = 0;
  for (double x : v) sum += x;
  return sum;
}
double average(const std::vector<double>& v) { return total(v) / static_cast<double>(v.size()); }
double variance(const std::vector<double>& v, double correction) {
  double mean = average(v), sum = 0;
  for (double x : v) sum += (x - mean) * (x - mean);
  return sum / std::max(0.0, static_cast<double>(v.size()) - correction);
}
double product(const std::vector<double>& v) {
  double p = 1;
  for (double x : v) p *= x;
  return p;
}
size_t extreme(const std::vector<double>& v, bool largest) {
  size_t best = 0;
  for (size_t i = 0; i < v.size(); ++i) {
    if (std::isnan(v[i])) return i;
    if (largest ? v[i] > v[best] : v[i] < v[best]) best = i;
  }
  return best;
}

/// Values and positions.
Reference with_positions(int64_t dim, bool largest) {
  Reference values = reduced({dim}, false, [=](const auto& v) { return v[extreme(v, largest)]; });
  Reference places = reduced({dim}, false, [=](const auto& v) { return static_cast<double>(extreme(v, largest)); });
  return [=](const std::vector<Array>& in) { return std::vector<Array>{values(in)[0], places(in)[0]}; };
}

std::vector<Tensor> both(std::tuple<Tensor, Tensor> t) { return {std::get<0>(t), std::get<1>(t)}; }

}  // namespace

OP_TABLE_ROWS(sums) {
  table.row("sum")
      .inputs({{3, 4, 5}})
      .inputs({{70, 3}})
      .call([](In in) { return sum(in[0]); })
      .reference(reduced({}, false, total))
      .integers()
      .large({{1 << 20}});
  table.row("sum/last")
      .inputs({{3, 4, 133}})
      .call([](In in) { return sum(in[0], -1); })
      .reference(reduced({-1}, false, total))
      .tolerance(4)
      .large({{512, 1024}});
  table.row("sum/first")
      .inputs({{70, 5, 3}})
      .fixed_shapes()
      .call([](In in) { return sum(in[0], 0, true); })
      .reference(reduced({0}, true, total))
      .tolerance(4)
      .large({{1024, 512}});
  table.row("sum/outer and inner")
      .inputs({{3, 4, 5}})
      .fixed_shapes()
      .call([](In in) {
        return sum(in[0], {0, 2});
      })
      .reference(reduced({0, 2}, false, total))
      .large({{64, 128, 64}});
  table.row("sum/tall")
      .inputs({{3000, 3}})
      .fixed_shapes()
      .domain(0, 1)
      .call([](In in) { return sum(in[0], 0); })
      .reference(reduced({0}, false, total))
      .tolerance(20)
      .dtypes({kDouble, kFloat})
      .large({{1 << 18, 3}});
  table.row("mean")
      .inputs({{3, 4, 5}})
      .call([](In in) { return mean(in[0]); })
      .reference(reduced({}, false, average))
      .large({{1 << 20}})
      .error(
          "integers", [] { mean(zeros({2}, here(kLong))); }, "could not infer output dtype");
  table.row("mean/dims")
      .inputs({{3, 4, 5}})
      .fixed_shapes()
      .call([](In in) { return mean(in[0], {1}, true); })
      .reference(reduced({1}, true, average));
  table.row("prod")
      .inputs({{3, 4}})
      .domain(0.3, 1.7)
      .call([](In in) { return prod(in[0]); })
      .reference(reduced({}, false, product))
      .tolerance(4)
      .integers();
  table.row("prod/zeros")
      .inputs({{3, 2, 4}})
      .fixed_shapes()
      .call([](In in) { return prod(in[0].mul(in[0].abs().gt(0.6).to(in[0].scalar_type())), 2); })
      .domain(-2, 2, {-0.6, 0.6})
      .reference(reduced({2}, false,
                         [](const auto& v) {
                           double p = 1;
                           for (double x : v) p *= std::abs(x) > 0.6 ? x : 0;
                           return p;
                         }))
      .tolerance(4)
      .finite_only("infinity times zero is NaN in the row itself");
}

OP_TABLE_ROWS(variances) {
  auto unbiased = [](const auto& v) { return variance(v, 1); };
  table.row("var")
      .inputs({{3, 4, 5}})
      .fixed_shapes()
      .call([](In in) { return var(in[0]); })
      .reference(reduced({}, false, unbiased))
      .tolerance(4)
      .large({{1 << 20}});
  table.row("var/dim")
      .inputs({{3, 40, 5}})
      .fixed_shapes()
      .call([](In in) { return var(in[0], 1, false, true); })
      .reference(reduced({1}, true, [](const auto& v) { return variance(v, 0); }))
      .tolerance(4);
  table.row("root_or_zero")
      .inputs({{3, 14}})
      .fixed_shapes()
      .call([](In in) { return fulmen::std(in[0], IntArrayRef({1})); })
      .reference(reduced({1}, false, [](const auto& v) { return std::sqrt(variance(v, 1)); }))
      .tolerance(4);
  table.row("sum_squares")
      .inputs({{3, 14}})
      .fixed_shapes()
      .call([](In in) { return norm(in[0], 2, {1}); })
      .reference(reduced({1}, false,
                         [](const auto& v) {
                           double s = 0;
                           for (double x : v) s += x * x;
                           return std::sqrt(s);
                         }))
      .tolerance(4)
      .large({{512, 1024}});
  table.row("sum_squares/norm 3")
      .inputs({{3, 4}})
      .domain(-2, 2, {0}, 0.1)
      .call([](In in) { return norm(in[0], 3); })
      .reference(reduced({}, false,
                         [](const auto& v) {
                           double s = 0;
                           for (double x : v) s += std::pow(std::abs(x), 3);
                           return std::cbrt(s);
                         }))
      .tolerance(8)
      .finite_only("zeros are left out by a mask, which NaN passes differently");
  table.row("sum_squares/logsumexp")
      .inputs({{3, 4}})
      .fixed_shapes()
      .call([](In in) { return logsumexp(in[0], 1, true); })
      .reference(reduced({1}, true,
                         [](const auto& v) {
                           double s = 0;
                           for (double x : v) s += std::exp(x);
                           return std::log(s);
                         }))
      .tolerance(4);
}

OP_TABLE_ROWS(extremes) {
  auto largest = [](const auto& v) { return v[extreme(v, true)]; };
  auto smallest = [](const auto& v) { return v[extreme(v, false)]; };
  table.row("amax")
      .inputs({{3, 4, 5}})
      .fixed_shapes()
      .distinct()
      .call([](In in) { return max(in[0]); })
      .reference(reduced({}, false, largest))
      .integers()
      .large({{1 << 20}});
  table.row("amax/dims")
      .inputs({{3, 4, 5}})
      .fixed_shapes()
      .distinct()
      .call([](In in) {
        return amax(in[0], {0, 2}, true);
      })
      .reference(reduced({0, 2}, true, largest));
  table.row("amax/min")
      .inputs({{37, 5}})
      .fixed_shapes()
      .distinct()
      .call([](In in) { return amin(in[0], 0); })
      .reference(reduced({0}, false, smallest))
      .integers();
  table.row("max")
      .inputs({{3, 4, 5}})
      .fixed_shapes()
      .distinct()
      .call([](In in) { return both(max(in[0], 1)); })
      .reference(with_positions(1, true))
      .large({{256, 256}});
  table.row("max/min")
      .inputs({{3, 7}})
      .fixed_shapes()
      .distinct()
      .call([](In in) { return both(min(in[0], -1)); })
      .reference(with_positions(-1, false))
      .integers();
  table.row("argmax")
      .inputs({{3, 4, 5}})
      .fixed_shapes()
      .distinct()
      .call([](In in) { return argmax(in[0]); })
      .reference(reduced({}, false, [](const auto& v) { return static_cast<double>(extreme(v, true)); }))
      .order(0, "positions have no derivative");
  table.row("argmax/min")
      .inputs({{3, 4, 5}})
      .fixed_shapes()
      .distinct()
      .call([](In in) { return argmin(in[0], 1); })
      .reference(reduced({1}, false, [](const auto& v) { return static_cast<double>(extreme(v, false)); }))
      .order(0, "positions have no derivative")
      .error(
          "empty", [] { argmax(zeros({0}, here())); }, "to have non-zero size");
  table.row("all")
      .inputs({{3, 4}})
      .call([](In in) { return all(in[0]); })
      .integers()
      .reference(reduced({}, false,
                         [](const auto& v) {
                           for (double x : v) {
                             if (x == 0) return 0.0;
                           }
                           return 1.0;
                         }))
      .order(0, "truth values have no derivative");
  table.row("all/any")
      .inputs({{3, 4}})
      .fixed_shapes()
      .call([](In in) { return any(in[0], 1); })
      .integers()
      .reference(reduced({1}, false,
                         [](const auto& v) {
                           for (double x : v) {
                             if (x != 0) return 1.0;
                           }
                           return 0.0;
                         }))
      .order(0, "truth values have no derivative");
}

}  // namespace op_table
