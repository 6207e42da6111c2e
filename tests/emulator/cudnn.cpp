#include <fulmen/kernels/cuda/cudnn.h>
#include <fulmen/kernels/dtype.h>

#include <cstring>
#include <iterator>
#include <mutex>
#include <vector>

#include "check.h"
#include "libraries.h"
#include "runtime.h"

// libcudnn's convolutions on the processor, as plain loops. It refuses what the real one refuses (shapes that do not
// fit, types that do not go together), and what would go wrong there unseen: memory that is not the device's, too
// little workspace, an algorithm that was not offered for the problem. The first algorithm that it names is not
// deterministic: it refuses to run.
namespace dnn = fulmen::cuda::dnn;

struct dnn::HandleOpaque {
  int device = 0;
  cudaStream_t stream = nullptr;
};
struct dnn::TensorDescOpaque {
  dnn::DataType type;
  std::vector<int> sizes;
};
struct dnn::FilterDescOpaque {
  dnn::DataType type;
  std::vector<int> sizes;
};
struct dnn::ConvDescOpaque {
  std::vector<int> padding, stride, dilation;
  dnn::DataType compute;
  dnn::MathType math = dnn::math_default;
  int groups = 1;
};

namespace emulator {
namespace {

enum Algorithm : int { careless = 0, plain = 1 };

size_t bytes_of(dnn::DataType type) { return type == dnn::type_double ? 8 : type == dnn::type_float ? 4 : 2; }

double element(const void* data, dnn::DataType type, int64_t i) {
  switch (type) {
    case dnn::type_double:
      return static_cast<const double*>(data)[i];
    case dnn::type_half:
      return static_cast<const fulmen::Half*>(data)[i];
    case dnn::type_bfloat16:
      return static_cast<const fulmen::BFloat16*>(data)[i];
    default:
      return static_cast<const float*>(data)[i];
  }
}
void set_element(void* data, dnn::DataType type, int64_t i, double value) {
  switch (type) {
    case dnn::type_double:
      static_cast<double*>(data)[i] = value;
      return;
    case dnn::type_half:
      static_cast<fulmen::Half*>(data)[i] = fulmen::Half(static_cast<float>(value));
      return;
    case dnn::type_bfloat16:
      static_cast<fulmen::BFloat16*>(data)[i] = fulmen::BFloat16(static_cast<float>(value));
      return;
    default:
      static_cast<float*>(data)[i] = static_cast<float>(value);
  }
}

int64_t count_of(const std::vector<int>& sizes) {
  int64_t count = 1;
  for (int size : sizes) count *= size;
  return count;
}
size_t extent(const std::vector<int>& sizes, dnn::DataType type) {
  return static_cast<size_t>(count_of(sizes)) * bytes_of(type);
}

/// A convolution with three spatial dimensions, missing ones first.
struct Problem {
  dnn::DataType type;
  int64_t images, channels, outputs, groups;
  int64_t x[3], y[3], w[3], padding[3], stride[3], dilation[3];
  size_t workspace() const { return static_cast<size_t>(outputs) * 64; }
};

dnn::Status describe(Problem& p, const dnn::TensorDescOpaque& x, const dnn::FilterDescOpaque& w,
                     const dnn::ConvDescOpaque& conv, const dnn::TensorDescOpaque& y) {
  const size_t dims = x.sizes.size(), spatial = conv.padding.size();
  if (dims != spatial + 2 || w.sizes.size() != dims || y.sizes.size() != dims) return dnn::status_bad_param;
  if (w.type != x.type || y.type != x.type) return dnn::status_not_supported;
  const auto sums = x.type == dnn::type_double ? dnn::type_double : dnn::type_float;
  if (conv.compute != sums) return dnn::status_not_supported;
  p.type = x.type, p.groups = conv.groups;
  p.images = x.sizes[0], p.channels = x.sizes[1], p.outputs = w.sizes[0];
  if (y.sizes[0] != p.images || y.sizes[1] != p.outputs) return dnn::status_bad_param;
  if (p.outputs % p.groups != 0 || w.sizes[1] * p.groups != p.channels) return dnn::status_bad_param;
  for (size_t d = 0; d < 3; ++d) {
    p.x[d] = p.y[d] = p.w[d] = p.stride[d] = p.dilation[d] = 1, p.padding[d] = 0;
    if (d + spatial < 3) continue;
    const size_t at = d + spatial - 3;
    p.x[d] = x.sizes[at + 2], p.y[d] = y.sizes[at + 2], p.w[d] = w.sizes[at + 2];
    p.padding[d] = conv.padding[at], p.stride[d] = conv.stride[at], p.dilation[d] = conv.dilation[at];
    const int64_t reach = p.dilation[d] * (p.w[d] - 1) + 1;
    if ((p.x[d] + 2 * p.padding[d] - reach) / p.stride[d] + 1 != p.y[d]) return dnn::status_bad_param;
  }
  return dnn::status_success;
}

/// visit(element of x, of w, of y) for every product.
void for_each_product(const Problem& p, auto&& visit) {
  const int64_t in = p.channels / p.groups, out = p.outputs / p.groups, taps = p.w[0] * p.w[1] * p.w[2],
                places = p.y[0] * p.y[1] * p.y[2];
  for (int64_t n = 0; n < p.images; ++n) {
    for (int64_t o = 0; o < p.outputs; ++o) {
      for (int64_t place = 0; place < places; ++place) {
        const int64_t at[3] = {place / (p.y[1] * p.y[2]), place / p.y[2] % p.y[1], place % p.y[2]};
        for (int64_t c = 0; c < in; ++c) {
          for (int64_t tap = 0; tap < taps; ++tap) {
            const int64_t k[3] = {tap / (p.w[1] * p.w[2]), tap / p.w[2] % p.w[1], tap % p.w[2]};
            int64_t from = n * p.channels + o / out * in + c;
            bool inside = true;
            for (int d = 0; d < 3; ++d) {
              const int64_t i = at[d] * p.stride[d] + k[d] * p.dilation[d] - p.padding[d];
              inside = inside && i >= 0 && i < p.x[d];
              from = from * p.x[d] + i;
            }
            if (inside) visit(from, (o * in + c) * taps + tap, (n * p.outputs + o) * places + place);
          }
        }
      }
    }
  }
}

/// result = sums of products, by `into(x, w, y)`: which of the three positions a product is added to.
enum class Into { x, w, y };
void compute(const Problem& p, Into into, const void* first, const void* second, void* result, int64_t elements) {
  std::vector<double> sums(static_cast<size_t>(elements));
  for_each_product(p, [&](int64_t x, int64_t w, int64_t y) {
    const int64_t to = into == Into::x ? x : into == Into::w ? w : y;
    const int64_t a = into == Into::x ? w : x, b = into == Into::y ? w : y;
    sums[static_cast<size_t>(to)] += element(first, p.type, a) * element(second, p.type, b);
  });
  for (int64_t i = 0; i < elements; ++i) set_element(result, p.type, i, sums[static_cast<size_t>(i)]);
  note_initialized(result, sums.data(), static_cast<size_t>(elements) * bytes_of(p.type));
}

bool is_factor(const void* factor, dnn::DataType type, double value) {
  return factor &&
         (type == dnn::type_double ? *static_cast<const double*>(factor) : *static_cast<const float*>(factor)) == value;
}

/// A pointer of a call, with the bytes it must lead to.
struct Area {
  const void* data;
  size_t bytes;
};

dnn::Status run(dnn::Handle handle, const Problem& p, const void* alpha, const void* beta, int algo, void* workspace,
                size_t workspace_bytes, Into into, Area first, Area second, Area result) {
  if (!is_factor(alpha, p.type, 1) || !is_factor(beta, p.type, 0)) return dnn::status_bad_param;
  if (algo != plain) return dnn::status_execution_failed;
  const std::lock_guard lock(runtime_mutex());
  if (!valid_stream(handle->stream) || device_of(handle->stream) != handle->device) return dnn::status_bad_param;
  if (workspace_bytes < p.workspace()) return dnn::status_bad_param;
  for (const Area& area : {first, second, result, Area{workspace, p.workspace()}}) {
    if (!in_memory_of(handle->device, area.data, area.bytes)) return dnn::status_bad_param;
  }
  void* to = const_cast<void*>(result.data);
  const auto elements = static_cast<int64_t>(result.bytes / bytes_of(p.type));
  const cudaError_t error = enqueue(handle->stream, [=] {
    std::memset(workspace, 0xff, p.workspace());
    compute(p, into, first.data, second.data, to, elements);
  });
  return error == cudaSuccess ? dnn::status_success : dnn::status_execution_failed;
}

dnn::Status offer(const dnn::TensorDescOpaque& x, const dnn::FilterDescOpaque& w, const dnn::ConvDescOpaque& conv,
                  const dnn::TensorDescOpaque& y, int requested, int* found, dnn::AlgoPerf* results) {
  Problem p{};
  if (requested < 2 || !found || !results) return dnn::status_bad_param;
  *found = 0;
  if (dnn::Status status = describe(p, x, w, conv, y)) return status;
  results[0] = {careless, dnn::status_success, 1, 0, dnn::non_deterministic, conv.math, {}};
  results[1] = {plain, dnn::status_success, 2, p.workspace(), dnn::deterministic, conv.math, {}};
  *found = 2;
  return dnn::status_success;
}

// --- the library's functions

template <class T>
dnn::Status create(T** object) {
  *object = new T();
  return dnn::status_success;
}
template <class T>
dnn::Status destroy(T* object) {
  delete object;
  return dnn::status_success;
}

dnn::Status create_handle(dnn::Handle* handle) {
  *handle = new dnn::HandleOpaque{current_device()};
  return dnn::status_success;
}
const char* error_string(dnn::Status status) {
  switch (status) {
    case dnn::status_success:
      return "CUDNN_STATUS_SUCCESS";
    case dnn::status_bad_param:
      return "CUDNN_STATUS_BAD_PARAM";
    case dnn::status_not_supported:
      return "CUDNN_STATUS_NOT_SUPPORTED";
    default:
      return "CUDNN_STATUS_EXECUTION_FAILED";
  }
}
dnn::Status set_stream(dnn::Handle handle, cudaStream_t stream) {
  handle->stream = stream;
  return dnn::status_success;
}

dnn::Status set_tensor(dnn::TensorDesc desc, dnn::DataType type, int dims, const int* sizes, const int* strides) {
  if (dims < 4 || dims > 5) return dnn::status_not_supported;
  int step = 1;
  for (int i = dims - 1; i >= 0; --i) {  // only what our side makes
    if (sizes[i] < 1 || strides[i] != step) return dnn::status_bad_param;
    step *= sizes[i];
  }
  *desc = {type, {sizes, sizes + dims}};
  return dnn::status_success;
}
dnn::Status set_filter(dnn::FilterDesc desc, dnn::DataType type, dnn::TensorFormat format, int dims, const int* sizes) {
  if (dims < 4 || dims > 5 || format != dnn::format_nchw) return dnn::status_not_supported;
  *desc = {type, {sizes, sizes + dims}};
  return dnn::status_success;
}
dnn::Status set_convolution(dnn::ConvDesc desc, int dims, const int* padding, const int* stride, const int* dilation,
                            dnn::ConvMode mode, dnn::DataType compute) {
  if (mode != dnn::mode_cross_correlation) return dnn::status_not_supported;
  for (int d = 0; d < dims; ++d) {
    if (padding[d] < 0 || stride[d] < 1 || dilation[d] < 1) return dnn::status_bad_param;
  }
  desc->padding.assign(padding, padding + dims);
  desc->stride.assign(stride, stride + dims);
  desc->dilation.assign(dilation, dilation + dims);
  desc->compute = compute;
  return dnn::status_success;
}
dnn::Status set_math(dnn::ConvDesc desc, dnn::MathType math) {
  desc->math = math;
  return dnn::status_success;
}
dnn::Status set_groups(dnn::ConvDesc desc, int groups) {
  if (groups < 1) return dnn::status_bad_param;
  desc->groups = groups;
  return dnn::status_success;
}

dnn::Status offer_forward(dnn::Handle, dnn::TensorDesc x, dnn::FilterDesc w, dnn::ConvDesc conv, dnn::TensorDesc y,
                          int requested, int* found, dnn::AlgoPerf* results) {
  return offer(*x, *w, *conv, *y, requested, found, results);
}
dnn::Status offer_to_input(dnn::Handle, dnn::FilterDesc w, dnn::TensorDesc y, dnn::ConvDesc conv, dnn::TensorDesc x,
                           int requested, int* found, dnn::AlgoPerf* results) {
  return offer(*x, *w, *conv, *y, requested, found, results);
}
dnn::Status offer_to_weight(dnn::Handle, dnn::TensorDesc x, dnn::TensorDesc y, dnn::ConvDesc conv, dnn::FilterDesc w,
                            int requested, int* found, dnn::AlgoPerf* results) {
  return offer(*x, *w, *conv, *y, requested, found, results);
}

dnn::Status forward(dnn::Handle handle, const void* alpha, dnn::TensorDesc x_desc, const void* x,
                    dnn::FilterDesc w_desc, const void* w, dnn::ConvDesc conv, int algo, void* workspace, size_t bytes,
                    const void* beta, dnn::TensorDesc y_desc, void* y) {
  Problem p{};
  if (dnn::Status status = describe(p, *x_desc, *w_desc, *conv, *y_desc)) return status;
  return run(handle, p, alpha, beta, algo, workspace, bytes, Into::y, {x, extent(x_desc->sizes, p.type)},
             {w, extent(w_desc->sizes, p.type)}, {y, extent(y_desc->sizes, p.type)});
}
dnn::Status to_input(dnn::Handle handle, const void* alpha, dnn::FilterDesc w_desc, const void* w,
                     dnn::TensorDesc y_desc, const void* y, dnn::ConvDesc conv, int algo, void* workspace, size_t bytes,
                     const void* beta, dnn::TensorDesc x_desc, void* x) {
  Problem p{};
  if (dnn::Status status = describe(p, *x_desc, *w_desc, *conv, *y_desc)) return status;
  return run(handle, p, alpha, beta, algo, workspace, bytes, Into::x, {w, extent(w_desc->sizes, p.type)},
             {y, extent(y_desc->sizes, p.type)}, {x, extent(x_desc->sizes, p.type)});
}
dnn::Status to_weight(dnn::Handle handle, const void* alpha, dnn::TensorDesc x_desc, const void* x,
                      dnn::TensorDesc y_desc, const void* y, dnn::ConvDesc conv, int algo, void* workspace,
                      size_t bytes, const void* beta, dnn::FilterDesc w_desc, void* w) {
  Problem p{};
  if (dnn::Status status = describe(p, *x_desc, *w_desc, *conv, *y_desc)) return status;
  return run(handle, p, alpha, beta, algo, workspace, bytes, Into::w, {x, extent(x_desc->sizes, p.type)},
             {y, extent(y_desc->sizes, p.type)}, {w, extent(w_desc->sizes, p.type)});
}

dnn::Status add_tensor(dnn::Handle handle, const void* alpha, dnn::TensorDesc bias_desc, const void* bias,
                       const void* beta, dnn::TensorDesc y_desc, void* y) {
  const dnn::DataType type = y_desc->type;
  const std::vector<int> sizes = y_desc->sizes;
  if (bias_desc->type != type || bias_desc->sizes.size() != sizes.size()) return dnn::status_bad_param;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (bias_desc->sizes[i] != (i == 1 ? sizes[1] : 1)) return dnn::status_bad_param;
  }
  if (!is_factor(alpha, type, 1) || !is_factor(beta, type, 1)) return dnn::status_bad_param;
  const std::lock_guard lock(runtime_mutex());
  if (!in_memory_of(handle->device, bias, static_cast<size_t>(sizes[1]) * bytes_of(type)) ||
      !in_memory_of(handle->device, y, extent(sizes, type))) {
    return dnn::status_bad_param;
  }
  const int64_t plane = count_of(sizes) / sizes[0] / sizes[1], channels = sizes[1], count = count_of(sizes);
  const cudaError_t error = enqueue(handle->stream, [=] {
    for (int64_t i = 0; i < count; ++i) {
      set_element(y, type, i, element(y, type, i) + element(bias, type, i / plane % channels));
    }
  });
  return error == cudaSuccess ? dnn::status_success : dnn::status_execution_failed;
}

#define FUNCTION(name, function) \
  { #name, reinterpret_cast < void*>(static_cast <decltype(dnn::Functions::name)>(function)) }
const LibraryFunction functions[] = {
    FUNCTION(cudnnCreate, create_handle),
    FUNCTION(cudnnGetErrorString, error_string),
    FUNCTION(cudnnSetStream, set_stream),
    FUNCTION(cudnnCreateTensorDescriptor, create<dnn::TensorDescOpaque>),
    FUNCTION(cudnnDestroyTensorDescriptor, destroy<dnn::TensorDescOpaque>),
    FUNCTION(cudnnSetTensorNdDescriptor, set_tensor),
    FUNCTION(cudnnCreateFilterDescriptor, create<dnn::FilterDescOpaque>),
    FUNCTION(cudnnDestroyFilterDescriptor, destroy<dnn::FilterDescOpaque>),
    FUNCTION(cudnnSetFilterNdDescriptor, set_filter),
    FUNCTION(cudnnCreateConvolutionDescriptor, create<dnn::ConvDescOpaque>),
    FUNCTION(cudnnDestroyConvolutionDescriptor, destroy<dnn::ConvDescOpaque>),
    FUNCTION(cudnnSetConvolutionNdDescriptor, set_convolution),
    FUNCTION(cudnnSetConvolutionMathType, set_math),
    FUNCTION(cudnnSetConvolutionGroupCount, set_groups),
    FUNCTION(cudnnGetConvolutionForwardAlgorithm_v7, offer_forward),
    FUNCTION(cudnnGetConvolutionBackwardDataAlgorithm_v7, offer_to_input),
    FUNCTION(cudnnGetConvolutionBackwardFilterAlgorithm_v7, offer_to_weight),
    FUNCTION(cudnnConvolutionForward, forward),
    FUNCTION(cudnnConvolutionBackwardData, to_input),
    FUNCTION(cudnnConvolutionBackwardFilter, to_weight),
    FUNCTION(cudnnAddTensor, add_tensor),
};
#undef FUNCTION

}  // namespace

const Library cudnn = {"libcudnn.so.9", functions, std::size(functions)};

}  // namespace emulator
