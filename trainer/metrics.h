#pragma once
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fulmen::trainer {

/// Numbers under names, in the order in which they first appeared.
class Metrics {
 public:
  using Item = std::pair<std::string, double>;

  Metrics() = default;
  Metrics(std::initializer_list<Item> items) : items_(items) {}

  /// The value under a name, or null.
  const double* find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  /// The value under a name; an unknown one is an error (E011) that lists what there is.
  double operator[](std::string_view name) const;
  /// The same; the error says who asked ("EarlyStopping").
  double require(std::string_view name, const char* who) const;
  void set(std::string_view name, double value);
  void update(const Metrics& other);
  void erase(std::string_view name);
  void clear() { items_.clear(); }
  bool empty() const { return items_.empty(); }
  size_t size() const { return items_.size(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  std::vector<std::string> keys() const;
  /// One line of JSON: {"loss": 0.25, "accuracy": 0.9}. What JSON has no number for is written as text.
  std::string to_json() const;

 private:
  std::vector<Item> items_;
};

/// How the values that were logged during an epoch become one.
enum class Reduce : uint8_t { Mean, Sum, Max, Min };

/// Arguments of log(). What is left out follows Lightning: a value logged in a training step is reported per step, one
/// logged in a validation or test step per epoch, and hooks that run once an epoch report per epoch only.
struct LogOptions {
  std::optional<bool> on_step = {};   ///< report every single value
  std::optional<bool> on_epoch = {};  ///< report the epoch's reduced value; with on_step: `x_step` and `x_epoch`
  bool prog_bar = false;              ///< show it in the progress bar
  bool logger = true;                 ///< send it to the loggers
  Reduce reduce = Reduce::Mean;       ///< Mean weighs each value by its batch size
  bool add_dataloader_idx = true;     ///< with several loaders: append `/dataloader_idx_<i>`
  int64_t batch_size = 0;             ///< weight of the value; 0: size(0) of the first tensor of the batch
};

}  // namespace fulmen::trainer
