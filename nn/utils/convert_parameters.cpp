#include <fulmen/autograd/ops/join.h>
#include <fulmen/nn/utils/convert_parameters.h>

namespace fulmen::nn::utils {
namespace {
void require_one_device(const std::vector<Tensor>& parameters, const char* function) {
  for (const Tensor& parameter : parameters) {
    FULMEN_CHECK(parameter.device() == parameters[0].device(), function,
                 ": the parameters are on different devices: ", parameters[0].device(), " and ", parameter.device());
  }
}
}  // namespace

Tensor parameters_to_vector(const std::vector<Tensor>& parameters) {
  require_one_device(parameters, "parameters_to_vector");
  std::vector<Tensor> flat;
  flat.reserve(parameters.size());
  for (const Tensor& parameter : parameters) flat.push_back(parameter.reshape({-1}));
  return cat(flat);
}

void vector_to_parameters(const Tensor& vec, const std::vector<Tensor>& parameters) {
  require_one_device(parameters, "vector_to_parameters");
  int64_t total = 0;
  for (const Tensor& parameter : parameters) total += parameter.numel();
  FULMEN_CHECK(vec.numel() == total, "vector_to_parameters: the vector has ", vec.numel(),
               " elements, the parameters have ", total);
  int64_t start = 0;
  for (const Tensor& parameter : parameters) {
    const int64_t end = start + parameter.numel();
    parameter.set_data(vec.slice(0, start, end).view(parameter.sizes()).data());
    start = end;
  }
}

}  // namespace fulmen::nn::utils
