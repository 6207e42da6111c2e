#include <fulmen/autograd/grad_mode.h>
#include <fulmen/nn/call_observer.h>
#include <fulmen/nn/module.h>
#include <fulmen/nn/type_name.h>
#include <fulmen/tensor/cuda.h>
#include <fulmen/tensor/error.h>
#include <fulmen/trainer/model_summary.h>
#include <fulmen/trainer/run.h>
#include <fulmen/trainer/trainer.h>

#include <algorithm>
#include <map>

namespace fulmen::trainer {
namespace {

using Row = std::vector<std::string>;
struct Sizes {
  std::string input, output;
};
using SizesOf = std::map<const nn::Module*, Sizes>;

/// The sizes of the first call of each module.
class SizeRecorder : public nn::CallObserver {
 public:
  void called(const nn::Module& module, const Tensor& input, const Tensor& output) override {
    sizes.try_emplace(&module, Sizes{text(input), text(output)});
  }
  SizesOf sizes;

 private:
  static std::string text(const Tensor& tensor) { return tensor.defined() ? str(tensor.sizes()) : "?"; }
};

int64_t count_of(const nn::Module& module, bool trainable_only) {
  int64_t count = 0;
  for (const Tensor& parameter : module.parameters()) {
    if (!trainable_only || parameter.requires_grad()) count += parameter.numel();
  }
  return count;
}

/// 1234567 as "1.2 M".
std::string shortened(int64_t count) {
  const char* units[] = {"", " K", " M", " B"};
  double value = static_cast<double>(count);
  size_t unit = 0;
  for (; value >= 1000 && unit < 3; ++unit) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f%s" : "%.1f%s", value, units[unit]);
  return text;
}

void collect(const nn::Module& module, const std::string& prefix, int64_t depth, const SizesOf& sizes,
             std::vector<Row>& rows) {
  if (depth == 0) return;
  for (const auto& child : module.named_children()) {
    const nn::Module& layer = *child.value();
    Row row{prefix + child.key(), nn::short_type_name(typeid(layer)), shortened(count_of(layer, false))};
    if (!sizes.empty()) {
      const auto found = sizes.find(&layer);
      row.push_back(found == sizes.end() ? "?" : found->second.input);
      row.push_back(found == sizes.end() ? "?" : found->second.output);
    }
    rows.push_back(std::move(row));
    collect(layer, prefix + child.key() + ".", depth - 1, sizes, rows);
  }
}

std::string table_of(const nn::Module& module, int64_t max_depth, const SizesOf& sizes) {
  std::vector<Row> rows{{"name", "type", "parameters"}};
  if (!sizes.empty()) rows[0].insert(rows[0].end(), {"takes", "gives"});
  collect(module, "", max_depth, sizes, rows);
  std::vector<size_t> widths(rows[0].size());
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    for (size_t i = 0; i + 1 < row.size(); ++i) text += "  " + row[i] + std::string(widths[i] - row[i].size(), ' ');
    text += "  " + row.back() + "\n";
  }
  const int64_t all = count_of(module, false), trainable = count_of(module, true);
  return text + "  " + shortened(all) + " parameters, " + shortened(trainable) + " of them trainable";
}

}  // namespace

std::string ModelSummary::table(const nn::Module& module, int64_t max_depth) { return table_of(module, max_depth, {}); }

void ModelSummary::on_fit_start(Trainer& trainer, Module& module) {
  SizeRecorder recorder;
  if (module.example_input_array.defined()) {
    const IsolateRng random_unchanged;
    NoGradGuard no_grad;
    module.remember_modes();
    module.eval();
    if (!trainer.run_->steps->forward_example()) {
      throw Error("E016", "example_input_array is set, but the module has no forward that takes a tensor",
                  "write Tensor forward(const Tensor&), or do not set it");
    }
    module.restore_modes();
  }
  trainer.print(table_of(module, max_depth_, recorder.sizes));
#ifdef FULMEN_CUDA
  if (trainer.options().accelerator == "auto" && !cuda::is_available()) {
    trainer.print("  on the CPU: " + cuda::why_not_available());
  }
#endif
}

}  // namespace fulmen::trainer
