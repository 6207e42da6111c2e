#include <fulmen/kernels/random.h>
#include <fulmen/tensor/cuda.h>
#include <fulmen/tensor/error.h>
#include <fulmen/tensor/generator.h>

#include <array>
#include <bit>
#include <mutex>

namespace fulmen {

namespace {
constexpr int shift = 397;  // the recurrence's middle word
constexpr size_t extras = 4;

uint32_t twist(uint32_t high, uint32_t low) {
  const uint32_t mixed = (high & 0x80000000u) | (low & 0x7fffffffu);
  return (mixed >> 1) ^ (low & 1u ? 0x9908b0dfu : 0u);
}
}  // namespace

GeneratorImpl::GeneratorImpl(uint64_t seed, Device device) : device_(device) {
  FULMEN_CHECK(device.is_cpu() || device.is_cuda(), "a generator lives on cpu or cuda, not on ", device);
  set_seed(seed);
}

// Knuth's linear generator fills the state, as in the reference code of Matsumoto and Nishimura.
void GeneratorImpl::set_seed(uint64_t seed) {
  seed_ = seed;
  offset_ = 0;
  state_[0] = static_cast<uint32_t>(seed);
  for (uint32_t i = 1; i < words; ++i) state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  position_ = words;
  has_spare_ = false;
}

RandomStream GeneratorImpl::stream() {
  if (device_.is_cpu()) return {state_, &position_, &spare_normal_, &has_spare_, {}};
  uint64_t& used = live_ ? live_words_ : offset_;
  const PhiloxPlace place{seed_, used, live_};
  used += philox_words;
  return {nullptr, nullptr, nullptr, nullptr, place};
}

void GeneratorImpl::set_philox_offset(uint64_t offset) {
  FULMEN_CHECK(device_.is_cuda(), "set_philox_offset: this is a generator of the CPU, which has no offset");
  FULMEN_CHECK(offset % 4 == 0, "set_philox_offset: offset must be a multiple of 4, got ", offset);
  offset_ = offset;
}

uint64_t GeneratorImpl::count_from(const uint64_t* live) {
  live_ = live;
  return std::exchange(live_words_, 0);
}

void GeneratorImpl::refill() {
  for (int i = 0; i < words - shift; ++i) state_[i] = state_[i + shift] ^ twist(state_[i], state_[i + 1]);
  for (int i = words - shift; i < words - 1; ++i) {
    state_[i] = state_[i + shift - words] ^ twist(state_[i], state_[i + 1]);
  }
  state_[words - 1] = state_[shift - 1] ^ twist(state_[words - 1], state_[0]);
  position_ = 0;
}

// CPU: seed, position, whether a normal number waits, that number, then the 624 words. CUDA: seed and offset.
std::vector<uint64_t> GeneratorImpl::state() const {
  if (device_.is_cuda()) return {seed_, offset_};
  std::vector<uint64_t> all = {seed_, static_cast<uint64_t>(position_), has_spare_,
                               std::bit_cast<uint64_t>(has_spare_ ? spare_normal_ : 0.0)};
  all.insert(all.end(), state_, state_ + words);
  return all;
}

void GeneratorImpl::set_state(const std::vector<uint64_t>& all) {
  if (device_.is_cuda()) {
    FULMEN_CHECK(all.size() == 2 && all[1] % 4 == 0,
                 "set_state: a random state of CUDA is a seed and an offset that is a multiple of 4; got ", all.size(),
                 " words");
    seed_ = all[0];
    offset_ = all[1];
    return;
  }
  FULMEN_CHECK(all.size() == extras + words, "set_state: a random state has ", extras + words, " words; got ",
               all.size());
  bool valid = all[1] <= words && all[2] <= 1;
  for (size_t i = extras; i < all.size(); ++i) valid = valid && all[i] <= 0xffffffffu;
  FULMEN_CHECK(valid, "set_state: these words are not a random state (they do not come from state())");
  seed_ = all[0];
  position_ = static_cast<int32_t>(all[1]);
  has_spare_ = all[2] != 0;
  spare_normal_ = std::bit_cast<double>(all[3]);
  for (int i = 0; i < words; ++i) state_[i] = static_cast<uint32_t>(all[extras + static_cast<size_t>(i)]);
}

namespace {

constexpr uint64_t first_seed = 67280421310721ull;

/// The generators of CUDA devices are made when they are asked for; until then only the seed counts.
struct CudaGenerators {
  std::mutex mutex;
  uint64_t seed = first_seed;
  std::array<Generator*, 128> of{};
};
CudaGenerators& cuda_generators() {
  static auto* all = new CudaGenerators;
  return *all;
}

}  // namespace

Generator& default_generator() {
  static auto* generator = new Generator;
  return *generator;
}

Generator& default_generator(Device device) {
  if (device.is_cpu()) return default_generator();
  const Device exact = cuda::exact(device);
  CudaGenerators& all = cuda_generators();
  std::lock_guard lock(all.mutex);
  Generator*& generator = all.of[static_cast<size_t>(exact.index())];
  if (!generator) generator = new Generator(all.seed, exact);
  return *generator;
}

void manual_seed(uint64_t seed) {
  default_generator().set_current_seed(seed);
  cuda::manual_seed_all(seed);
}

void cuda::manual_seed(uint64_t seed) {
  if (is_available()) default_generator(Device(kCUDA)).set_current_seed(seed);
}

void cuda::manual_seed_all(uint64_t seed) {
  CudaGenerators& all = cuda_generators();
  std::lock_guard lock(all.mutex);
  all.seed = seed;
  for (Generator* generator : all.of) {
    if (generator) generator->set_current_seed(seed);
  }
}

}  // namespace fulmen
