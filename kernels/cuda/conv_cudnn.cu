#include <fulmen/kernels/conv_settings.h>
#include <fulmen/kernels/cuda.h>
#include <fulmen/kernels/cuda/conv_cudnn.h>
#include <fulmen/kernels/cuda/cudnn.h>
#include <fulmen/kernels/cuda/vendor_calls.h>
#include <fulmen/kernels/gemm_settings.h>
#include <fulmen/kernels/vendor_library.h>

#include <cstdio>
#include <mutex>
#include <unordered_map>

// Convolutions by cuDNN, behind the same contract as our own kernels: float, double, float16 and bfloat16 in the NCHW
// layout, sums of float (double for double), groups, one, two or three dimensions.
//
// Which algorithm to run is asked once per plan, of cuDNN's heuristics, which measure nothing; of those it names, the
// first that gives the same bits in every run and needs no more workspace than a limit. What pads its two sides
// differently, has more than 2^31 elements, or finds no such algorithm, stays with our kernels.
namespace fulmen::cuda {

namespace {

/// Everything that cuDNN's choice depends on. Words without gaps, for the hash.
struct ConvKey {
  int64_t device, direction, type, tf32, groups;
  int64_t x[5], y[5], w[5];
  int64_t padding[3], stride[3], dilation[3];
  friend bool operator==(const ConvKey&, const ConvKey&) = default;
};

struct ConvPlan {
  bool supported = false;
  dnn::TensorDesc x = nullptr, y = nullptr, bias = nullptr;
  dnn::FilterDesc w = nullptr;
  dnn::ConvDesc conv = nullptr;
  int algo = 0;
  size_t workspace_bytes = 0;
};

/// False if cuDNN has no convolution of this geometry.
bool describe(ConvKey& key, const ConvOperand& x, const ConvOperand& y, const ConvOperand& w, const ConvGeometry& g) {
  constexpr int64_t most = INT32_MAX;
  for (const ConvOperand* v : {&x, &y, &w}) {
    if (v->numel == 0 || v->numel > most) return false;
  }
  for (int i = 0; i < 5; ++i) key.x[i] = x.sizes[i], key.y[i] = y.sizes[i], key.w[i] = w.sizes[i];
  for (int d = 0; d < 3; ++d) {
    const ConvAxis& a = g.axes[d];
    const int64_t reach = a.dilation * (w.sizes[d + 2] - 1) + 1;
    if ((x.sizes[d + 2] + 2 * a.padding - reach) / a.stride + 1 != y.sizes[d + 2]) return false;
    key.padding[d] = a.padding, key.stride[d] = a.stride, key.dilation[d] = a.dilation;
  }
  key.groups = g.groups;
  return true;
}

bool is_flat(const ConvKey& k) {
  return k.x[2] == 1 && k.y[2] == 1 && k.w[2] == 1 && k.padding[0] == 0 && k.stride[0] == 1;
}

/// cuDNN on all devices, its plans included. One host thread at a time: a handle's stream belongs to one call.
class Convolutions {
 public:
  explicit Convolutions(const dnn::Functions& functions) : dnn_(functions) {}
  bool run(const Launch& launch, const ConvKey& key, const ConvOperand& x, const ConvOperand& y, const ConvOperand& w,
           const void* bias);

 private:
  void require(const Launch& launch, dnn::Status status, const char* call, const ConvKey& k) const {
    if (status == dnn::status_success) return;
    char what[200];
    auto n = [](int64_t number) { return static_cast<long long>(number); };
    std::snprintf(what, sizeof(what), "x [%lld, %lld, %lld, %lld, %lld] and w [%lld, %lld, %lld, %lld, %lld]",
                  n(k.x[0]), n(k.x[1]), n(k.x[2]), n(k.x[3]), n(k.x[4]), n(k.w[0]), n(k.w[1]), n(k.w[2]), n(k.w[3]),
                  n(k.w[4]));
    library_failed(launch, call, dnn_.cudnnGetErrorString(status), what);
  }
  dnn::TensorDesc tensor(const Launch& launch, const ConvKey& key, const int64_t (&sizes)[5]) const;
  dnn::ConvDesc convolution(const Launch& launch, const ConvKey& key) const;
  void choose_algorithm(const Launch& launch, const ConvKey& key, ConvPlan& plan);
  const ConvPlan& plan(const Launch& launch, const ConvKey& key);
  void forget_plans();

  const dnn::Functions& dnn_;
  std::mutex mutex_;
  std::unordered_map<int64_t, dnn::Handle> handles_;
  std::unordered_map<ConvKey, ConvPlan, HashOfWords> plans_;
};

#define FULMEN_DNN(name, ...) require(launch, dnn_.name(__VA_ARGS__), #name, key)

/// Contiguous; without the first of three dimensions if there are only two.
dnn::TensorDesc Convolutions::tensor(const Launch& launch, const ConvKey& key, const int64_t (&sizes)[5]) const {
  int size[5], stride[5], dims = 0;
  for (int i = 0; i < 5; ++i) {
    if (i != 2 || !is_flat(key)) size[dims++] = static_cast<int>(sizes[i]);
  }
  int step = 1;
  for (int i = dims - 1; i >= 0; --i) stride[i] = step, step *= size[i];
  dnn::TensorDesc made = nullptr;
  FULMEN_DNN(cudnnCreateTensorDescriptor, &made);
  FULMEN_DNN(cudnnSetTensorNdDescriptor, made, static_cast<dnn::DataType>(key.type), dims, size, stride);
  return made;
}

dnn::ConvDesc Convolutions::convolution(const Launch& launch, const ConvKey& key) const {
  int padding[3], stride[3], dilation[3], dims = 0;
  for (int d = is_flat(key) ? 1 : 0; d < 3; ++d, ++dims) {
    padding[dims] = static_cast<int>(key.padding[d]);
    stride[dims] = static_cast<int>(key.stride[d]);
    dilation[dims] = static_cast<int>(key.dilation[d]);
  }
  const bool wide = key.type == dnn::type_double, full = wide || key.type == dnn::type_float;
  const auto math = !full ? dnn::math_tensor_op : key.tf32 ? dnn::math_default : dnn::math_fma;
  dnn::ConvDesc made = nullptr;
  FULMEN_DNN(cudnnCreateConvolutionDescriptor, &made);
  FULMEN_DNN(cudnnSetConvolutionNdDescriptor, made, dims, padding, stride, dilation, dnn::mode_cross_correlation,
             wide ? dnn::type_double : dnn::type_float);
  FULMEN_DNN(cudnnSetConvolutionGroupCount, made, static_cast<int>(key.groups));
  FULMEN_DNN(cudnnSetConvolutionMathType, made, math);
  return made;
}

void Convolutions::choose_algorithm(const Launch& launch, const ConvKey& key, ConvPlan& p) {
  constexpr int most = 10;  // more than any direction has
  constexpr size_t most_workspace = size_t{256} << 20;
  dnn::AlgoPerf found[most];
  int count = 0;
  dnn::Handle handle = handles_[key.device];
  dnn::Status status = dnn::status_success;
  switch (static_cast<ConvDirection>(key.direction)) {
    case ConvDirection::forward:
      status = dnn_.cudnnGetConvolutionForwardAlgorithm_v7(handle, p.x, p.w, p.conv, p.y, most, &count, found);
      break;
    case ConvDirection::to_input:
      status = dnn_.cudnnGetConvolutionBackwardDataAlgorithm_v7(handle, p.w, p.y, p.conv, p.x, most, &count, found);
      break;
    case ConvDirection::to_weight:
      status = dnn_.cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle, p.x, p.y, p.conv, p.w, most, &count, found);
      break;
  }
  if (status / 1000 == dnn::status_not_supported / 1000) return;  // the reasons have numbers of their own
  require(launch, status, "cudnnGetConvolution...Algorithm_v7", key);
  for (int i = 0; i < count; ++i) {
    const dnn::AlgoPerf& a = found[i];
    if (a.status != dnn::status_success || a.determinism != dnn::deterministic || a.memory > most_workspace) continue;
    p.supported = true, p.algo = a.algo, p.workspace_bytes = a.memory;
    FULMEN_DNN(cudnnSetConvolutionMathType, p.conv, a.math);
    return;
  }
}

const ConvPlan& Convolutions::plan(const Launch& launch, const ConvKey& key) {
  if (auto known = plans_.find(key); known != plans_.end()) return known->second;
  constexpr size_t most_plans = 4096;  // programs whose shapes never repeat
  if (plans_.size() >= most_plans) forget_plans();
  ConvPlan made;
  made.x = tensor(launch, key, key.x), made.y = tensor(launch, key, key.y);
  const bool to_input = static_cast<ConvDirection>(key.direction) == ConvDirection::to_input;
  made.bias = tensor(launch, key, {1, to_input ? key.x[1] : key.y[1], 1, 1, 1});
  int size[5], dims = 0;
  for (int i = 0; i < 5; ++i) {
    if (i != 2 || !is_flat(key)) size[dims++] = static_cast<int>(key.w[i]);
  }
  FULMEN_DNN(cudnnCreateFilterDescriptor, &made.w);
  FULMEN_DNN(cudnnSetFilterNdDescriptor, made.w, static_cast<dnn::DataType>(key.type), dnn::format_nchw, dims, size);
  made.conv = convolution(launch, key);
  choose_algorithm(launch, key, made);
  return plans_.emplace(key, made).first->second;
}

void Convolutions::forget_plans() {
  for (auto& [key, plan] : plans_) {
    for (dnn::TensorDesc desc : {plan.x, plan.y, plan.bias}) dnn_.cudnnDestroyTensorDescriptor(desc);
    dnn_.cudnnDestroyFilterDescriptor(plan.w);
    dnn_.cudnnDestroyConvolutionDescriptor(plan.conv);
  }
  plans_.clear();
}

bool Convolutions::run(const Launch& launch, const ConvKey& key, const ConvOperand& x, const ConvOperand& y,
                       const ConvOperand& w, const void* bias) {
  const std::lock_guard lock(mutex_);
  const UnseenByCapture unseen;
  dnn::Handle& handle = handles_[key.device];
  if (!handle) FULMEN_DNN(cudnnCreate, &handle);
  const ConvPlan& p = plan(launch, key);
  if (!p.supported) return false;
  FULMEN_DNN(cudnnSetStream, handle, static_cast<cudaStream_t>(launch.stream()));
  const Workspace workspace(launch, p.workspace_bytes);
  const float one = 1, zero = 0;
  const double wide_one = 1, wide_zero = 0;
  const bool wide = key.type == dnn::type_double;
  const void* alpha = wide ? static_cast<const void*>(&wide_one) : &one;
  const void* beta = wide ? static_cast<const void*>(&wide_zero) : &zero;
  void *work = workspace.data(), *result = nullptr;
  dnn::TensorDesc result_desc = nullptr;
  switch (static_cast<ConvDirection>(key.direction)) {
    case ConvDirection::forward:
      result = y.data, result_desc = p.y;
      FULMEN_DNN(cudnnConvolutionForward, handle, alpha, p.x, x.data, p.w, w.data, p.conv, p.algo, work,
                 p.workspace_bytes, beta, p.y, result);
      break;
    case ConvDirection::to_input:
      result = x.data, result_desc = p.x;
      FULMEN_DNN(cudnnConvolutionBackwardData, handle, alpha, p.w, w.data, p.y, y.data, p.conv, p.algo, work,
                 p.workspace_bytes, beta, p.x, result);
      break;
    case ConvDirection::to_weight:
      FULMEN_DNN(cudnnConvolutionBackwardFilter, handle, alpha, p.x, x.data, p.y, y.data, p.conv, p.algo, work,
                 p.workspace_bytes, beta, p.w, w.data);
      break;
  }
  if (bias) FULMEN_DNN(cudnnAddTensor, handle, alpha, p.bias, bias, alpha, result_desc, result);
  return true;
}

#undef FULMEN_DNN

dnn::DataType data_type(ScalarType dtype) {
  switch (dtype) {
    case ScalarType::Half:
      return dnn::type_half;
    case ScalarType::BFloat16:
      return dnn::type_bfloat16;
    case ScalarType::Double:
      return dnn::type_double;
    default:
      return dnn::type_float;
  }
}

}  // namespace

bool computed_by_cudnn(const Launch& launch, ConvDirection direction, const ConvOperand& x, const ConvOperand& y,
                       const ConvOperand& w, const void* bias, const ConvGeometry& geometry) {
  if (conv_backend_setting() != ConvBackend::cudnn) return false;
  static const VendorLibrary library("cudnn", {9});
  static dnn::Functions table;
  static const char* const lacking = library.fill(reinterpret_cast<void**>(&table), dnn::function_names);
  library.require("FULMEN_CONV=cudnn", "choose FULMEN_CONV=own or auto");
  if (lacking) library_failed(launch, library.file().c_str(), "incomplete", lacking);
  static auto* convolutions = new Convolutions(table);  // never destroyed: other static objects may still compute
  ConvKey key{};
  key.device = launch.device(), key.direction = static_cast<int64_t>(direction), key.type = data_type(x.dtype);
  key.tf32 = gemm_settings().allow_tf32;
  return describe(key, x, y, w, geometry) && convolutions->run(launch, key, x, y, w, bias);
}

}  // namespace fulmen::cuda
