#pragma once
#include <fulmen/data/members.h>
#include <fulmen/data/rows.h>

// What a batch is: a Tensor, an Example, a Dict, or any aggregate (struct, pair, tuple) of tensors; std::vector members
// hold one entry per sample (texts, for instance), std::optional members may be absent. Everything a loader or a
// trainer does to a batch is made here from the type, without a macro.
namespace fulmen::data {

namespace detail {

template <class>
inline constexpr bool never = false;
template <class M>
concept Number = std::is_arithmetic_v<M>;

/// One sentence for everything that is no member of a batch.
template <class M>
constexpr void refuse_member() {
  static_assert(never<M>,
                "a batch is made of fulmen::Tensor, fulmen::Dict, structs of these, and std::vector (one entry per "
                "sample): this member is none of them");
}

template <class M, class F>
void visit_named(M& member, const std::string& name, F& f) {
  using Plain = std::remove_const_t<M>;
  auto nested = [&name](const std::string& inner) { return name.empty() ? inner : name + "." + inner; };
  if constexpr (std::same_as<Plain, Tensor>) {
    if (member.defined()) f(name, member);
  } else if constexpr (std::same_as<Plain, Dict>) {
    for (auto& [key, tensor] : member) {
      if (tensor.defined()) f(nested(key), tensor);
    }
  } else if constexpr (is_optional<Plain>) {
    if (member) visit_named(*member, name, f);
  } else if constexpr (is_vector<Plain>) {
    if constexpr (std::same_as<typename Plain::value_type, Tensor>) {
      for (auto& tensor : member) f(name, tensor);
    }
  } else if constexpr (Composite<Plain>) {
    size_t k = 0;
    std::apply([&](auto&... inner) { (visit_named(inner, nested(member_name<Plain>(k++)), f), ...); },
               tie_members(member));
  } else {
    refuse_member<Plain>();
  }
}

/// Size along the samples of each member, in order: f(name, rows).
template <class M, class F>
void visit_rows(const M& member, const std::string& name, F& f) {
  auto nested = [&name](const std::string& inner) { return name.empty() ? inner : name + "." + inner; };
  if constexpr (std::same_as<M, Tensor>) {
    if (member.defined()) f(name, member.dim() > 0 ? member.sizes()[0] : int64_t{1});
  } else if constexpr (std::same_as<M, Dict>) {
    for (const auto& [key, tensor] : member) visit_rows(tensor, nested(key), f);
  } else if constexpr (is_optional<M>) {
    if (member) visit_rows(*member, name, f);
  } else if constexpr (is_vector<M>) {
    f(name, static_cast<int64_t>(member.size()));
  } else if constexpr (Composite<M>) {
    size_t k = 0;
    std::apply([&](const auto&... inner) { (visit_rows(inner, nested(member_name<M>(k++)), f), ...); },
               tie_members(member));
  } else {
    refuse_member<M>();
  }
}

template <class M>
void gather_member(const M& all, std::span<const int64_t> rows, M& out) {
  if constexpr (std::same_as<M, Tensor>) {
    out = all.defined() ? gather_rows(all, rows) : Tensor();
  } else if constexpr (std::same_as<M, Dict>) {
    out.clear();
    for (const auto& [key, tensor] : all) gather_member(tensor, rows, out[key]);
  } else if constexpr (is_optional<M>) {
    if (all) {
      gather_member(*all, rows, out.emplace());
    } else {
      out.reset();
    }
  } else if constexpr (is_vector<M>) {
    out.clear();
    out.reserve(rows.size());
    for (int64_t row : rows) out.push_back(all.at(static_cast<size_t>(row)));
  } else if constexpr (Composite<M>) {
    auto from = tie_members(all);
    auto to = tie_members(out);
    [&]<size_t... I>(std::index_sequence<I...>) { (gather_member(std::get<I>(from), rows, std::get<I>(to)), ...); }
    (std::make_index_sequence<std::tuple_size_v<decltype(from)>>());
  } else {
    refuse_member<M>();
  }
}

enum class Joining { Stack, Join };

template <Joining how, class Get>
Tensor combine_tensors(size_t count, const Get& get) {
  std::vector<const Tensor*> parts;
  parts.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    if (const Tensor& part = get(i); part.defined()) parts.push_back(&part);
  }
  FULMEN_CHECK(parts.empty() || parts.size() == count, "data: ", count - parts.size(), " of ", count,
               " samples lack a tensor that the others have");
  return parts.empty() ? Tensor() : how == Joining::Stack ? stack_rows(parts) : join_rows(parts);
}

template <Number N, class Get>
Tensor combine_numbers(size_t count, const Get& get) {
  using Wide = std::conditional_t<std::is_floating_point_v<N>, double, int64_t>;
  std::vector<Wide> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<Wide>(get(i));
  ScalarType dtype = std::is_floating_point_v<N> ? get_default_dtype() : std::same_as<N, bool> ? kBool : kLong;
  return rows_of(std::span<const Wide>(values), dtype);
}

template <Joining how, class Get>
void combine_dicts(size_t count, const Get& get, Dict& out) {
  for (size_t i = 1; i < count; ++i) {
    FULMEN_CHECK(get(i).size() == get(0).size(), "data: sample ", i, " of the batch has ", get(i).size(),
                 " entries, the first one ", get(0).size());
  }
  out.clear();
  for (const auto& item : get(0)) {
    const std::string& key = item.first;
    out[key] = combine_tensors<how>(count, [&](size_t i) -> const Tensor& { return get(i).at(key); });
  }
}

/// `get(i)` is member `out` of sample (Stack) or batch (Join) i.
template <Joining how, class Get, class M>
void combine_member(size_t count, const Get& get, M& out) {
  using Sample = std::remove_cvref_t<decltype(get(size_t{}))>;
  if constexpr (std::same_as<M, Tensor> && std::same_as<Sample, Tensor>) {
    out = combine_tensors<how>(count, get);
  } else if constexpr (std::same_as<M, Tensor> && Number<Sample>) {
    out = combine_numbers<Sample>(count, get);
  } else if constexpr (std::same_as<M, Dict>) {
    combine_dicts<how>(count, get, out);
  } else if constexpr (is_optional<M>) {
    size_t present = 0;
    for (size_t i = 0; i < count; ++i) present += get(i).has_value();
    FULMEN_CHECK(present == 0 || present == count, "data: ", count - present, " of ", count,
                 " samples lack an optional member that the others have");
    out.reset();
    if (present > 0)
      combine_member<how>(
          count, [&](size_t i) -> const auto& { return *get(i); }, out.emplace());
  } else if constexpr (is_vector<M>) {
    out.clear();
    for (size_t i = 0; i < count; ++i) {
      if constexpr (std::same_as<Sample, M>) {
        out.insert(out.end(), get(i).begin(), get(i).end());
      } else {
        out.push_back(get(i));
      }
    }
  } else if constexpr (Composite<M> && Composite<Sample>) {
    auto to = tie_members(out);
    constexpr size_t members = std::tuple_size_v<decltype(to)>;
    static_assert(std::tuple_size_v<decltype(tie_members(get(0)))> == members,
                  "a sample must have the same members as the batch that is made of it");
    [&]<size_t... I>(std::index_sequence<I...>) {
      (combine_member<how>(
           count, [&](size_t i) -> const auto& { return std::get<I>(tie_members(get(i))); }, std::get<I>(to)),
       ...);
    }
    (std::make_index_sequence<members>());
  } else {
    refuse_member<Sample>();
  }
}

[[noreturn]] void fail_member_sizes(const std::string& first, int64_t first_rows, const std::string& other,
                                    int64_t other_rows);

}  // namespace detail

/// Calls f(name, tensor) for every defined tensor of a batch; `name` is "data", "target", a Dict's key, "member 2", ...
template <class B, class F>
void for_each_tensor(B& batch, F&& f) {
  detail::visit_named(batch, std::string(), f);
}

/// Samples in a batch: the first member's size along dimension 0; 0 if there is no member.
template <class B>
int64_t batch_size(const B& batch) {
  int64_t size = -1;
  auto first = [&size](const std::string&, int64_t rows) { size = size < 0 ? rows : size; };
  detail::visit_rows(batch, std::string(), first);
  return size < 0 ? 0 : size;
}

/// Throws E010 unless all members hold the same number of samples, and returns that number.
template <class B>
int64_t check_batch(const B& batch) {
  int64_t size = -1;
  std::string size_of;
  auto compare = [&](const std::string& name, int64_t rows) {
    if (size < 0) {
      size = rows;
      size_of = name;
    } else if (rows != size) {
      detail::fail_member_sizes(size_of, size, name, rows);
    }
  };
  detail::visit_rows(batch, std::string(), compare);
  return size < 0 ? 0 : size;
}

/// Every tensor on `device`, as a new batch.
template <class B>
B to_device(B batch, Device device) {
  for_each_tensor(batch, [device](const std::string&, Tensor& t) { t = t.to(device); });
  return batch;
}

/// The samples `rows` of a set of samples that has the form of one large batch.
template <class B>
void gather_samples(const B& all, std::span<const int64_t> rows, B& out) {
  detail::gather_member(all, rows, out);
}

/// One batch from samples that have the same members without the batch dimension; numbers become tensors.
template <class Sample, class B>
void collate(std::span<const Sample> samples, B& out) {
  FULMEN_CHECK(!samples.empty(), "data: an empty list of samples makes no batch");
  detail::combine_member<detail::Joining::Stack>(
      samples.size(), [&](size_t i) -> const Sample& { return samples[i]; }, out);
}

/// Batches (or predictions) one after the other as one batch.
template <class B>
B join_batches(std::span<const B> batches) {
  FULMEN_CHECK(!batches.empty(), "data: an empty list of batches cannot be joined");
  B out;
  detail::combine_member<detail::Joining::Join>(
      batches.size(), [&](size_t i) -> const B& { return batches[i]; }, out);
  return out;
}

}  // namespace fulmen::data
