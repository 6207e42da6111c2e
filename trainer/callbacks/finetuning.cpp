#include <fulmen/nn/type_name.h>
#include <fulmen/tensor/error.h>
#include <fulmen/tensor/nearest_name.h>
#include <fulmen/trainer/callbacks/finetuning.h>
#include <fulmen/trainer/trainer.h>

#include <nlohmann/json.hpp>
#include <unordered_set>

namespace fulmen::trainer {
namespace {

nn::Module& backbone_of(const nn::Module& module, const std::string& path) {
  std::shared_ptr<nn::Module> found;
  const nn::Module* at = &module;
  for (size_t begin = 0; begin <= path.size() && at;) {
    const size_t end = std::min(path.find('.', begin), path.size());
    const auto children = at->named_children();
    const auto* next = children.find(path.substr(begin, end - begin));
    found = next ? *next : nullptr;
    at = found.get();
    begin = end + 1;
  }
  if (found) return *found;
  std::vector<std::string> names;
  for (const auto& item : module.named_children()) names.push_back(item.key());
  const std::string nearest = nearest_name(path, names);
  throw Error("E016", "BackboneFinetuning: the module has no submodule \"" + path + "\"",
              nearest.empty() ? "name the submodule that is to be frozen first" : "did you mean \"" + nearest + "\"?");
}

bool is_batch_norm(const nn::Module& module) {
  return nn::short_type_name(typeid(module)).find("BatchNorm") != std::string::npos;
}

void require_grad(nn::Module& backbone, bool require, bool leave_batch_norm) {
  for (Tensor& parameter : backbone.parameters(false)) {
    if (require || !leave_batch_norm || !is_batch_norm(backbone)) parameter.requires_grad_(require);
  }
  for (const auto& child : backbone.children()) require_grad(*child, require, leave_batch_norm);
}

}  // namespace

BackboneFinetuning::BackboneFinetuning(BackboneFinetuningOptions options) : options_(std::move(options)) {
  if (options_.unfreeze_backbone_at_epoch < 0) {
    throw Error("E016", str("BackboneFinetuning: unfreeze_backbone_at_epoch is ", options_.unfreeze_backbone_at_epoch),
                "0 or more");
  }
}

void BackboneFinetuning::setup(Trainer&, Module& module, Stage stage) {
  if (stage != Stage::Fit) return;
  unfrozen_ = aligned_ = false;
  require_grad(backbone_of(module, options_.backbone), false, options_.train_bn);
}

void BackboneFinetuning::on_fit_start(Trainer& trainer, Module& module) {
  // A resumed fit: the optimizer has to have its groups before its state comes back.
  if (unfrozen_) unfreeze(trainer, module);
}

void BackboneFinetuning::unfreeze(Trainer& trainer, Module& module) {
  nn::Module& backbone = backbone_of(module, options_.backbone);
  require_grad(backbone, true, false);
  optim::Optimizer* optimizer = trainer.optimizer();
  FULMEN_CHECK(optimizer, "BackboneFinetuning: there is no optimizer");
  std::unordered_set<const void*> known;
  for (const auto& group : optimizer->param_groups()) {
    for (const Tensor& parameter : group.params()) known.insert(parameter.unsafeGetTensorImpl());
  }
  std::vector<Tensor> added;
  for (const Tensor& parameter : backbone.parameters()) {
    if (!known.count(parameter.unsafeGetTensorImpl())) added.push_back(parameter);
  }
  unfrozen_ = true;
  group_ = 0;
  if (added.empty()) return;  // they are in the optimizer already
  std::unique_ptr<optim::OptimizerOptions> options = optimizer->param_groups()[0].options().clone();
  options->set_lr(options_.backbone_initial_lr.value_or(options->get_lr() * options_.backbone_initial_ratio_lr));
  group_ = optimizer->param_groups().size();
  optimizer->add_param_group(optim::OptimizerParamGroup(std::move(added), std::move(options)));
}

void BackboneFinetuning::on_train_epoch_start(Trainer& trainer, Module& module) {
  const int64_t epoch = trainer.current_epoch();
  if (!unfrozen_ && epoch >= options_.unfreeze_backbone_at_epoch) {
    unfreeze(trainer, module);
    return;
  }
  if (!unfrozen_ || group_ == 0) return;
  auto& groups = trainer.optimizer()->param_groups();
  const double head = groups[0].options().get_lr();
  double rate = groups[group_].options().get_lr();
  if (!aligned_) rate *= options_.lambda_func(epoch + 1);
  if (options_.should_align && (aligned_ || rate > head)) {
    rate = head;
    aligned_ = true;
  }
  groups[group_].options().set_lr(rate);
}

std::string BackboneFinetuning::state_dict() const {
  return nlohmann::json{{"unfrozen", unfrozen_}, {"aligned", aligned_}}.dump();
}

void BackboneFinetuning::load_state_dict(const std::string& json) {
  const nlohmann::json state = nlohmann::json::parse(json);
  unfrozen_ = state.at("unfrozen");
  aligned_ = state.at("aligned");
}

}  // namespace fulmen::trainer
