#include <fulmen/autograd/ops/copy.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/join.h>
#include <fulmen/autograd/ops/views.h>

#include "tests/op_table/op_table.h"

namespace op_table {

namespace {

/// Output sizes, and for every output index the input index it comes from.
Reference moved(std::vector<int64_t> sizes, std::function<std::vector<int64_t>(std::vector<int64_t>)> from) {
  return [=](const std::vector<Array>& in) {
    Array out = array(sizes);
    int64_t at = 0;
    for_each_index(out.sizes, [&](const std::vector<int64_t>& index) {
      out[at++] = in[0][broadcast_position(in[0], from(index))];
    });
    return std::vector<Array>{std::move(out)};
  };
}
Reference same_order(std::vector<int64_t> sizes) {
  return [=](const std::vector<Array>& in) { return std::vector<Array>{{sizes, in[0].data}}; };
}
using Index = std::vector<int64_t>;

}  // namespace

OP_TABLE_ROWS(views) {
  table.row("view")
      .inputs({{3, 4}})
      .fixed_shapes()
      .integers()
      .call([](In in) {
        return reshape(in[0], {2, -1});
      })
      .reference(same_order({2, 6}))
      .error(
          "-1 twice",
          [] {
            reshape(zeros({4}, here()), {-1, -1});
          },
          "only one dimension can be inferred");
  table.row("view/flatten")
      .inputs({{2, 3, 4}})
      .fixed_shapes()
      .call([](In in) { return flatten(in[0], 1); })
      .reference(same_order({2, 12}));
  table.row("view/unflatten")
      .inputs({{2, 12}})
      .fixed_shapes()
      .call([](In in) {
        return unflatten(in[0], 1, {3, -1});
      })
      .reference(same_order({2, 3, 4}));
  table.row("transpose")
      .inputs({{2, 3, 4}})
      .fixed_shapes()
      .integers()
      .call([](In in) { return transpose(in[0], 0, -1); })
      .reference(moved({4, 3, 2}, [](Index i) {
        return Index{i[2], i[1], i[0]};
      }));
  table.row("permute")
      .inputs({{2, 3, 4}})
      .fixed_shapes()
      .call([](In in) {
        return permute(in[0], {2, 0, 1});
      })
      .reference(moved({4, 2, 3},
                       [](Index i) {
                         return Index{i[1], i[2], i[0]};
                       }))
      .error(
          "twice the same",
          [] {
            permute(zeros({2, 2}, here()), {0, 0});
          },
          "duplicate dims are not allowed");
  table.row("slice")
      .inputs({{3, 9}})
      .fixed_shapes()
      .integers()
      .call([](In in) { return slice(in[0], 1, 1, -1, 3); })
      .covers({"slice_backward"})
      .reference(moved({3, 3}, [](Index i) {
        return Index{i[0], 1 + 3 * i[1]};
      }));
  table.row("select")
      .inputs({{3, 4}})
      .fixed_shapes()
      .call([](In in) { return select(in[0], 0, -1); })
      .reference(moved({4},
                       [](Index i) {
                         return Index{2, i[0]};
                       }))
      .error(
          "out of range", [] { select(zeros({3}, here()), 0, 3); },
          "select(): index 3 out of range for tensor of size [3] at dimension 0");
  table.row("squeeze")
      .inputs({{3, 1, 4, 1}})
      .fixed_shapes()
      .call([](In in) { return squeeze(in[0]); })
      .reference(same_order({3, 4}));
  table.row("squeeze/dim")
      .inputs({{3, 1, 4, 1}})
      .fixed_shapes()
      .call([](In in) { return squeeze(in[0], 1); })
      .reference(same_order({3, 4, 1}));
  table.row("unsqueeze")
      .inputs({{3, 4}})
      .fixed_shapes()
      .call([](In in) { return unsqueeze(in[0], -1); })
      .reference(same_order({3, 4, 1}))
      .error(
          "out of range", [] { unsqueeze(zeros({3}, here()), 3); },
          "Dimension out of range (expected to be in range of [-2, 1], but got 3)");
  table.row("expand")
      .inputs({{3, 1}})
      .fixed_shapes()
      .integers()
      .call([](In in) {
        return expand(in[0], {2, -1, 4});
      })
      .reference(moved({2, 3, 4},
                       [](Index i) {
                         return Index{i[1], 0};
                       }))
      .error(
          "not one", [] { expand(zeros({3}, here()), {2}); }, "must match the existing size (3)");
  table.row("as_strided")
      .inputs({{3, 4}})
      .fixed_shapes()
      .call([](In in) {
        return as_strided(in[0].contiguous(), {3, 2}, {2, 1}, 1);
      })
      .covers({"as_strided_backward"})
      .reference([](const std::vector<Array>& in) {
        Array y = array({3, 2});
        for (int64_t i = 0; i < 6; ++i) y[i] = in[0][1 + i / 2 * 2 + i % 2];
        return std::vector<Array>{y};
      });
  table.row("as_strided/diagonal")
      .inputs({{4, 5}})
      .fixed_shapes()
      .call([](In in) { return diagonal(in[0], 1); })
      .reference(moved({4}, [](Index i) {
        return Index{i[0], i[0] + 1};
      }));
}

OP_TABLE_ROWS(copies) {
  Reference identity = [](const std::vector<Array>& in) { return std::vector<Array>{in[0]}; };
  table.row("clone")
      .inputs({{3, 4}})
      .integers()
      .call([](In in) { return clone(in[0]); })
      .reference(identity)
      .large({{1 << 20}});
  // Locked memory is CUDA's: without a device there is only the refusal.
  Row& pinned = table.row("pin_memory");
  if (cuda::is_available()) {
    pinned.inputs({{3, 4}}).integers().call([](In in) { return in[0].cpu().pin_memory(); }).reference(identity);
  } else {
    pinned.error(
        "no CUDA", [] { ones({2}).pin_memory(); }, "CUDA");
  }
  table.row("copy")
      .inputs({{3, 4}, {4}})
      .call([](In in) { return in[0].clone().copy_(in[1]); })
      .reference([](const std::vector<Array>& in) {
        Array y = in[0];
        int64_t at = 0;
        for_each_index(y.sizes, [&](const Index& i) { y[at++] = in[1][broadcast_position(in[1], i)]; });
        return std::vector<Array>{y};
      });
  table.row("to_copy")
      .inputs({{3, 4}})
      .domain(-2, 2)
      .call([](In in) { return to(to(in[0], kDouble, std::nullopt, true), in[0].scalar_type()); })
      .integers()
      .reference(identity)
      .large({{1 << 20}});
}

OP_TABLE_ROWS(joins) {
  table.row("cat")
      .inputs({{2, 3}, {2, 1}})
      .fixed_shapes()
      .integers()
      .call([](In in) {
        return cat({in[0], in[1], in[0]}, 1);
      })
      .reference([](const std::vector<Array>& in) {
        Array y = array({2, 7});
        for (int64_t i = 0; i < 2; ++i) {
          for (int64_t j = 0; j < 7; ++j) y[i * 7 + j] = j == 3 ? in[1][i] : in[0][i * 3 + j % 4];
        }
        return std::vector<Array>{y};
      })
      .error(
          "none", [] { cat({}); }, "expected a non-empty list of Tensors");
  table.row("cat/stack")
      .inputs({{2, 3}, {2, 3}})
      .fixed_shapes()
      .call([](In in) {
        return stack({in[0], in[1]}, 1);
      })
      .reference([](const std::vector<Array>& in) {
        Array y = array({2, 2, 3});
        for_each_index(y.sizes, [&, at = int64_t{0}](const Index& i) mutable {
          y[at++] = in[static_cast<size_t>(i[1])][i[0] * 3 + i[2]];
        });
        return std::vector<Array>{y};
      });
  table.row("flip")
      .inputs({{2, 3, 4}})
      .fixed_shapes()
      .integers()
      .call([](In in) {
        return flip(in[0], {0, 2});
      })
      .reference(moved({2, 3, 4}, [](Index i) {
        return Index{1 - i[0], i[1], 3 - i[2]};
      }));
  table.row("expand/repeat")
      .inputs({{2, 3}})
      .fixed_shapes()
      .call([](In in) {
        return repeat(in[0], {2, 1, 2});
      })
      .reference(moved({2, 2, 6}, [](Index i) {
        return Index{i[1], i[2] % 3};
      }));
  table.row("slice/split")
      .inputs({{7, 2}})
      .fixed_shapes()
      .call([](In in) { return split(in[0], 3); })
      .reference([](const std::vector<Array>& in) {
        std::vector<Array> out;
        for (int64_t start : {0, 3, 6}) {
          Array y = array({start == 6 ? 1 : 3, 2});
          for (int64_t i = 0; i < y.numel(); ++i) y[i] = in[0][start * 2 + i];
          out.push_back(y);
        }
        return out;
      });
  table.row("select/unbind")
      .inputs({{2, 3}})
      .fixed_shapes()
      .call([](In in) { return unbind(in[0], 1); })
      .reference([](const std::vector<Array>& in) {
        std::vector<Array> out;
        for (int64_t j = 0; j < 3; ++j) out.push_back({{2}, {in[0][j], in[0][3 + j]}});
        return out;
      });
}

}  // namespace op_table
