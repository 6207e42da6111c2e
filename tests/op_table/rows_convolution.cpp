#include <fulmen/autograd/engine.h>
#include <fulmen/autograd/ops/convolution.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/pad.h>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

using Sizes = std::vector<int64_t>;

struct Settings {
  Sizes stride, padding, dilation;
  int64_t groups = 1;
  Sizes output_padding = {};
  /// How much padding follows the input beyond what precedes it ("same" with an even kernel).
  int64_t after = 0;
};

int64_t positions(const Sizes& sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return n;
}
/// The index of a row-major position; false if it is outside.
bool step(Sizes& index, const Sizes& sizes) {
  for (size_t d = sizes.size(); d-- > 0;) {
    if (++index[d] < sizes[d]) return true;
    index[d] = 0;
  }
  return false;
}
int64_t position(const Sizes& index, const Sizes& sizes) {
  int64_t p = 0;
  for (size_t d = 0; d < sizes.size(); ++d) p = p * sizes[d] + index[d];
  return p;
}
Sizes tail(const Sizes& sizes) { return {sizes.begin() + 2, sizes.end()}; }

/// Calls f(position in x, position in y, position in w) for all products of a convolution with these sizes.
template <class F>
void for_products(const Sizes& x, const Sizes& y, const Sizes& w, const Settings& s, const F& f) {
  const Sizes in = tail(x), out = tail(y), kernel = tail(w);
  const int64_t ins = positions(in), outs = positions(out), taps = positions(kernel), channels = w[1],
                rows = y[1] / s.groups;
  Sizes o(out.size()), k(kernel.size()), i(in.size());
  do {
    do {
      bool inside = true;
      for (size_t d = 0; d < o.size(); ++d) {
        i[d] = o[d] * s.stride[d] + k[d] * s.dilation[d] - s.padding[d];
        inside = inside && i[d] >= 0 && i[d] < in[d];
      }
      if (!inside) continue;
      const int64_t at_x = position(i, in), at_y = position(o, out), at_w = position(k, kernel);
      for (int64_t n = 0; n < x[0]; ++n) {
        for (int64_t r = 0; r < y[1]; ++r) {
          for (int64_t c = 0; c < channels; ++c) {
            f((n * x[1] + r / rows * channels + c) * ins + at_x, (n * y[1] + r) * outs + at_y,
              (r * channels + c) * taps + at_w);
          }
        }
      }
    } while (step(k, kernel));
  } while (step(o, out));
}

Reference forward(Settings s) {
  return [s](const std::vector<Array>& in) {
    const Array &x = in[0], &w = in[1];
    Sizes sizes{x.sizes[0], w.sizes[0]};
    for (size_t d = 0; d < s.stride.size(); ++d) {
      sizes.push_back(
          (x.sizes[d + 2] + 2 * s.padding[d] + s.after - s.dilation[d] * (w.sizes[d + 2] - 1) - 1) / s.stride[d] + 1);
    }
    Array y = array(sizes);
    const int64_t places = positions(tail(sizes));
    for (int64_t i = 0; in.size() > 2 && i < y.numel(); ++i) y[i] = in[2][i / places % w.sizes[0]];
    for_products(x.sizes, sizes, w.sizes, s, [&](int64_t a, int64_t b, int64_t c) { y[b] += x[a] * w[c]; });
    return std::vector<Array>{y};
  };
}
Reference transposed(Settings s) {
  return [s](const std::vector<Array>& in) {
    const Array &y = in[0], &w = in[1];
    Sizes sizes{y.sizes[0], w.sizes[1] * s.groups};
    for (size_t d = 0; d < s.stride.size(); ++d) {
      sizes.push_back((y.sizes[d + 2] - 1) * s.stride[d] - 2 * s.padding[d] + s.dilation[d] * (w.sizes[d + 2] - 1) +
                      (s.output_padding.empty() ? 0 : s.output_padding[d]) + 1);
    }
    Array x = array(sizes);
    const int64_t places = positions(tail(sizes));
    for (int64_t i = 0; in.size() > 2 && i < x.numel(); ++i) x[i] = in[2][i / places % sizes[1]];
    for_products(sizes, y.sizes, w.sizes, s, [&](int64_t a, int64_t b, int64_t c) { x[a] += y[b] * w[c]; });
    return std::vector<Array>{x};
  };
}

using Call7 = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, IntArrayRef, IntArrayRef, IntArrayRef, int64_t);
Call7 conv_of(size_t dims) { return dims == 1 ? Call7(conv1d) : dims == 2 ? Call7(conv2d) : Call7(conv3d); }

Call call_conv(Settings s) {
  return [s](In in) {
    return std::vector<Tensor>{conv_of(s.stride.size())(in[0], in[1], in.size() > 2 ? in[2] : Tensor(), s.stride,
                                                        s.padding, s.dilation, s.groups)};
  };
}
Call call_transposed(Settings s) {
  return [s](In in) {
    return std::vector<Tensor>{
        convolution(in[0], in[1], in.size() > 2 ? in[2] : Tensor(), s.stride, s.padding, s.dilation, true,
                    s.output_padding.empty() ? Sizes(s.stride.size(), 0) : s.output_padding, s.groups)};
  };
}

void conv_row(Table& table, const char* name, Settings s, std::vector<Sizes> shapes) {
  Row& row = table.row(name);
  row.inputs(shapes).fixed_shapes().tolerance(4);
  row.finite_only("what lies outside of the input counts as 0 times the weight");
  row.covers({"convolution_weight"}).reference(forward(s));
  row.call_ = call_conv(s);
}
void transposed_row(Table& table, const char* name, Settings s, std::vector<Sizes> shapes) {
  Row& row = table.row(name);
  row.inputs(shapes).fixed_shapes().tolerance(4);
  row.finite_only("what lies outside of the input counts as 0 times the weight");
  row.reference(transposed(s));
  row.call_ = call_transposed(s);
}

/// pad() by its definition.
Reference padded(Sizes pad, char mode, double value) {
  return [=](const std::vector<Array>& in) {
    const Array& x = in[0];
    Sizes sizes = x.sizes, before(sizes.size(), 0);
    for (size_t i = 0; i < pad.size() / 2; ++i) {
      const size_t d = sizes.size() - 1 - i;
      sizes[d] += pad[2 * i] + pad[2 * i + 1];
      before[d] = pad[2 * i];
    }
    Array y = array(sizes);
    for_each_index(sizes, [&](const std::vector<int64_t>& index) {
      Sizes from = index;
      bool outside = false;
      for (size_t d = 0; d < from.size(); ++d) {
        const int64_t n = x.sizes[d], i = index[d] - before[d];
        from[d] = mode == 'r'   ? (i < 0    ? -i
                                   : i >= n ? 2 * n - 2 - i
                                            : i)
                  : mode == 'e' ? (i < 0    ? 0
                                   : i >= n ? n - 1
                                            : i)
                  : mode == 'o' ? (i + n) % n
                                : i;
        outside = outside || from[d] < 0 || from[d] >= n;
      }
      y[position(index, sizes)] = outside ? value : x[position(from, x.sizes)];
    });
    return std::vector<Array>{y};
  };
}
void pad_row(Table& table, const char* name, const char* word, Sizes pad, double value, std::vector<Sizes> shapes) {
  const std::string mode = word;
  const char letter = mode == "reflect" ? 'r' : mode == "replicate" ? 'e' : mode == "circular" ? 'o' : 'c';
  Row& row = table.row(name);
  for (const Sizes& shape : shapes) row.inputs({shape});
  row.fixed_shapes().reference(padded(pad, letter, value));
  row.call([=](In in) {
    return fulmen::pad(in[0], pad, mode, mode == "constant" ? std::optional<double>(value) : std::nullopt);
  });
}

}  // namespace

OP_TABLE_ROWS(convolution) {
  conv_row(table, "convolution/1d", {{2}, {1}, {1}}, {{2, 3, 7}, {4, 3, 3}, {4}});
  conv_row(table, "convolution/2d", {{1, 1}, {1, 1}, {1, 1}}, {{2, 3, 6, 5}, {6, 3, 3, 3}, {6}});
  conv_row(table, "convolution/stride", {{2, 3}, {1, 2}, {1, 1}}, {{2, 2, 7, 9}, {5, 2, 3, 4}, {5}});
  conv_row(table, "convolution/dilation", {{1, 2}, {2, 0}, {2, 3}}, {{1, 2, 6, 11}, {5, 2, 3, 2}});
  conv_row(table, "convolution/odd_phases", {{3, 4}, {2, 3}, {2, 2}}, {{1, 2, 10, 13}, {2, 2, 4, 5}});
  conv_row(table, "convolution/groups", {{1, 1}, {1, 0}, {1, 1}, 2}, {{2, 4, 5, 4}, {10, 2, 3, 2}, {10}});
  conv_row(table, "convolution/depthwise", {{1, 2}, {1, 1}, {1, 1}, 3}, {{2, 3, 5, 6}, {3, 1, 3, 3}, {3}});
  conv_row(table, "convolution/pointwise", {{1, 1}, {0, 0}, {1, 1}}, {{2, 5, 3, 7}, {7, 5, 1, 1}, {7}});
  conv_row(table, "convolution/3d", {{1, 2, 1}, {1, 0, 1}, {1, 1, 2}}, {{1, 2, 4, 5, 6}, {5, 2, 2, 3, 2}, {5}});
  conv_row(table, "convolution/wide", {{1}, {2}, {1}}, {{1, 1, 150}, {2, 1, 5}});
  table.row("convolution/same")
      .inputs({{1, 2, 5, 6}, {2, 2, 2, 3}})
      .fixed_shapes()
      .tolerance(4)
      .finite_only("what lies outside of the input counts as 0 times the weight")
      .call([](In in) { return conv2d(in[0], in[1], {}, 1, "same"); })
      .reference([](const std::vector<Array>& in) {
        // A kernel of 2 is padded by one element behind: as if the input were larger by it.
        return forward({{1, 1}, {0, 1}, {1, 1}})({padded({0, 0, 0, 1}, 'c', 0)(in)[0], in[1]});
      });
  table.row("convolution/layer")
      .inputs({{8, 16, 32, 32}, {16, 16, 3, 3}, {16}})
      .fixed_shapes()
      .tolerance(64)
      .order(0, "the small rows are differentiated; this one is for speed and thread counts")
      .finite_only("what lies outside of the input counts as 0 times the weight")
      .call(call_conv({{1, 1}, {1, 1}, {1, 1}}))
      .reference(forward({{1, 1}, {1, 1}, {1, 1}}))
      .error(
          "channels",
          [] {
            conv2d(ones({1, 3, 4, 4}, here()), ones({2, 2, 3, 3}, here()));
          },
          "Given groups=1, weight of size [2, 2, 3, 3], expected input[1, 3, 4, 4] to have 2 channels, but got 3 "
          "channels instead")
      .error(
          "kernel",
          [] {
            conv2d(ones({1, 2, 2, 4}, here()), ones({2, 2, 3, 3}, here()));
          },
          "Calculated padded input size per channel: (2 x 4). Kernel size: (3 x 3). Kernel size can't be greater than "
          "actual input size")
      .error(
          "dimensions",
          [] {
            conv1d(ones({1, 2, 2, 4}, here()), ones({2, 2, 3}, here()));
          },
          "Expected 2D (unbatched) or 3D (batched) input to conv1d, but got input of size: [1, 2, 2, 4]")
      .error(
          "same",
          [] {
            conv1d(ones({1, 2, 4}, here()), ones({2, 2, 3}, here()), {}, 2, "same");
          },
          "padding='same' is not supported for strided convolutions")
      .large({{64, 16, 28, 28}, {32, 16, 3, 3}, {32}});

  transposed_row(table, "convolution_transposed/1d", {{2}, {1}, {1}, 1, {1}}, {{2, 3, 5}, {3, 4, 3}, {4}});
  transposed_row(table, "convolution_transposed/2d", {{1, 1}, {1, 0}, {1, 1}}, {{2, 2, 4, 3}, {2, 5, 3, 3}, {5}});
  transposed_row(table, "convolution_transposed/stride", {{2, 3}, {1, 0}, {1, 1}, 1, {1, 2}},
                 {{1, 3, 3, 4}, {3, 6, 4, 2}, {6}});
  transposed_row(table, "convolution_transposed/dilation", {{2, 4}, {0, 1}, {3, 2}}, {{1, 2, 3, 3}, {2, 2, 2, 3}});
  transposed_row(table, "convolution_transposed/groups", {{2, 1}, {1, 1}, {1, 1}, 2},
                 {{2, 4, 3, 3}, {4, 1, 3, 3}, {2}});
  transposed_row(table, "convolution_transposed/gaps", {{3, 2}, {1, 2}, {4, 4}, 2, {2, 3}},
                 {{1, 4, 5, 4}, {4, 2, 2, 3}, {4}});
  transposed_row(table, "convolution_transposed/3d", {{1, 2, 1}, {0, 1, 1}, {1, 1, 1}},
                 {{1, 2, 2, 3, 3}, {2, 3, 2, 3, 2}, {3}});

  pad_row(table, "constant_pad_nd", "constant", {1, 2, 0, 3}, 1.5, {{2, 3}, {2, 3, 4}});
  pad_row(table, "constant_pad_nd/crop", "constant", {-1, 2, 1, -2}, 0.5, {{2, 4, 5}});
  pad_row(table, "constant_pad_nd/reflect", "reflect", {2, 1, 1, 2}, 0, {{2, 3, 4}, {1, 2, 3, 3}});
  pad_row(table, "constant_pad_nd/replicate", "replicate", {3, 1}, 0, {{2, 2}, {1, 2, 3}});
  pad_row(table, "constant_pad_nd/circular", "circular", {2, 1, 1, 2, 0, 1}, 0, {{1, 2, 2, 3}, {1, 2, 2, 2, 3}});
}

}  // namespace op_table
