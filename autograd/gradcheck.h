#pragma once
#include <fulmen/autograd/node.h>

#include <functional>

// Derivatives compared with finite differences.
namespace fulmen::autograd {

using TensorFunction = std::function<variable_list(const variable_list&)>;

struct GradcheckOptions {
  double eps = 1e-6;   ///< step of the central difference
  double atol = 1e-5;  ///< |analytical - numerical| <= atol + rtol * |numerical|
  double rtol = 1e-3;
  bool fast_mode = false;  ///< one random direction for each input and output instead of the whole Jacobian
  bool raise_exception = true;
};

/// Whether backward through `f` gives its derivative at `inputs`, for every input that requires grad and every
/// floating-point output. Inputs that require grad should be float64. Throws (or returns false) if it does not.
bool gradcheck(const TensorFunction& f, const variable_list& inputs, const GradcheckOptions& options = {});

/// The same for the derivative of the derivative. Without `grad_outputs` random ones are taken.
bool gradgradcheck(const TensorFunction& f, const variable_list& inputs, const variable_list& grad_outputs = {},
                   const GradcheckOptions& options = {});

}  // namespace fulmen::autograd
