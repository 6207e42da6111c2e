#include <fulmen/autograd/ops/comparison.h>
#include <fulmen/autograd/ops/gather.h>
#include <fulmen/autograd/ops/reduction.h>
#include <fulmen/autograd/ops/sort.h>

#include "tests/conformance/case.h"

namespace conformance {

namespace {

Tensors both(std::tuple<Tensor, Tensor> t) { return {std::get<0>(t), std::get<1>(t)}; }

OptionalIntArrayRef dims(const Arguments& a) {
  if (!a.has(1, "dim")) return std::nullopt;
  return OptionalIntArrayRef(a.integers(1, "dim"));
}
bool keepdim(const Arguments& a, size_t position = 2) { return a.flag(position, "keepdim", false); }

/// std and var: unbiased as a flag, or a correction of 0 or 1.
bool unbiased(const Arguments& a) {
  if (a.count() == 2) return a.flag(1, "unbiased", true);
  if (a.count() >= 3) return a.flag(2, "unbiased", true);
  if (a.has(9, "unbiased")) return a.flag(9, "unbiased", true);
  double correction = a.number(9, "correction", 1).toDouble();
  if (correction != 0 && correction != 1) throw NotThere{"a correction other than 0 and 1"};
  return correction == 1;
}
template <class F>
Operation spread(F f) {
  return [f](const Arguments& a) -> Tensors {
    bool positional_flag = a.count() == 2;  // x.std(True)
    if (positional_flag) return f(a.tensor(0), OptionalIntArrayRef(), unbiased(a), false);
    return f(a.tensor(0), dims(a), unbiased(a), keepdim(a, 3));
  };
}

template <class All, class Along>
Operation truth(All all_of, Along along) {
  return one([=](const Arguments& a) {
    if (!a.has(1, "dim")) {
      if (keepdim(a)) throw NotThere{"keepdim without a dimension"};
      return all_of(a.tensor(0));
    }
    if (a.is_list(1, "dim")) throw NotThere{"several dimensions"};
    return along(a.tensor(0), a.integer(1, "dim"), keepdim(a));
  });
}

template <class Full, class Along, class Pair>
Operation extreme(Full full_of, Along along, Pair pair) {
  return [=](const Arguments& a) -> Tensors {
    if (a.is_tensor(1, "other")) return {pair(a.tensor(0), a.tensor(1, "other"))};
    if (!a.has(1, "dim")) return {full_of(a.tensor(0))};
    return both(along(a.tensor(0), a.integer(1, "dim"), keepdim(a)));
  };
}

}  // namespace

void add_reductions(Operations& ops) {
  ops["sum"] = one([](const Arguments& a) { return sum(a.tensor(0), dims(a), keepdim(a), a.dtype(3)); });
  ops["mean"] = one([](const Arguments& a) { return mean(a.tensor(0), dims(a), keepdim(a), a.dtype(3)); });
  ops["prod"] = one([](const Arguments& a) {
    if (!a.has(1, "dim")) return prod(a.tensor(0), a.dtype(3));
    return prod(a.tensor(0), a.integer(1, "dim"), keepdim(a), a.dtype(3));
  });
  ops["std"] = spread([](const Tensor& x, OptionalIntArrayRef d, bool u, bool k) { return Tensors{x.std(d, u, k)}; });
  ops["var"] = spread([](const Tensor& x, OptionalIntArrayRef d, bool u, bool k) { return Tensors{x.var(d, u, k)}; });
  ops["std_mean"] =
      spread([](const Tensor& x, OptionalIntArrayRef d, bool u, bool k) { return both(std_mean(x, d, u, k)); });
  ops["var_mean"] =
      spread([](const Tensor& x, OptionalIntArrayRef d, bool u, bool k) { return both(var_mean(x, d, u, k)); });
  ops["amax"] = one([](const Arguments& a) { return amax(a.tensor(0), a.integers(1, "dim"), keepdim(a)); });
  ops["amin"] = one([](const Arguments& a) { return amin(a.tensor(0), a.integers(1, "dim"), keepdim(a)); });
  ops["max"] =
      extreme([](const Tensor& x) { return max(x); }, [](const Tensor& x, int64_t d, bool k) { return max(x, d, k); },
              [](const Tensor& x, const Tensor& y) { return x.max(y); });
  ops["min"] =
      extreme([](const Tensor& x) { return min(x); }, [](const Tensor& x, int64_t d, bool k) { return min(x, d, k); },
              [](const Tensor& x, const Tensor& y) { return x.min(y); });
  auto dim = [](const Arguments& a) {
    return a.has(1, "dim") ? std::optional<int64_t>(a.integer(1, "dim")) : std::nullopt;
  };
  ops["argmax"] = one([dim](const Arguments& a) { return argmax(a.tensor(0), dim(a), keepdim(a)); });
  ops["argmin"] = one([dim](const Arguments& a) { return argmin(a.tensor(0), dim(a), keepdim(a)); });
  ops["all"] =
      truth([](const Tensor& x) { return all(x); }, [](const Tensor& x, int64_t d, bool k) { return all(x, d, k); });
  ops["any"] =
      truth([](const Tensor& x) { return any(x); }, [](const Tensor& x, int64_t d, bool k) { return any(x, d, k); });
  ops["norm"] = one([](const Arguments& a) {
    if (a.has(1, "p") && !a.optional_tensor(99, "").defined() && a.raw(1).is_string()) throw NotThere{"a named norm"};
    Scalar p = a.number(1, "p", 2);
    return norm(a.tensor(0), p, a.integers(2, "dim"), keepdim(a, 3));
  });
  ops["linalg.vector_norm"] = one(
      [](const Arguments& a) { return norm(a.tensor(0), a.number(1, "ord", 2), a.integers(2, "dim"), keepdim(a, 3)); });
  ops["logsumexp"] = one([](const Arguments& a) { return logsumexp(a.tensor(0), a.integers(1, "dim"), keepdim(a)); });
  ops["sum_to_size"] = one([](const Arguments& a) { return sum_to_size(a.tensor(0), a.sizes(1, "size")); });
  ops["cumsum"] = one([](const Arguments& a) { return cumsum(a.tensor(0), a.integer(1, "dim"), a.dtype(2)); });

  ops["sort"] = [](const Arguments& a) {
    a.flag(a.count(), "stable", false);
    return both(sort(a.tensor(0), a.integer(1, "dim", -1), a.flag(2, "descending", false)));
  };
  ops["argsort"] = one([](const Arguments& a) {
    a.flag(a.count(), "stable", false);
    return argsort(a.tensor(0), a.integer(1, "dim", -1), a.flag(2, "descending", false));
  });
  ops["topk"] = [](const Arguments& a) {
    return both(topk(a.tensor(0), a.integer(1, "k"), a.integer(2, "dim", -1), a.flag(3, "largest", true),
                     a.flag(4, "sorted", true)));
  };
}

}  // namespace conformance
