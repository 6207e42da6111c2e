#pragma once
#include <fulmen/tensor/device.h>
#include <fulmen/tensor/ref_count.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace fulmen {

struct RandomStream;

/// A stream of random numbers. On the CPU PyTorch's own, bit for bit: a 32-bit Mersenne Twister (mt19937, Matsumoto and
/// Nishimura 1998) and the second value of a Box-Muller pair that waits for the next draw. On CUDA counter-based
/// (Philox4x32-10): a seed and an offset, which grows with every random op. Not thread-safe: one user at a time.
class GeneratorImpl {
 public:
  static constexpr int words = 624;
  explicit GeneratorImpl(uint64_t seed = 67280421310721ull, Device device = kCPU);
  void set_seed(uint64_t seed);
  uint64_t seed() const { return seed_; }
  Device device() const { return device_; }
  /// CUDA: how many 32-bit words of every subsequence have been used, a multiple of 4.
  uint64_t philox_offset() const { return offset_; }
  void set_philox_offset(uint64_t offset);
  uint32_t random() {
    if (position_ >= words) refill();
    uint32_t y = state_[position_++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
  }
  /// (first draw << 32) | second draw.
  uint64_t random64() {
    uint64_t high = random();
    return (high << 32) | random();
  }
  /// The state as kernels take it (kernels/random.h); borrowed. On CUDA every call gives the next part of the stream.
  RandomStream stream();
  /// While a CUDA graph is captured: `live` = {seed, offset} in device memory, which replays write; parts of the stream
  /// are counted from 0. Null ends it. Returns how many words the captured launches used.
  uint64_t count_from(const uint64_t* live);

  /// The whole state as words, for checkpoints; set_state takes what state() gave and throws on anything else.
  std::vector<uint64_t> state() const;
  void set_state(const std::vector<uint64_t>& words_and_extras);

 private:
  friend class Generator;
  void refill();
  AtomicCounter refs_{1};
  uint64_t seed_ = 0;
  uint32_t state_[words];
  int32_t position_ = words;
  bool has_spare_ = false;
  double spare_normal_ = 0;
  Device device_;
  uint64_t offset_ = 0;
  const uint64_t* live_ = nullptr;
  uint64_t live_words_ = 0;
};

/// Shared handle on a random stream.
class Generator {
 public:
  explicit Generator(uint64_t seed = 67280421310721ull, Device device = kCPU)
      : impl_(new GeneratorImpl(seed, device)) {}
  Generator(const Generator& other) noexcept : impl_(other.impl_) { impl_->refs_.increment(); }
  Generator& operator=(Generator other) noexcept {
    std::swap(impl_, other.impl_);
    return *this;
  }
  ~Generator() {
    if (impl_->refs_.decrement()) delete impl_;
  }
  void set_current_seed(uint64_t seed) { impl_->set_seed(seed); }
  uint64_t current_seed() const { return impl_->seed(); }
  Device device() const { return impl_->device(); }
  GeneratorImpl* operator->() const { return impl_; }
  GeneratorImpl& operator*() const { return *impl_; }

 private:
  GeneratorImpl* impl_;
};

/// The stream used when no generator is given, one per device.
Generator& default_generator();
Generator& default_generator(Device device);
/// Seeds the default stream of every device.
void manual_seed(uint64_t seed);

}  // namespace fulmen
