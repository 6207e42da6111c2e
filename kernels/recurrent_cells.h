#pragma once
#include <fulmen/kernels/activations.h>
#include <fulmen/kernels/recurrent.h>

// The maths of one hidden unit of a recurrent layer at one step, for every device. x and y are what the input and the
// hidden state give to its gates.
namespace fulmen::cell {

/// c = f c' + i g, h = o tanh(c) with i, f, o = sigmoid(x + y), g = tanh(x + y) (Hochreiter and Schmidhuber 1997).
struct Lstm {
  static constexpr int gates = 4, kept = 4, slopes = 4;
  static constexpr bool has_c = true;
  template <class T>
  FULMEN_HD static FULMEN_INLINE void forward(const T (&x)[4], const T (&y)[4], T, T c_before, T (&kept)[4], T& h,
                                              T& c) {
    kept[0] = math::sigmoid(x[0] + y[0]);
    kept[1] = math::sigmoid(x[1] + y[1]);
    kept[2] = math::tanh(x[2] + y[2]);
    kept[3] = math::sigmoid(x[3] + y[3]);
    c = kept[1] * c_before + kept[0] * kept[2];
    h = kept[3] * math::tanh(c);
  }
  /// gh and gc become those of the step before, without what comes through the gates.
  template <class T>
  FULMEN_HD static FULMEN_INLINE void backward(const T (&kept)[4], T, T, T c, T c_before, T& gh, T& gc, T (&g)[4]) {
    const T i = kept[0], f = kept[1], n = kept[2], o = kept[3], t = math::tanh(c);
    gc += gh * o * (1 - t * t);
    g[0] = gc * n * i * (1 - i);
    g[1] = gc * c_before * f * (1 - f);
    g[2] = gc * i * (1 - n * n);
    g[3] = gh * t * o * (1 - o);
    gc *= f;
    gh = T(0);
  }
};

/// h = (1 - z) n + z h' with r, z = sigmoid(x + y), n = tanh(x + r y) (Cho et al. 2014).
struct Gru {
  static constexpr int gates = 3, kept = 4, slopes = 4;
  static constexpr bool has_c = false;
  template <class T>
  FULMEN_HD static FULMEN_INLINE void forward(const T (&x)[3], const T (&y)[3], T h_before, T, T (&kept)[4], T& h, T&) {
    kept[0] = math::sigmoid(x[0] + y[0]);
    kept[1] = math::sigmoid(x[1] + y[1]);
    kept[2] = math::tanh(x[2] + kept[0] * y[2]);
    kept[3] = y[2];
    h = (1 - kept[1]) * kept[2] + kept[1] * h_before;
  }
  template <class T>
  FULMEN_HD static FULMEN_INLINE void backward(const T (&kept)[4], T, T h_before, T, T, T& gh, T&, T (&g)[4]) {
    const T r = kept[0], z = kept[1], n = kept[2];
    g[2] = gh * (1 - z) * (1 - n * n);
    g[1] = gh * (h_before - n) * z * (1 - z);
    g[0] = g[2] * kept[3] * r * (1 - r);
    g[3] = g[2] * r;
    gh *= z;
  }
};

/// h = tanh(x + y)
struct Tanh {
  static constexpr int gates = 1, kept = 0, slopes = 1;
  static constexpr bool has_c = false;
  template <class T>
  FULMEN_HD static FULMEN_INLINE void forward(const T (&x)[1], const T (&y)[1], T, T, T (&)[1], T& h, T&) {
    h = math::tanh(x[0] + y[0]);
  }
  template <class T>
  FULMEN_HD static FULMEN_INLINE void backward(const T (&)[1], T h, T, T, T, T& gh, T&, T (&g)[1]) {
    g[0] = gh * (1 - h * h);
    gh = T(0);
  }
};
/// h = max(x + y, 0)
struct Relu {
  static constexpr int gates = 1, kept = 0, slopes = 1;
  static constexpr bool has_c = false;
  template <class T>
  FULMEN_HD static FULMEN_INLINE void forward(const T (&x)[1], const T (&y)[1], T, T, T (&)[1], T& h, T&) {
    h = functor::Relu::apply(x[0] + y[0]);
  }
  template <class T>
  FULMEN_HD static FULMEN_INLINE void backward(const T (&)[1], T h, T, T, T, T& gh, T&, T (&g)[1]) {
    g[0] = h > 0 ? gh : T(0);
    gh = T(0);
  }
};

/// At least 1, as arrays want it.
template <class Cell>
inline constexpr int kept_size = Cell::kept > 0 ? Cell::kept : 1;

/// Calls f with the cell.
template <class F>
FULMEN_INLINE void with_cell(CellKind kind, const F& f) {
  switch (kind) {
    case CellKind::lstm:
      return f(Lstm{});
    case CellKind::gru:
      return f(Gru{});
    case CellKind::rnn_tanh:
      return f(Tanh{});
    case CellKind::rnn_relu:
      return f(Relu{});
  }
}

}  // namespace fulmen::cell
