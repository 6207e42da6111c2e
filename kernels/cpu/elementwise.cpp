#include <fulmen/kernels/cpu/convert.h>
#include <fulmen/kernels/cpu/elementwise.h>
#include <fulmen/kernels/cpu/parallel.h>
#include <fulmen/kernels/layout.h>

namespace fulmen::FULMEN_ISA {

namespace {

constexpr int64_t chunk = 1024;

/// What the threads of one call share. Operand 0 is the output.
template <int inputs>
struct Loop {
  Layout<1 + inputs> layout;
  char* data[1 + inputs];
  int64_t item[1 + inputs];      ///< bytes of an element in memory
  int64_t row_item[1 + inputs];  ///< and as the row sees it
  bool same[1 + inputs];         ///< memory holds what the row wants
  bool constant[1 + inputs];
  bool dense[1 + inputs];  ///< in iteration order without gaps
  Convert convert[1 + inputs];
  Row row;
  const Params* params;
};

/// One thread's way through a range of the iteration space.
template <int inputs>
class Walk {
 public:
  Walk(const Loop<inputs>& loop, int64_t begin) : loop_(loop) {
    inner_ = loop.layout.sizes[loop.layout.ndim - 1];
    move_to(begin);
    for (int k = 1; k <= inputs; ++k) {
      if (loop.constant[k]) loop.convert[k](buffer_[k], 1, loop.data[k], 0, chunk);
    }
  }

  void run(int64_t count) {
    while (count > 0) {
      int64_t n = count < chunk ? count : chunk;
      int64_t left = inner_ - index_[loop_.layout.ndim - 1];
      if (inner_ >= chunk / 8 && n > left) n = left;
      step(n, n <= left);
      count -= n;
    }
  }

 private:
  void step(int64_t n, bool single_run) {
    const void* x[inputs];
    bool direct[1 + inputs];
    for (int k = 0; k <= inputs; ++k) {
      direct[k] = loop_.same[k] && (loop_.dense[k] || (single_run && inner_stride(k) == 1));
      if (k == 0) continue;
      x[k - 1] = direct[k] ? loop_.data[k] + offset_[k] * loop_.item[k] : buffer_[k];
    }
    char* y = direct[0] ? loop_.data[0] + offset_[0] * loop_.item[0] : buffer_[0];
    if (direct[0]) {
      each_run(n, [&](int64_t at, int64_t length) { load(direct, at, length); });
      loop_.row(y, x, n, *loop_.params);
      return;
    }
    Position before = save();
    each_run(n, [&](int64_t at, int64_t length) { load(direct, at, length); });
    Position after = save();
    loop_.row(y, x, n, *loop_.params);
    restore(before);
    each_run(n, [&](int64_t at, int64_t length) {
      loop_.convert[0](loop_.data[0] + offset_[0] * loop_.item[0], inner_stride(0), y + at * loop_.row_item[0], 1,
                       length);
    });
    restore(after);
  }

  void load(const bool* direct, int64_t at, int64_t length) {
    for (int k = 1; k <= inputs; ++k) {
      if (direct[k] || loop_.constant[k]) continue;
      loop_.convert[k](buffer_[k] + at * loop_.row_item[k], 1, loop_.data[k] + offset_[k] * loop_.item[k],
                       inner_stride(k), length);
    }
  }

  // Calls f(elements done, length) for the pieces of the next n elements that lie in one innermost row each.
  template <class F>
  void each_run(int64_t n, const F& f) {
    int last = loop_.layout.ndim - 1;
    for (int64_t done = 0; done < n;) {
      int64_t length = inner_ - index_[last];
      if (length > n - done) length = n - done;
      f(done, length);
      done += length;
      advance(length);
    }
  }

  void advance(int64_t length) {
    const auto& layout = loop_.layout;
    int d = layout.ndim - 1;
    index_[d] += length;
    for (int k = 0; k <= inputs; ++k) offset_[k] += length * layout.strides[k][d];
    while (d > 0 && index_[d] == layout.sizes[d]) {
      for (int k = 0; k <= inputs; ++k) {
        offset_[k] += layout.strides[k][d - 1] - layout.sizes[d] * layout.strides[k][d];
      }
      index_[d--] = 0;
      ++index_[d];
    }
  }

  void move_to(int64_t position) {
    const auto& layout = loop_.layout;
    for (int k = 0; k <= inputs; ++k) offset_[k] = 0;
    for (int d = layout.ndim - 1; d >= 0; --d) {
      index_[d] = position % layout.sizes[d];
      position /= layout.sizes[d];
      for (int k = 0; k <= inputs; ++k) offset_[k] += index_[d] * layout.strides[k][d];
    }
  }

  struct Position {
    int64_t index[max_dims];
    int64_t offset[1 + inputs];
  };
  Position save() const {
    Position p;
    for (int d = 0; d < loop_.layout.ndim; ++d) p.index[d] = index_[d];
    for (int k = 0; k <= inputs; ++k) p.offset[k] = offset_[k];
    return p;
  }
  void restore(const Position& p) {
    for (int d = 0; d < loop_.layout.ndim; ++d) index_[d] = p.index[d];
    for (int k = 0; k <= inputs; ++k) offset_[k] = p.offset[k];
  }
  int64_t inner_stride(int k) const { return loop_.layout.strides[k][loop_.layout.ndim - 1]; }

  const Loop<inputs>& loop_;
  int64_t inner_;
  int64_t index_[max_dims];
  int64_t offset_[1 + inputs];
  alignas(64) char buffer_[1 + inputs][chunk * 8];
};

template <int inputs>
void run_general(Row row, const Params& params, const View& y, ScalarType result, const Operand (&x)[inputs],
                 int64_t grain) {
  Loop<inputs> loop;
  const ConstView* views[inputs];
  for (int k = 0; k < inputs; ++k) views[k] = &x[k].view;
  loop.layout = layout_of(y, views);
  if (loop.layout.ndim == 0) {
    loop.layout.ndim = 1;
    loop.layout.sizes[0] = 1;
    for (auto& strides : loop.layout.strides) strides[0] = 1;
  }
  loop.row = row;
  loop.params = &params;
  for (int k = 0; k <= inputs; ++k) {
    ScalarType memory = k == 0 ? y.dtype : x[k - 1].view.dtype, wanted = k == 0 ? result : x[k - 1].type;
    loop.data[k] = static_cast<char*>(k == 0 ? y.data : const_cast<void*>(x[k - 1].view.data));
    loop.item[k] = element_size(memory);
    loop.row_item[k] = element_size(wanted);
    loop.same[k] = memory == wanted;
    loop.constant[k] = k > 0 && loop.layout.constant(k);
    loop.dense[k] = loop.layout.gapless(k);
    loop.convert[k] = k == 0 ? converter(memory, wanted) : converter(wanted, memory);
  }
  parallel_for(loop.layout.numel, grain, [&](int64_t begin, int64_t end) {
    Walk<inputs> walk(loop, begin);
    walk.run(end - begin);
  });
}

}  // namespace

template <int inputs>
void run(Row row, const Params& params, const View& y, ScalarType result, const Operand (&x)[inputs], int64_t grain) {
  if (y.numel == 0) return;
  // The common case: everything contiguous, of the row's types, nothing broadcast.
  bool direct = y.dtype == result && y.contiguous();
  for (const Operand& operand : x) {
    direct = direct && operand.view.dtype == operand.type && operand.view.numel == y.numel && operand.view.contiguous();
  }
  if (!direct) {
    run_general(row, params, y, result, x, grain);
    return;
  }
  auto piece = [&](int64_t begin, int64_t end) {
    const void* from[inputs];
    for (int k = 0; k < inputs; ++k) {
      from[k] = static_cast<const char*>(x[k].view.data) + begin * element_size(x[k].type);
    }
    row(static_cast<char*>(y.data) + begin * element_size(result), from, end - begin, params);
  };
  if (y.numel <= grain) {
    piece(0, y.numel);
  } else {
    parallel_for(y.numel, grain, piece);
  }
}

template void run(Row, const Params&, const View&, ScalarType, const Operand (&)[1], int64_t);
template void run(Row, const Params&, const View&, ScalarType, const Operand (&)[2], int64_t);
template void run(Row, const Params&, const View&, ScalarType, const Operand (&)[3], int64_t);

}  // namespace fulmen::FULMEN_ISA
