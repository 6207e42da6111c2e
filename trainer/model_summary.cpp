#include <fulmen/nn/module.h>
#include <fulmen/nn/type_name.h>
#include <fulmen/tensor/cuda.h>
#include <fulmen/tensor/error.h>
#include <fulmen/trainer/model_summary.h>
#include <fulmen/trainer/trainer.h>

#include <algorithm>

namespace fulmen::trainer {
namespace {

struct Row {
  std::string name, type, count;
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

void collect(const nn::Module& module, const std::string& prefix, int64_t depth, std::vector<Row>& rows) {
  if (depth == 0) return;
  for (const auto& child : module.named_children()) {
    const nn::Module& layer = *child.value();
    rows.push_back({prefix + child.key(), nn::short_type_name(typeid(layer)), shortened(count_of(layer, false))});
    collect(layer, prefix + child.key() + ".", depth - 1, rows);
  }
}

}  // namespace

std::string ModelSummary::table(const nn::Module& module, int64_t max_depth) {
  std::vector<Row> rows{{"name", "type", "parameters"}};
  collect(module, "", max_depth, rows);
  size_t width = 0, type_width = 0;
  for (const Row& row : rows) {
    width = std::max(width, row.name.size());
    type_width = std::max(type_width, row.type.size());
  }
  std::string text;
  for (const Row& row : rows) {
    text += "  " + row.name + std::string(width - row.name.size() + 2, ' ') + row.type +
            std::string(type_width - row.type.size() + 2, ' ') + row.count + "\n";
  }
  const int64_t all = count_of(module, false), trainable = count_of(module, true);
  return text + "  " + shortened(all) + " parameters, " + shortened(trainable) + " of them trainable";
}

void ModelSummary::on_fit_start(Trainer& trainer, Module& module) {
  trainer.print(table(module, max_depth_));
#ifdef FULMEN_CUDA
  if (trainer.options().accelerator == "auto" && !cuda::is_available()) {
    trainer.print("  on the CPU: " + cuda::why_not_available());
  }
#endif
}

}  // namespace fulmen::trainer
