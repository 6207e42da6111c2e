#pragma once
#include <fulmen/tensor/any_function.h>
#include <fulmen/tensor/error.h>

#include <iterator>
#include <memory>
#include <optional>
#include <utility>

namespace fulmen::data {

/// An input iterator over the batches of one epoch. Copies share their position. Default-constructed: the end.
template <class Batch>
class Iterator {
 public:
  using difference_type = std::ptrdiff_t;
  using value_type = Batch;
  using pointer = Batch*;
  using reference = Batch&;
  using iterator_category = std::input_iterator_tag;

  Iterator() = default;
  /// `next` gives a batch each time, and none at the end.
  explicit Iterator(AnyFunction<std::optional<Batch>()> next) : epoch_(std::make_shared<Epoch>()) {
    epoch_->next = std::move(next);
  }

  Iterator& operator++() {
    FULMEN_CHECK(epoch_, "Incrementing the DataLoader's past-the-end iterator is not allowed");
    epoch_->begin();
    FULMEN_CHECK(epoch_->batch, "Attempted to increment iterator past the end");
    epoch_->batch = epoch_->next();
    return *this;
  }
  Batch& operator*() {
    FULMEN_CHECK(epoch_, "Dereferencing the DataLoader's past-the-end iterator is not allowed");
    epoch_->begin();
    FULMEN_CHECK(epoch_->batch, "Attempted to dereference iterator that was past the end");
    return *epoch_->batch;
  }
  Batch* operator->() { return &**this; }
  /// All exhausted iterators are equal.
  bool operator==(const Iterator& other) const { return epoch_ == other.epoch_ || (exhausted() && other.exhausted()); }

 private:
  struct Epoch {
    /// The first batch is fetched when it is first asked for.
    void begin() {
      if (std::exchange(begun, true)) return;
      batch = next();
    }
    AnyFunction<std::optional<Batch>()> next;
    std::optional<Batch> batch;
    bool begun = false;
  };
  bool exhausted() const {
    if (epoch_) epoch_->begin();
    return !epoch_ || !epoch_->batch;
  }
  std::shared_ptr<Epoch> epoch_;
};

}  // namespace fulmen::data
