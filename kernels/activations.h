#pragma once
#include <fulmen/kernels/functors.h>

// Activation functions and their first derivatives, one element at a time; see kernels/functors.h.
namespace fulmen::functor {

struct Relu {
  FULMEN_FUNCTOR T apply(T x) { return x > 0 || x != x ? x : T(0); }
};
/// gy where the output y is positive.
struct ReluGrad {
  FULMEN_FUNCTOR T apply(T gy, T y) { return y > 0 ? gy : T(0); }
};
struct LeakyRelu {
  FULMEN_FUNCTOR T apply(T x, T slope, T) { return x > 0 ? x : x * slope; }
};
struct LeakyReluGrad {
  FULMEN_FUNCTOR T apply(T gy, T x, T slope) { return x > 0 ? gy : gy * slope; }
};
/// p x for positive x, q (e^x - 1) otherwise: ELU and SELU.
struct Elu {
  FULMEN_FUNCTOR T apply(T x, T p, T q) { return x > 0 ? p * x : q * math::expm1(x); }
};
struct Celu {
  FULMEN_FUNCTOR T apply(T x, T alpha, T) { return x > 0 ? x : alpha * math::expm1(x / alpha); }
};

struct TanhGrad {
  FULMEN_FUNCTOR T apply(T gy, T y) { return gy * (1 - y * y); }
};
struct SigmoidGrad {
  FULMEN_FUNCTOR T apply(T gy, T y) { return gy * (1 - y) * y; }
};
/// min(x, 0) - log(1 + e^-|x|)
struct LogSigmoid {
  FULMEN_FUNCTOR T apply(T x) { return (x < 0 ? x : x * 0) - math::log1p(math::exp(-math::fabs(x))); }
};

/// x Phi(x), Phi the normal distribution.
struct Gelu {
  FULMEN_FUNCTOR T apply(T x) { return T(0.5) * x * (1 + math::erf(x * T(0.7071067811865476))); }
};
/// gy (Phi(x) + x phi(x))
struct GeluGrad {
  FULMEN_FUNCTOR T apply(T gy, T x) {
    T cumulative = T(0.5) * (1 + math::erf(x * T(0.7071067811865476)));
    return gy * (cumulative + x * T(0.3989422804014327) * math::exp(T(-0.5) * x * x));
  }
};
/// 0.5 x (1 + tanh(u)), u = sqrt(2 / pi) (x + 0.044715 x^3)
struct GeluTanh {
  FULMEN_FUNCTOR T apply(T x) {
    T u = T(0.7978845608028654) * (x + T(0.044715) * x * x * x);
    return T(0.5) * x * (1 + math::tanh(u));
  }
};
struct GeluTanhGrad {
  FULMEN_FUNCTOR T apply(T gy, T x) {
    T t = math::tanh(T(0.7978845608028654) * (x + T(0.044715) * x * x * x));
    T du = T(0.7978845608028654) * (1 + T(0.134145) * x * x);
    return gy * T(0.5) * (1 + t + x * (1 - t * t) * du);
  }
};
/// x sigmoid(x)
struct Silu {
  FULMEN_FUNCTOR T apply(T x) { return x / (1 + math::exp(-x)); }
};
struct SiluGrad {
  FULMEN_FUNCTOR T apply(T gy, T x) {
    T s = math::sigmoid(x);
    return gy * s * (1 + x * (1 - s));
  }
};
/// log(1 + e^(beta x)) / beta, x itself where beta x > threshold.
struct Softplus {
  FULMEN_FUNCTOR T apply(T x, T beta, T threshold) {
    T z = x * beta;
    return z > threshold ? x : math::log1p(math::exp(z)) / beta;
  }
};
/// x tanh(softplus(x))
struct Mish {
  FULMEN_FUNCTOR T apply(T x) { return x * math::tanh(math::log1p(math::exp(x))); }
};
struct Softsign {
  FULMEN_FUNCTOR T apply(T x) { return x / (1 + math::fabs(x)); }
};
struct Tanhshrink {
  FULMEN_FUNCTOR T apply(T x) { return x - math::tanh(x); }
};
/// x outside of [-lambda, lambda], 0 inside.
struct Hardshrink {
  FULMEN_FUNCTOR T apply(T x, T lambda, T) { return x >= -lambda && x <= lambda ? T(0) : x; }
};
struct Softshrink {
  FULMEN_FUNCTOR T apply(T x, T lambda, T) { return x > lambda ? x - lambda : x < -lambda ? x + lambda : x * 0; }
};
struct Threshold {
  FULMEN_FUNCTOR T apply(T x, T threshold, T value) { return x <= threshold ? value : x; }
};
/// (x + 3) / 6 between 0 and 1.
struct Hardsigmoid {
  FULMEN_FUNCTOR T apply(T x) { return Clamp::apply(x + 3, T(0), T(6)) / 6; }
};
struct Hardswish {
  FULMEN_FUNCTOR T apply(T x) { return x * Clamp::apply(x + 3, T(0), T(6)) / 6; }
};

}  // namespace fulmen::functor
