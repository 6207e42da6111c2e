#pragma once
#include <fulmen/tensor/any_function.h>
#include <fulmen/tensor/error.h>
#include <fulmen/tensor/generator.h>

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace fulmen::data {

/// An order of samples for one epoch: `samples` indices (fewer or repeated ones are fine) from a random stream.
using EpochOrder = AnyFunction<std::vector<int64_t>(int64_t samples, Generator& stream)>;

struct LoaderOptions {
  int64_t batch_size = 1;
  /// A new order every epoch: PyTorch's, under the same seed.
  bool shuffle = false;
  /// Threads that prepare batches ahead of time; 0 prepares each batch when it is asked for. The batches and their
  /// order are the same for any number.
  int64_t workers = 0;
  /// Leaves out the last batch of an epoch if it is smaller than the others.
  bool drop_last = false;
  /// Gives the loader a random stream of its own; without it, epochs draw from the default stream, as in PyTorch.
  std::optional<uint64_t> seed{};
  /// The same with a stream that others may share.
  std::optional<Generator> generator{};
  /// Batches that each worker may be ahead.
  int64_t prefetch = 2;
  /// Another order than sequential or shuffled: weighted, bucketed by length, ...
  EpochOrder order{};
};

/// Where batches come from, without their type.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  /// Number of samples; none for a stream.
  virtual std::optional<int64_t> samples() const = 0;
  /// Batches are made here because only the source knows their type.
  virtual void* make_batch() const = 0;
  virtual void destroy_batch(void* batch) const noexcept = 0;
  virtual void move_batch(void* from, void* to) const = 0;
  /// Fills `batch` with these samples; several workers may do so at the same time. `seed` is the epoch's.
  virtual void fetch(std::span<const int64_t> samples, uint64_t seed, void* batch) const = 0;
  /// Streams: the next batch of at most `size` samples, false at the end; and back to the beginning.
  virtual bool fetch_next(int64_t size, void* batch);
  virtual void restart();
  /// Streams that know how many batches they have, and where they stand; without these an engine counts.
  virtual std::optional<int64_t> batches() const;
  virtual std::vector<int64_t> state() const;
  virtual void load_state(std::span<const int64_t> state);
};

/// The part of a data loader that does not depend on the type of its batches: order, workers, position, state.
class LoaderEngine {
 public:
  /// Throws if an option is out of range.
  LoaderEngine(std::shared_ptr<BatchSource> source, LoaderOptions options);
  ~LoaderEngine();
  LoaderEngine(const LoaderEngine&) = delete;

  const LoaderOptions& options() const;
  const std::shared_ptr<BatchSource>& source() const;
  /// Batches per epoch; none for a stream that does not know.
  std::optional<int64_t> size() const;
  /// Samples per epoch, after drop_last; none for a stream.
  std::optional<int64_t> samples() const;

  /// Draws a new order and goes to its first batch; ends an epoch that is under way.
  void begin_epoch();
  /// Moves the next batch into `batch`; false at the end of the epoch. Errors of a worker arrive here, when it is their
  /// batch's turn.
  bool next(void* batch);
  /// The samples of the batch that next() gave last, in the batch's order. Empty for a stream.
  std::span<const int64_t> indices() const;

  /// Epochs begun so far.
  int64_t epoch() const;
  /// Batches given in this epoch.
  int64_t position() const;

  /// Everything that decides which batches follow, as numbers for a checkpoint. After load_state, next() goes on where
  /// the saved loader stood, with the same batches; begin_epoch() begins the epoch after it. The default random stream
  /// is not part of the state. Throws if the state is none, or if the dataset has another size than it had.
  std::vector<int64_t> state() const;
  /// The same as it was when `position` batches of this epoch had been given; not for streams.
  std::vector<int64_t> state_at(int64_t position) const;
  void load_state(std::span<const int64_t> state);

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace fulmen::data
