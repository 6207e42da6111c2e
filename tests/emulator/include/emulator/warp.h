#pragma once
#include <emulator/thread.h>

#include <bit>
#include <type_traits>

// Shuffles, votes and reductions of a warp. All lanes of a mask meet; the last one to arrive works for all.
namespace emulator {

template <class T>
struct Exchange {
  T value, result;
  int source;
};

template <class T>
EMULATOR_INTERNAL inline void exchange_all(void** arguments, uint32_t active) {
  for (uint32_t rest = active; rest != 0; rest &= rest - 1) {
    auto* lane = static_cast<Exchange<T>*>(arguments[std::countr_zero(rest)]);
    if ((active >> lane->source & 1) == 0) {
      fail("__shfl_sync: lane %d reads lane %d, which is not in the active mask 0x%08x", std::countr_zero(rest),
           lane->source, active);
    }
    lane->result = static_cast<Exchange<T>*>(arguments[lane->source])->value;
  }
}

/// The value of lane `source`, or this lane's own where `own` is true.
template <class T>
inline T shuffle(uint32_t mask, T value, int source, bool own, Site site) {
  static_assert(std::is_arithmetic_v<T> && sizeof(T) >= 4, "CUDA shuffles 32-bit and 64-bit numbers");
  Exchange<T> mine{value, value, own ? static_cast<int>(current->lane) : source};
  meet(mask, Collective::shuffle, &mine, exchange_all<T>, site);
  return mine.result;
}

struct Vote {
  bool predicate;
  uint32_t result;
};
EMULATOR_INTERNAL inline void count_votes(void** arguments, uint32_t active) {
  uint32_t votes = 0;
  for (uint32_t rest = active; rest != 0; rest &= rest - 1) {
    int lane = std::countr_zero(rest);
    if (static_cast<Vote*>(arguments[lane])->predicate) votes |= 1u << lane;
  }
  for (uint32_t rest = active; rest != 0; rest &= rest - 1) {
    static_cast<Vote*>(arguments[std::countr_zero(rest)])->result = votes;
  }
}
inline uint32_t ballot(uint32_t mask, bool predicate, Site site) {
  Vote mine{predicate, 0};
  meet(mask, Collective::vote, &mine, count_votes, site);
  return mine.result;
}

template <class T, class Op>
EMULATOR_INTERNAL inline void reduce_all(void** arguments, uint32_t active) {
  T total = static_cast<Exchange<T>*>(arguments[std::countr_zero(active)])->value;
  for (uint32_t rest = active & (active - 1); rest != 0; rest &= rest - 1) {
    total = Op::apply(total, static_cast<Exchange<T>*>(arguments[std::countr_zero(rest)])->value);
  }
  for (uint32_t rest = active; rest != 0; rest &= rest - 1) {
    static_cast<Exchange<T>*>(arguments[std::countr_zero(rest)])->result = total;
  }
}
template <class Op, class T>
inline T reduce(uint32_t mask, T value, Site site) {
  static_assert(std::is_integral_v<T> && sizeof(T) == 4, "CUDA reduces 32-bit integers");
  Exchange<T> mine{value, value, 0};
  meet(mask, Collective::reduce, &mine, reduce_all<T, Op>, site);
  return mine.result;
}

template <class T>
EMULATOR_INTERNAL inline void match_all(void** arguments, uint32_t active) {
  for (uint32_t rest = active; rest != 0; rest &= rest - 1) {
    auto* lane = static_cast<Exchange<T>*>(arguments[std::countr_zero(rest)]);
    uint32_t same = 0;
    for (uint32_t others = active; others != 0; others &= others - 1) {
      int other = std::countr_zero(others);
      if (static_cast<Exchange<T>*>(arguments[other])->value == lane->value) same |= 1u << other;
    }
    lane->source = static_cast<int>(same);
  }
}

#define EMULATOR_REDUCTION(Name, expression) \
  struct Name {                              \
    template <class T>                       \
    static T apply(T a, T b) {               \
      return expression;                     \
    }                                        \
  };
EMULATOR_REDUCTION(ReduceAdd, static_cast<T>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b)))
EMULATOR_REDUCTION(ReduceMin, a < b ? a : b)
EMULATOR_REDUCTION(ReduceMax, a > b ? a : b)
EMULATOR_REDUCTION(ReduceAnd, a& b)
EMULATOR_REDUCTION(ReduceOr, a | b)
EMULATOR_REDUCTION(ReduceXor, a ^ b)
#undef EMULATOR_REDUCTION

}  // namespace emulator

inline void __syncwarp(unsigned mask = 0xffffffffu, EMULATOR_CALLER) {
  ::emulator::meet(mask, ::emulator::Collective::syncwarp, nullptr, nullptr, {"__syncwarp", file, line});
}

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, EMULATOR_CALLER) {
  int first = static_cast<int>(::emulator::current->lane) & ~(width - 1);
  return ::emulator::shuffle(mask, value, first + (source & (width - 1)), false, {"__shfl_sync", file, line});
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, EMULATOR_CALLER) {
  int lane = static_cast<int>(::emulator::current->lane), source = lane ^ lane_mask;
  bool beyond = (source & ~(width - 1)) > (lane & ~(width - 1));
  return ::emulator::shuffle(mask, value, source, beyond, {"__shfl_xor_sync", file, line});
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32, EMULATOR_CALLER) {
  int lane = static_cast<int>(::emulator::current->lane), source = lane + static_cast<int>(distance);
  bool beyond = (lane & (width - 1)) + static_cast<int>(distance) >= width;
  return ::emulator::shuffle(mask, value, source, beyond, {"__shfl_down_sync", file, line});
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32, EMULATOR_CALLER) {
  int lane = static_cast<int>(::emulator::current->lane), source = lane - static_cast<int>(distance);
  bool before = (lane & (width - 1)) < static_cast<int>(distance);
  return ::emulator::shuffle(mask, value, source, before, {"__shfl_up_sync", file, line});
}

inline unsigned __ballot_sync(unsigned mask, int predicate, EMULATOR_CALLER) {
  return ::emulator::ballot(mask, predicate != 0, {"__ballot_sync", file, line});
}
inline int __any_sync(unsigned mask, int predicate, EMULATOR_CALLER) {
  return ::emulator::ballot(mask, predicate != 0, {"__any_sync", file, line}) != 0;
}
inline int __all_sync(unsigned mask, int predicate, EMULATOR_CALLER) {
  return ::emulator::ballot(mask, predicate == 0, {"__all_sync", file, line}) == 0;
}
template <class T>
inline unsigned __match_any_sync(unsigned mask, T value, EMULATOR_CALLER) {
  ::emulator::Exchange<T> mine{value, value, 0};
  ::emulator::meet(mask, ::emulator::Collective::match, &mine, ::emulator::match_all<T>,
                   {"__match_any_sync", file, line});
  return static_cast<unsigned>(mine.source);
}

template <class T>
inline T __reduce_add_sync(unsigned mask, T value, EMULATOR_CALLER) {
  return ::emulator::reduce<::emulator::ReduceAdd>(mask, value, {"__reduce_add_sync", file, line});
}
template <class T>
inline T __reduce_min_sync(unsigned mask, T value, EMULATOR_CALLER) {
  return ::emulator::reduce<::emulator::ReduceMin>(mask, value, {"__reduce_min_sync", file, line});
}
template <class T>
inline T __reduce_max_sync(unsigned mask, T value, EMULATOR_CALLER) {
  return ::emulator::reduce<::emulator::ReduceMax>(mask, value, {"__reduce_max_sync", file, line});
}
inline unsigned __reduce_and_sync(unsigned mask, unsigned value, EMULATOR_CALLER) {
  return ::emulator::reduce<::emulator::ReduceAnd>(mask, value, {"__reduce_and_sync", file, line});
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned value, EMULATOR_CALLER) {
  return ::emulator::reduce<::emulator::ReduceOr>(mask, value, {"__reduce_or_sync", file, line});
}
inline unsigned __reduce_xor_sync(unsigned mask, unsigned value, EMULATOR_CALLER) {
  return ::emulator::reduce<::emulator::ReduceXor>(mask, value, {"__reduce_xor_sync", file, line});
}
