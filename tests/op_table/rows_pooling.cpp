#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/pooling.h>

#include <cmath>
#include <limits>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

using Sizes = std::vector<int64_t>;

/// Windows by their definition, on [n, channels, sizes...] with up to three sizes.
struct Windows {
  Sizes kernel, stride, padding, dilation;
  Sizes adaptive = {};  ///< output sizes, instead of the above
  bool count_padding = true;
  int64_t divisor = 0;

  int64_t out(size_t d, int64_t in) const {
    if (!adaptive.empty()) return adaptive[d];
    return (in + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1) / stride[d] + 1;
  }
  /// The elements of window o, those of the padding included.
  std::vector<int64_t> elements(size_t d, int64_t in, int64_t o) const {
    std::vector<int64_t> all;
    if (!adaptive.empty()) {
      const auto share = static_cast<double>(in) / static_cast<double>(adaptive[d]);
      for (auto i = static_cast<int64_t>(std::floor(static_cast<double>(o) * share));
           i < static_cast<int64_t>(std::ceil(static_cast<double>(o + 1) * share - 1e-9)); ++i) {
        all.push_back(i);
      }
      return all;
    }
    for (int64_t k = 0; k < kernel[d]; ++k) all.push_back(o * stride[d] - padding[d] + k * dilation[d]);
    return all;
  }
  template <class F>
  std::vector<Array> pooled(const Array& x, bool indices, const F& finish) const {
    const size_t lead = x.sizes.size() - dims();
    Sizes sizes = x.sizes;
    for (size_t d = 0; d < dims(); ++d) sizes[lead + d] = out(d, x.sizes[lead + d]);
    Array y = array(sizes), places = y;
    int64_t at = 0, plane = 1;
    for (size_t d = 0; d < dims(); ++d) plane *= x.sizes[lead + d];
    for_each_index(sizes, [&](const std::vector<int64_t>& index) {
      std::vector<std::vector<int64_t>> along;
      Sizes count;
      int64_t first = 0;
      for (size_t d = 0; d < lead; ++d) first = first * x.sizes[d] + index[d];
      for (size_t d = 0; d < dims(); ++d) {
        along.push_back(elements(d, x.sizes[lead + d], index[lead + d]));
        count.push_back(static_cast<int64_t>(along.back().size()));
      }
      double sum = 0, most = -std::numeric_limits<double>::infinity();
      int64_t inside = 0, total = 0, best = 0;
      for_each_index(count, [&](const std::vector<int64_t>& k) {
        int64_t place = 0;
        bool in = true;
        for (size_t d = 0; d < dims(); ++d) {
          const int64_t i = along[d][static_cast<size_t>(k[d])], size = x.sizes[lead + d];
          in = in && i >= 0 && i < size;
          place = place * size + i;
        }
        ++total;
        if (!in) return;
        ++inside;
        const double v = x[first * plane + place];
        sum += v;
        if (v > most || v != v) most = v, best = place;
      });
      y[at] = finish(sum, most, divisor != 0 ? divisor : count_padding ? total : inside);
      places[at++] = static_cast<double>(best);
    });
    return indices ? std::vector<Array>{y, places} : std::vector<Array>{y};
  }
  size_t dims() const { return adaptive.empty() ? kernel.size() : adaptive.size(); }
  Reference largest() const {
    return [w = *this](const std::vector<Array>& in) {
      return w.pooled(in[0], true, [](double, double most, int64_t) { return most; });
    };
  }
  Reference mean() const {
    return [w = *this](const std::vector<Array>& in) {
      return w.pooled(in[0], false, [](double sum, double, int64_t n) { return sum / static_cast<double>(n); });
    };
  }
};

std::vector<Tensor> both(const std::tuple<Tensor, Tensor>& results) {
  return {std::get<0>(results), std::get<1>(results)};
}

}  // namespace

OP_TABLE_ROWS(pooling) {
  table.row("max_pool/1d")
      .inputs({{2, 3, 9}})
      .inputs({{3, 8}})
      .fixed_shapes()
      .distinct()
      .covers({"max_pool_backward"})
      .call([](In in) { return both(max_pool1d_with_indices(in[0], 3, 2, 1)); })
      .reference(Windows{{3}, {2}, {1}, {1}}.largest());
  table.row("max_pool/2d")
      .inputs({{2, 3, 6, 5}})
      .fixed_shapes()
      .distinct()
      .call([](In in) { return both(max_pool2d_with_indices(in[0], 2)); })
      .reference(Windows{{2, 2}, {2, 2}, {0, 0}, {1, 1}}.largest())
      .error(
          "padding",
          [] {
            max_pool2d(ones({1, 1, 4, 4}, here()), 2, 2, 2);
          },
          "pad should be at most half of effective kernel size, but got pad=2, kernel_size=2 and dilation=1")
      .error(
          "dimensions",
          [] {
            max_pool2d(ones({4, 4}, here()), 2);
          },
          "max_pool2d: Expected 3D or 4D (batch mode) tensor")
      .large({{64, 16, 28, 28}});
  table.row("max_pool/overlapping")
      .inputs({{2, 2, 9, 10}})
      .fixed_shapes()
      .distinct()
      .call([](In in) {
        return both(max_pool2d_with_indices(in[0], {3, 2}, {1, 3}, {1, 0}, {2, 3}));
      })
      .reference(Windows{{3, 2}, {1, 3}, {1, 0}, {2, 3}}.largest());
  table.row("max_pool/3d")
      .inputs({{1, 2, 4, 5, 6}})
      .fixed_shapes()
      .distinct()
      .call([](In in) {
        return both(max_pool3d_with_indices(in[0], {2, 3, 2}, {1, 2, 2}, {0, 1, 1}));
      })
      .reference(Windows{{2, 3, 2}, {1, 2, 2}, {0, 1, 1}, {1, 1, 1}}.largest());
  table.row("max_pool/adaptive")
      .inputs({{2, 2, 7, 5}})
      .fixed_shapes()
      .distinct()
      .call([](In in) {
        return both(adaptive_max_pool2d(in[0], {3, 4}));
      })
      .reference(Windows{{}, {}, {}, {}, {3, 4}}.largest());

  table.row("avg_pool/1d")
      .inputs({{2, 3, 9}})
      .inputs({{2, 1, 300}})
      .fixed_shapes()
      .covers({"avg_pool_backward"})
      .call([](In in) { return avg_pool1d(in[0], 3, 2, 1); })
      .reference(Windows{{3}, {2}, {1}, {1}}.mean());
  table.row("avg_pool/2d")
      .inputs({{2, 3, 6, 5}})
      .inputs({{3, 6, 5}})
      .fixed_shapes()
      .call([](In in) {
        return avg_pool2d(in[0], {3, 2}, {1, 3}, {1, 1}, false, false);
      })
      .reference(Windows{{3, 2}, {1, 3}, {1, 1}, {1, 1}, {}, false}.mean())
      .error(
          "divisor",
          [] {
            avg_pool2d(ones({1, 1, 4, 4}, here()), 2, 2, 0, false, true, 0);
          },
          "avg_pool2d: divisor must be not zero")
      .large({{64, 16, 28, 28}});
  table.row("avg_pool/3d")
      .inputs({{1, 2, 4, 5, 3}})
      .fixed_shapes()
      .call([](In in) { return avg_pool3d(in[0], 2, 1, 0, false, true, 5); })
      .reference(Windows{{2, 2, 2}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}, {}, true, 5}.mean());
  table.row("avg_pool/adaptive")
      .inputs({{2, 2, 7, 5}})
      .inputs({{2, 3, 2, 3}})
      .fixed_shapes()
      .call([](In in) {
        return adaptive_avg_pool2d(in[0], {3, 4});
      })
      .reference(Windows{{}, {}, {}, {}, {3, 4}}.mean());
  table.row("avg_pool/adaptive_to_one")
      .inputs({{2, 2, 2, 3, 4}})
      .fixed_shapes()
      .call([](In in) { return adaptive_avg_pool3d(in[0], 1); })
      .reference(Windows{{}, {}, {}, {}, {1, 1, 1}}.mean());
}

}  // namespace op_table
