#include <doctest/doctest.h>
#include <fulmen/data/datasets.h>
#include <fulmen/data/loader.h>
#include <fulmen/data/order.h>

#include <atomic>
#include <numeric>
#include <stdexcept>

using namespace fulmen;
using namespace fulmen::data;

namespace {

using Ints = std::vector<int64_t>;

Tensor numbers(int64_t n, int64_t start = 0) {
  Ints values(static_cast<size_t>(n));
  std::iota(values.begin(), values.end(), start);
  return rows_of(std::span<const int64_t>(values));
}
Ints ints(const Tensor& t) { return {t.data_ptr<int64_t>(), t.data_ptr<int64_t>() + t.numel()}; }

template <class Loader>
std::vector<Ints> epoch(Loader& loader) {
  std::vector<Ints> batches;
  for (Tensor& batch : loader) batches.push_back(ints(batch));
  return batches;
}

struct Squares {
  int64_t size() const { return 50; }
  Example<Tensor, int64_t> get(int64_t i) const { return {numbers(2, i), i * i}; }
};

struct Noisy {
  int64_t size() const { return 20; }
  int64_t get(int64_t i, Generator& stream) const { return i * 1000 + static_cast<int64_t>(stream->random() % 1000); }
};

struct Broken {
  int64_t size() const { return 12; }
  int64_t get(int64_t i) const {
    if (i == 7) throw std::invalid_argument("no such picture");
    return i;
  }
};

struct Counting {
  int64_t n = 0, end = 10;
  bool next(Tensor& batch, int64_t size) {
    if (n >= end) return false;
    batch = numbers(std::min(size, end - n), n);
    n += batch.numel();
    return true;
  }
  void restart() { n = 0; }
};

struct Classic : datasets::Dataset<Classic> {
  Example<> get(size_t index) override {
    FULMEN_CHECK(index != 13, "unlucky");
    ++reads;
    return {numbers(2, static_cast<int64_t>(index)), numbers(1, static_cast<int64_t>(index))};
  }
  std::optional<size_t> size() const override { return 20; }
  int reads = 0;  // not shared between workers, or ThreadSanitizer complains
};

struct Sentence {
  Tensor tokens, length;
  std::vector<std::string> text;
  std::optional<Tensor> label;
};

}  // namespace

TEST_SUITE("data") {
  // Recorded with tests/fixtures/make_loader_orders.py from PyTorch 2.15.
  TEST_CASE("loader: PyTorch's order and draws under the same seed") {
    manual_seed(3);
    DataLoader loader(numbers(10), {.batch_size = 3, .shuffle = true});
    CHECK(epoch(loader) == std::vector<Ints>{{6, 2, 0}, {1, 8, 3}, {5, 4, 7}, {9}});
    CHECK(epoch(loader) == std::vector<Ints>{{3, 4, 0}, {9, 6, 7}, {1, 2, 5}, {8}});

    manual_seed(3);
    DataLoader sequential(numbers(10), {.batch_size = 4});
    CHECK(epoch(sequential) == std::vector<Ints>{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}});
    CHECK(draw_seed(*default_generator()) == 3839649608876091011ull);  // the second draw: one was PyTorch's base seed
  }

  TEST_CASE("loader: PyTorch's order with a generator of its own") {
    DataLoader loader(numbers(10), {.batch_size = 3, .shuffle = true, .seed = 5});
    CHECK(epoch(loader) == std::vector<Ints>{{7, 4, 8}, {1, 2, 3}, {6, 5, 9}, {0}});
    CHECK(epoch(loader) == std::vector<Ints>{{2, 1, 6}, {3, 5, 9}, {4, 7, 8}, {0}});
    Generator shared(5);
    DataLoader other(numbers(10), {.batch_size = 3, .shuffle = true, .generator = shared});
    CHECK(epoch(other) == std::vector<Ints>{{7, 4, 8}, {1, 2, 3}, {6, 5, 9}, {0}});
  }

  TEST_CASE("loader: sizes, drop_last, indices") {
    DataLoader loader(numbers(10), {.batch_size = 4, .drop_last = true});
    CHECK(loader.size() == 2);
    CHECK(loader.samples() == 8);
    CHECK(epoch(loader) == std::vector<Ints>{{0, 1, 2, 3}, {4, 5, 6, 7}});
    DataLoader all = loader.with({.batch_size = 4, .shuffle = true, .seed = 1});
    CHECK(all.size() == 3);
    Tensor batch;
    all.begin_epoch();
    while (all.next(batch)) CHECK(ints(batch) == Ints(all.indices().begin(), all.indices().end()));
    CHECK_FALSE(all.next(batch));
    DataLoader none(numbers(0), {.batch_size = 4, .workers = 1});
    CHECK(none.size() == 0);
    CHECK(epoch(none).empty());
    CHECK_FALSE(DataLoader<>());
    CHECK_THROWS_WITH_AS(DataLoader<>().size(), doctest::Contains("default-constructed"), Error);
    CHECK_THROWS_WITH_AS(DataLoader(numbers(3), {.batch_size = 0}),
                         doctest::Contains("E016: DataLoader: batch_size is 0"), Error);
    CHECK_THROWS_AS(DataLoader(numbers(3), {.workers = -1}), Error);
    DataLoader idle(numbers(3));
    CHECK_THROWS_WITH_AS(idle.next(batch), doctest::Contains("begin_epoch() must come before next()"), Error);
  }

  TEST_CASE("loader: the same batches for any number of workers") {
    std::vector<std::vector<Ints>> seen;
    for (int64_t workers : {0, 1, 4}) {
      DataLoader loader(numbers(1003), {.batch_size = 10, .shuffle = true, .workers = workers, .seed = 9});
      std::vector<Ints> both = epoch(loader);
      for (const Ints& batch : epoch(loader)) both.push_back(batch);
      CHECK(both.size() == 202);
      seen.push_back(both);
    }
    CHECK(seen[0] == seen[1]);
    CHECK(seen[0] == seen[2]);
  }

  TEST_CASE("loader: samples one by one, with workers, numbers collated") {
    for (int64_t workers : {0, 3}) {
      DataLoader loader(Squares(), {.batch_size = 8, .workers = workers});
      static_assert(std::same_as<decltype(loader), DataLoader<Example<>>>);
      int64_t next = 0;
      for (Example<>& batch : loader) {
        CHECK(batch.data.size(1) == 2);
        for (int64_t i = 0; i < batch.data.size(0); ++i, ++next) {
          CHECK(batch.data.data_ptr<int64_t>()[2 * i] == next);
          CHECK(batch.target.data_ptr<int64_t>()[i] == next * next);
        }
      }
      CHECK(next == 50);
    }
  }

  TEST_CASE("loader: random numbers belong to the sample, not to the worker") {
    std::vector<Ints> first, second;
    for (int64_t workers : {0, 4}) {
      DataLoader loader(Noisy(), {.batch_size = 3, .workers = workers, .seed = 4});
      std::vector<Ints> a = epoch(loader), b = epoch(loader);
      CHECK(a != b);
      if (first.empty()) {
        first = a;
        second = b;
      }
      CHECK(a == first);
      CHECK(b == second);
    }
  }

  TEST_CASE("loader: an error of a worker arrives at its batch and names the sample") {
    for (int64_t workers : {0, 1, 4}) {
      DataLoader loader(Broken(), {.batch_size = 2, .workers = workers});
      Tensor batch;
      loader.begin_epoch();
      for (int i = 0; i < 3; ++i) CHECK(loader.next(batch));
      CHECK_THROWS_WITH_AS(loader.next(batch), "dataset: sample 7: no such picture", Error);
      CHECK(loader.next(batch));  // a caller may go on after the broken batch
      CHECK(ints(batch) == Ints{8, 9});
      loader.begin_epoch();
      try {
        while (loader.next(batch)) {
        }
        FAIL("no error");
      } catch (const std::exception& error) {
        CHECK_THROWS_AS(std::rethrow_if_nested(error), std::invalid_argument);
      }
    }
  }

  TEST_CASE("loader: may be left at any time with workers running") {
    for (int stop = 0; stop < 8; ++stop) {
      DataLoader loader(Squares(), {.batch_size = 4, .workers = 3, .prefetch = 3});
      Example<> batch;
      if (stop > 0) loader.begin_epoch();
      for (int i = 0; i < stop; ++i) loader.next(batch);
      if (stop % 2) {
        loader.begin_epoch();
        CHECK(loader.next(batch));
        CHECK(batch.target.data_ptr<int64_t>()[3] == 9);
      }
    }
  }

  TEST_CASE("loader: resumes exactly at any position, with any number of workers") {
    for (bool own_stream : {false, true}) {
      auto options = [&](int64_t workers) {
        LoaderOptions o{.batch_size = 3, .shuffle = true, .workers = workers};
        if (own_stream) o.seed = 11;
        return o;
      };
      for (int64_t position = 0; position <= 7; ++position) {
        manual_seed(8);
        DataLoader loader(numbers(20), options(position % 2 ? 2 : 0));
        epoch(loader);
        Tensor batch;
        loader.begin_epoch();
        for (int64_t i = 0; i < position; ++i) loader.next(batch);
        Ints saved = loader.state();
        std::vector<uint64_t> stream = default_generator()->state();
        std::vector<Ints> rest, resumed;
        while (loader.next(batch)) rest.push_back(ints(batch));
        for (const Ints& b : epoch(loader)) rest.push_back(b);

        manual_seed(99);
        DataLoader again(numbers(20), options(position % 2 ? 0 : 3));
        default_generator()->set_state(stream);
        again.load_state(saved);
        CHECK(again.engine().position() == position);
        CHECK(again.engine().epoch() == 2);
        while (again.next(batch)) resumed.push_back(ints(batch));
        for (const Ints& b : epoch(again)) resumed.push_back(b);
        CHECK(resumed == rest);
      }
    }
  }

  TEST_CASE("loader: a state that does not fit is refused") {
    DataLoader loader(numbers(20), {.batch_size = 3, .seed = 1});
    Tensor batch;
    loader.begin_epoch();
    loader.next(batch);
    Ints saved = loader.state();
    DataLoader smaller(numbers(19), {.batch_size = 3, .seed = 1});
    CHECK_THROWS_WITH_AS(smaller.load_state(saved),
                         doctest::Contains("it is of a dataset of 20 samples, this one has 19"), Error);
    DataLoader other(numbers(20), {.batch_size = 4, .seed = 1});
    CHECK_THROWS_WITH_AS(other.load_state(saved), doctest::Contains("begun with batch_size 3"), Error);
    DataLoader streamless(numbers(20), {.batch_size = 3});
    CHECK_THROWS_AS(streamless.load_state(saved), Error);
    for (size_t cut = 0; cut < saved.size(); cut += 13) {
      CHECK_THROWS_AS(loader.load_state(std::span(saved).first(cut)), Error);
    }
    CHECK(loader.next(batch));
    CHECK(ints(batch) == Ints{3, 4, 5});
  }

  TEST_CASE("loader: streams") {
    DataLoader<Tensor> loader(Counting(), {.batch_size = 4});
    CHECK_FALSE(loader.size());
    CHECK(epoch(loader) == std::vector<Ints>{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}});
    CHECK(epoch(loader).size() == 3);
    Tensor batch;
    loader.begin_epoch();
    loader.next(batch);
    Ints saved = loader.state();
    DataLoader<Tensor> again(Counting(), {.batch_size = 4});
    again.load_state(saved);
    CHECK(again.next(batch));
    CHECK(ints(batch) == Ints{4, 5, 6, 7});
    CHECK_THROWS_WITH_AS(DataLoader<Tensor>(Counting(), {.shuffle = true}),
                         doctest::Contains("a stream cannot be shuffled"), Error);
  }

  TEST_CASE("loader: LibTorch's datasets, with workers") {
    for (int64_t workers : {0, 3}) {
      DataLoader raw(Classic(), {.batch_size = 4, .workers = workers});
      static_assert(std::same_as<decltype(raw), DataLoader<Example<>>>);
      DataLoader stacked(Classic().map(transforms::Stack<>()), {.batch_size = 4, .workers = workers});
      static_assert(std::same_as<decltype(stacked), DataLoader<Example<>>>);
      for (auto* loader : {&raw, &stacked}) {
        Example<> batch;
        loader->begin_epoch();
        for (int64_t i = 0; i < 3; ++i) {
          CHECK(loader->next(batch));
          CHECK(batch.data.sizes() == IntArrayRef({4, 2}));
          CHECK(batch.target.data_ptr<int64_t>()[3] == 4 * i + 3);
        }
        CHECK_THROWS_WITH_AS(loader->next(batch), doctest::Contains("samples 12, ..., 15 of the dataset"), Error);
        CHECK(loader->next(batch));
        CHECK_FALSE(loader->next(batch));
      }
    }
  }

  TEST_CASE("loader: an order of the user's own") {
    auto evens = [](int64_t n, Generator&) {
      Ints order;
      for (int64_t i = 0; i < n; i += 2) order.push_back(i);
      return order;
    };
    DataLoader loader(numbers(9), {.batch_size = 2, .order = evens});
    CHECK(epoch(loader) == std::vector<Ints>{{0, 2}, {4, 6}, {8}});
    CHECK(loader.size() == 3);
    DataLoader wrong(numbers(9), {.order = [](int64_t n, Generator&) { return Ints{n}; }});
    CHECK_THROWS_WITH_AS(wrong.begin_epoch(), doctest::Contains("options.order gave sample 9"), Error);
  }

  TEST_CASE("batch: any aggregate of tensors") {
    Sentence all{numbers(6).view({3, 2}), numbers(3), {"a", "b", "c"}, numbers(3, 10)};
    CHECK(batch_size(all) == 3);
    DataLoader loader(all, {.batch_size = 2});
    std::vector<std::string> texts;
    for (Sentence& batch : loader) {
      for (const std::string& t : batch.text) texts.push_back(t);
      CHECK(batch.label->numel() == batch.tokens.size(0));
    }
    CHECK(texts == std::vector<std::string>{"a", "b", "c"});
    std::vector<std::string> names;
    for_each_tensor(all, [&](const std::string& name, Tensor&) { names.push_back(name); });
    CHECK(names == std::vector<std::string>{"member 0", "member 1", "member 3"});

    Dict dict{{"x", numbers(4)}, {"y", numbers(4, 5)}};
    DataLoader dicts(dict, {.batch_size = 4});
    for (Dict& batch : dicts) CHECK(ints(batch.at("y")) == Ints{5, 6, 7, 8});
    DataLoader pairs(std::pair<Tensor, Tensor>(numbers(2), numbers(2, 2)), {.batch_size = 2});
    for (auto& [a, b] : pairs) CHECK(ints(b) == Ints{2, 3});
    CHECK_THROWS_WITH_AS(dict.at("z"), doctest::Contains("there is no 'z'; it holds 'x', 'y'"), Error);
    CHECK_THROWS_AS((Dict{{"x", Tensor()}, {"x", Tensor()}}), Error);
  }

  TEST_CASE("batch: members of different sizes are named") {
    CHECK_THROWS_WITH_AS(
        DataLoader(Example<>(numbers(64), numbers(63))),
        doctest::Contains(
            "E010: batch: all members must hold the same number of samples, size(0); data has 64, target has 63"),
        Error);
    CHECK_THROWS_WITH_AS(DataLoader(Dict{{"x", numbers(2)}, {"labels", numbers(3)}}),
                         doctest::Contains("x has 2, labels has 3"), Error);
  }

  TEST_CASE("batch: collating and joining") {
    std::vector<Tensor> samples = {numbers(2), numbers(3)};
    Tensor out;
    CHECK_THROWS_WITH_AS(collate(std::span<const Tensor>(samples), out), doctest::Contains("cannot stack samples"),
                         Error);
    CHECK_THROWS_AS(collate(std::span<const Tensor>(), out), Error);
    CHECK(ints(join_batches(std::span<const Tensor>(samples))) == Ints{0, 1, 0, 1, 2});
    std::vector<Sentence> parts(2, Sentence{numbers(2).view({1, 2}), numbers(1), {"t"}, std::nullopt});
    Sentence joined = join_batches(std::span<const Sentence>(parts));
    CHECK(joined.tokens.size(0) == 2);
    CHECK(joined.text.size() == 2);
    CHECK_FALSE(joined.label.has_value());
    parts[1].label = numbers(1);
    CHECK_THROWS_WITH_AS(join_batches(std::span<const Sentence>(parts)), doctest::Contains("1 of 2 samples lack"),
                         Error);
    const int64_t bad[] = {2};
    CHECK_THROWS_AS(gather_rows(numbers(2), bad), IndexError);
    // Rows of a transposed tensor go through index_select.
    const int64_t rows[] = {1, 0};
    CHECK(ints(gather_rows(numbers(6).view({3, 2}).t(), rows).contiguous()) == Ints{1, 3, 5, 0, 2, 4});
  }
}
