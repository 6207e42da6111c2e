#pragma once
#include <fulmen/data/loader.h>

#include <array>
#include <string_view>
#include <tuple>

namespace fulmen::data {

/// What happens when one of several loaders is at its end before the others.
enum class CombineMode : uint8_t {
  MaxSizeCycle,  ///< it begins again, until the longest is at its end
  MinSize,       ///< that is the end
  MaxSize,       ///< its member stays empty, until the longest is at its end
};
/// "max_size_cycle", "min_size", "max_size"; throws E016 for anything else.
CombineMode combine_mode(std::string_view name);

namespace detail {

/// Several loaders side by side: member i of a batch comes from loader i.
template <class B, class... L>
class CombinedSource final : public TypedSource<B> {
  static constexpr size_t count = sizeof...(L);

 public:
  CombinedSource(CombineMode mode, DataLoader<L>... loaders) : mode_(mode), loaders_(std::move(loaders)...) {}

  std::optional<int64_t> samples() const override { return std::nullopt; }
  void fetch(std::span<const int64_t>, uint64_t, void*) const override {}

  std::optional<int64_t> batches() const override {
    std::optional<int64_t> result;
    bool known = true;
    for_each([&](size_t, const auto& loader) {
      const std::optional<int64_t> size = loader.size();
      if (!size) {
        known = false;
      } else if (!result || (mode_ == CombineMode::MinSize ? *size < *result : *size > *result)) {
        result = size;
      }
    });
    return known ? result : std::nullopt;
  }

  void restart() override {
    ended_.fill(false);
    for_each([](size_t, auto& loader) { loader.begin_epoch(); });
  }

  bool fetch_next(int64_t, void* batch) override {
    auto members = tie_members(*static_cast<B*>(batch));
    static_assert(std::tuple_size_v<decltype(members)> == count,
                  "combine<Batch>(mode, loaders...): Batch needs one member per loader, in the same order");
    bool more = true;
    [&]<size_t... I>(std::index_sequence<I...>) { ((more = more && fill<I>(std::get<I>(members))), ...); }
    (std::make_index_sequence<count>());
    return more;
  }

  std::vector<int64_t> state() const override {
    std::vector<int64_t> words;
    for_each([&](size_t i, const auto& loader) {
      const std::vector<int64_t> own = loader.state();
      words.push_back(ended_[i]);
      words.push_back(static_cast<int64_t>(own.size()));
      words.insert(words.end(), own.begin(), own.end());
    });
    return words;
  }
  void load_state(std::span<const int64_t> words) override {
    for_each([&](size_t i, auto& loader) {
      const bool whole = words.size() >= 2 && words[1] >= 0 && static_cast<size_t>(words[1]) <= words.size() - 2;
      FULMEN_CHECK(whole, "combine: the saved state does not fit: it is cut short");
      const auto length = static_cast<size_t>(words[1]);
      ended_[i] = words[0] != 0;
      loader.load_state(words.subspan(2, length));
      words = words.subspan(2 + length);
    });
    FULMEN_CHECK(words.empty(), "combine: the saved state does not fit: it is of more loaders");
  }

 private:
  template <class F>
  void for_each(F&& f) {
    [&]<size_t... I>(std::index_sequence<I...>) { (f(I, std::get<I>(loaders_)), ...); }
    (std::make_index_sequence<count>());
  }
  template <class F>
  void for_each(F&& f) const {
    [&]<size_t... I>(std::index_sequence<I...>) { (f(I, std::get<I>(loaders_)), ...); }
    (std::make_index_sequence<count>());
  }
  bool all_ended() const {
    for (bool ended : ended_) {
      if (!ended) return false;
    }
    return true;
  }

  /// Fills a member from its loader; false at the end of the epoch.
  template <size_t I, class Member>
  bool fill(Member& member) {
    auto& loader = std::get<I>(loaders_);
    typename std::tuple_element_t<I, std::tuple<DataLoader<L>...>>::Batch batch{};
    bool there = !(mode_ == CombineMode::MaxSize && ended_[I]) && loader.next(batch);
    if (!there) {
      ended_[I] = true;
      if (mode_ == CombineMode::MinSize || all_ended()) return false;
      if (mode_ == CombineMode::MaxSizeCycle) {
        loader.begin_epoch();
        there = loader.next(batch);
      }
    }
    member = there ? Member(std::move(batch)) : Member();
    return true;
  }

  const CombineMode mode_;
  std::tuple<DataLoader<L>...> loaders_;
  std::array<bool, count> ended_{};
};

}  // namespace detail

/// One loader out of several: a batch is a struct with a member per loader, in the same order. With
/// CombineMode::MaxSize members of loaders that may end early are std::optional (or tensors that may be undefined).
///
///     struct Pair { Example<> labelled; Tensor unlabelled; };
///     auto loader = combine<Pair>(CombineMode::MaxSizeCycle, labelled_loader, unlabelled_loader);
template <class B, class... L>
DataLoader<B> combine(CombineMode mode, DataLoader<L>... loaders) {
  static_assert(sizeof...(L) > 0, "combine() needs loaders");
  (static_cast<void>(loaders.engine()), ...);
  return DataLoader<B>(std::make_shared<detail::CombinedSource<B, L...>>(mode, std::move(loaders)...));
}

}  // namespace fulmen::data
