#include <fulmen/nn/any_module.h>
#include <fulmen/nn/type_name.h>

namespace fulmen::nn {
namespace detail {

void any_value_type(const std::type_info& wanted, const std::type_info& held) {
  fail(str("Attempted to cast AnyValue to ", type_name(wanted), ", but its actual type is ", type_name(held)));
}
void any_wrong_argument(size_t position, const std::type_info& wanted, const std::type_info& got) {
  fail(str("Expected argument #", position, " to be of type ", type_name(wanted), ", but received value of type ",
           type_name(got)));
}
void any_wrong_return(const std::type_info& wanted, const std::type_info& got) {
  fail(str("The type of the return value is ", type_name(got), ", but you asked for type ", type_name(wanted)));
}
void any_wrong_cast(const std::type_info& held, const std::type_info& wanted) {
  fail(str("Attempted to cast module of type ", type_name(held), " to type ", type_name(wanted)));
}
void any_empty(const char* method) { fail(str("Cannot call ", method, "() on an empty AnyModule")); }

std::vector<AnyValue> any_complete_arguments(const Module& module, const std::type_info& type, AnyArguments given,
                                             size_t wanted) {
  const std::string name = type_name(type);
  auto defaults = module.forward_default_args();
  const size_t required = defaults.empty() ? wanted : defaults.front().first;
  if (!defaults.empty() && (given.size() < required || given.size() > wanted)) {
    fail(str(name, "'s forward() method expects at least ", required, " argument(s) and at most ", wanted,
             " argument(s), but received ", given.size(), "."));
  }
  if (given.size() > wanted) {
    fail(str(name, "'s forward() method expects ", wanted, " argument(s), but received ", given.size(), "."));
  }
  if (defaults.empty()) {
    fail(str(name, "'s forward() method expects ", wanted, " argument(s), but received ", given.size(), ". If ", name,
             "'s forward() method has default arguments, please make sure the forward() method is declared with a "
             "corresponding `FORWARD_HAS_DEFAULT_ARGS` macro."));
  }
  std::vector<AnyValue> completed(std::make_move_iterator(given.begin()), std::make_move_iterator(given.end()));
  for (auto& [position, value] : defaults) {
    if (position >= given.size() && position == completed.size()) completed.push_back(std::move(value));
  }
  FULMEN_CHECK(completed.size() == wanted, name, "'s default arguments leave a gap: ", completed.size(),
               " arguments known, ", wanted, " needed");
  return completed;
}

}  // namespace detail

AnyModule AnyModule::clone(const std::optional<Device>& device) const {
  AnyModule copy = *this;
  if (module_) copy.module_ = module_->clone(device);
  return copy;
}

AnyValue AnyModule::forward_values(detail::AnyArguments arguments) {
  check("forward");
  return forward_(*module_, arguments);
}

}  // namespace fulmen::nn
