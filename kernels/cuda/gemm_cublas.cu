#include <fulmen/kernels/cuda/cublas_lt.h>
#include <fulmen/kernels/cuda/gemm_problem.h>
#include <fulmen/kernels/cuda/vendor_calls.h>
#include <fulmen/kernels/vendor_library.h>

#include <cstdio>
#include <mutex>
#include <unordered_map>

// Matrix products by cuBLASLt, behind the same contract as our own kernels. It computes float, double, float16 and
// bfloat16 with sums of float (double for double), wherever every operand has a contiguous dimension.
//
// cuBLASLt sees columns where we see rows: c, row-major [rows, cols], is its column-major d [cols x rows], and
// d = op(b) op(a). So its first operand is our b, read as [cols x depth], its second one our a, read as [depth x rows];
// either is stored that way, or the other way round and transposed. What is added is a bias (row stride 0) or its c.
//
// Which of its kernels to run is asked once per plan: shape, layout, epilogue, alignment. Partial sums go to memory of
// our allocator, in the order of the stream (so graphs can be captured), and are added in a fixed order.
namespace fulmen::cuda {

namespace lt {

const Functions* functions(const Launch& launch, bool demanded) {
  static const VendorLibrary library("cublasLt", {13, 12});
  static Functions table;
  static const char* const lacking = library.fill(reinterpret_cast<void**>(&table), function_names);
  if (demanded) {
    library.require("FULMEN_GEMM=cublas", "choose FULMEN_GEMM=own or auto");
    if (lacking) library_failed(launch, library.file().c_str(), "incomplete", lacking);
  }
  return lacking ? nullptr : &table;
}

}  // namespace lt

namespace {

/// Everything that cuBLASLt's choice depends on. Words without gaps, for the hash.
struct PlanKey {
  int64_t device, type, tf32;
  int64_t rows, cols, depth, batches;  ///< of our c
  int64_t a_transposed, b_transposed, a_ld, b_ld, add_ld;
  int64_t a_batch, b_batch, add_batch;  ///< strides
  int64_t adds, epilogue;               ///< adds: beta times a matrix
  int64_t a_alignment, b_alignment, add_alignment, c_alignment, bias_alignment;
  friend bool operator==(const PlanKey&, const PlanKey&) = default;
};
/// The matrix [first x second] with these strides as columns of `ld` elements; false if no dimension is contiguous.
bool as_columns(int64_t first, int64_t second, int64_t first_stride, int64_t second_stride, int64_t& transposed,
                int64_t& ld) {
  if ((first_stride == 1 || first == 1) && (second_stride >= first || second == 1)) {
    transposed = 0, ld = second == 1 ? first : second_stride;
    return true;
  }
  if ((second_stride == 1 || second == 1) && (first_stride >= second || first == 1)) {
    transposed = 1, ld = first == 1 ? second : first_stride;
    return true;
  }
  return false;
}

/// The largest power of two up to 256 that divides the address of every matrix of a batch.
int64_t alignment(const GemmProblem& p, const void* data, const GemmStrides& strides, int64_t element_bytes) {
  uint64_t bits = reinterpret_cast<uintptr_t>(data) | 256;
  for (int d = 0; d < p.batch_dims; ++d) bits |= static_cast<uint64_t>(strides.batch[d] * element_bytes);
  return static_cast<int64_t>(bits & -bits);
}

/// False if cuBLASLt has no product for these layouts.
bool describe(PlanKey& key, const GemmProblem& p, ScalarType dtype) {
  constexpr int64_t most = INT32_MAX;
  if (p.depth == 0 || p.rows > most || p.cols > most || p.depth > most || p.batches > most) return false;
  const GemmStrides &a = p.a_strides, &b = p.b_strides, &add = p.add_strides;
  if (!as_columns(p.cols, p.depth, b.col, b.row, key.b_transposed, key.b_ld)) return false;
  if (!as_columns(p.depth, p.rows, a.col, a.row, key.a_transposed, key.a_ld)) return false;
  const int64_t bytes = element_size(dtype);
  const int last = p.batch_dims - 1;
  key.rows = p.rows, key.cols = p.cols, key.depth = p.depth;
  key.batches = p.batch_dims ? p.batch_sizes[last] : 1;
  key.a_batch = p.batch_dims ? a.batch[last] : 0, key.b_batch = p.batch_dims ? b.batch[last] : 0;
  key.a_alignment = alignment(p, p.a, a, bytes), key.b_alignment = alignment(p, p.b, b, bytes);
  GemmStrides c{p.cols, 1, {}};
  if (p.batch_dims) c.batch[last] = p.rows * p.cols;
  key.c_alignment = alignment(p, p.c, c, bytes);
  switch (p.activation) {
    case GemmActivation::none:
      key.epilogue = 0;
      break;
    case GemmActivation::relu:
      key.epilogue = lt::epilogue_relu;
      break;
    case GemmActivation::gelu_tanh:
      key.epilogue = lt::epilogue_gelu;
      break;
    default:  // gelu by erf
      return false;
  }
  if (p.a_sums) {  // along the depth of its second operand
    if (p.add || key.epilogue) return false;
    key.epilogue = lt::epilogue_bgradb;
    key.bias_alignment = alignment(p, p.a_sums, GemmStrides{}, bytes);
  }
  key.add_ld = p.cols, key.add_batch = p.rows * p.cols, key.add_alignment = key.c_alignment;
  if (!p.add) return true;
  int64_t transposed = 0;
  if (as_columns(p.cols, p.rows, add.col, add.row, transposed, key.add_ld) && !transposed) {
    key.adds = 1;
    key.add_batch = p.batch_dims ? add.batch[last] : 0;
    key.add_alignment = alignment(p, p.add, add, bytes);
    return true;
  }
  bool same_in_batch = true;
  for (int d = 0; d < p.batch_dims; ++d) same_in_batch = same_in_batch && add.batch[d] == 0;
  key.epilogue |= lt::epilogue_bias;
  key.bias_alignment = alignment(p, p.add, add, bytes);
  return add.row == 0 && add.col == 1 && p.beta == 1 && same_in_batch;
}

/// What a call needs beside addresses and factors.
struct Plan {
  bool supported = false;
  lt::MatmulDesc desc = nullptr;
  lt::MatrixLayout a = nullptr, b = nullptr, add = nullptr, c = nullptr;
  lt::Algo algo{};
  size_t workspace_bytes = 0;
};

/// cuBLASLt on all devices, its plans included. One host thread at a time: a plan's address of a vector belongs to one
/// call.
class Blas {
 public:
  explicit Blas(const lt::Functions& functions) : lt_(functions) {}

  /// False if cuBLASLt has no such product.
  bool run(const Launch& launch, const GemmProblem& p, ScalarType dtype, bool tf32);

 private:
  struct Types {
    lt::DataType element, scale;
    lt::ComputeType compute;
  };
  static Types types(ScalarType dtype, bool tf32) {
    switch (dtype) {
      case ScalarType::Half:
        return {lt::real_16f, lt::real_32f, lt::compute_32f};
      case ScalarType::BFloat16:
        return {lt::real_16bf, lt::real_32f, lt::compute_32f};
      case ScalarType::Double:
        return {lt::real_64f, lt::real_64f, lt::compute_64f};
      default:
        return {lt::real_32f, lt::real_32f, tf32 ? lt::compute_32f_fast_tf32 : lt::compute_32f};
    }
  }
  void require(const Launch& launch, lt::Status status, const char* call, const PlanKey& key) const {
    if (status == lt::status_success) return;
    char what[160];
    std::snprintf(what, sizeof(what), "%lld products of %lld x %lld and %lld x %lld",
                  static_cast<long long>(key.batches), static_cast<long long>(key.rows),
                  static_cast<long long>(key.depth), static_cast<long long>(key.depth),
                  static_cast<long long>(key.cols));
    library_failed(launch, call, lt_.cublasLtGetStatusName(status), what);
  }
  lt::Handle handle(const Launch& launch, const PlanKey& key) {
    lt::Handle& h = handles_[launch.device()];
    if (!h) require(launch, lt_.cublasLtCreate(&h), "cublasLtCreate", key);
    return h;
  }
  lt::MatrixLayout layout(const Launch& launch, const PlanKey& key, int64_t rows, int64_t cols, int64_t ld,
                          int64_t batch_stride) const;
  const Plan& plan(const Launch& launch, const PlanKey& key, const void* vector, Types types);
  void choose_algo(const Launch& launch, const PlanKey& key, Plan& plan);
  void forget_plans();

  const lt::Functions& lt_;
  std::mutex mutex_;
  std::unordered_map<int, lt::Handle> handles_;
  std::unordered_map<PlanKey, Plan, HashOfWords> plans_;
};

#define FULMEN_LT(name, ...) require(launch, lt_.name(__VA_ARGS__), #name, key)

lt::MatrixLayout Blas::layout(const Launch& launch, const PlanKey& key, int64_t rows, int64_t cols, int64_t ld,
                              int64_t batch_stride) const {
  lt::MatrixLayout made = nullptr;
  const auto type = static_cast<lt::DataType>(key.type);
  const auto count = static_cast<int32_t>(key.batches);
  FULMEN_LT(cublasLtMatrixLayoutCreate, &made, type, static_cast<uint64_t>(rows), static_cast<uint64_t>(cols), ld);
  FULMEN_LT(cublasLtMatrixLayoutSetAttribute, made, lt::layout_batch_count, &count, sizeof(count));
  FULMEN_LT(cublasLtMatrixLayoutSetAttribute, made, lt::layout_batch_offset, &batch_stride, sizeof(batch_stride));
  return made;
}

/// Asks cuBLASLt for its best kernel. Its partial sums may take what NVIDIA recommends for capability 9.0.
void Blas::choose_algo(const Launch& launch, const PlanKey& key, Plan& plan) {
  const uint64_t most_workspace = uint64_t{32} << 20;
  const uint32_t schemes = lt::reduction_compute_type;
  // In the order of the attributes: cuBLASLt's a, b, c, d.
  const int64_t alignments[4] = {key.b_alignment, key.a_alignment, key.add_alignment, key.c_alignment};
  lt::Preference preference = nullptr;
  FULMEN_LT(cublasLtMatmulPreferenceCreate, &preference);
  FULMEN_LT(cublasLtMatmulPreferenceSetAttribute, preference, lt::preference_max_workspace_bytes, &most_workspace,
            sizeof(most_workspace));
  FULMEN_LT(cublasLtMatmulPreferenceSetAttribute, preference, lt::preference_reduction_scheme_mask, &schemes,
            sizeof(schemes));
  for (int i = 0; i < 4; ++i) {
    const auto bytes = static_cast<uint32_t>(alignments[i]);
    FULMEN_LT(cublasLtMatmulPreferenceSetAttribute, preference,
              static_cast<lt::PreferenceAttribute>(lt::preference_min_alignment_a_bytes + i), &bytes, sizeof(bytes));
  }
  lt::HeuristicResult best{};
  int found = 0;
  const lt::Status status =
      lt_.cublasLtMatmulAlgoGetHeuristic(handle(launch, key), plan.desc, plan.b, plan.a, key.adds ? plan.add : plan.c,
                                         plan.c, preference, 1, &best, &found);
  FULMEN_LT(cublasLtMatmulPreferenceDestroy, preference);
  plan.supported = status == lt::status_success && found > 0 && best.state == lt::status_success;
  if (status != lt::status_not_supported) require(launch, status, "cublasLtMatmulAlgoGetHeuristic", key);
  plan.algo = best.algo, plan.workspace_bytes = best.workspace_bytes;
}

const Plan& Blas::plan(const Launch& launch, const PlanKey& key, const void* vector, Types types) {
  if (auto known = plans_.find(key); known != plans_.end()) return known->second;
  constexpr size_t most_plans = 4096;  // programs whose shapes never repeat
  if (plans_.size() >= most_plans) forget_plans();
  const UnseenByCapture unseen;
  Plan made;
  auto operation = [](int64_t transposed) -> int32_t { return transposed ? lt::op_t : lt::op_n; };
  const int32_t first = operation(key.b_transposed), second = operation(key.a_transposed);
  const auto epilogue = key.epilogue ? static_cast<uint32_t>(key.epilogue) : lt::epilogue_default;
  FULMEN_LT(cublasLtMatmulDescCreate, &made.desc, types.compute, types.scale);
  FULMEN_LT(cublasLtMatmulDescSetAttribute, made.desc, lt::desc_transa, &first, sizeof(first));
  FULMEN_LT(cublasLtMatmulDescSetAttribute, made.desc, lt::desc_transb, &second, sizeof(second));
  FULMEN_LT(cublasLtMatmulDescSetAttribute, made.desc, lt::desc_epilogue, &epilogue, sizeof(epilogue));
  if (vector) FULMEN_LT(cublasLtMatmulDescSetAttribute, made.desc, lt::desc_bias_pointer, &vector, sizeof(vector));
  made.b = key.b_transposed ? layout(launch, key, key.depth, key.cols, key.b_ld, key.b_batch)
                            : layout(launch, key, key.cols, key.depth, key.b_ld, key.b_batch);
  made.a = key.a_transposed ? layout(launch, key, key.rows, key.depth, key.a_ld, key.a_batch)
                            : layout(launch, key, key.depth, key.rows, key.a_ld, key.a_batch);
  made.c = layout(launch, key, key.cols, key.rows, key.cols, key.rows * key.cols);
  made.add = layout(launch, key, key.cols, key.rows, key.add_ld, key.add_batch);
  choose_algo(launch, key, made);
  return plans_.emplace(key, made).first->second;
}

void Blas::forget_plans() {
  for (auto& [key, plan] : plans_) {
    for (lt::MatrixLayout layout : {plan.a, plan.b, plan.add, plan.c}) lt_.cublasLtMatrixLayoutDestroy(layout);
    lt_.cublasLtMatmulDescDestroy(plan.desc);
  }
  plans_.clear();
}

bool Blas::run(const Launch& launch, const GemmProblem& p, ScalarType dtype, bool tf32) {
  const Types kinds = types(dtype, tf32);
  PlanKey key{};
  key.device = launch.device(), key.type = kinds.element, key.tf32 = tf32;
  if (!describe(key, p, dtype)) return false;
  // A bias, which is read, or the sums of a, which are written.
  const void* vector = key.epilogue & lt::epilogue_bias ? p.add : p.a_sums;
  const std::lock_guard lock(mutex_);
  const Plan& chosen = plan(launch, key, vector, kinds);
  if (!chosen.supported) return false;
  if (vector) FULMEN_LT(cublasLtMatmulDescSetAttribute, chosen.desc, lt::desc_bias_pointer, &vector, sizeof(vector));
  const float alpha = static_cast<float>(p.alpha), beta = key.adds ? static_cast<float>(p.beta) : 0;
  const double alpha_double = p.alpha, beta_double = key.adds ? p.beta : 0;
  const bool in_double = kinds.scale == lt::real_64f;
  const Workspace workspace(launch, chosen.workspace_bytes);
  const int64_t bytes = element_size(dtype);
  auto at = [&](const void* data, int64_t offset) { return static_cast<const char*>(data) + offset * bytes; };
  // The last batch dimension goes into the call; the others are calls of their own.
  for (int64_t n = 0; n < p.batches; n += key.batches) {
    char* c = static_cast<char*>(p.c) + n * p.rows * p.cols * bytes;
    const char* add = key.adds ? at(p.add, batch_offset(p, p.add_strides, n)) : c;
    FULMEN_LT(
        cublasLtMatmul, handle(launch, key), chosen.desc, in_double ? static_cast<const void*>(&alpha_double) : &alpha,
        at(p.b, batch_offset(p, p.b_strides, n)), chosen.b, at(p.a, batch_offset(p, p.a_strides, n)), chosen.a,
        in_double ? static_cast<const void*>(&beta_double) : &beta, add, key.adds ? chosen.add : chosen.c, c, chosen.c,
        &chosen.algo, workspace.data(), chosen.workspace_bytes, static_cast<cudaStream_t>(launch.stream()));
  }
  return true;
}

#undef FULMEN_LT

}  // namespace

bool gemm_on_cublas(const Launch& launch, const GemmProblem& p, ScalarType dtype, bool tf32, bool demanded) {
  const lt::Functions* functions = lt::functions(launch, demanded);
  if (!functions) return false;
  static auto* blas = new Blas(*functions);  // never destroyed: other static objects may still multiply
  return blas->run(launch, p, dtype, tf32);
}

}  // namespace fulmen::cuda
