#include <fulmen/data/loader.h>

namespace fulmen::data::detail {

namespace {
[[noreturn]] void rethrow_with(const std::string& where) {
  try {
    throw;
  } catch (Error& error) {
    error.add_context(where + " of the dataset");
    throw;
  } catch (const std::exception& error) {
    std::throw_with_nested(Error(str("dataset: ", where, ": ", error.what())));
  } catch (...) {
    std::throw_with_nested(Error(str("dataset: ", where, ": an exception that is no std::exception")));
  }
}
}  // namespace

void rethrow_for_sample(int64_t sample) { rethrow_with(str("sample ", sample)); }
void rethrow_for_samples(std::span<const int64_t> samples) {
  if (samples.size() == 1) rethrow_for_sample(samples[0]);
  rethrow_with(str("samples ", samples.front(), ", ..., ", samples.back()));
}

// splitmix64 (Steele, Lea, Flood 2014) over both numbers: neighbouring samples get unrelated streams.
uint64_t sample_seed(uint64_t epoch_seed, int64_t sample) {
  uint64_t z = epoch_seed + 0x9e3779b97f4a7c15ull * (static_cast<uint64_t>(sample) + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

}  // namespace fulmen::data::detail
