#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/norm.h>

#include <cmath>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

/// Normalizes groups of elements; group_of and factor_of map an index of x to the group and to the position of weight
/// and bias (inputs 1 and 2, if there are any). With inputs 3 and 4 those are mean and variance.
Reference normalized(int64_t groups_of_first_dims, bool per_channel) {
  return [=](const std::vector<Array>& in) {
    const Array& x = in[0];
    int64_t inner = 1, factors = 1;
    for (size_t d = static_cast<size_t>(per_channel ? 2 : groups_of_first_dims); d < x.sizes.size(); ++d)
      inner *= x.sizes[d];
    factors = per_channel ? x.sizes[1] : inner;
    auto group = [&](int64_t i) { return per_channel ? i / inner % factors : i / inner; };
    auto factor = [&](int64_t i) { return per_channel ? i / inner % factors : i % inner; };
    std::vector<double> mean(x.data.size() + 1), var(x.data.size() + 1), count(x.data.size() + 1);
    for (int64_t i = 0; i < x.numel(); ++i)
      mean[static_cast<size_t>(group(i))] += x[i], ++count[static_cast<size_t>(group(i))];
    for (size_t g = 0; g < mean.size(); ++g) mean[g] /= count[g];
    for (int64_t i = 0; i < x.numel(); ++i) {
      auto g = static_cast<size_t>(group(i));
      var[g] += (x[i] - mean[g]) * (x[i] - mean[g]) / count[g];
    }
    Array y = array(x.sizes);
    for (int64_t i = 0; i < x.numel(); ++i) {
      auto g = static_cast<size_t>(group(i));
      double m = in.size() > 3 ? in[3][group(i)] : mean[g], v = in.size() > 3 ? in[4][group(i)] : var[g];
      y[i] = (x[i] - m) / std::sqrt(v + 1e-5);
      if (in.size() > 1) y[i] = y[i] * in[1][factor(i)] + in[2][factor(i)];
    }
    return std::vector<Array>{y};
  };
}

}  // namespace

OP_TABLE_ROWS(norm) {
  table.row("layer_norm")
      .inputs({{3, 5}, {5}, {5}})
      .inputs({{2, 3, 70}, {70}, {70}})
      .fixed_shapes()
      .tolerance(4)
      .covers({"layer_norm_backward"})
      .call([](In in) { return layer_norm(in[0], in[1].sizes(), in[1], in[2]); })
      .reference([](const std::vector<Array>& in) {
        return normalized(static_cast<int64_t>(in[0].sizes.size()) - 1, false)(in);
      })
      .error(
          "sizes",
          [] {
            layer_norm(ones({3, 4}, here()), {5});
          },
          "Given normalized_shape=[5], expected input with shape [*, 5], but got input of size[3, 4]")
      .error(
          "weight",
          [] {
            layer_norm(ones({3, 4}, here()), {4}, ones({3}, here()));
          },
          "Expected weight of shape [4]")
      .large({{2048, 512}, {512}, {512}});
  table.row("layer_norm/plain")
      .inputs({{4, 1, 6}})
      .fixed_shapes()
      .tolerance(4)
      .call([](In in) {
        return layer_norm(in[0], {1, 6});
      })
      .reference(normalized(1, false));
  table.row("layer_norm/two_dims")
      .inputs({{4, 3, 2}, {3, 2}, {3, 2}})
      .fixed_shapes()
      .tolerance(4)
      .call([](In in) {
        return layer_norm(in[0], {3, 2}, in[1], in[2]);
      })
      .reference(normalized(1, false));

  auto of_squares = [](const std::vector<Array>& in) {
    Array y = in[0];
    const int64_t cols = in.size() > 1 ? in[1].numel() : y.size(-1);
    for (int64_t row = 0; row < y.numel(); row += cols) {
      double sum = 0;
      for (int64_t i = 0; i < cols; ++i) sum += in[0][row + i] * in[0][row + i];
      for (int64_t i = 0; i < cols; ++i) {
        y[row + i] /= std::sqrt(sum / static_cast<double>(cols) + 1e-5);
        if (in.size() > 1) y[row + i] *= in[1][i];
      }
    }
    return std::vector<Array>{y};
  };
  table.row("rms_norm")
      .inputs({{3, 5}, {5}})
      .inputs({{2, 3, 70}, {70}})
      .inputs({{4, 3, 2}, {3, 2}})
      .fixed_shapes()
      .tolerance(4)
      .covers({"rms_norm_backward"})
      .call([](In in) { return rms_norm(in[0], in[1].sizes(), in[1], 1e-5); })
      .reference(of_squares)
      .error(
          "sizes",
          [] {
            rms_norm(ones({3, 4}, here()), {5});
          },
          "rms_norm: Given normalized_shape=[5], expected input with shape [*, 5], but got input of size[3, 4]")
      .error(
          "weight",
          [] {
            rms_norm(ones({3, 4}, here()), {4}, ones({3}, here()));
          },
          "Expected weight of shape [4]")
      .large({{2048, 512}, {512}});
  table.row("rms_norm/plain")
      .inputs({{4, 6}})
      .fixed_shapes()
      .tolerance(4)
      .call([](In in) { return rms_norm(in[0], {6}, {}, 1e-5); })
      .reference(of_squares);

  auto train = [](In in) {
    return in.size() > 1 ? batch_norm(in[0], in[1], in[2], {}, {}, true) : batch_norm(in[0], {}, {}, {}, {}, true);
  };
  table.row("batch_norm")
      .inputs({{6, 3}, {3}, {3}})
      .inputs({{4, 20}, {20}, {20}})
      .inputs({{3, 2, 5}, {2}, {2}})
      .inputs({{2, 3, 2, 4}, {3}, {3}})
      .fixed_shapes()
      .tolerance(4)
      .covers({"batch_norm_backward"})
      .call(train)
      .reference(normalized(0, true))
      .error(
          "one value",
          [] {
            batch_norm(ones({1, 3}, here()), {}, {}, {}, {}, true);
          },
          "Expected more than 1 value per channel when training, got input size [1, 3]")
      .error(
          "running",
          [] {
            batch_norm(ones({2, 3}, here()), {}, {}, ones({4}, here()), ones({4}, here()), false);
          },
          "running_mean should contain 3 elements not 4")
      .large({{64, 32, 32, 32}, {32}, {32}});
  table.row("batch_norm/plain").inputs({{5, 3}}).fixed_shapes().tolerance(4).call(train).reference(normalized(0, true));
  table.row("batch_norm/eval")
      .inputs({{6, 3}, {3}, {3}, {3}, {3}})
      .inputs({{3, 2, 5}, {2}, {2}, {2}, {2}})
      .domain_of(4, 0.5, 2)
      .fixed_shapes()
      .order(0, "the running statistics are constants, which the table would differentiate")
      .call([](In in) { return batch_norm(in[0], in[1], in[2], in[3], in[4], false); })
      .reference(normalized(0, true));
  table.row("batch_norm/eval_derivative")
      .inputs({{6, 3}, {3}, {3}})
      .inputs({{3, 2, 5}, {2}, {2}})
      .fixed_shapes()
      .call([](In in) {
        Tensor mean = full({in[0].size(1)}, 0.3, in[0].options()), var = full({in[0].size(1)}, 1.7, in[0].options());
        return batch_norm(in[0], in[1], in[2], mean, var, false);
      })
      .reference([](const std::vector<Array>& in) {
        std::vector<Array> all = in;
        Array mean = array(in[1].sizes), var = mean;
        for (double& v : mean.data) v = 0.3;
        for (double& v : var.data) v = 1.7;
        all.push_back(mean);
        all.push_back(var);
        return normalized(0, true)(all);
      });
}

}  // namespace op_table
