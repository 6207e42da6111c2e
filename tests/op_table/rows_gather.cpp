#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/gather.h>
#include <fulmen/autograd/ops/select.h>
#include <fulmen/autograd/ops/sort.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

const std::vector<ScalarType> integer_types = {kByte, kChar, kShort, kInt, kLong};

double& at(Array& a, const std::vector<int64_t>& index) { return a[broadcast_position(a, index)]; }

/// y[index with index[dim] replaced by positions] for every index of `positions`
Reference gathered(size_t dim) {
  return [dim](const std::vector<Array>& in) {
    Array x = in[0], positions = in[1], y = array(positions.sizes);
    for_each_index(y.sizes, [&](const std::vector<int64_t>& index) {
      auto from = index;
      from[dim] = static_cast<int64_t>(at(positions, index));
      at(y, index) = at(x, from);
    });
    return std::vector<Array>{y};
  };
}
Reference scattered(size_t dim) {
  return [dim](const std::vector<Array>& in) {
    Array y = in[0], positions = in[1], source = in[2];
    for_each_index(positions.sizes, [&](const std::vector<int64_t>& index) {
      auto to = index;
      to[dim] = static_cast<int64_t>(at(positions, index));
      at(y, to) += at(source, index);
    });
    return std::vector<Array>{y};
  };
}
/// The same for slices: in[1] is 1-d.
Reference selected(size_t dim) {
  return [dim](const std::vector<Array>& in) {
    Array x = in[0];
    std::vector<int64_t> sizes = x.sizes;
    sizes[dim] = in[1].numel();
    Array y = array(sizes);
    for_each_index(sizes, [&](const std::vector<int64_t>& index) {
      auto from = index;
      from[dim] = static_cast<int64_t>(in[1][index[dim]]);
      at(y, index) = at(x, from);
    });
    return std::vector<Array>{y};
  };
}
Reference slices_added(size_t dim, double alpha) {
  return [dim, alpha](const std::vector<Array>& in) {
    Array y = in[0], source = in[2];
    for_each_index(source.sizes, [&](const std::vector<int64_t>& index) {
      auto to = index;
      to[dim] = static_cast<int64_t>(in[1][index[dim]]);
      at(y, to) += alpha * at(source, index);
    });
    return std::vector<Array>{y};
  };
}

/// The first `count` of each row of the last dimension, and where they came from.
Reference sorted(bool descending, int64_t count) {
  return [=](const std::vector<Array>& in) {
    const Array& x = in[0];
    int64_t n = x.sizes.empty() ? 1 : x.size(-1), kept = count < 0 ? n : count;
    std::vector<int64_t> sizes = x.sizes;
    if (!sizes.empty()) sizes.back() = kept;
    Array values = array(sizes), places = array(sizes);
    for (int64_t row = 0; n > 0 && row < x.numel() / n; ++row) {
      std::vector<int64_t> order(static_cast<size_t>(n));
      std::iota(order.begin(), order.end(), 0);
      auto key = [&](int64_t i) { return x[row * n + i]; };
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        double p = descending ? key(b) : key(a), q = descending ? key(a) : key(b);
        return p < q || (std::isnan(q) && !std::isnan(p));
      });
      for (int64_t i = 0; i < kept; ++i) {
        places[row * kept + i] = static_cast<double>(order[static_cast<size_t>(i)]);
        values[row * kept + i] = key(order[static_cast<size_t>(i)]);
      }
    }
    return std::vector<Array>{values, places};
  };
}

std::vector<Tensor> both(std::tuple<Tensor, Tensor> t) { return {std::get<0>(t), std::get<1>(t)}; }

}  // namespace

OP_TABLE_ROWS(gathering) {
  table.row("gather")
      .inputs({{4, 5}, {4, 7}})
      .inputs({{6, 5}, {3, 2}})
      .integer_input(1, 0, 4)
      .fixed_shapes()
      .call([](In in) { return gather(in[0], 1, in[1]); })
      .reference(gathered(1))
      .also_dtypes(integer_types)
      .large({{300, 400}, {300, 400}})
      .error(
          "out of range",
          [] {
            gather(ones({3, 4}, here()), 1, full({3, 4}, 4, here(kLong)));
          },
          "index 4 is out of bounds for dimension");
  table.row("gather/first dimension")
      .inputs({{5, 4, 3}, {7, 4, 3}})
      .integer_input(1, 0, 4)
      .fixed_shapes()
      .call([](In in) { return gather(in[0], 0, in[1]); })
      .reference(gathered(0));
  table.row("scatter_add")
      .inputs({{4, 5}, {4, 7}, {4, 7}})
      .inputs({{6, 5}, {3, 2}, {4, 9}})
      .integer_input(1, 0, 4)
      .fixed_shapes()
      .call([](In in) { return scatter_add(in[0], 1, in[1], in[2]); })
      .reference(scattered(1))
      .also_dtypes(integer_types)
      .tolerance(3)
      .inplace([](In in) { in[0].scatter_add_(1, in[1], in[2]); })
      .large({{300, 400}, {300, 400}, {300, 400}});
  table.row("index_select")
      .inputs({{4, 5, 3}, {7}})
      .integer_input(1, 0, 4)
      .fixed_shapes()
      .call([](In in) { return index_select(in[0], 1, in[1]); })
      .reference(selected(1))
      .also_dtypes(integer_types)
      .large({{300, 40, 10}, {100}})
      .error(
          "out of range",
          [] {
            index_select(ones({3, 4}, here()), 0, full({2}, 3, here(kLong)));
          },
          "index out of range in self");
  table.row("index_select/masked_select")
      .inputs({{4, 5}, {4, 5}})
      .bool_input(1)
      .fixed_shapes()
      .call([](In in) { return masked_select(in[0], in[1]); })
      .reference([](const std::vector<Array>& in) {
        Array y = array({0});
        for (int64_t i = 0; i < in[0].numel(); ++i) {
          if (in[1][i] != 0) y.data.push_back(in[0][i]);
        }
        y.sizes[0] = static_cast<int64_t>(y.data.size());
        return std::vector<Array>{y};
      });
  table.row("index_add")
      .inputs({{4, 5, 3}, {7}, {4, 7, 3}})
      .integer_input(1, 0, 4)
      .fixed_shapes()
      .call([](In in) { return index_add(in[0], 1, in[1], in[2], 2); })
      .reference(slices_added(1, 2))
      .also_dtypes(integer_types)
      .tolerance(4)
      .large({{8, 400, 100}, {300}, {8, 300, 100}});
  table.row("nonzero")
      .inputs({{4, 5}})
      .inputs({{3, 2, 4}})
      .domain(-1, 1)
      .dtypes({kInt, kBool, kLong, kByte})
      .fixed_shapes()
      .call([](In in) { return nonzero(in[0]); })
      .reference([](const std::vector<Array>& in) {
        Array x = in[0], y = array({0, static_cast<int64_t>(x.sizes.size())});
        for_each_index(x.sizes, [&](const std::vector<int64_t>& index) {
          if (at(x, index) == 0) return;
          for (int64_t i : index) y.data.push_back(static_cast<double>(i));
          ++y.sizes[0];
        });
        return std::vector<Array>{y};
      })
      .order(0, "positions have no derivative");
}

OP_TABLE_ROWS(order) {
  table.row("sort")
      .inputs({{3, 40}})
      .inputs({{2, 3, 5}})
      .distinct()
      .call([](In in) { return both(sort(in[0])); })
      .reference(sorted(false, -1))
      .also_dtypes(integer_types)
      .large({{64, 3000}});
  table.row("sort/descending, with ties")
      .inputs({{3, 40}})
      .dtypes({kInt, kBool, kLong})
      .call([](In in) { return both(sort(in[0], -1, true)); })
      .reference(sorted(true, -1))
      .order(0, "integers");
  table.row("sort/topk")
      .inputs({{3, 40}})
      .fixed_shapes()
      .distinct()
      .call([](In in) { return both(topk(in[0], 4)); })
      .reference(sorted(true, 4))
      .also_dtypes(integer_types)
      .large({{64, 3000}});
  table.row("sort/other dimension")
      .inputs({{7, 3}})
      .fixed_shapes()
      .distinct()
      .call([](In in) { return std::get<0>(sort(in[0], 0)); })
      .reference([](const std::vector<Array>& in) {
        Array y = in[0];
        for (int64_t c = 0; c < 3; ++c) {
          std::vector<double> column;
          for (int64_t r = 0; r < 7; ++r) column.push_back(y[r * 3 + c]);
          std::sort(column.begin(), column.end(),
                    [](double a, double b) { return a < b || (std::isnan(b) && !std::isnan(a)); });
          for (int64_t r = 0; r < 7; ++r) y[r * 3 + c] = column[static_cast<size_t>(r)];
        }
        return std::vector<Array>{y};
      });
  table.row("cumsum")
      .inputs({{4, 5, 3}})
      .fixed_shapes()
      .call([](In in) { return cumsum(in[0], 1); })
      .reference([](const std::vector<Array>& in) {
        Array y = in[0];
        for_each_index(y.sizes, [&](const std::vector<int64_t>& index) {
          if (index[1] == 0) return;
          auto before = index;
          --before[1];
          at(y, index) += at(y, before);
        });
        return std::vector<Array>{y};
      })
      .also_dtypes({kInt, kLong})
      .large({{64, 300, 64}});
}

}  // namespace op_table
