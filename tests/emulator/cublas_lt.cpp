#include <fulmen/kernels/cuda/cublas_lt.h>
#include <fulmen/kernels/dtype.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "check.h"
#include "libraries.h"
#include "runtime.h"

// libcublasLt on the processor: columns as in the real one, plain loops. It refuses what the real one refuses (leading
// dimensions, shapes that do not fit, types that do not go together), and what would go wrong there unseen: memory that
// is not the device's, less alignment than was promised, an algorithm chosen for another problem, too little workspace.
namespace lt = fulmen::cuda::lt;

struct lt::HandleOpaque {
  int device = 0;
};
struct lt::MatmulDescOpaque {
  lt::ComputeType compute;
  lt::DataType scale;
  int32_t transa = lt::op_n, transb = lt::op_n;
  uint32_t epilogue = lt::epilogue_default;
  void* bias = nullptr;  ///< read, or with epilogue_bgradb written
};
struct lt::MatrixLayoutOpaque {
  lt::DataType type;
  uint64_t rows, cols;
  int64_t ld;
  int32_t batches = 1;
  int64_t batch_offset = 0;
};
struct lt::PreferenceOpaque {
  uint64_t workspace_bytes = 0;
  uint32_t schemes = 7;
  uint32_t alignments[4] = {256, 256, 256, 256};
};

namespace emulator {
namespace {

size_t bytes_of(lt::DataType type) { return type == lt::real_64f ? 8 : type == lt::real_32f ? 4 : 2; }

template <class T>
lt::Status set(T& field, const void* value, size_t bytes) {
  if (value == nullptr || bytes != sizeof(T)) return lt::status_invalid_value;
  std::memcpy(&field, value, sizeof(T));
  return lt::status_success;
}

/// One call: everything but the memory it works on.
struct Shape {
  lt::MatmulDescOpaque desc;
  lt::MatrixLayoutOpaque a, b, c, d;

  uint64_t m() const { return d.rows; }
  uint64_t n() const { return d.cols; }
  uint64_t k() const { return desc.transa == lt::op_t ? a.rows : a.cols; }
  /// What an algorithm was chosen for, in one number.
  uint64_t fingerprint() const {
    uint64_t hash = 1469598103934665603u;
    auto mix = [&](uint64_t x) { hash = (hash ^ x) * 1099511628211u, hash ^= hash >> 31; };
    mix(desc.compute), mix(desc.scale), mix(desc.transa), mix(desc.transb), mix(desc.epilogue);
    for (const lt::MatrixLayoutOpaque& l : {a, b, c, d}) {
      mix(l.type), mix(l.rows), mix(l.cols), mix(l.ld), mix(l.batches), mix(l.batch_offset);
    }
    return hash;
  }
};

bool valid_layout(const lt::MatrixLayoutOpaque& l) {
  return l.rows > 0 && l.cols > 0 && l.ld >= static_cast<int64_t>(l.rows) && l.batches > 0 && l.batch_offset >= 0;
}
lt::Status check(const Shape& s) {
  for (const lt::MatrixLayoutOpaque& l : {s.a, s.b, s.c, s.d}) {
    if (!valid_layout(l) || l.batches != s.d.batches) return lt::status_invalid_value;
  }
  const uint64_t a_rows = s.desc.transa == lt::op_t ? s.a.cols : s.a.rows;
  const uint64_t b_rows = s.desc.transb == lt::op_t ? s.b.cols : s.b.rows;
  const uint64_t b_cols = s.desc.transb == lt::op_t ? s.b.rows : s.b.cols;
  if (a_rows != s.m() || b_rows != s.k() || b_cols != s.n()) return lt::status_invalid_value;
  if (s.c.rows != s.m() || s.c.cols != s.n()) return lt::status_invalid_value;
  // The products of a batch must not lie over each other.
  if (s.d.batches > 1 &&
      s.d.batch_offset < s.d.ld * static_cast<int64_t>(s.d.cols - 1) + static_cast<int64_t>(s.d.rows)) {
    return lt::status_invalid_value;
  }
  const lt::DataType type = s.d.type;
  if (s.a.type != type || s.b.type != type || s.c.type != type) return lt::status_not_supported;
  const bool wide = type == lt::real_64f;
  const bool compute_fits =
      wide ? s.desc.compute == lt::compute_64f
           : s.desc.compute == lt::compute_32f || (s.desc.compute == lt::compute_32f_fast_tf32 && type == lt::real_32f);
  if (!compute_fits || s.desc.scale != (wide ? lt::real_64f : lt::real_32f)) return lt::status_not_supported;
  const uint32_t known = lt::epilogue_default | lt::epilogue_relu | lt::epilogue_bias | lt::epilogue_gelu;
  return (s.desc.epilogue & ~known) == 0 || s.desc.epilogue == lt::epilogue_bgradb ? lt::status_success
                                                                                   : lt::status_not_supported;
}

bool has_vector(const lt::MatmulDescOpaque& desc) {
  return (desc.epilogue & (lt::epilogue_bias | lt::epilogue_bgradb)) != 0;
}

/// Long sums in two parts, so that the workspace is used.
bool in_parts(const Shape& s) { return s.k() >= 1024; }
size_t workspace_of(const Shape& s) {
  return in_parts(s) ? 2 * sizeof(double) * s.m() * s.n() * static_cast<size_t>(s.d.batches) : 0;
}

double element(const void* data, lt::DataType type, uint64_t i) {
  switch (type) {
    case lt::real_64f:
      return static_cast<const double*>(data)[i];
    case lt::real_16f:
      return static_cast<const fulmen::Half*>(data)[i];
    case lt::real_16bf:
      return static_cast<const fulmen::BFloat16*>(data)[i];
    default:
      return static_cast<const float*>(data)[i];
  }
}
void set_element(void* data, lt::DataType type, uint64_t i, double value) {
  switch (type) {
    case lt::real_64f:
      static_cast<double*>(data)[i] = value;
      return;
    case lt::real_16f:
      static_cast<fulmen::Half*>(data)[i] = fulmen::Half(static_cast<float>(value));
      return;
    case lt::real_16bf:
      static_cast<fulmen::BFloat16*>(data)[i] = fulmen::BFloat16(static_cast<float>(value));
      return;
    default:
      static_cast<float*>(data)[i] = static_cast<float>(value);
  }
}
double rounded_to_tf32(double x) {
  if (!std::isfinite(x)) return x;
  const uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(x));
  return std::bit_cast<float>((bits + 0x1000u) & 0xffffe000u);
}

/// op(matrix) of product `batch` as columns without gaps: [cols][rows].
std::vector<double> columns(const void* data, const lt::MatrixLayoutOpaque& l, bool transposed, int32_t batch,
                            bool tf32) {
  std::vector<double> dense(l.rows * l.cols);
  for (uint64_t j = 0; j < l.cols; ++j) {
    for (uint64_t i = 0; i < l.rows; ++i) {
      const double x =
          element(data, l.type, static_cast<uint64_t>(batch * l.batch_offset) + j * static_cast<uint64_t>(l.ld) + i);
      dense[transposed ? i * l.cols + j : j * l.rows + i] = tf32 ? rounded_to_tf32(x) : x;
    }
  }
  return dense;
}

/// What a call works on.
struct Memory {
  const void *a, *b, *c;
  void *d, *workspace;
  double alpha, beta;
  int device;
};

double activated(double x, uint32_t epilogue) {
  if (epilogue & lt::epilogue_relu) return x > 0 || std::isnan(x) ? x : 0;
  if (epilogue & lt::epilogue_gelu) {
    return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
  }
  return x;
}

void compute(const Shape& s, const Memory& at) {
  const bool tf32 = s.desc.compute == lt::compute_32f_fast_tf32;
  const uint64_t m = s.m(), n = s.n(), k = s.k(), parts = in_parts(s) ? 2 : 1;
  for (int32_t batch = 0; batch < s.d.batches; ++batch) {
    const std::vector<double> a = columns(at.a, s.a, s.desc.transa == lt::op_t, batch, tf32);  // [k][m]
    const std::vector<double> b = columns(at.b, s.b, s.desc.transb == lt::op_t, batch, tf32);  // [n][k]
    std::vector<double> own(parts == 1 ? m * n : 0);
    double* sums =
        parts == 1 ? own.data() : static_cast<double*>(at.workspace) + static_cast<uint64_t>(batch) * 2 * m * n;
    std::fill(sums, sums + parts * m * n, 0.0);
    for (uint64_t j = 0; j < n; ++j) {
      for (uint64_t p = 0; p < k; ++p) {
        const double factor = b[j * k + p];
        double* column = sums + (p * parts / k) * m * n + j * m;
        for (uint64_t i = 0; i < m; ++i) column[i] += a[p * m + i] * factor;
      }
    }
    if (s.desc.epilogue == lt::epilogue_bgradb) {
      for (uint64_t j = 0; j < n; ++j) {
        set_element(s.desc.bias, s.d.type, j, std::accumulate(&b[j * k], &b[j * k] + k, 0.0));
      }
      note_initialized(s.desc.bias, b.data(), n * bytes_of(s.d.type));
    }
    for (uint64_t j = 0; j < n; ++j) {
      for (uint64_t i = 0; i < m; ++i) {
        double value = sums[j * m + i];
        if (parts == 2) value += sums[m * n + j * m + i];
        value *= at.alpha;
        const uint64_t in_c = static_cast<uint64_t>(batch * s.c.batch_offset) + j * static_cast<uint64_t>(s.c.ld) + i;
        const uint64_t in_d = static_cast<uint64_t>(batch * s.d.batch_offset) + j * static_cast<uint64_t>(s.d.ld) + i;
        if (at.beta != 0) value += at.beta * element(at.c, s.c.type, in_c);
        if (s.desc.epilogue & lt::epilogue_bias) value += element(s.desc.bias, s.d.type, i);
        set_element(at.d, s.d.type, in_d, activated(value, s.desc.epilogue));
      }
      auto* column =
          static_cast<unsigned char*>(at.d) +
          (static_cast<uint64_t>(batch * s.d.batch_offset) + j * static_cast<uint64_t>(s.d.ld)) * bytes_of(s.d.type);
      note_initialized(column, a.data(), m * bytes_of(s.d.type));
    }
  }
}

/// From the first to the last byte of a batch of matrices.
size_t extent(const lt::MatrixLayoutOpaque& l) {
  const int64_t elements =
      (l.batches - 1) * l.batch_offset + static_cast<int64_t>(l.cols - 1) * l.ld + static_cast<int64_t>(l.rows);
  return static_cast<size_t>(elements) * bytes_of(l.type);
}
bool overlap(const void* x, size_t x_bytes, const void* y, size_t y_bytes) {
  const auto a = reinterpret_cast<uintptr_t>(x), b = reinterpret_cast<uintptr_t>(y);
  return a < b + y_bytes && b < a + x_bytes;
}
bool aligned(const void* p, uint64_t bytes) { return bytes == 0 || reinterpret_cast<uintptr_t>(p) % bytes == 0; }

lt::Status check_memory(const Shape& s, const Memory& at, const lt::Algo& algo, size_t workspace_bytes) {
  if (algo.data[0] != s.fingerprint()) return lt::status_invalid_value;
  const void* pointers[4] = {at.a, at.b, at.c, at.d};
  const lt::MatrixLayoutOpaque* layouts[4] = {&s.a, &s.b, &s.c, &s.d};
  for (int i = 0; i < 4; ++i) {
    if (i == 2 && at.beta == 0) continue;
    if (!in_memory_of(at.device, pointers[i], extent(*layouts[i]))) return lt::status_invalid_value;
    if (!aligned(pointers[i], algo.data[1] >> (16 * i) & 0xffff)) return lt::status_invalid_value;
  }
  for (int i = 0; i < 2; ++i) {
    if (overlap(at.d, extent(s.d), pointers[i], extent(*layouts[i]))) return lt::status_invalid_value;
  }
  // c may be d, but not lie across it.
  if (at.beta != 0 && at.c != at.d && overlap(at.d, extent(s.d), at.c, extent(s.c))) return lt::status_invalid_value;
  if (at.beta != 0 && at.c == at.d && s.c.ld != s.d.ld) return lt::status_invalid_value;
  if (has_vector(s.desc)) {
    const uint64_t length = s.desc.epilogue == lt::epilogue_bgradb ? s.n() : s.m();
    if (!in_memory_of(at.device, s.desc.bias, length * bytes_of(s.d.type))) return lt::status_invalid_value;
    if (!aligned(s.desc.bias, algo.data[2])) return lt::status_invalid_value;
  }
  const size_t needed = workspace_of(s);
  if (needed > workspace_bytes) return lt::status_invalid_value;
  if (needed > 0 && (!in_memory_of(at.device, at.workspace, needed) || !aligned(at.workspace, 16))) {
    return lt::status_invalid_value;
  }
  return lt::status_success;
}

// --- the library's functions

template <class T>
lt::Status destroy(T* object) {
  delete object;
  return lt::status_success;
}

lt::Status create(lt::Handle* handle) {
  if (handle == nullptr) return lt::status_invalid_value;
  *handle = new lt::HandleOpaque{current_device()};
  return lt::status_success;
}
const char* status_name(lt::Status status) {
  switch (status) {
    case lt::status_success:
      return "CUBLAS_STATUS_SUCCESS";
    case lt::status_invalid_value:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case lt::status_not_supported:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    case lt::status_execution_failed:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    default:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
  }
}

lt::Status desc_create(lt::MatmulDesc* desc, lt::ComputeType compute, lt::DataType scale) {
  *desc = new lt::MatmulDescOpaque{compute, scale};
  return lt::status_success;
}
lt::Status desc_set(lt::MatmulDesc desc, lt::MatmulDescAttribute attribute, const void* value, size_t bytes) {
  switch (attribute) {
    case lt::desc_transa:
      return set(desc->transa, value, bytes);
    case lt::desc_transb:
      return set(desc->transb, value, bytes);
    case lt::desc_epilogue:
      return set(desc->epilogue, value, bytes);
    case lt::desc_bias_pointer:
      return set(desc->bias, value, bytes);
  }
  return lt::status_invalid_value;
}

lt::Status layout_create(lt::MatrixLayout* layout, lt::DataType type, uint64_t rows, uint64_t cols, int64_t ld) {
  *layout = new lt::MatrixLayoutOpaque{type, rows, cols, ld};
  return lt::status_success;
}
lt::Status layout_set(lt::MatrixLayout layout, lt::LayoutAttribute attribute, const void* value, size_t bytes) {
  switch (attribute) {
    case lt::layout_batch_count:
      return set(layout->batches, value, bytes);
    case lt::layout_batch_offset:
      return set(layout->batch_offset, value, bytes);
  }
  return lt::status_invalid_value;
}

lt::Status preference_create(lt::Preference* preference) {
  *preference = new lt::PreferenceOpaque;
  return lt::status_success;
}
lt::Status preference_set(lt::Preference preference, lt::PreferenceAttribute attribute, const void* value,
                          size_t bytes) {
  if (attribute == lt::preference_max_workspace_bytes) return set(preference->workspace_bytes, value, bytes);
  if (attribute == lt::preference_reduction_scheme_mask) return set(preference->schemes, value, bytes);
  const int operand = static_cast<int>(attribute) - lt::preference_min_alignment_a_bytes;
  return operand >= 0 && operand < 4 ? set(preference->alignments[operand], value, bytes) : lt::status_invalid_value;
}

lt::Status get_heuristic(lt::Handle handle, lt::MatmulDesc desc, lt::MatrixLayout a, lt::MatrixLayout b,
                         lt::MatrixLayout c, lt::MatrixLayout d, lt::Preference preference, int requested,
                         lt::HeuristicResult* results, int* found) {
  if (!handle || !desc || !a || !b || !c || !d || !preference || requested < 1 || !results || !found) {
    return lt::status_invalid_value;
  }
  *found = 0;
  const Shape shape{*desc, *a, *b, *c, *d};
  if (lt::Status status = check(shape)) return status;
  results[0] = {};
  results[0].state = lt::status_success;
  results[0].algo.data[0] = shape.fingerprint();
  for (int i = 0; i < 4; ++i) {
    const uint64_t bytes = std::min<uint64_t>(preference->alignments[i], 16);
    if (bytes < bytes_of(d->type)) return lt::status_not_supported;
    results[0].algo.data[1] |= bytes << (16 * i);
  }
  if (has_vector(*desc)) {  // the address that is set stands for the alignment of all later ones
    const auto address = reinterpret_cast<uintptr_t>(desc->bias) | 16;
    results[0].algo.data[2] = address & -address;
  }
  results[0].workspace_bytes = workspace_of(shape);
  if (results[0].workspace_bytes > preference->workspace_bytes) return lt::status_not_supported;
  *found = 1;
  return lt::status_success;
}

lt::Status matmul(lt::Handle handle, lt::MatmulDesc desc, const void* alpha, const void* a, lt::MatrixLayout a_layout,
                  const void* b, lt::MatrixLayout b_layout, const void* beta, const void* c, lt::MatrixLayout c_layout,
                  void* d, lt::MatrixLayout d_layout, const lt::Algo* algo, void* workspace, size_t workspace_bytes,
                  cudaStream_t stream) {
  if (!handle || !desc || !alpha || !beta || !a_layout || !b_layout || !c_layout || !d_layout || !algo) {
    return lt::status_invalid_value;
  }
  const std::lock_guard lock(runtime_mutex());
  const Shape shape{*desc, *a_layout, *b_layout, *c_layout, *d_layout};
  if (lt::Status status = check(shape)) return status;
  const bool wide = desc->scale == lt::real_64f;
  auto factor = [&](const void* p) { return wide ? *static_cast<const double*>(p) : *static_cast<const float*>(p); };
  if (!valid_stream(stream) || device_of(stream) != handle->device) return lt::status_invalid_value;
  const Memory at{a, b, c, d, workspace, factor(alpha), factor(beta), handle->device};
  if (lt::Status status = check_memory(shape, at, *algo, workspace_bytes)) return status;
  const cudaError_t error = enqueue(stream, [shape, at] { compute(shape, at); });
  return error == cudaSuccess ? lt::status_success : lt::status_execution_failed;
}

#define FUNCTION(name, function) \
  { #name, reinterpret_cast < void*>(static_cast <decltype(lt::Functions::name)>(function)) }
const LibraryFunction functions[] = {
    FUNCTION(cublasLtCreate, create),
    FUNCTION(cublasLtGetStatusName, status_name),
    FUNCTION(cublasLtMatmulDescCreate, desc_create),
    FUNCTION(cublasLtMatmulDescDestroy, destroy<lt::MatmulDescOpaque>),
    FUNCTION(cublasLtMatmulDescSetAttribute, desc_set),
    FUNCTION(cublasLtMatrixLayoutCreate, layout_create),
    FUNCTION(cublasLtMatrixLayoutDestroy, destroy<lt::MatrixLayoutOpaque>),
    FUNCTION(cublasLtMatrixLayoutSetAttribute, layout_set),
    FUNCTION(cublasLtMatmulPreferenceCreate, preference_create),
    FUNCTION(cublasLtMatmulPreferenceDestroy, destroy<lt::PreferenceOpaque>),
    FUNCTION(cublasLtMatmulPreferenceSetAttribute, preference_set),
    FUNCTION(cublasLtMatmulAlgoGetHeuristic, get_heuristic),
    FUNCTION(cublasLtMatmul, matmul),
};
#undef FUNCTION

}  // namespace

const Library cublas_lt = {"libcublasLt.so.13", functions, std::size(functions)};

}  // namespace emulator
