#include <fulmen/autograd/ops/copy.h>
#include <fulmen/autograd/ops/creation.h>
#include <fulmen/autograd/ops/gather.h>
#include <fulmen/autograd/ops/indexing.h>
#include <fulmen/autograd/ops/join.h>
#include <fulmen/autograd/ops/tensor_data.h>
#include <fulmen/autograd/ops/views.h>

#include "tests/conformance/case.h"

namespace conformance {

namespace {

/// An index of x[...] as it was recorded.
TensorIndex index_of(const Arguments& a, const Json& v) {
  auto optional = [](const Json& n) { return n.is_null() ? std::nullopt : std::optional<int64_t>(n.get<int64_t>()); };
  if (v.is_null()) return indexing::None;
  if (v.is_boolean()) return v.get<bool>();
  if (v.is_number_integer()) return v.get<int64_t>();
  if (v.is_object() && v.contains("ellipsis")) return indexing::Ellipsis;
  if (v.is_object() && v.contains("slice")) {
    return indexing::Slice(optional(v["slice"][0]), optional(v["slice"][1]), optional(v["slice"][2]));
  }
  if (v.is_object() && v.contains("t")) return a.tensor_of(v);
  if (v.is_array() && !v.empty() && v[0].is_number_integer()) return tensor(v.get<std::vector<int64_t>>());
  throw NotThere{"an index of this form"};
}
std::vector<TensorIndex> indices_of(const Arguments& a, const Json& v) {
  std::vector<TensorIndex> list;
  if (!v.is_array()) return {index_of(a, v)};
  for (const Json& each : v) list.push_back(index_of(a, each));
  return list;
}

void add_views(Operations& ops) {
  ops["reshape"] = one([](const Arguments& a) { return reshape(a.tensor(0), a.sizes(1, "shape")); });
  ops["view"] = one([](const Arguments& a) { return view(a.tensor(0), a.sizes(1, "size")); });
  ops["view_as"] = one([](const Arguments& a) { return a.tensor(0).view_as(a.tensor(1)); });
  ops["reshape_as"] = one([](const Arguments& a) { return a.tensor(0).reshape_as(a.tensor(1)); });
  ops["flatten"] = one([](const Arguments& a) {
    return flatten(a.tensor(0), a.integer(1, "start_dim", 0), a.integer(2, "end_dim", -1));
  });
  ops["unflatten"] =
      one([](const Arguments& a) { return unflatten(a.tensor(0), a.integer(1, "dim"), a.integers(2, "sizes")); });
  ops["transpose"] =
      one([](const Arguments& a) { return transpose(a.tensor(0), a.integer(1, "dim0"), a.integer(2, "dim1")); });
  ops["t"] = one([](const Arguments& a) { return t(a.tensor(0)); });
  ops["permute"] = one([](const Arguments& a) { return permute(a.tensor(0), a.sizes(1, "dims")); });
  ops["squeeze"] = one([](const Arguments& a) {
    if (a.count() == 1 && !a.has(1, "dim")) return squeeze(a.tensor(0));
    if (a.is_list(1, "dim")) throw NotThere{"several dimensions"};
    return squeeze(a.tensor(0), a.integer(1, "dim"));
  });
  ops["unsqueeze"] = one([](const Arguments& a) { return unsqueeze(a.tensor(0), a.integer(1, "dim")); });
  ops["expand"] = one([](const Arguments& a) { return expand(a.tensor(0), a.sizes(1, "size")); });
  ops["expand_as"] = one([](const Arguments& a) { return a.tensor(0).expand_as(a.tensor(1)); });
  ops["broadcast_to"] = one([](const Arguments& a) { return broadcast_to(a.tensor(0), a.sizes(1, "size")); });
  ops["diagonal"] = one([](const Arguments& a) {
    return diagonal(a.tensor(0), a.integer(1, "offset", 0), a.integer(2, "dim1", 0), a.integer(3, "dim2", 1));
  });
  ops["narrow"] = one([](const Arguments& a) {
    int64_t start = a.is_tensor(2, "start") ? a.tensor(2).item<int64_t>() : a.integer(2, "start");
    return narrow(a.tensor(0), a.integer(1, "dim"), start, a.integer(3, "length"));
  });
  ops["select"] =
      one([](const Arguments& a) { return select(a.tensor(0), a.integer(1, "dim"), a.integer(2, "index")); });
  ops["__getitem__"] = one([](const Arguments& a) { return a.tensor(0).index(indices_of(a, a.raw(1))); });
}

void add_joins(Operations& ops) {
  ops["cat"] = one([](const Arguments& a) { return cat(a.tensors(0), a.integer(1, "dim", 0)); });
  ops["stack"] = one([](const Arguments& a) { return stack(a.tensors(0), a.integer(1, "dim", 0)); });
  ops["hstack"] = one([](const Arguments& a) { return hstack(a.tensors(0)); });
  ops["vstack"] = one([](const Arguments& a) { return vstack(a.tensors(0)); });
  ops["chunk"] = [](const Arguments& a) { return chunk(a.tensor(0), a.integer(1, "chunks"), a.integer(2, "dim", 0)); };
  ops["split"] = [](const Arguments& a) {
    if (a.is_list(1, "")) return split_with_sizes(a.tensor(0), a.integers(1, ""), a.integer(2, "dim", 0));
    return split(a.tensor(0), a.integer(1, "split_size"), a.integer(2, "dim", 0));
  };
  ops["split_with_sizes"] = [](const Arguments& a) {
    return split_with_sizes(a.tensor(0), a.integers(1, "split_sizes"), a.integer(2, "dim", 0));
  };
  ops["unbind"] = [](const Arguments& a) { return unbind(a.tensor(0), a.integer(1, "dim", 0)); };
  ops["repeat"] = one([](const Arguments& a) { return repeat(a.tensor(0), a.sizes(1, "repeats")); });
  ops["flip"] = one([](const Arguments& a) { return flip(a.tensor(0), a.sizes(1, "dims")); });
  ops["clone"] = one([](const Arguments& a) { return clone(a.tensor(0)); });
  ops["contiguous"] = one([](const Arguments& a) { return contiguous(a.tensor(0)); });
}

void add_positions(Operations& ops) {
  auto plain = [](const Arguments& a) { a.flag(a.count(), "sparse_grad", false); };
  ops["gather"] = one([plain](const Arguments& a) {
    plain(a);
    return gather(a.tensor(0), a.integer(1, "dim"), a.tensor(2, "index"));
  });
  ops["scatter_add"] = one([](const Arguments& a) {
    return scatter_add(a.tensor(0), a.integer(1, "dim"), a.tensor(2, "index"), a.tensor(3, "src"));
  });
  ops["index_select"] =
      one([](const Arguments& a) { return index_select(a.tensor(0), a.integer(1, "dim"), a.tensor(2)); });
  ops["index_add"] = one([](const Arguments& a) {
    return index_add(a.tensor(0), a.integer(1, "dim"), a.tensor(2), a.tensor(3), a.number(4, "alpha", 1));
  });
  ops["nonzero"] = one([](const Arguments& a) {
    if (a.flag(a.count(), "as_tuple", false)) throw NotThere{"as_tuple"};
    return nonzero(a.tensor(0));
  });
}

void add_creation(Operations& ops) {
  ops["arange"] = one([](const Arguments& a) {
    if (a.count() == 1) return arange(a.number(0, ""), a.options());
    if (a.count() == 2) return arange(a.number(0, ""), a.number(1, ""), a.options());
    return arange(a.number(0, ""), a.number(1, ""), a.number(2, ""), a.options());
  });
  ops["linspace"] = one([](const Arguments& a) {
    if (a.is_tensor(0, "") || a.is_tensor(1, "")) throw NotThere{"ends that are tensors"};
    return linspace(a.number(0, ""), a.number(1, ""), a.integer(2, "steps"), a.options());
  });
  ops["logspace"] = one([](const Arguments& a) {
    if (a.is_tensor(0, "") || a.is_tensor(1, "")) throw NotThere{"ends that are tensors"};
    return logspace(a.number(0, ""), a.number(1, ""), a.integer(2, "steps"), a.number(3, "base", 10).toDouble(),
                    a.options());
  });
  ops["eye"] = one([](const Arguments& a) {
    if (a.count() == 1) return eye(a.integer(0, ""), a.options());
    return eye(a.integer(0, ""), a.integer(1, ""), a.options());
  });
  ops["full"] = one([](const Arguments& a) { return full(a.integers(0, ""), a.number(1, ""), a.options()); });
  ops["zeros"] = one([](const Arguments& a) { return zeros(a.sizes(0, ""), a.options()); });
  ops["ones"] = one([](const Arguments& a) { return ones(a.sizes(0, ""), a.options()); });
  ops["full_like"] = one([](const Arguments& a) { return full_like(a.tensor(0), a.number(1, ""), a.options()); });
  ops["zeros_like"] = one([](const Arguments& a) { return zeros_like(a.tensor(0), a.options()); });
  ops["ones_like"] = one([](const Arguments& a) { return ones_like(a.tensor(0), a.options()); });
}

}  // namespace

void add_shapes(Operations& ops) {
  add_views(ops);
  add_joins(ops);
  add_positions(ops);
  add_creation(ops);
}

}  // namespace conformance
