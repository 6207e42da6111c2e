#pragma once
#include <fulmen/tensor/safetensors.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

// One recorded call of a PyTorch operator: arguments by position or keyword, outputs, gradients.
namespace conformance {

using namespace fulmen;
using Json = nlohmann::ordered_json;  // tensors are numbered in the order of the arguments
using Tensors = std::vector<Tensor>;

/// The case needs something that Fulmen does not have.
struct NotThere {
  std::string what;
};

/// The arguments of a case. What an operation does not ask for makes the case NotThere.
class Arguments {
 public:
  Arguments(const Json& line, const std::map<std::string, Tensor>& tensors);

  /// Position 0 is the operand. An argument is looked up at its position, then by keyword.
  bool has(size_t position, const char* keyword) const;
  bool is_tensor(size_t position, const char* keyword) const;
  bool is_list(size_t position, const char* keyword) const;
  Tensor tensor(size_t position, const char* keyword = "") const;
  /// Undefined if it is not given or null.
  Tensor optional_tensor(size_t position, const char* keyword) const;
  Tensors tensors(size_t position, const char* keyword = "") const;
  Scalar number(size_t position, const char* keyword) const;
  Scalar number(size_t position, const char* keyword, Scalar otherwise) const;
  std::optional<Scalar> optional_number(size_t position, const char* keyword) const;
  int64_t integer(size_t position, const char* keyword) const;
  int64_t integer(size_t position, const char* keyword, int64_t otherwise) const;
  bool flag(size_t position, const char* keyword, bool otherwise) const;
  std::string text(size_t position, const char* keyword, const std::string& otherwise) const;
  /// A list of integers, or one.
  std::vector<int64_t> integers(size_t position, const char* keyword) const;
  /// All remaining positions as integers, or a list at `position`: x.view(2, 3) and x.view([2, 3]).
  std::vector<int64_t> sizes(size_t position, const char* keyword) const;
  std::optional<ScalarType> dtype(size_t position, const char* keyword = "dtype") const;
  TensorOptions options() const;
  const Json& raw(size_t position) const;
  size_t count() const { return args_.size(); }

  /// Throws NotThere if an argument was given that the operation did not look at.
  void check_all_used() const;
  /// Tensors that were recorded with a gradient, by their flat position.
  const std::map<size_t, Tensor>& leaves() const { return leaves_; }
  Tensor tensor_of(const Json& value) const;

 private:
  const Json* find(size_t position, const char* keyword) const;
  void collect(const Json& value, size_t& flat, const std::map<std::string, Tensor>& tensors);
  const Json &args_, &kwargs_;
  std::map<std::string, Tensor> made_;  ///< by key
  std::map<size_t, Tensor> leaves_;
  mutable std::set<std::string> used_;
};

using Operation = std::function<Tensors(const Arguments&)>;
using Operations = std::map<std::string, Operation>;

/// An operation that returns one tensor.
template <class F>
Operation one(F f) {
  return [f](const Arguments& a) { return Tensors{f(a)}; };
}

void add_elementwise(Operations& ops);
void add_reductions(Operations& ops);
void add_shapes(Operations& ops);
void add_layers(Operations& ops);
void add_vision(Operations& ops);

}  // namespace conformance
