#include <doctest/doctest.h>
#include <fulmen/data/data_loader.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <string>
#include <thread>

using namespace fulmen;
using namespace fulmen::data;

namespace {

using Indices = std::vector<size_t>;

struct Counter : datasets::Dataset<Counter, int> {
  explicit Counter(size_t count = 100) : count(count) {}
  int get(size_t index) override { return 1 + static_cast<int>(index); }
  std::optional<size_t> size() const override { return count; }
  size_t count;
};

struct Pairs : datasets::Dataset<Pairs> {
  Example<> get(size_t index) override {
    const double i = static_cast<double>(index);
    const std::vector<double> x = {i, i + 1}, y = {-i};
    return {rows_of(std::span<const double>(x), kFloat), rows_of(std::span<const double>(y), kFloat)};
  }
  std::optional<size_t> size() const override { return 10; }
};

struct Unsized : datasets::Dataset<Unsized> {
  Example<> get(size_t) override { return {}; }
  std::optional<size_t> size() const override { return std::nullopt; }
};

struct Stream : datasets::StreamDataset<Stream, std::vector<int>> {
  std::vector<int> get_batch(size_t size) override {
    std::vector<int> batch(size);
    for (int& i : batch) i = next++;
    return batch;
  }
  std::optional<size_t> size() const override { return std::nullopt; }
  int next = 0;
};

struct Ending : datasets::StatefulDataset<Ending, int> {
  std::optional<int> get_batch(size_t) override {
    const int now = given.fetch_add(1);
    return now < 10 ? std::optional(now) : std::nullopt;
  }
  std::optional<size_t> size() const override { return 100; }
  void reset() override { given = 0; }
  Ending() = default;
  Ending(Ending&& other) noexcept : given(other.given.load()) {}
  std::atomic<int> given{0};
};

struct NoCopies : datasets::Dataset<NoCopies, int> {
  explicit NoCopies(int start) : start(start) {}
  NoCopies(NoCopies&&) = default;
  int get(size_t index) override { return start + static_cast<int>(index); }
  std::optional<size_t> size() const override { return 20; }
  int start;
};

/// Later samples are ready earlier.
struct Backwards : datasets::BatchDataset<Backwards, size_t> {
  size_t get_batch(ArrayRef<size_t> indices) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(8 - indices.front()));
    return indices.front();
  }
  std::optional<size_t> size() const override { return 8; }
};

struct Failing : datasets::Dataset<Failing, int> {
  int get(size_t index) override {
    if (index == 3) throw std::invalid_argument("badness");
    return static_cast<int>(index);
  }
  std::optional<size_t> size() const override { return 6; }
};

struct Slow : datasets::Dataset<Slow, int> {
  int get(size_t) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    return 0;
  }
  std::optional<size_t> size() const override { return 2; }
};

struct Window : samplers::CustomBatchRequest {
  explicit Window(size_t first) : first(first) {}
  size_t size() const override { return 2; }
  size_t first;
};
struct Windows : datasets::BatchDataset<Windows, size_t, Window> {
  size_t get_batch(Window request) override { return 10 * request.first; }
  std::optional<size_t> size() const override { return 3; }
};
struct WindowSampler : samplers::Sampler<Window> {
  void reset(std::optional<size_t>) override { next_ = 0; }
  std::optional<Window> next(size_t) override { return next_ < 3 ? std::optional(Window(next_++)) : std::nullopt; }
  size_t next_ = 0;
};

template <class Loader>
auto all_of(Loader& loader) {
  std::vector<typename Loader::BatchType> batches;
  for (auto& batch : loader) batches.push_back(batch);
  return batches;
}

std::vector<size_t> sorted_shares(bool random, bool duplicates, size_t batch_size) {
  std::vector<size_t> all;
  for (size_t rank = 0; rank < 3; ++rank) {
    std::unique_ptr<samplers::DistributedSampler> s;
    if (random) {
      s = std::make_unique<samplers::DistributedRandomSampler>(10, 3, rank, duplicates);
    } else {
      s = std::make_unique<samplers::DistributedSequentialSampler>(10, 3, rank, duplicates);
    }
    s->reset();
    while (auto batch = s->next(batch_size)) all.insert(all.end(), batch->begin(), batch->end());
  }
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

TEST_SUITE("data") {
  TEST_CASE("samplers: sequential and stream") {
    samplers::SequentialSampler s(5);
    CHECK(*s.next(3) == Indices{0, 1, 2});
    CHECK(*s.next(100) == Indices{3, 4});
    CHECK_FALSE(s.next(2));
    s.reset(2);
    CHECK(*s.next(1) == Indices{0});
    samplers::SequentialSampler t(9);
    t.load_state(s.state());
    CHECK(t.index() == 1);
    CHECK(*t.next(5) == Indices{1});
    CHECK_THROWS_AS(t.load_state({1, 2}), Error);
    samplers::StreamSampler stream(12);
    CHECK(*stream.next(10) == 10);
    CHECK(*stream.next(10) == 2);
    CHECK_FALSE(stream.next(1));
    stream.reset();
    CHECK(stream.next(5)->size() == 5);
  }

  // Recorded with tests/fixtures/make_loader_orders.py from PyTorch 2.15.
  TEST_CASE("samplers: the random order is LibTorch's") {
    manual_seed(7);
    samplers::RandomSampler s(12);
    CHECK(*s.next(12) == Indices{3, 4, 0, 5, 7, 9, 11, 6, 8, 1, 10, 2});
    s.reset();
    CHECK(*s.next(5) == Indices{7, 6, 9, 5, 1});
    samplers::RandomSampler t(3);
    t.load_state(s.state());
    CHECK(t.index() == 5);
    CHECK(*t.next(100) == Indices{3, 10, 4, 0, 2, 8, 11});
    CHECK_FALSE(t.next(1));
    t.reset(4);
    CHECK(t.next(100)->size() == 4);
    CHECK_THROWS_AS(t.load_state({0, 5, 1}), Error);
    CHECK_THROWS_AS(t.load_state({}), Error);
  }

  TEST_CASE("samplers: shares of several processes") {
    for (bool random : {false, true}) {
      for (size_t batch_size : {1u, 2u, 3u}) {
        CHECK(sorted_shares(random, true, batch_size) == Indices{0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9});
        CHECK(sorted_shares(random, false, batch_size) == Indices{0, 1, 2, 3, 4, 5, 6, 7, 8});
      }
    }
    samplers::DistributedRandomSampler a(10), b(10);
    a.set_epoch(1);
    a.reset();
    CHECK(*a.next(10) != *b.next(10));
    b.load_state(a.state());
    CHECK(b.epoch() == 1);
    CHECK(b.index() == 10);
    CHECK_THROWS_AS(samplers::DistributedRandomSampler(10, 2, 2), Error);
  }

  TEST_CASE("datasets: get_batch, map, stack") {
    Counter d;
    const Indices first = {0, 1, 4};
    CHECK(d.get_batch(first) == std::vector<int>{1, 2, 5});
    auto words = d.map(transforms::Lambda<int, std::string>([](int i) { return std::to_string(i); }));
    CHECK(words.get_batch(first) == std::vector<std::string>{"1", "2", "5"});
    CHECK(words.size() == 100);
    auto sum = Counter().map(
        transforms::Collate<int>([](std::vector<int> v) { return std::accumulate(v.begin(), v.end(), 0); }));
    CHECK(sum.get_batch(first) == 8);
    auto stacked = Pairs().map(transforms::Stack<>());
    Example<> batch = stacked.get_batch(first);
    CHECK(batch.data.sizes() == IntArrayRef({3, 2}));
    CHECK(batch.data.data_ptr<float>()[5] == 5);
    CHECK(batch.target.data_ptr<float>()[2] == -4);
    auto doubled =
        Pairs().map(transforms::TensorLambda<>([](Tensor t) { return t.add(t); })).map(transforms::Stack<>());
    CHECK(doubled.get_batch(first).data.data_ptr<float>()[5] == 10);
    datasets::TensorDataset rows(batch.data);
    TensorExample one = rows.get(1);
    CHECK(one.data.sizes() == IntArrayRef({2}));
    TensorExample both = datasets::TensorDataset(std::vector<Tensor>{one, one})
                             .map(transforms::Stack<TensorExample>())
                             .get_batch({1, 0});
    CHECK(both.data.sizes() == IntArrayRef({2, 2}));
    Tensor normal = transforms::Normalize<>({0.5, 1}, {0.1, 2})(batch.data.view({1, 1, 6}).repeat({2, 1, 1}));
    CHECK(normal.data_ptr<float>()[1] == doctest::Approx(5));
    CHECK(normal.data_ptr<float>()[6 + 5] == doctest::Approx(2));
  }

  TEST_CASE("data_loader: batch sizes, drop_last, options") {
    auto loader = make_data_loader(Counter(), 33);
    CHECK(loader->options().batch_size == 33);
    std::vector<size_t> sizes;
    for (auto& batch : *loader) sizes.push_back(batch.size());
    CHECK(sizes == Indices{33, 33, 33, 1});
    CHECK(all_of(*make_data_loader(Counter(), DataLoaderOptions(33).drop_last(true))).size() == 3);
    FullDataLoaderOptions full(DataLoaderOptions(32).workers(10));
    CHECK(full.max_jobs == 20);
    CHECK_FALSE(full.timeout.has_value());
    CHECK(full.enforce_ordering);
    CHECK_THROWS_WITH_AS(make_data_loader(Unsized()),
                         "Expected the dataset to be sized in order to construct the Sampler", Error);
  }

  TEST_CASE("data_loader: iterators") {
    auto loader = make_data_loader<samplers::SequentialSampler>(Counter(4), 2);
    auto i = loader->begin(), j = i;
    CHECK(i == j);
    CHECK(loader->end() == loader->end());
    CHECK(*i == std::vector<int>{1, 2});
    CHECK(*i == std::vector<int>{1, 2});
    CHECK(i != loader->end());
    CHECK(*++j == std::vector<int>{3, 4});
    CHECK(i->front() == 3);  // copies share their position
    ++i;
    CHECK(i == loader->end());
    CHECK(j == loader->end());
    CHECK_THROWS_WITH_AS(++i, "Attempted to increment iterator past the end", Error);
    CHECK_THROWS_WITH_AS(*i, "Attempted to dereference iterator that was past the end", Error);
    auto end = loader->end();
    CHECK_THROWS_WITH_AS(++end, "Incrementing the DataLoader's past-the-end iterator is not allowed", Error);
    CHECK_THROWS_WITH_AS(*end, "Dereferencing the DataLoader's past-the-end iterator is not allowed", Error);
    CHECK(std::distance(loader->begin(), loader->end()) == 2);
    CHECK(loader->begin() != loader->begin());
  }

  TEST_CASE("data_loader: with workers the order is the sampler's") {
    auto ordered = make_data_loader(Backwards(), samplers::SequentialSampler(8), DataLoaderOptions(1).workers(4));
    CHECK(all_of(*ordered) == Indices{0, 1, 2, 3, 4, 5, 6, 7});
    CHECK(all_of(*ordered) == Indices{0, 1, 2, 3, 4, 5, 6, 7});
    auto free = make_data_loader(Backwards(), samplers::SequentialSampler(8),
                                 DataLoaderOptions(1).workers(4).enforce_ordering(false));
    Indices seen = all_of(*free);
    std::sort(seen.begin(), seen.end());
    CHECK(seen == Indices{0, 1, 2, 3, 4, 5, 6, 7});
    auto busy = make_data_loader(Counter(), DataLoaderOptions(1).workers(2));
    auto i = busy->begin();
    CHECK_THROWS_WITH_AS(
        busy->begin(), "Attempted to get a new DataLoader iterator while another iterator is not yet exhausted", Error);
  }

  TEST_CASE("data_loader: exceptions of workers") {
    auto loader = make_data_loader<samplers::SequentialSampler>(Failing(), DataLoaderOptions(2).workers(2));
    auto i = loader->begin();
    CHECK(*i == std::vector<int>{0, 1});
    try {
      ++i;
      FAIL("no exception");
    } catch (const WorkerException& e) {
      CHECK(e.what() == std::string("Caught exception in DataLoader worker thread. Original message: badness"));
      CHECK_THROWS_AS(std::rethrow_exception(e.original_exception), std::invalid_argument);
    }
  }

  TEST_CASE("data_loader: a worker that is too slow") {
    auto loader = make_data_loader(Slow(), DataLoaderOptions().workers(1).timeout(std::chrono::milliseconds(10)));
    CHECK_THROWS_WITH_AS(*loader->begin(),
                         "Timeout in DataLoader queue while waiting for next batch (timeout was 10 ms)", Error);
  }

  TEST_CASE("data_loader: streams, stateful and shared datasets, requests of their own") {
    auto stream = make_data_loader(Stream().map(transforms::Lambda<int>([](int x) { return x + 1; })),
                                   samplers::StreamSampler(39), 13);
    int expected = 0;
    for (auto& batch : *stream) {
      CHECK(batch.size() == 13);
      for (int value : batch) CHECK(value == ++expected);
    }
    CHECK(expected == 39);

    auto alone = make_data_loader(Ending());
    for (int epoch = 0; epoch < 3; ++epoch) CHECK(std::distance(alone->begin(), alone->end()) == 10);
    auto together = make_data_loader(datasets::make_shared_dataset<Ending>(), DataLoaderOptions().workers(4));
    for (int epoch = 0; epoch < 3; ++epoch) CHECK(std::distance(together->begin(), together->end()) == 10);
    auto mapped = make_data_loader(
        Ending().map(transforms::BatchLambda<int, std::string>([](int x) { return std::to_string(x); })),
        DataLoaderOptions{});
    CHECK(all_of(*mapped).back() == "9");

    auto shared = make_data_loader(datasets::make_shared_dataset<NoCopies>(5), DataLoaderOptions(1).workers(3));
    CHECK(all_of(*shared).size() == 20);
    CHECK(all_of(*make_data_loader(NoCopies(5), DataLoaderOptions(10))).size() == 2);
    CHECK_THROWS_WITH_AS(make_data_loader(NoCopies(5), DataLoaderOptions().workers(1)),
                         doctest::Contains("wrap it with make_shared_dataset"), Error);

    CHECK(all_of(*make_data_loader(Windows(), WindowSampler(), 2)) == Indices{0, 10, 20});
  }

  TEST_CASE("data_loader: queues between threads") {
    data::detail::Queue<int> queue;
    queue.push(1);
    queue.push(2);
    CHECK(queue.pop() == 1);
    CHECK(queue.clear() == 1);
    CHECK_THROWS_WITH_AS(queue.pop(std::chrono::milliseconds(5)), doctest::Contains("(timeout was 5 ms)"), Error);
    std::thread later([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      queue.push(123);
    });
    CHECK(queue.pop() == 123);
    later.join();
    data::detail::DataShuttle<int, int> shuttle;
    CHECK_FALSE(shuttle.pop_result());
    shuttle.push_job(1);
    CHECK(shuttle.pop_job() == 1);
    shuttle.push_result(5);
    CHECK(shuttle.pop_result() == 5);
    shuttle.push_job(1);
    CHECK_THROWS_AS(shuttle.pop_result(std::chrono::milliseconds(1)), Error);
    shuttle.push_result(2);
    shuttle.drain();
    CHECK_FALSE(shuttle.pop_result());
  }
}
