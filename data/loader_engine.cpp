#include <fulmen/data/loader_engine.h>
#include <fulmen/data/order.h>
#include <fulmen/tensor/threads.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

namespace fulmen::data {

bool BatchSource::fetch_next(int64_t, void*) { return false; }
void BatchSource::restart() {}
std::optional<int64_t> BatchSource::batches() const { return std::nullopt; }
std::vector<int64_t> BatchSource::state() const { return {}; }
void BatchSource::load_state(std::span<const int64_t>) {}

/// One batch that a worker prepares or has prepared.
struct Slot {
  void* batch = nullptr;
  std::exception_ptr error;
  bool done = false;
};

struct LoaderEngine::Body {
  Body(std::shared_ptr<BatchSource> s, LoaderOptions o) : source(std::move(s)), options(std::move(o)) {}
  ~Body();

  bool has_own_stream() const { return options.generator.has_value(); }
  Generator& stream() { return has_own_stream() ? *options.generator : default_generator(); }
  int64_t batches_of(int64_t samples) const {
    return options.drop_last ? samples / options.batch_size : (samples + options.batch_size - 1) / options.batch_size;
  }
  std::span<const int64_t> samples_of(int64_t batch) const {
    auto first = static_cast<size_t>(batch * options.batch_size);
    return std::span(order).subspan(first, std::min(static_cast<size_t>(options.batch_size), order.size() - first));
  }
  void draw_epoch();
  void make_order();
  void check_order() const;
  void start_workers();
  void cancel_jobs();
  void work();
  void next_from_workers(void* batch);

  const std::shared_ptr<BatchSource> source;
  LoaderOptions options;

  std::vector<int64_t> order;
  uint64_t epoch_seed = 0;  ///< what PyTorch calls the base seed; datasets that draw random numbers use it
  uint64_t order_seed = 0;  ///< seed of the stream that made `order`, unless the loader has a stream of its own
  std::vector<uint64_t> stream_before;  ///< of the loader's own stream, before this epoch drew from it
  int64_t epoch = 0, position = 0, batches = 0;
  bool in_epoch = false;

  // Shared with the workers, under `mutex`. Jobs are the epoch's batches; job j lies in slot j % slots.size().
  std::mutex mutex;
  std::condition_variable job_ready, batch_ready;
  std::vector<Slot> slots;
  std::vector<std::thread> workers;
  int64_t next_job = 0, job_limit = 0;
  int64_t running = 0;
  bool stopping = false;
};

LoaderEngine::Body::~Body() {
  {
    std::lock_guard lock(mutex);
    stopping = true;
  }
  job_ready.notify_all();
  for (std::thread& worker : workers) worker.join();
  for (Slot& slot : slots) source->destroy_batch(slot.batch);
}

// One epoch's draws. In PyTorch's order: the base seed, then either a seed for a stream that makes the permutation, or,
// from a stream of the loader's own, the permutation itself. PyTorch's sampler permutes such a stream a second time
// when it runs out of samples.
void LoaderEngine::Body::draw_epoch() {
  if (has_own_stream()) stream_before = stream()->state();
  epoch_seed = draw_seed(*stream());
  if (!options.shuffle && !options.order) return make_order();
  if (!has_own_stream()) order_seed = draw_seed(*stream());
  make_order();
}

void LoaderEngine::Body::make_order() {
  std::optional<int64_t> samples = source->samples();
  if (!samples) return;
  if (options.order) {
    Generator fresh(order_seed);
    order = options.order(*samples, has_own_stream() ? stream() : fresh);
    check_order();
  } else if (options.shuffle && has_own_stream()) {
    order = random_permutation(*samples, *stream());
    random_permutation(*samples, *stream());
  } else if (options.shuffle) {
    Generator fresh(order_seed);
    order = random_permutation(*samples, *fresh);
  } else if (static_cast<int64_t>(order.size()) != *samples) {
    order.resize(static_cast<size_t>(*samples));
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  }
  batches = batches_of(static_cast<int64_t>(order.size()));
}

void LoaderEngine::Body::check_order() const {
  const int64_t samples = source->samples().value_or(0);
  for (int64_t sample : order) {
    FULMEN_CHECK(sample >= 0 && sample < samples, "DataLoader: options.order gave sample ", sample,
                 "; the dataset has samples 0..", samples - 1);
  }
}

void LoaderEngine::Body::start_workers() {
  if (options.workers == 0 || !workers.empty() || !source->samples()) return;
  slots.resize(static_cast<size_t>(options.workers * options.prefetch));
  for (Slot& slot : slots) slot.batch = source->make_batch();
  for (int64_t i = 0; i < options.workers; ++i) workers.emplace_back([this] { work(); });
}

/// Afterwards no worker touches a slot or `order`, and no batch is left from before.
void LoaderEngine::Body::cancel_jobs() {
  std::unique_lock lock(mutex);
  job_limit = next_job = 0;
  batch_ready.wait(lock, [this] { return running == 0; });
  for (Slot& slot : slots) {
    slot.done = false;
    slot.error = nullptr;
  }
}

void LoaderEngine::Body::work() {
  SingleThreaded kernels_stay_here;
  std::unique_lock lock(mutex);
  while (true) {
    job_ready.wait(lock, [this] { return stopping || next_job < job_limit; });
    if (stopping) return;
    const int64_t job = next_job++;
    Slot& slot = slots[static_cast<size_t>(job) % slots.size()];
    ++running;
    lock.unlock();
    std::exception_ptr error;
    try {
      source->fetch(samples_of(job), epoch_seed, slot.batch);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    slot.error = std::move(error);
    slot.done = true;
    --running;
    batch_ready.notify_all();
  }
}

void LoaderEngine::Body::next_from_workers(void* batch) {
  std::unique_lock lock(mutex);
  Slot& slot = slots[static_cast<size_t>(position) % slots.size()];
  auto allow = [this](int64_t first) {
    job_limit = std::min(batches, first + static_cast<int64_t>(slots.size()));
    job_ready.notify_all();
  };
  if (job_limit == 0) {  // the first batch after begin_epoch or load_state
    next_job = position;
    allow(position);
  }
  batch_ready.wait(lock, [&slot] { return slot.done; });
  slot.done = false;
  std::exception_ptr error = std::exchange(slot.error, nullptr);
  if (!error) source->move_batch(slot.batch, batch);
  ++position;
  allow(position);
  lock.unlock();
  if (error) std::rethrow_exception(error);
}

LoaderEngine::LoaderEngine(std::shared_ptr<BatchSource> source, LoaderOptions options) {
  auto at_least = [](const char* name, int64_t value, int64_t least) {
    if (value < least) {
      throw Error("E016", str("DataLoader: ", name, " is ", value, "; it must be at least ", least),
                  str("set .", name, " to ", least, " or more"));
    }
  };
  at_least("batch_size", options.batch_size, 1);
  at_least("workers", options.workers, 0);
  at_least("prefetch", options.prefetch, 1);
  FULMEN_CHECK(options.workers <= 1024 && options.prefetch <= 1024,
               "DataLoader: more than 1024 workers, or batches ahead per worker: ", options.workers, ", ",
               options.prefetch);
  FULMEN_CHECK(!options.seed || !options.generator, "DataLoader: give either a seed or a generator, not both");
  FULMEN_CHECK(!options.shuffle || !options.order, "DataLoader: give either shuffle or an order, not both");
  FULMEN_CHECK(source->samples() || !(options.shuffle || options.order),
               "DataLoader: a stream cannot be shuffled, because its length is not known; shuffle where it is made");
  if (options.seed) options.generator = Generator(*options.seed);
  body_ = std::make_unique<Body>(std::move(source), std::move(options));
}
LoaderEngine::~LoaderEngine() = default;

const LoaderOptions& LoaderEngine::options() const { return body_->options; }
const std::shared_ptr<BatchSource>& LoaderEngine::source() const { return body_->source; }
int64_t LoaderEngine::epoch() const { return body_->epoch; }
int64_t LoaderEngine::position() const { return body_->position; }

std::optional<int64_t> LoaderEngine::samples() const {
  const Body& b = *body_;
  std::optional<int64_t> samples = b.source->samples();
  if (samples && b.options.order && b.in_epoch) samples = static_cast<int64_t>(b.order.size());
  if (samples && b.options.drop_last) samples = *samples - *samples % b.options.batch_size;
  return samples;
}
std::optional<int64_t> LoaderEngine::size() const {
  std::optional<int64_t> count = samples();
  return count ? std::optional(body_->batches_of(*count)) : body_->source->batches();
}

void LoaderEngine::begin_epoch() {
  Body& b = *body_;
  b.cancel_jobs();
  if (!b.source->batches()) b.draw_epoch();  // else the loaders behind it draw
  if (!b.source->samples()) b.source->restart();
  b.position = 0;
  b.in_epoch = true;
  ++b.epoch;
  b.start_workers();
}

bool LoaderEngine::next(void* batch) {
  Body& b = *body_;
  FULMEN_CHECK(b.in_epoch, "DataLoader: begin_epoch() must come before next()");
  if (!b.source->samples()) {
    if (!b.source->fetch_next(b.options.batch_size, batch)) return false;
    ++b.position;
    return true;
  }
  if (b.position >= b.batches) return false;
  if (b.workers.empty()) {
    b.source->fetch(b.samples_of(b.position++), b.epoch_seed, batch);
  } else {
    b.next_from_workers(batch);
  }
  return true;
}

std::span<const int64_t> LoaderEngine::indices() const {
  const Body& b = *body_;
  if (!b.source->samples() || b.position == 0) return {};
  return b.samples_of(b.position - 1);
}

// version, samples (-1: stream), batch size, drop_last, epoch, position, in epoch, epoch seed, order seed,
// words of the own stream now, words of it before the epoch; each list after its length.
constexpr int64_t state_version = 1;
constexpr size_t state_head = 9;

std::vector<int64_t> LoaderEngine::state() const { return state_at(body_->position); }

std::vector<int64_t> LoaderEngine::state_at(int64_t position) const {
  Body& b = *body_;
  FULMEN_CHECK(position == b.position || b.source->samples(), "DataLoader: a stream cannot go back");
  std::vector<int64_t> words = {state_version,
                                b.source->samples().value_or(-1),
                                b.options.batch_size,
                                b.options.drop_last,
                                b.epoch,
                                position,
                                b.in_epoch,
                                static_cast<int64_t>(b.epoch_seed),
                                static_cast<int64_t>(b.order_seed)};
  auto add = [&words](const std::vector<uint64_t>& list) {
    words.push_back(static_cast<int64_t>(list.size()));
    for (uint64_t word : list) words.push_back(static_cast<int64_t>(word));
  };
  add(b.has_own_stream() ? b.stream()->state() : std::vector<uint64_t>());
  add(b.stream_before);
  const std::vector<int64_t> of_source = b.source->state();
  words.insert(words.end(), of_source.begin(), of_source.end());
  return words;
}

void LoaderEngine::load_state(std::span<const int64_t> state) {
  Body& b = *body_;
  auto check = [](bool holds, const std::string& what) {
    FULMEN_CHECK(holds, "DataLoader: the saved state does not fit: ", what);
  };
  check(state.size() >= state_head + 2 && state[0] == state_version, "it is not one, or of a newer version");
  size_t at = state_head;
  auto read = [&]() {
    check(at < state.size() && state[at] >= 0 && static_cast<size_t>(state[at]) < state.size() - at, "it is cut short");
    auto count = static_cast<size_t>(state[at]);
    std::vector<uint64_t> words(state.begin() + static_cast<long>(at + 1),
                                state.begin() + static_cast<long>(at + 1 + count));
    at += 1 + count;
    return words;
  };
  std::vector<uint64_t> stream_now = read(), stream_before = read();
  const int64_t samples = b.source->samples().value_or(-1), position = state[5];
  const std::span<const int64_t> of_source = state.subspan(at);
  check((of_source.empty() || samples < 0) && state[4] >= 0 && position >= 0, "it is damaged");
  check(state[1] == samples, str("it is of a dataset of ", state[1], " samples, this one has ", samples));
  check(position == 0 || (state[2] == b.options.batch_size && (state[3] != 0) == b.options.drop_last),
        str("its epoch was begun with batch_size ", state[2], " and drop_last ", state[3] != 0, "; now they are ",
            b.options.batch_size, " and ", b.options.drop_last));
  check(stream_now.empty() != b.has_own_stream(), "one of the loaders has a random stream of its own, the other not");
  const bool in_epoch = state[6] != 0;
  check(!in_epoch || stream_before.empty() != b.has_own_stream(), "it is damaged");
  check(samples < 0 || position <= b.batches_of(samples) || b.options.order, "it is damaged");

  if (b.has_own_stream()) {  // a damaged stream must be found before anything is changed
    Generator probe;
    probe->set_state(stream_now);
    if (in_epoch) probe->set_state(stream_before);
  }

  b.cancel_jobs();
  b.epoch = state[4];
  b.in_epoch = in_epoch;
  b.epoch_seed = static_cast<uint64_t>(state[7]);
  b.order_seed = static_cast<uint64_t>(state[8]);
  if (in_epoch && b.has_own_stream()) {
    b.stream()->set_state(stream_before);
    b.draw_epoch();
  } else if (in_epoch) {
    b.make_order();
  }
  if (b.has_own_stream()) b.stream()->set_state(stream_now);
  b.position = position;
  if (!in_epoch) return;
  if (!of_source.empty()) {
    b.source->load_state(of_source);
  } else if (samples < 0) {
    b.source->restart();
    void* skipped = b.source->make_batch();
    for (int64_t i = 0; i < position; ++i) b.source->fetch_next(b.options.batch_size, skipped);
    b.source->destroy_batch(skipped);
  }
  b.start_workers();
}

}  // namespace fulmen::data
