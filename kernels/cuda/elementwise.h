#pragma once
#include <fulmen/kernels/compute.h>
#include <fulmen/kernels/cuda/places.h>

#include <utility>

// How elementwise kernels run on CUDA. An operation is two kernels:
//   wide      operands of one dtype (or few that are known), inner dimension dense or broadcast: 16 bytes per thread
//             and load, two of them in flight;
//   scattered one element per thread, any strides and any dtypes, which are told apart at run time.
// Both compute in Compute<T> (float for Half and BFloat16) and are bound by memory: bytes read plus bytes written.
namespace fulmen::gpu {

struct Params {
  Number a, b;
};

/// What a launch works on. Operand 0 of `places` is the output.
template <int inputs>
struct Work {
  void* y;
  const void* x[inputs];    ///< null: the number
  uint64_t number[inputs];  ///< bits of the compute type
  ScalarType y_type, x_type[inputs];
  int64_t numel;
  Params params;
  Places<1 + inputs> places;
};

template <int inputs>
struct Kernels {
  using Fn = void (*)(Work<inputs>);
  Fn wide, scattered;
  int width;   ///< elements per item of `wide`; 0 if there is no wide kernel
  int y_size;  ///< element sizes that `wide` is made for
  int x_sizes[inputs];
};

template <class T>
GPU_INLINE T number_of(uint64_t bits) {
  T value;
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}
/// The bits of a number as an element of type t.
inline uint64_t number_bits(const Number& number, ScalarType t) {
  uint64_t bits = 0;
  switch (t) {
#define X(T, N)                                 \
  case ScalarType::N: {                         \
    const T value = number_as<T>(number);       \
    __builtin_memcpy(&bits, &value, sizeof(T)); \
    break;                                      \
  }
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      break;
  }
  return bits;
}

template <class To>
GPU_INLINE To load_as(const void* data, ScalarType type, int64_t at) {
  switch (type) {
#define X(T, N)       \
  case ScalarType::N: \
    return converted<To>(static_cast<const T*>(data)[at]);
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      return To{};
  }
}
template <class From>
GPU_INLINE void store_as(void* data, ScalarType type, int64_t at, From value) {
  switch (type) {
#define X(T, N)                                      \
  case ScalarType::N:                                \
    static_cast<T*>(data)[at] = converted<T>(value); \
    break;
    FULMEN_FOR_EACH_DTYPE(X)
#undef X
    default:
      break;
  }
}

/// One input of one item: V neighbours, of which `count` exist.
template <class X, class C, int V>
GPU_INLINE void load_item(C (&to)[V], const void* data, uint64_t number, int64_t at, bool dense, int count) {
  const auto* from = static_cast<const X*>(data) + at;
  if (!data || !dense) {
    const C value = data ? converted<C>(*from) : number_of<C>(number);
#pragma unroll
    for (int i = 0; i < V; ++i) to[i] = value;
  } else if (count == V) {
    const Vec<X, V> values = load_vec<V>(from);
#pragma unroll
    for (int i = 0; i < V; ++i) to[i] = converted<C>(values[i]);
  } else {
#pragma unroll
    for (int i = 0; i < V; ++i) to[i] = i < count ? converted<C>(from[i]) : C{};
  }
}

inline constexpr int elementwise_threads = 256;

/// Elements per item and items per thread for a largest operand of `bytes` per element.
constexpr int wide_width(size_t bytes) { return bytes >= 2 ? static_cast<int>(16 / bytes) : 8; }
constexpr int wide_unroll(size_t bytes) { return bytes >= 4 ? 2 : 1; }
template <class... T>
inline constexpr size_t largest_size = 0;
template <class T, class... More>
inline constexpr size_t largest_size<T, More...> = sizeof(T) > largest_size<More...> ? sizeof(T)
                                                                                     : largest_size<More...>;

/// Op: `Value`, the compute type; apply(const Value (&x)[inputs], const Params&). Y and X: types in memory.
template <class Op, class Y, class... X>
__global__ __launch_bounds__(elementwise_threads) void wide(Work<sizeof...(X)> work) {
  constexpr int inputs = sizeof...(X), operands = 1 + inputs;
  constexpr int V = wide_width(largest_size<Y, X...>), U = wide_unroll(largest_size<Y, X...>);
  using C = typename Op::Value;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * elementwise_threads * U + threadIdx.x;
  C x[U][inputs][V];
  int64_t offsets[U][operands];
  int count[U];
#pragma unroll
  for (int u = 0; u < U; ++u) {
    const int64_t item = first + u * elementwise_threads;
    count[u] = 0;
    if (item >= work.places.items) continue;
    count[u] = V;
    if (work.places.ndim == 1 && work.numel - item * V < V) count[u] = static_cast<int>(work.numel - item * V);
    work.places.at(item, offsets[u]);
    [&]<size_t... k>(std::index_sequence<k...>) {
      (load_item<X>(x[u][k], work.x[k], work.number[k], offsets[u][1 + k],
                    work.places.strides[1 + k][work.places.ndim - 1] != 0, count[u]),
       ...);
    }
    (std::make_index_sequence<inputs>{});
  }
#pragma unroll
  for (int u = 0; u < U; ++u) {
    if (count[u] == 0) continue;
    Y* to = static_cast<Y*>(work.y) + offsets[u][0];
    Vec<Y, V> y;
#pragma unroll
    for (int i = 0; i < V; ++i) {
      C one[inputs];
#pragma unroll
      for (int k = 0; k < inputs; ++k) one[k] = x[u][k][i];
      y[i] = converted<Y>(Op::apply(one, work.params));
    }
    if (count[u] == V) {
      store_vec<V>(to, y);
    } else {
#pragma unroll
      for (int i = 0; i < V; ++i) {
        if (i < count[u]) to[i] = y[i];
      }
    }
  }
}

template <class Op, int inputs>
__global__ __launch_bounds__(elementwise_threads) void scattered(Work<inputs> work) {
  using C = typename Op::Value;
  const int64_t item = thread_index();
  if (item >= work.numel) return;
  int64_t offsets[1 + inputs];
  work.places.at(item, offsets);
  C x[inputs];
#pragma unroll
  for (int k = 0; k < inputs; ++k) {
    x[k] = work.x[k] ? load_as<C>(work.x[k], work.x_type[k], offsets[1 + k]) : number_of<C>(work.number[k]);
  }
  store_as(work.y, work.y_type, offsets[0], Op::apply(x, work.params));
}

/// The two kernels of Op; the wide one for operands that are Y and X... in memory.
template <class Op, class Y, class... X>
Kernels<sizeof...(X)> kernels_of() {
  return {
      &wide<Op, Y, X...>, &scattered<Op, sizeof...(X)>, wide_width(largest_size<Y, X...>), sizeof(Y), {sizeof(X)...}};
}

template <class T, size_t>
using Alike = T;
/// The kernels of Op<F, Compute<T>> for operands that are all of dtype t; none where t is not in F's domain.
template <template <class, class> class Op, class F, Domain domain, size_t inputs>
Kernels<inputs> kernels_alike(ScalarType t) {
  Kernels<inputs> kernels{};
  for_dtype(t, [&]<class T>(T*) {
    if constexpr (contains<Compute<T>>(domain)) {
      kernels = [&]<size_t... k>(std::index_sequence<k...>) {
        return kernels_of<Op<F, Compute<T>>, T, Alike<T, k>...>();
      }
      (std::make_index_sequence<inputs>{});
    }
  });
  return kernels;
}

/// A kernel for operands of mixed dtypes only.
template <class Op, int inputs>
Kernels<inputs> scattered_only() {
  return {nullptr, &scattered<Op, inputs>, 0, 0, {}};
}

/// y = x, as type T.
template <class T>
struct Same {
  using Value = T;
  GPU_INLINE static T apply(const T (&x)[1], const Params&) { return x[0]; }
};

/// Elements of a dtype as integers of their size, to be moved as bits.
inline ScalarType bits_type(ScalarType t) {
  switch (element_size(t)) {
    case 1:
      return ScalarType::Byte;
    case 2:
      return ScalarType::Short;
    case 4:
      return ScalarType::Int;
    default:
      return ScalarType::Long;
  }
}
template <class V>
V bits_view(const V& view) {
  V bits = view;
  bits.dtype = bits_type(view.dtype);
  return bits;
}
/// X(C++ type, ScalarType enumerator) for the results of bits_type().
#define FULMEN_FOR_EACH_BITS_TYPE(X) X(uint8_t, Byte) X(int16_t, Short) X(int32_t, Int) X(int64_t, Long)

/// y = x for equal dtypes.
inline Kernels<1> moving_kernels(ScalarType t) {
  switch (bits_type(t)) {
#define X(T, N)       \
  case ScalarType::N: \
    return kernels_of<Same<T>, T, T>();
    FULMEN_FOR_EACH_BITS_TYPE(X)
#undef X
    default:
      return {};
  }
}

/// A number in the place of an operand: a view without memory.
inline ConstView no_memory() {
  ConstView view;
  view.data = nullptr;
  view.dtype = ScalarType::Undefined;
  view.ndim = 0;
  view.numel = 1;
  return view;
}

template <int inputs>
bool fits_wide(const Work<inputs>& work, const Kernels<inputs>& kernels) {
  const Places<1 + inputs>& places = work.places;
  const int64_t width = kernels.width;
  if (width == 0 || places.inner_stride(0) != 1) return false;
  if (places.ndim > 1 && places.inner_size() % width != 0) return false;
  auto aligned = [&](const void* data, int size) { return reinterpret_cast<uintptr_t>(data) % (width * size) == 0; };
  if (!aligned(work.y, kernels.y_size) || !places.joins(0, width)) return false;
  for (int k = 0; k < inputs; ++k) {
    if (!work.x[k] || places.inner_stride(1 + k) == 0) continue;
    if (!aligned(work.x[k], kernels.x_sizes[k]) || !places.joins(1 + k, width)) return false;
  }
  return true;
}

/// y = Op(x...). `same`: the operands have the dtypes that the wide kernel is made for. `number`: bits of the compute
/// type for the inputs without memory.
template <int inputs>
void run(const Launch& launch, const Kernels<inputs>& kernels, bool same, const Params& params, const View& y,
         const ConstView* const (&x)[inputs], uint64_t number = 0) {
  if (y.numel == 0) return;
  Work<inputs> work;
  work.y = y.data;
  work.y_type = y.dtype;
  work.numel = y.numel;
  work.params = params;
  for (int k = 0; k < inputs; ++k) {
    work.x[k] = x[k]->data;
    work.x_type[k] = x[k]->dtype;
    work.number[k] = number;
  }
  work.places = Places<1 + inputs>(layout_of(y, x));
  if (same && fits_wide(work, kernels)) {
    work.places.join(kernels.width);
    int bytes = kernels.y_size;
    for (int size : kernels.x_sizes) bytes = size > bytes ? size : bytes;
    const int64_t per_block = elementwise_threads * wide_unroll(static_cast<size_t>(bytes));
    GPU_LAUNCH(kernels.wide, blocks_for(work.places.items, per_block), elementwise_threads, 0, launch, work);
  } else {
    GPU_LAUNCH(kernels.scattered, blocks_for(y.numel, elementwise_threads), elementwise_threads, 0, launch, work);
  }
}

}  // namespace fulmen::gpu
